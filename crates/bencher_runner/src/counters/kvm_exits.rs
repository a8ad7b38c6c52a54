//! How often a virtual machine's vCPUs have left their guest, from KVM's statistics in debugfs.
//!
//! KVM has a folder `PID-FD` for each machine, named after the process that made it and the
//! descriptor that this got (`kvm_create_vm_debugfs` in the kernel's `virt/kvm/kvm_main.c`); `exits`
//! in it is the sum over the machine's vCPUs. Only root can read it, where debugfs is mounted.

use std::fs;
use std::path::Path;

/// Where KVM has its statistics.
const STATISTICS: &str = "/sys/kernel/debug/kvm";

/// The name of the host's first pid namespace: a constant of the kernel (`PROC_PID_INIT_INO` in
/// `include/linux/proc_ns.h`).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// The exits so far of the machine of `process`; `None` where nobody tells, and when the process has
/// no machine of KVM's.
pub(crate) fn of(process: u32) -> Option<u64> {
    // KVM names processes as the host does. In another pid namespace, such as a container's, the
    // same number is somebody else.
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    (namespace == Path::new(FIRST_PID_NAMESPACE)).then_some(())?;
    read(Path::new(STATISTICS), process)
}

fn read(statistics: &Path, process: u32) -> Option<u64> {
    let mut sum = None;
    for machine in fs::read_dir(statistics).ok()? {
        let machine = machine.ok()?;
        let name = machine.file_name();
        let maker = name.to_str().and_then(|name| name.split_once('-'));
        if maker.and_then(|(maker, _)| maker.parse().ok()) != Some(process) {
            continue;
        }
        let exits = fs::read_to_string(machine.path().join("exits")).ok()?;
        let exits: u64 = exits.trim().parse().ok()?;
        sum = Some(sum.unwrap_or(0) + exits);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_that_of_the_process() {
        let statistics = tempfile::tempdir().unwrap();
        for (folder, exits) in [
            ("712-9", "1234\n"),
            ("71-12", "5\n"),
            ("7123-9", "6\n"),
            ("713-9", "what\n"),
        ] {
            let folder = statistics.path().join(folder);
            fs::create_dir_all(folder.join("vcpu0")).unwrap();
            fs::write(folder.join("exits"), exits).unwrap();
        }
        // Beside the machines are the sums over all of them.
        fs::write(statistics.path().join("exits"), "99999\n").unwrap();
        let exits = |process| read(statistics.path(), process);
        assert_eq!(exits(712), Some(1234));
        assert_eq!(exits(71), Some(5));
        assert_eq!(exits(12), None, "a descriptor is no process");
        assert_eq!(exits(713), None, "what is no number is none");
        fs::remove_file(statistics.path().join("712-9/exits")).unwrap();
        assert_eq!(exits(712), None);
        assert_eq!(read(&statistics.path().join("none"), 712), None);
    }
}
