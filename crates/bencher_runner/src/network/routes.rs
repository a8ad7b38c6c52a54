//! Where the host's packets go.

use std::fs;
use std::net::Ipv4Addr;

use super::NetworkError;
use super::subnet::Subnet;

const ROUTES: &str = "/proc/net/route";

/// A route of the host's main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) interface: String,
    pub(super) subnet: Subnet,
}

/// The routes of the network namespace that this process is in.
pub(super) fn of_host() -> Result<Vec<Route>, NetworkError> {
    let text = fs::read_to_string(ROUTES).map_err(|source| NetworkError::Read {
        path: ROUTES,
        source,
    })?;
    Ok(parse(&text))
}

/// Whether some of `subnet` is reached by a route of its own: a default route leads everywhere.
pub(super) fn lead_to(routes: &[Route], subnet: Subnet) -> bool {
    routes
        .iter()
        .any(|route| route.subnet.prefix() > 0 && route.subnet.overlaps(subnet))
}

/// Columns of hexadecimal numbers, addresses as they are in memory (`fib_trie.c` of Linux).
fn parse(text: &str) -> Vec<Route> {
    let address = |text: &str| {
        let number = u32::from_str_radix(text, 16).ok()?;
        Some(Ipv4Addr::from(number.to_ne_bytes()))
    };
    let route = |line: &str| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let (interface, destination, mask) = (columns.first()?, columns.get(1)?, columns.get(7)?);
        let prefix = address(mask)?.to_bits().leading_ones();
        Some(Route {
            interface: (*interface).to_owned(),
            subnet: Subnet::of(address(destination)?, u8::try_from(prefix).ok()?),
        })
    };
    text.lines().skip(1).filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
bencher0\t040012C6\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0
damaged\n";

    #[test]
    fn routes_are_read() {
        let routes = parse(TABLE);
        let shown: Vec<_> = routes
            .iter()
            .map(|route| format!("{} {}", route.interface, route.subnet))
            .collect();
        let expected = [
            "eth0 0.0.0.0/0",
            "eth0 192.0.2.0/24",
            "bencher0 198.18.0.4/30",
        ];
        assert_eq!(shown, expected);
        for (subnet, taken) in [
            ("198.18.0.4/30", true),
            ("198.18.0.0/29", true),
            ("198.18.0.8/30", false),
            ("192.0.2.128/30", true),
            ("10.0.0.0/30", false),
        ] {
            assert_eq!(lead_to(&routes, subnet.parse().unwrap()), taken, "{subnet}");
        }
    }
}
