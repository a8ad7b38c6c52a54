//! What `ip` and `nft` are told, as pure functions.
//!
//! ```text
//!  guest ── eth0/guest ──[ namespace: where to? ]── uplink/bencherN ──[ host: not to itself ]── out
//! ```
//!
//! The namespace decides about destinations. The VMM is in it too, without the right to change
//! that, so a guest that breaks out of it gets no further than one that does not. The host decides
//! about itself, for only it knows its addresses.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use super::range::Link;
use super::subnet::Destination;

/// The tap device of the guest, in the namespace. There is one namespace for each guest.
pub(crate) const TAP: &str = "guest";

/// The namespace's end of the connection to the host.
const UPLINK: &str = "uplink";

/// What the names of all interfaces on the host begin with; with a number they stay within the
/// kernel's 15 bytes.
pub(super) const PREFIX: &str = "bencher";

/// Where no guest goes by default: nowhere (RFC 1122), the loopback of whoever receives it, what
/// is valid on one cable alone and so where clouds keep the credentials of their machines, those of
/// them that are elsewhere (Alibaba's, Azure's, Oracle's), many receivers at once, and reserved.
pub(super) const BLOCKED: [&str; 8] = [
    "0.0.0.0/8",
    "100.100.100.200/32",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Everything that the texts depend on.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// The number that tells the run's names from those of others.
    pub(super) slot: u32,
    /// Between guest and namespace.
    pub(super) guest: Link,
    /// Between namespace and host.
    pub(super) link: Link,
    /// Whom the tap device belongs to.
    pub(super) owner: u32,
    pub(super) name_servers: &'a [Ipv4Addr],
    /// Nowhere else; empty for anywhere.
    pub(super) allowed: &'a [Destination],
}

/// The table that is there as long as there is a guest.
const GUARDS: &str = "bencher_runner";

/// The host's end of the connection of slot `slot`.
pub(super) fn interface(slot: u32) -> String {
    format!("{PREFIX}{slot}")
}

fn table(slot: u32) -> String {
    format!("bencher_runner_{slot}")
}

/// For `ip` in the namespace, when there is nothing in it: the tap device, the connection to the
/// host's namespace, which is at `host`, and the way out.
pub(super) fn interfaces_inside(plan: &Plan<'_>, host: &Path) -> String {
    let (guest, link) = (plan.guest, plan.link);
    format!(
        "link add {UPLINK} type veth peer name {} netns {}\n\
         tuntap add dev {TAP} mode tap user {} group {}\n\
         address add {}/{} dev {TAP}\n\
         address add {}/{} dev {UPLINK}\n\
         link set {TAP} up\n\
         link set {UPLINK} up\n\
         route add default via {} dev {UPLINK}\n",
        interface(plan.slot),
        host.display(),
        plan.owner,
        plan.owner,
        guest.gateway,
        guest.subnet.prefix(),
        link.host,
        link.subnet.prefix(),
        link.gateway,
    )
}

/// For `ip` on the host.
pub(super) fn interfaces_outside(plan: &Plan<'_>) -> String {
    let name = interface(plan.slot);
    format!(
        "address add {}/{} dev {name}\nlink set {name} up\n",
        plan.link.gateway,
        plan.link.subnet.prefix(),
    )
}

/// For `ip` on the host, in the end. The other end goes with this one.
pub(super) fn removed_interface(slot: u32) -> String {
    format!("link delete {}\n", interface(slot))
}

/// For `nft` in the namespace. What is refused is told so ("administratively
/// prohibited").
pub(super) fn rules_inside(plan: &Plan<'_>) -> String {
    let mut ways = String::new();
    for server in plan.name_servers {
        line(&mut ways, &format!("ip daddr {server} udp dport 53 accept"));
        line(&mut ways, &format!("ip daddr {server} tcp dport 53 accept"));
    }
    let blocked = BLOCKED.join(", ");
    let refuse = "reject with icmpx type admin-prohibited";
    line(&mut ways, &format!("ip daddr {{ {blocked} }} {refuse}"));
    for destination in plan.allowed {
        let subnet = destination.subnet;
        let port = destination.port.map_or_else(String::new, |port| {
            format!("meta l4proto {{ tcp, udp }} th dport {port} ")
        });
        line(&mut ways, &format!("ip daddr {subnet} {port}accept"));
    }
    let rest = if plan.allowed.is_empty() {
        "accept"
    } else {
        refuse
    };
    line(&mut ways, rest);
    format!(
        r#"table inet guest {{
    chain way_out {{
        ct state established,related accept
        meta nfproto != ipv4 drop
{ways}    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        iifname "{TAP}" oifname "{UPLINK}" jump way_out
        iifname "{UPLINK}" oifname "{TAP}" ct state established,related accept
    }}
    chain output {{
        type filter hook output priority filter; policy drop;
        oifname "{TAP}" accept
        oifname "{UPLINK}" jump way_out
    }}
    chain input {{
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname "{TAP}" ip daddr {gateway} icmp type echo-request accept
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "{UPLINK}" masquerade
    }}
}}
"#,
        gateway = plan.guest.gateway,
    )
}

