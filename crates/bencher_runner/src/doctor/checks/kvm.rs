//! Whether the kernel can run virtual machines on the hardware.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;
use crate::machine::{KvmState, kvm_state_of};

const DEVICE: &str = "/dev/kvm";

pub(super) const CHECK: Check = Check {
    name: "kvm",
    why: "without it Firecracker can not run at all, and QEMU emulates the processor: its times say \
          nothing of hardware",
    examine,
};

fn examine(host: &Host) -> Outcome {
    let locate = |path: &str| host.files.locate(path);
    match kvm_state_of(&locate("/sys/module"), &locate(DEVICE)) {
        KvmState::Usable => Outcome::pass("usable"),
        KvmState::Doubtful(reason) => Outcome::warn(
            reason,
            "load the module of this processor: modprobe kvm_intel, or modprobe kvm_amd",
        ),
        KvmState::Unusable(reason) if host.files.exists(DEVICE) => {
            let fix = if host.is_root {
                "see what keeps root from it: the device filter of a container, or a module that is \
                 not loaded (modprobe kvm_intel, or modprobe kvm_amd)"
            } else {
                "usermod -aG kvm $USER, and log in again"
            };
            Outcome::fail(reason, fix)
        }
        KvmState::Unusable(_) => Outcome::fail(
            format!("there is no {DEVICE}"),
            "turn virtualization on in the firmware, or in the hypervisor's settings for this host, \
             then modprobe kvm_intel, or modprobe kvm_amd",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn what_is_to_be_done_depends_on_what_lacks() {
        let mut host = FakeHost::new("0", &[]);
        let none = examine(&host.host);
        assert_eq!(none.status, Status::Fail);
        assert_eq!(none.found, "there is no /dev/kvm");
        // A folder can not be opened for writing, whoever asks.
        std::fs::create_dir_all(host.folder.path().join("dev/kvm")).unwrap();
        assert!(examine(&host.host).fix.unwrap().starts_with("see what"));
        host.host.is_root = false;
        let closed = examine(&host.host);
        assert!(closed.fix.unwrap().starts_with("usermod -aG kvm"));
        std::fs::remove_dir(host.folder.path().join("dev/kvm")).unwrap();
        host.put("dev/kvm", "");
        assert_eq!(examine(&host.host).status, Status::Warn);
        host.put("sys/module/kvm_intel/refcnt", "0");
        assert_eq!(examine(&host.host), Outcome::pass("usable"));
    }
}
