//! The guest's way out.

use bencher_runner::network::{AddressRange, Destination, NetworkChoice};
use clap::Args;

/// The network, if there is to be one.
#[derive(Debug, Args)]
pub(crate) struct WayOut {
    /// Give the guest a way out: outbound IPv4, but not to this host nor to link-local and cloud
    /// metadata addresses; needs root
    #[arg(long, help_heading = "Network")]
    network: bool,
    /// The same, but to nowhere else than here; may be given more than once
    #[arg(long, value_name = "CIDR[:PORT]", help_heading = "Network")]
    network_allow: Vec<Destination>,
    /// Addresses for the connections between this host and its guests, four for each
    #[arg(
        long,
        value_name = "CIDR",
        default_value_t,
        env = "BENCHER_RUNNER_NETWORK_RANGE",
        help_heading = "Network"
    )]
    network_range: AddressRange,
}

impl WayOut {
    /// What is wanted, if anything is.
    pub(crate) fn choice(&self) -> Option<NetworkChoice> {
        (self.network || !self.network_allow.is_empty()).then(|| NetworkChoice {
            allowed: self.network_allow.clone(),
            range: self.network_range,
        })
    }
}
