//! Whether this host's own KVM can be used.

use std::fs::OpenOptions;
use std::path::Path;

/// `None` when it can, else the reason as a clause.
///
/// That the device opens is not enough: a paravirtual host has it too and hangs a stock guest
/// kernel. So a module that drives the processor's own virtualization must be loaded.
pub(crate) fn obstacle() -> Option<String> {
    judge(Path::new("/sys/module"), Path::new("/dev/kvm"))
}

fn judge(modules: &Path, device: &Path) -> Option<String> {
    if !["kvm_intel", "kvm_amd"]
        .iter()
        .any(|name| modules.join(name).exists())
    {
        return Some("neither kvm_intel nor kvm_amd is loaded".to_owned());
    }
    let opened = OpenOptions::new().read(true).write(true).open(device);
    opened
        .err()
        .map(|error| format!("{} does not open: {error}", device.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_and_the_device_are_needed() {
        let folder = tempfile::tempdir().expect("a folder");
        let device = folder.path().join("kvm");
        std::fs::write(&device, "").expect("it can be written");
        let reason = judge(folder.path(), &device).expect("the module is missing");
        assert!(reason.contains("kvm_intel"), "{reason}");
        std::fs::create_dir(folder.path().join("kvm_amd")).expect("it can be made");
        assert_eq!(judge(folder.path(), &device), None);
        let reason = judge(folder.path(), &folder.path().join("none")).expect("no device");
        assert!(reason.contains("does not open"), "{reason}");
    }
}
