//! Whether the processor was ever slowed down because of its heat.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;
use crate::validity::{temperature, throttlings};

pub(super) const CHECK: Check = Check {
    name: "throttling",
    why: "a processor that is too hot is slowed down, at a moment that depends on what ran before",
    examine,
};

fn examine(host: &Host) -> Outcome {
    let root = host.files.locate("/");
    let degrees = temperature(&root).map(|thousandths| thousandths / 1000);
    let now = degrees.map_or_else(String::new, |degrees| format!(", {degrees} °C now"));
    let online = match host.topology() {
        Ok(topology) => topology.online(),
        Err(reason) => return Outcome::limited(reason),
    };
    match throttlings(&root, &online) {
        None => Outcome::pass(format!("this processor does not count it{now}")),
        Some(0) => Outcome::pass(format!("none since the start{now}")),
        Some(count) => Outcome::warn(
            format!("{count} times since the start{now}"),
            "cool the host better; --cool-down makes a run wait between iterations",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn each_throttling_since_the_start_counts() {
        let host = FakeHost::new("0-1", &[]);
        assert_eq!(
            examine(&host.host),
            Outcome::pass("this processor does not count it")
        );
        let count = "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count";
        host.put(count, "0\n");
        host.put("sys/class/hwmon/hwmon0/name", "coretemp\n");
        host.put("sys/class/hwmon/hwmon0/temp1_input", "54900\n");
        assert_eq!(
            examine(&host.host),
            Outcome::pass("none since the start, 54 °C now")
        );
        host.put(count, "7\n");
        assert_eq!(
            examine(&host.host).found,
            "7 times since the start, 54 °C now"
        );
    }
}
