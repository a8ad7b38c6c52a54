//! Whether the runner may change anything on the host.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

pub(super) const CHECK: Check = Check {
    name: "rights",
    why: "only root's runs tune the host, and take the benchmark's CPUs away from everything else",
    examine,
};

fn examine(host: &Host) -> Outcome {
    if host.is_root {
        Outcome::pass("root")
    } else {
        Outcome::warn(
            "an ordinary user",
            "run as root, or let root tune the host for all: runner tune apply",
        )
    }
}
