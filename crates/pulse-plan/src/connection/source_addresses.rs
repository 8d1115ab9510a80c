//! Addresses of this machine from which connections are made.

use std::net::IpAddr;
use std::str::FromStr;

use super::{Cidr, ConnectionError};

/// The most free bits of a range: 65 536 addresses.
const MAX_FREE_BITS: u32 = 16;

/// An address, or all addresses of a range (for IPv4 without the first and the last one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAddresses(pub Vec<IpAddr>);

impl FromStr for SourceAddresses {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let range: Cidr = text.parse()?;
        if range.free_bits() > MAX_FREE_BITS {
            return Err(ConnectionError::Cidr {
                text: text.to_owned(),
                reason: "it holds more than 65536 addresses",
            });
        }
        Ok(Self(range.hosts().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ranges() {
        let count = |text: &str| text.parse::<SourceAddresses>().map(|addresses| addresses.0.len());
        assert_eq!((count("10.0.0.1"), count("10.0.0.0/24"), count("::1")), (Ok(1), Ok(254), Ok(1)));
        assert_eq!(count("10.0.0.0/16"), Ok(65_534));
        for text in ["10.0.0.0/15", "::/0", "0.0.0.0/0"] {
            assert!(count(text).unwrap_err().to_string().contains("more than 65536"), "{text}");
        }
    }
}
