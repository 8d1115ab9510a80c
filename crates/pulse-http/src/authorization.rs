//! Credentials as a header value that cannot leak through a debug print.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt;

/// The value of an `Authorization` header field. `Debug` shows the scheme only.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(String);

impl Authorization {
    /// `Basic` authentication (RFC 7617); user and password are sent as UTF-8. The user must not contain a colon,
    /// which the receiver would take for the end of the name.
    pub fn basic(user: &str, password: &str) -> Self {
        Self(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
    }

    /// `Bearer` token (RFC 6750), sent as it is.
    pub fn bearer(token: &str) -> Self {
        Self(format!("Bearer {token}"))
    }

    /// The secret itself, to be written into a request.
    pub fn value(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.split(' ').next().unwrap_or_default();
        write!(f, "Authorization({scheme} ***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_right_and_masked() {
        let basic = Authorization::basic("Aladdin", "open sesame");
        assert_eq!(basic.value(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{basic:?}"), "Authorization(Basic ***)");
        let bearer = Authorization::bearer("s3cret");
        assert_eq!(bearer.value(), "Bearer s3cret");
        assert_eq!(format!("{bearer:?}"), "Authorization(Bearer ***)");
    }
}
