//! Whether something moves interrupts about.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

pub(super) const CHECK: Check = Check {
    name: "irqbalance",
    why: "it moves interrupts back to the CPUs that were freed of them, every ten seconds",
    examine,
};

fn examine(host: &Host) -> Outcome {
    if host.files.is_running("irqbalance") {
        Outcome::warn("runs", "systemctl disable --now irqbalance")
    } else {
        Outcome::pass("does not run")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn it_is_found_by_its_name() {
        let host = FakeHost::new("0", &[("proc/12/comm", "bash\n"), ("proc/self/comm", "x")]);
        assert_eq!(examine(&host.host).status, Status::Pass);
        host.put("proc/345/comm", "irqbalance\n");
        assert_eq!(examine(&host.host).status, Status::Warn);
    }
}
