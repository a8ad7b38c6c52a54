//! A guest's way out: off unless it is asked for.
//!
//! ```text
//! host                       namespace of the guest's own          machine
//!   eth0 ◄─NAT── bencherN ◄──veth── uplink ◄─NAT, rules── guest ◄──tap── eth0
//! ```
//!
//! Both VMMs are in that namespace, and use the same tap device: there is one way out, and one set
//! of rules for it. See `docs/network.md`.

mod attachment;
mod error;
mod forwarding;
mod name_servers;
mod namespace;
mod range;
mod routes;
mod rules;
mod subnet;
mod tools;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use attachment::{Attachment, remove_left_over};
pub use error::NetworkError;
pub use range::AddressRange;
pub(crate) use rules::TAP;
pub use subnet::{Destination, Subnet};

use crate::Reporter;
use crate::jail::Jail;
use tools::Tools;

/// The device that tap devices are made with.
pub(crate) const TUN: &str = "/dev/net/tun";

/// The address of the guest's Ethernet card, of the kind that everybody may give (bit 1 of the
/// first byte). Each guest is alone on its network, so all may have the same.
pub(crate) const GUEST_MAC: &str = "02:62:65:6e:63:68";

/// The driver of the guest's Ethernet card.
pub(crate) const DRIVER: &str = "virtio_net";

/// The port of name servers.
const DNS: u16 = 53;

/// What the user wants of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkChoice {
    /// Where the guest may go; empty for anywhere that is not blocked.
    pub allowed: Vec<Destination>,
    /// Where its addresses come from.
    pub range: AddressRange,
}

/// A network that every machine of a run is given.
#[derive(Debug)]
pub struct GuestNetwork {
    tools: Tools,
    range: AddressRange,
    allowed: Vec<Destination>,
    name_servers: Vec<Ipv4Addr>,
    reporter: Arc<dyn Reporter>,
}

/// A network as it is, for the result document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NetworkState {
    /// Where the guest could go, as `ADDRESS/BITS[:PORT]`, but for what is blocked.
    pub allowed: Vec<String>,
    /// Where it could not go, beside the host's own addresses.
    pub blocked: Vec<String>,
    /// Whom it could ask for the addresses of names.
    pub name_servers: Vec<Ipv4Addr>,
}

/// Everything that keeps guests on this host, whose VMMs are in `jail`, from being given a network.
pub fn obstacles(jail: &Jail) -> Vec<NetworkError> {
    let mut found = Vec::new();
    if !nix::unistd::geteuid().is_root() {
        found.push(NetworkError::NotRoot);
    } else if !jail.is_roots() {
        found.push(NetworkError::NoJail);
    }
    found.extend(Tools::missing());
    if !Path::new(TUN).exists() {
        found.push(NetworkError::NoTun);
    }
    found
}

impl GuestNetwork {
    /// Checks that this host can give guests what is chosen.
    ///
    /// # Errors
    ///
    /// When it is not root who asks, there is no jail, or the host lacks what it takes.
    pub fn new(
        choice: &NetworkChoice,
        jail: &Jail,
        reporter: &Arc<dyn Reporter>,
    ) -> Result<Self, NetworkError> {
        if let Some(obstacle) = obstacles(jail).into_iter().next() {
            return Err(obstacle);
        }
        let tools = Tools::find()?;
        let mut name_servers = name_servers::of_host()?;
        if !choice.allowed.is_empty() {
            name_servers.retain(|&server| {
                let is_there = |destination: &Destination| destination.contains(server, DNS);
                choice.allowed.iter().any(is_there)
            });
        }
        if name_servers.is_empty() {
            reporter.warning(if choice.allowed.is_empty() {
                "the guest can look up no names: this host has no IPv4 name server that others can \
                 ask"
            } else {
                "the guest can look up no names: no name server of this host is among what \
                 --network-allow names"
            });
        }
        Ok(Self {
            tools,
            range: choice.range,
            allowed: choice.allowed.clone(),
            name_servers,
            reporter: Arc::clone(reporter),
        })
    }

    /// What the guest is told.
    pub(crate) fn orders(&self) -> bencher_output_protocol::Network {
        let link = self.range.guest();
        bencher_output_protocol::Network {
            address: link.host,
            prefix: link.subnet.prefix(),
            gateway: link.gateway,
            name_servers: self.name_servers.clone(),
        }
    }

    /// What there is of it, for the result.
    pub fn state(&self) -> NetworkState {
        let everywhere = || vec![Subnet::of(Ipv4Addr::UNSPECIFIED, 0).to_string()];
        let allowed: Vec<_> = self.allowed.iter().map(Destination::to_string).collect();
        NetworkState {
            allowed: if allowed.is_empty() {
                everywhere()
            } else {
                allowed
            },
            blocked: rules::BLOCKED.map(str::to_owned).to_vec(),
            name_servers: self.name_servers.clone(),
        }
    }

    /// Makes the network of one machine. Its tap device, [`TAP`], belongs to the user `owner`;
    /// `run` is unique on this host.
    pub(crate) fn attach(&self, run: &str, owner: u32) -> Result<Attachment, NetworkError> {
        Attachment::make(self, run, owner)
    }
}
