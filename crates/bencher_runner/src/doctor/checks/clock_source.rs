//! What keeps the host's time.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;
use crate::validity::{POOR_CLOCKS, clock_source};

const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";

pub(super) const CHECK: Check = Check {
    name: "clock-source",
    why: "reading the time of a poor one takes a microsecond and more, a hundred times what it should",
    examine,
};

fn examine(host: &Host) -> Outcome {
    let Some(current) = clock_source(&host.files.locate("/")) else {
        return Outcome::limited("the kernel does not tell");
    };
    if !POOR_CLOCKS.contains(&current.as_str()) {
        return Outcome::pass(current);
    }
    let others = host.files.value(format!("{FOLDER}/available_clocksource"));
    let others = others.unwrap_or_default();
    let better = others
        .split_whitespace()
        .find(|name| !POOR_CLOCKS.contains(name));
    match better {
        Some(better) => Outcome::warn(
            current,
            format!("echo {better} > {FOLDER}/current_clocksource"),
        ),
        None => Outcome::warn(
            current,
            "see why the kernel does not trust the processor's: dmesg | grep -i -e tsc -e clocksource",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn a_better_one_is_recommended_where_there_is_one() {
        let current = format!("{}/current_clocksource", &FOLDER[1..]);
        let available = format!("{}/available_clocksource", &FOLDER[1..]);
        let host = FakeHost::new("0", &[(&current, "kvm-clock\n")]);
        assert_eq!(examine(&host.host), Outcome::pass("kvm-clock"));
        host.put(&current, "hpet\n");
        assert!(examine(&host.host).fix.unwrap().starts_with("see why"));
        host.put(&available, "hpet tsc acpi_pm\n");
        let fix = examine(&host.host).fix.unwrap();
        assert_eq!(fix, format!("echo tsc > {FOLDER}/current_clocksource"));
    }
}
