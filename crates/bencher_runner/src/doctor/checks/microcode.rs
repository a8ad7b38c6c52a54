//! Whether all CPUs have the same microcode, and a current one.

use std::collections::BTreeSet;

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

/// Linux 6.16 and newer knows which revisions are old.
const OLD: &str = "/sys/devices/system/cpu/vulnerabilities/old_microcode";

const FIX: &str = "install the distribution's microcode (Debian: intel-microcode, amd64-microcode) \
                   and reboot";

pub(super) const CHECK: Check = Check {
    name: "microcode",
    why: "revisions differ in speed, and old ones let guests see what is not theirs",
    examine,
};

fn examine(host: &Host) -> Outcome {
    let cpuinfo = host.files.value("/proc/cpuinfo").unwrap_or_default();
    let revision = |line: &str| {
        let (name, revision) = line.split_once(':')?;
        (name.trim() == "microcode").then(|| revision.trim().to_owned())
    };
    let revisions: BTreeSet<String> = cpuinfo.lines().filter_map(revision).collect();
    let revisions: Vec<_> = revisions.into_iter().collect();
    let is_old = host
        .files
        .value(OLD)
        .is_some_and(|state| state.starts_with("Vulnerable"));
    match (&revisions[..], is_old) {
        ([], _) => Outcome::pass("this processor does not tell"),
        ([one], false) => Outcome::pass(one.clone()),
        ([one], true) => Outcome::warn(format!("{one}, which is old"), FIX),
        (several, _) => Outcome::warn(
            format!("CPUs with different revisions: {}", several.join(", ")),
            FIX,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn revisions_are_one_and_new() {
        let of = |first: &str, second: &str| {
            format!("processor : 0\nmicrocode\t: {first}\n\nprocessor : 1\nmicrocode : {second}\n")
        };
        let host = FakeHost::new("0-1", &[("proc/cpuinfo", &of("0xa1", "0xa1"))]);
        assert_eq!(examine(&host.host), Outcome::pass("0xa1"));
        host.put(&OLD[1..], "Vulnerable\n");
        assert_eq!(examine(&host.host).found, "0xa1, which is old");
        host.put("proc/cpuinfo", &of("0xa1", "0xa2"));
        let found = examine(&host.host).found;
        assert_eq!(found, "CPUs with different revisions: 0xa1, 0xa2");
    }
}
