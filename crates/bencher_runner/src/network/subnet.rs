//! Networks of IPv4, and destinations in them.

use std::fmt;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::str::FromStr;

/// A network: the addresses that share their first `prefix` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    address: Ipv4Addr,
    prefix: u8,
}

/// Where a guest may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// The addresses.
    pub subnet: Subnet,
    /// The port of TCP and UDP; `None` for every one, and every other protocol.
    pub port: Option<NonZeroU16>,
}

impl Subnet {
    /// The network of `prefix` bits (at most 32) that `address` is in.
    pub const fn of(address: Ipv4Addr, prefix: u8) -> Self {
        Self {
            address: Ipv4Addr::from_bits(address.to_bits() & mask(prefix)),
            prefix,
        }
    }

    /// How many bits all addresses of it share.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The address that comes `offset` after the first one.
    pub fn nth(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits().wrapping_add(offset))
    }

    /// Whether `address` is one of it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.address.to_bits()
    }

    /// Whether both have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

const fn mask(prefix: u8) -> u32 {
    if prefix == 0 {
        0
    } else {
        u32::MAX << (32 - prefix)
    }
}

impl Destination {
    /// Whether `address` and `port` are there.
    pub fn contains(self, address: Ipv4Addr, port: u16) -> bool {
        self.subnet.contains(address) && self.port.is_none_or(|own| own.get() == port)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(formatter, "{}:{port}", self.subnet),
            None => self.subnet.fmt(formatter),
        }
    }
}

impl FromStr for Subnet {
    type Err = String;

    /// `A.B.C.D/BITS`, or an address alone for a network of that one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, number(prefix).filter(|&bits| bits <= 32)),
            None => (text, Some(32)),
        };
        let (Ok(address), Some(prefix)) = (address.parse(), prefix) else {
            return Err(format!(
                "{text:?} is no IPv4 network: give ADDRESS/BITS, e.g. 192.0.2.0/24"
            ));
        };
        let subnet = Self::of(address, prefix);
        if subnet.address != address {
            return Err(format!(
                "{text} has bits beyond its first {prefix}: did you mean {subnet}?"
            ));
        }
        Ok(subnet)
    }
}

impl FromStr for Destination {
    type Err = String;

    /// `A.B.C.D[/BITS][:PORT]`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((subnet, port)) = text.split_once(':') else {
            let subnet = text.parse()?;
            return Ok(Self { subnet, port: None });
        };
        // Whatever has two of them is IPv6.
        if port.contains(':') {
            return Err(format!(
                "{text:?} is no IPv4 network: guests have no IPv6; give ADDRESS[/BITS][:PORT]"
            ));
        }
        let subnet = subnet.parse()?;
        let port = number(port).and_then(NonZeroU16::new).ok_or_else(|| {
            format!("{port:?} in {text:?} is no port: give a number from 1 to 65535")
        })?;
        Ok(Self {
            subnet,
            port: Some(port),
        })
    }
}

/// A number in digits alone: no sign, as Rust's own parser takes one.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn destinations_are_understood() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1/32"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.1:80", "192.0.2.1/32:80"),
            ("10.0.0.0/8:65535", "10.0.0.0/8:65535"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("0.0.0.0/0:443", "0.0.0.0/0:443"),
        ] {
            let destination: Destination = text.parse().unwrap();
            assert_eq!(destination.to_string(), shown);
            assert_eq!(shown.parse::<Destination>().unwrap(), destination);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("", "no IPv4 network"),
            ("example.org", "no IPv4 network"),
            ("192.0.2", "no IPv4 network"),
            ("192.0.2.0/33", "no IPv4 network"),
            ("192.0.2.0/+8", "no IPv4 network"),
            ("192.0.2.0/", "no IPv4 network"),
            ("/8", "no IPv4 network"),
            ("192.0.2.1/24", "did you mean 192.0.2.0/24?"),
            ("1.2.3.4/0", "did you mean 0.0.0.0/0?"),
            ("192.0.2.1:", "no port"),
            ("192.0.2.1:0", "no port"),
            ("192.0.2.1:65536", "no port"),
            ("192.0.2.1:+80", "no port"),
            ("192.0.2.1:http", "no port"),
            ("2001:db8::/32", "no IPv6"),
            ("::1", "no IPv6"),
        ] {
            let error = text.parse::<Destination>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn addresses_are_inside_or_outside() {
        let subnet: Subnet = "198.18.4.0/30".parse().unwrap();
        assert!(subnet.contains([198, 18, 4, 3].into()));
        assert!(!subnet.contains([198, 18, 4, 4].into()));
        assert_eq!(subnet.nth(2), Ipv4Addr::new(198, 18, 4, 2));
        for (other, overlaps) in [
            ("198.18.4.2/32", true),
            ("198.18.0.0/16", true),
            ("0.0.0.0/0", true),
            ("198.18.4.4/30", false),
        ] {
            let other: Subnet = other.parse().unwrap();
            assert_eq!(subnet.overlaps(other), overlaps, "{other}");
            assert_eq!(other.overlaps(subnet), overlaps, "{other}");
        }
        let web: Destination = "198.18.4.0/30:80".parse().unwrap();
        assert!(web.contains([198, 18, 4, 1].into(), 80));
        assert!(!web.contains([198, 18, 4, 1].into(), 81));
        assert!(!web.contains([198, 18, 4, 5].into(), 80));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[0-9./:+a ]{0,24}") {
            if let Ok(destination) = text.parse::<Destination>() {
                let again: Destination = destination.to_string().parse().unwrap();
                prop_assert_eq!(again, destination);
            }
        }
    }
}
