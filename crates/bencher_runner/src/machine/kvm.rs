//! Whether this host's KVM can be used.

use std::fs::OpenOptions;
use std::path::Path;

/// What is known of KVM without starting a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvmState {
    /// A hardware KVM module is loaded and the device opens.
    Usable,
    /// The device opens, but not for a module that is known to work; the text says so, as a
    /// clause. The user may insist.
    Doubtful(String),
    /// It can not be used; the text says why, as a clause.
    Unusable(String),
}

/// Looks at this host.
///
/// That `/dev/kvm` opens is not enough: a paravirtual host (`kvm_pvm`) has it too, and hangs a
/// stock guest kernel right after the boot loader.
pub fn kvm_state() -> KvmState {
    state(Path::new("/sys/module"), Path::new("/dev/kvm"))
}

pub(crate) fn state(modules: &Path, device: &Path) -> KvmState {
    if let Err(error) = OpenOptions::new().read(true).write(true).open(device) {
        return KvmState::Unusable(format!("failed to open {}: {error}", device.display()));
    }
    if cfg!(target_arch = "x86_64")
        && !["kvm_intel", "kvm_amd"]
            .iter()
            .any(|name| modules.join(name).exists())
    {
        return KvmState::Doubtful("neither kvm_intel nor kvm_amd is loaded".to_owned());
    }
    KvmState::Usable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_alone_is_not_enough() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("kvm");
        std::fs::write(&device, "").unwrap();
        assert_eq!(
            state(folder.path(), &device),
            KvmState::Doubtful("neither kvm_intel nor kvm_amd is loaded".to_owned())
        );
        std::fs::create_dir(folder.path().join("kvm_amd")).unwrap();
        assert_eq!(state(folder.path(), &device), KvmState::Usable);
        let KvmState::Unusable(reason) = state(folder.path(), &folder.path().join("none")) else {
            panic!("there is no device");
        };
        assert!(reason.starts_with("failed to open "), "{reason}");
    }
}
