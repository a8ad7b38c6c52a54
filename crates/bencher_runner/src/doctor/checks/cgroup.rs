//! Whether a machine can have a cgroup of its own.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

pub(super) const CHECK: Check = Check {
    name: "cgroup-v2",
    why: "a machine's cgroup limits its memory and processes, counts its CPU time, and is what ends \
          all of it; an isolated partition of CPUs is one too",
    examine,
};

fn examine(host: &Host) -> Outcome {
    if host.cgroup.is_empty() {
        return Outcome::pass("usable");
    }
    let fix = if host.is_root {
        "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all"
    } else {
        "start it in a scope of its own: systemd-run --user --scope -p Delegate=yes runner run …"
    };
    Outcome::warn(format!("without {}", host.cgroup.join("; ")), fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn what_lacks_is_named() {
        let mut host = FakeHost::new("0", &[]).host;
        assert_eq!(examine(&host), Outcome::pass("usable"));
        host.cgroup = vec!["a limit of pids".to_owned()];
        assert_eq!(examine(&host).found, "without a limit of pids");
    }
}
