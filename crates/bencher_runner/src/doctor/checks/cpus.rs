//! Which CPU a benchmark with one vCPU gets.

use std::num::NonZeroU8;

use crate::cpus::{Demand, decide};
use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

pub(super) const CHECK: Check = Check {
    name: "cpus",
    why: "a benchmark that shares its core, its caches or its memory's node with other work measures \
          that as well",
    examine,
};

fn examine(host: &Host) -> Outcome {
    let layout = host.topology().and_then(|topology| {
        decide(&topology, Demand::Vcpus(NonZeroU8::MIN), None).map_err(|error| error.to_string())
    });
    let layout = match layout {
        Ok(layout) => layout,
        Err(reason) => return Outcome::limited(reason),
    };
    let found = format!(
        "with one vCPU: benchmark {}, housekeeping {}",
        layout.benchmark, layout.housekeeping
    );
    if layout.compromises.is_empty() {
        return Outcome::pass(found);
    }
    let compromises: Vec<_> = layout.compromises.iter().map(ToString::to_string).collect();
    Outcome::warn(
        format!("{found}; {}", compromises.join("; ")),
        "measure on a host with more CPUs, or let this process use more of them",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn compromises_are_said() {
        let two = FakeHost::new("0-1", &[]);
        assert_eq!(
            examine(&two.host),
            Outcome::pass("with one vCPU: benchmark 1, housekeeping 0")
        );
        let one = examine(&FakeHost::new("0", &[]).host);
        assert!(one.found.contains("no CPU is left"), "{}", one.found);
        assert!(one.fix.is_some());
    }
}