/// For `nft` on the host. An address of the host's is looked at before any translation, so that
/// neither its own services are reached nor those that it publishes for others.
pub(super) fn rules_outside(plan: &Plan<'_>) -> String {
    let (table, own) = (table(plan.slot), interface(plan.slot));
    let mut name_servers = String::new();
    let mut local_name_servers = String::new();
    for server in plan.name_servers {
        for protocol in ["udp", "tcp"] {
            let rule = format!("ip daddr {server} {protocol} dport 53 accept");
            line(&mut name_servers, &rule);
            line(
                &mut local_name_servers,
                &format!("iifname \"{own}\" {rule}"),
            );
        }
    }
    format!(
        r#"create table inet {table}
table inet {table} {{
    chain prerouting {{
        type filter hook prerouting priority mangle; policy accept;
        iifname != "{own}" accept
        ip saddr != {namespace} drop
        meta nfproto != ipv4 drop
{name_servers}        fib daddr type != unicast drop
    }}
    chain input {{
        type filter hook input priority filter - 1; policy accept;
{local_name_servers}        iifname "{own}" drop
    }}
    chain forward {{
        type filter hook forward priority filter - 1; policy accept;
        iifname "{own}" oifname "{PREFIX}*" drop
        oifname "{own}" ct state != {{ established, related }} drop
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {namespace} oifname != "{PREFIX}*" masquerade
    }}
}}
"#,
        namespace = plan.link.host,
    )
}

/// For `nft` on the host, in the end; whether there is such a table or not.
pub(super) fn removed_rules(slot: u32) -> String {
    removed(&table(slot))
}

/// For `nft` on the host, before `interfaces` that forwarded nothing are let forward: what the host
/// did not forward for others than guests, it still does not. It replaces what there was, and is one
/// for all guests, since an interface may forward longer than the guest lives that came with it.
pub(super) fn guards(interfaces: &[String]) -> String {
    let mut guards = String::new();
    for interface in interfaces {
        line(
            &mut guards,
            &format!("iifname \"{interface}\" oifname != \"{PREFIX}*\" drop"),
        );
    }
    format!(
        r"{}table inet {GUARDS} {{
    chain forward {{
        type filter hook forward priority filter - 1; policy accept;
{guards}    }}
}}
",
        removed_guards()
    )
}

/// For `nft` on the host, once nothing forwards that did not before; whether there is such a table
/// or not.
pub(super) fn removed_guards() -> String {
    removed(GUARDS)
}

fn removed(table: &str) -> String {
    format!("table inet {table}\ndelete table inet {table}\n")
}

fn line(text: &mut String, rule: &str) {
    // A string takes whatever is written to it.
    let _ = writeln!(text, "        {rule}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::AddressRange;

    fn plan() -> Plan<'static> {
        let range = AddressRange::default();
        Plan {
            slot: 7,
            guest: range.guest(),
            link: range.slot(7).unwrap(),
            owner: 2_000_000_000,
            name_servers: &[],
            allowed: &[],
        }
    }

    #[test]
    fn what_ip_is_told() {
        insta::assert_snapshot!(format!(
            "in the namespace:\n{}on the host:\n{}in the end:\n{}",
            interfaces_inside(&plan(), Path::new("/proc/1/ns/net")),
            interfaces_outside(&plan()),
            removed_interface(7),
        ));
    }

    #[test]
    fn rules_of_a_wide_way_out() {
        insta::assert_snapshot!(rules_inside(&plan()));
    }

    #[test]
    fn rules_of_a_narrow_way_out() {
        let allowed = ["198.51.100.2/32:8080", "203.0.113.0/24"].map(|text| text.parse().unwrap());
        let plan = Plan {
            allowed: &allowed,
            name_servers: &[Ipv4Addr::new(192, 0, 2, 53)],
            ..plan()
        };
        insta::assert_snapshot!(rules_inside(&plan));
    }

    #[test]
    fn rules_of_the_host() {
        let plan = Plan {
            name_servers: &[Ipv4Addr::new(192, 0, 2, 53)],
            ..plan()
        };
        insta::assert_snapshot!(format!("{}{}", rules_outside(&plan), removed_rules(7)));
    }

    #[test]
    fn rules_of_interfaces_that_forward_for_guests() {
        let interfaces = ["eth0".to_owned(), "wlan0".to_owned()];
        insta::assert_snapshot!(guards(&interfaces));
    }

    #[test]
    fn names_are_short_enough_for_the_kernel() {
        assert!(interface(u32::MAX).len() <= 17);
        assert!(interface(4095).len() <= 15);
    }
}
