//! Where the addresses between the host and its guests come from.
//!
//! ```text
//! range      198.18.0.0/16
//! guest      the first four addresses: .1 the gateway, .2 the guest; the same for every guest,
//!            for each is in a network namespace of its own
//! slot N     the four addresses after 4·(N+1): .1 the host, .2 the guest's namespace
//! ```

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::subnet::Subnet;

/// Four addresses: a network, two hosts, everybody.
const LINK_PREFIX: u8 = 30;
const LINK_ADDRESSES: u32 = 4;

/// More machines than this at the same time have no network on any host.
const MOST_SLOTS: u32 = 4096;

/// Addresses that nothing else on the host's networks has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange(Subnet);

/// Both ends of a connection that has nobody else on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) subnet: Subnet,
    /// Who leads on.
    pub(super) gateway: Ipv4Addr,
    /// Who is led.
    pub(super) host: Ipv4Addr,
}

impl Default for AddressRange {
    /// Addresses for benchmarks of network devices (RFC 2544, RFC 6890): no network uses them, not
    /// even a private one.
    fn default() -> Self {
        Self(Subnet::of(Ipv4Addr::new(198, 18, 0, 0), 16))
    }
}

impl AddressRange {
    /// Between a guest and its namespace.
    pub(super) fn guest(self) -> Link {
        self.link(0)
    }

    /// Between the namespace of slot `slot` and the host; `None` beyond the range.
    pub(super) fn slot(self, slot: u32) -> Option<Link> {
        let slots = (1_u32 << (LINK_PREFIX - self.0.prefix())) - 1;
        (slot < slots.min(MOST_SLOTS)).then(|| self.link(slot + 1))
    }

    fn link(self, number: u32) -> Link {
        let subnet = Subnet::of(self.0.nth(number * LINK_ADDRESSES), LINK_PREFIX);
        Link {
            subnet,
            gateway: subnet.nth(1),
            host: subnet.nth(2),
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let subnet: Subnet = text.parse()?;
        // One link for the guest and one for a slot at least.
        if (8..LINK_PREFIX).contains(&subnet.prefix()) {
            return Ok(Self(subnet));
        }
        Err(format!(
            "{subnet} is no range for guests: give 8 to 29 bits, e.g. {}",
            Self::default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_has_addresses_of_its_own() {
        let range = AddressRange::default();
        let guest = range.guest();
        assert_eq!(guest.subnet.to_string(), "198.18.0.0/30");
        assert_eq!(guest.gateway, Ipv4Addr::new(198, 18, 0, 1));
        assert_eq!(guest.host, Ipv4Addr::new(198, 18, 0, 2));
        let slots: Vec<_> = (0..=MOST_SLOTS)
            .map_while(|slot| range.slot(slot))
            .collect();
        assert_eq!(slots.len(), 4096);
        assert_eq!(slots[0].subnet.to_string(), "198.18.0.4/30");
        assert_eq!(slots[4095].subnet.to_string(), "198.18.64.0/30");
    }

    #[test]
    fn a_small_range_ends_soon() {
        let range: AddressRange = "10.0.0.8/29".parse().unwrap();
        assert_eq!(range.slot(0).unwrap().subnet.to_string(), "10.0.0.12/30");
        assert_eq!(range.slot(1), None);
        for bad in ["10.0.0.0/30", "0.0.0.0/0", "10.0.0.0", "10.0.0.1/24", "x"] {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
        assert_eq!(range.to_string(), "10.0.0.8/29");
    }
}
