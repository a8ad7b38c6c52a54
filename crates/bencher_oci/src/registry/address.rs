//! Which network addresses are inside something that only this host can reach.
//!
//! A registry chooses where its redirects and its realm point. Followed blindly, they would make
//! the runner read from services that trust its network: a cloud's metadata service, a database on
//! the loopback interface, a router. So a registry leads only to public addresses and to those of
//! its own kind: one on the loopback interface to others there, one in a private network to others
//! in private networks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is (IANA's special-purpose address registries).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressKind {
    /// Somewhere on the Internet.
    Public,
    /// A private or shared network (RFC 1918, RFC 6598, RFC 4193).
    Private,
    /// This host: loopback and unspecified addresses.
    Loopback,
    /// The same link (RFC 3927, RFC 4291).
    LinkLocal,
    /// Where clouds tell a machine its secrets.
    Metadata,
    /// Multicast, broadcast, benchmarking, reserved.
    Reserved,
}

/// The metadata services of the large clouds, and AWS's credential services of containers.
const METADATA_V4: [Ipv4Addr; 5] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
];

impl AddressKind {
    /// The kind of `address`. An IPv6 address that stands for an IPv4 address is of its kind.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => match embedded(address) {
                Some(inner) => Self::of_v4(inner),
                None => Self::of_v6(address),
            },
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if METADATA_V4.contains(&address) {
            return Self::Metadata;
        }
        match address.octets() {
            [0 | 127, ..] => Self::Loopback,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Private,
            [169, 254, ..] => Self::LinkLocal,
            [192, 0, 0, _] | [198, 18 | 19, ..] | [224..=255, ..] => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if METADATA_V6.contains(&address) {
            return Self::Metadata;
        }
        if address.is_loopback() || address.is_unspecified() {
            return Self::Loopback;
        }
        match address.segments()[0] {
            0xfc00..=0xfdff => Self::Private,
            0xfe80..=0xfebf => Self::LinkLocal,
            // Site-local addresses are obsolete, and private where they are in use.
            0xfec0..=0xfeff => Self::Private,
            // Only 2000::/3 is given out as public addresses.
            0x2000..=0x3fff => Self::Public,
            _ => Self::Reserved,
        }
    }

    /// Whether a name that only ever means this host or a metadata service needs no look-up.
    pub(super) fn of_name(host: &str) -> Option<Self> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if host == "localhost" || host.ends_with(".localhost") {
            return Some(Self::Loopback);
        }
        if ["metadata", "metadata.google.internal", "instance-data"].contains(&host.as_str()) {
            return Some(Self::Metadata);
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse().ok().map(Self::of)
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped and compatible (RFC 4291), translated
/// (RFC 6052, RFC 8215), 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let [a, b, c, d] = match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            [a, b, c, d]
        }
        _ => return None,
    };
    let is_itself = address.is_loopback() || address.is_unspecified();
    (!is_itself).then_some(Ipv4Addr::new(a, b, c, d))
}

/// As it stands in an error message: "at *a private address*".
impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Private => "a private address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a metadata service",
            Self::Reserved => "a reserved address",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_addresses() {
        use AddressKind::{LinkLocal, Loopback, Metadata, Private, Public, Reserved};
        for (address, kind) in [
            ("1.1.1.1", Public),
            ("172.15.0.1", Public),
            ("172.32.0.1", Public),
            ("2606:4700::1111", Public),
            ("10.0.0.1", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("100.64.0.1", Private),
            ("fd12::1", Private),
            ("fec0::1", Private),
            ("127.0.0.1", Loopback),
            ("127.255.0.1", Loopback),
            ("0.0.0.0", Loopback),
            ("0.1.2.3", Loopback),
            ("::1", Loopback),
            ("::", Loopback),
            ("169.254.0.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("fd00:ec2::254", Metadata),
            ("224.0.0.1", Reserved),
            ("255.255.255.255", Reserved),
            ("198.18.0.1", Reserved),
            ("ff02::1", Reserved),
            ("100::1", Reserved),
            // IPv4 in other clothes.
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:169.254.169.254", Metadata),
            ("::10.0.0.1", Private),
            ("64:ff9b::169.254.169.254", Metadata),
            ("64:ff9b:1::10.0.0.1", Private),
            ("2002:7f00:1::", Loopback),
            ("2002:101:101::", Public),
        ] {
            assert_eq!(AddressKind::of(address.parse().unwrap()), kind, "{address}");
        }
    }

    #[test]
    fn names_that_need_no_look_up() {
        for (name, kind) in [
            ("localhost", Some(AddressKind::Loopback)),
            ("LocalHost.", Some(AddressKind::Loopback)),
            ("a.localhost", Some(AddressKind::Loopback)),
            ("metadata.google.internal", Some(AddressKind::Metadata)),
            ("[::1]", Some(AddressKind::Loopback)),
            ("10.1.2.3", Some(AddressKind::Private)),
            ("example.com", None),
            ("notlocalhost", None),
        ] {
            assert_eq!(AddressKind::of_name(name), kind, "{name}");
        }
    }
}
