//! A range of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::ConnectionError;

/// Addresses that begin with the same bits (RFC 4632): `10.0.0.0/24`; an address alone is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u32,
}

impl Cidr {
    const fn bits(address: IpAddr) -> u32 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    /// The number of bits that are not fixed, 0 to 128.
    pub(crate) fn free_bits(&self) -> u32 {
        Self::bits(self.address) - self.prefix
    }

    /// The range's first address as a number.
    fn first(&self) -> u128 {
        let number = number(self.address);
        // Shifting by all bits would be an overflow.
        number.checked_shr(self.free_bits()).unwrap_or(0).checked_shl(self.free_bits()).unwrap_or(0)
    }

    /// Whether the address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shifted = |address| number(address).checked_shr(self.free_bits()).unwrap_or(0);
        self.address.is_ipv4() == address.is_ipv4() && shifted(address) == shifted(self.address)
    }

    /// The addresses that hosts can have: all of them, but for IPv4 without the first one (the network itself) and the
    /// last one (everybody) where there are more than two. At most 2^16 make sense here.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let (first, is_v4) = (self.first(), self.address.is_ipv4());
        let last = first + ((1u128 << self.free_bits().min(16)) - 1);
        let special = u128::from(is_v4 && last - first > 1);
        (first + special..=last - special).map(move |number| {
            if is_v4 { Ipv4Addr::from_bits(number as u32).into() } else { Ipv6Addr::from_bits(number).into() }
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Cidr {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let fail = |reason| ConnectionError::Cidr { text: text.to_owned(), reason };
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, prefix)| (a, Some(prefix)));
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = address.parse().map_err(|_| fail("it does not begin with an IP address"))?;
        let prefix = match prefix {
            None => Self::bits(address),
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|bits| *bits <= Self::bits(address))
                .ok_or_else(|| fail("after the slash stands the number of fixed bits, up to 32 or 128"))?,
        };
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "ffff::", "1.2.3.4"),
        ] {
            let range: Cidr = range.parse().unwrap();
            assert!(range.contains(inside.parse().unwrap()) && !range.contains(outside.parse().unwrap()));
        }
        for text in ["", "a", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::1/129", "1.2.3.4/8/9"]
        {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_of_ranges() {
        let hosts = |text: &str| -> Vec<String> {
            text.parse::<Cidr>().unwrap().hosts().map(|host| host.to_string()).collect()
        };
        assert_eq!(hosts("10.0.0.5/30"), ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(hosts("10.0.0.4/31"), ["10.0.0.4", "10.0.0.5"]);
        assert_eq!(hosts("10.0.0.4"), ["10.0.0.4"]);
        assert_eq!(hosts("fd00::/127"), ["fd00::", "fd00::1"]);
        assert_eq!(hosts("255.255.255.255/16").len(), 65_534);
        assert_eq!(hosts("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/112").len(), 65_536);
    }

    proptest! {
        #[test]
        fn a_range_holds_its_hosts(bits: u32, prefix in 18u32..=32) {
            let range = Cidr { address: Ipv4Addr::from_bits(bits).into(), prefix };
            prop_assert!(range.hosts().count() > 0);
            prop_assert!(range.hosts().all(|host| range.contains(host)));
        }
    }
}
