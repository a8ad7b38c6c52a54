//! Whether the host writes memory out to a disk.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;
use crate::units::ByteSize;

pub(super) const CHECK: Check = Check {
    name: "swap",
    why: "memory that was written out is read back in the middle of a run. A machine's own memory is \
          kept in, where it has a cgroup; the host's and the runner's is not",
    examine,
};

fn examine(host: &Host) -> Outcome {
    let swaps = host.files.value("/proc/swaps").unwrap_or_default();
    let areas: Vec<_> = swaps.lines().skip(1).filter_map(area).collect();
    if areas.is_empty() {
        return Outcome::pass("none");
    }
    let size = ByteSize::from_bytes(areas.iter().map(|area| area.size).sum());
    let used = ByteSize::from_bytes(areas.iter().map(|area| area.used).sum());
    let names: Vec<_> = areas.iter().map(|area| area.name).collect();
    Outcome::warn(
        format!("{size} on {}, {used} in use", names.join(", ")),
        "swapoff --all, and take the areas out of /etc/fstab",
    )
}

struct Area<'a> {
    name: &'a str,
    /// In bytes.
    size: u64,
    used: u64,
}

/// A line of `/proc/swaps`: name, type, size and use in KiB, priority.
fn area(line: &str) -> Option<Area<'_>> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let mut bytes = words.skip(1).map(|word| {
        let kibibytes: Option<u64> = word.parse().ok();
        kibibytes?.checked_mul(1024)
    });
    Some(Area {
        name,
        size: bytes.next()??,
        used: bytes.next()??,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn areas_are_added_up() {
        let header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        let host = FakeHost::new("0", &[("proc/swaps", header)]);
        assert_eq!(examine(&host.host), Outcome::pass("none"));
        let full =
            format!("{header}/dev/sda2 partition 1048576 1024 -2\n/swap file 1048576 0 -3\n");
        host.put("proc/swaps", &full);
        let found = examine(&host.host).found;
        assert_eq!(found, "2 GiB on /dev/sda2, /swap, 1 MiB in use");
    }
}
