//! How long a user keeps its connection.

use std::fmt;
use std::str::FromStr;

/// When a user's connection is closed, if the service has not done so before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionReuse {
    /// With the user: requests share the connection, as those of a browser do.
    #[default]
    PerUser,
    /// At the end of each iteration: every iteration begins as a new client would.
    PerIteration,
    /// After each request, redirects included.
    PerRequest,
}

impl ConnectionReuse {
    /// Every policy, with its name in files and flags.
    const NAMES: [(Self, &'static str); 3] = [
        (Self::PerUser, "per-user"),
        (Self::PerIteration, "per-iteration"),
        (Self::PerRequest, "per-request"),
    ];
}

impl fmt::Display for ConnectionReuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(reuse, _)| reuse == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

/// A text that names no policy of connection reuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not say how long connections are kept; write per-user, per-iteration or per-request")]
pub struct ConnectionReuseError(String);

impl FromStr for ConnectionReuse {
    type Err = ConnectionReuseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::NAMES.iter().find(|(_, name)| *name == text);
        known.map(|(reuse, _)| *reuse).ok_or_else(|| ConnectionReuseError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (reuse, name) in ConnectionReuse::NAMES {
            assert_eq!(name.parse(), Ok(reuse));
            assert_eq!(reuse.to_string(), name);
        }
        assert!("per_user".parse::<ConnectionReuse>().unwrap_err().to_string().contains("per-user"));
    }
}
