//! What is said about TLS besides whom to trust.

use std::fmt;
use std::str::FromStr;

use super::ConnectionError;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl FromStr for TlsVersion {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        match text {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            _ => Err(ConnectionError::TlsVersion(text.to_owned())),
        }
    }
}

/// A private key in PEM. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKey(pub Vec<u8>);

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey(***)")
    }
}

/// What is said about TLS, in `[service.tls]` or by flags; what is `None` is left to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The lowest version that is offered; 1.2 by default.
    pub min_version: Option<TlsVersion>,
    /// The highest version that is offered; 1.3 by default.
    pub max_version: Option<TlsVersion>,
    /// The client's certificate and those of its authorities, and its key if that stands in the same file: PEM.
    pub client_certificate: Option<ClientKey>,
    /// The key of the client's certificate where it stands in a file of its own: PEM.
    pub client_key: Option<ClientKey>,
    /// The name that is sent to the service (SNI) and that its certificate must hold; the URL's host by default.
    pub server_name: Option<String>,
    /// Whether connections may resume sessions of earlier ones; `false` by default.
    pub resumption: Option<bool>,
    /// Whether the secrets of connections go to the file that `SSLKEYLOGFILE` names.
    pub key_log: Option<bool>,
}

impl TlsSettings {
    /// These settings, completed by those of `base`.
    #[must_use]
    pub fn merged_over(&self, base: &Self) -> Self {
        // A certificate and its key belong together.
        let identity =
            if self.client_certificate.is_some() || self.client_key.is_some() { self } else { base };
        Self {
            min_version: self.min_version.or(base.min_version),
            max_version: self.max_version.or(base.max_version),
            client_certificate: identity.client_certificate.clone(),
            client_key: identity.client_key.clone(),
            server_name: self.server_name.clone().or_else(|| base.server_name.clone()),
            resumption: self.resumption.or(base.resumption),
            key_log: self.key_log.or(base.key_log),
        }
    }

    /// Whether the settings contradict each other.
    pub(crate) fn check(&self) -> Result<(), ConnectionError> {
        if (self.min_version, self.max_version) == (Some(TlsVersion::V1_3), Some(TlsVersion::V1_2)) {
            return Err(ConnectionError::NoTlsVersion);
        }
        if self.client_key.is_some() && self.client_certificate.is_none() {
            return Err(ConnectionError::KeyWithoutCertificate);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_contradict_each_other() {
        let key = |text: &str| Some(ClientKey(text.into()));
        let versions =
            |min_version, max_version| TlsSettings { min_version, max_version, ..TlsSettings::default() };
        let (v12, v13) = (Some(TlsVersion::V1_2), Some(TlsVersion::V1_3));
        assert_eq!(versions(v13, v12).check(), Err(ConnectionError::NoTlsVersion));
        assert_eq!((versions(v13, None).check(), versions(None, v12).check()), (Ok(()), Ok(())));
        let alone = TlsSettings { client_key: key("k"), ..TlsSettings::default() };
        assert_eq!(alone.check(), Err(ConnectionError::KeyWithoutCertificate));
        // A key is never put together with another's certificate.
        let base =
            TlsSettings { client_certificate: key("c"), client_key: key("d"), ..TlsSettings::default() };
        assert_eq!(alone.merged_over(&base).client_certificate, None);
        assert_eq!(TlsSettings::default().merged_over(&base), base);
        assert!(!format!("{base:?}").contains("ClientKey([") && "1.1".parse::<TlsVersion>().is_err());
    }
}
