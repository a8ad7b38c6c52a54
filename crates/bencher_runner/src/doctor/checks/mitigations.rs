//! Whether the processor's known leaks are stopped.
//!
//! The kernel's `Documentation/admin-guide/hw-vuln/index.rst`.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

const FOLDER: &str = "/sys/devices/system/cpu/vulnerabilities";

pub(super) const CHECK: Check = Check {
    name: "mitigations",
    why: "an untrusted image must not see what else is in the processor's buffers; and they cost time, \
          so two hosts that differ in them can not be compared",
    examine,
};

fn examine(host: &Host) -> Outcome {
    let files = host.files.list(FOLDER);
    if files.is_empty() {
        return Outcome::limited("the kernel does not tell");
    }
    let mut mitigated = 0;
    let mut open = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        // That one has a check of its own.
        if name == "old_microcode" {
            continue;
        }
        let state = host.files.value(&file).unwrap_or_default();
        // "Vulnerable: Clear CPU buffers attempted, no microcode", "Mitigation: PTI; SMT vulnerable".
        if state.starts_with("Vulnerable") {
            open.push(name.into_owned());
        } else if state.starts_with("Mitigation") {
            mitigated += 1;
        }
    }
    if open.is_empty() {
        return Outcome::pass(format!("{mitigated} in force, nothing open"));
    }
    let line = host.files.value("/proc/cmdline").unwrap_or_default();
    let is_off = line
        .split_whitespace()
        .any(|word| word == "mitigations=off");
    let fix = if is_off {
        "take mitigations=off out of the kernel's boot arguments"
    } else {
        "install the distribution's microcode and newest kernel, and reboot"
    };
    Outcome::warn(format!("open: {}", open.join(", ")), fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn what_is_open_is_named() {
        let host = FakeHost::new("0", &[]);
        let put = |name: &str, state: &str| host.put(&format!("{}/{name}", &FOLDER[1..]), state);
        put("meltdown", "Not affected\n");
        put("l1tf", "Mitigation: PTE Inversion; VMX: SMT vulnerable\n");
        put("old_microcode", "Vulnerable\n");
        assert_eq!(
            examine(&host.host),
            Outcome::pass("1 in force, nothing open")
        );
        put(
            "mds",
            "Vulnerable: Clear CPU buffers attempted, no microcode\n",
        );
        let outcome = examine(&host.host);
        assert_eq!(outcome.found, "open: mds");
        assert!(outcome.fix.unwrap().starts_with("install"));
        host.put("proc/cmdline", "quiet mitigations=off\n");
        assert!(examine(&host.host).fix.unwrap().contains("mitigations=off"));
    }
}
