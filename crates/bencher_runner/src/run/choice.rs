//! Which machine a run takes: decided on first, for an image takes long to prepare, and a missing VMM
//! is known at once.

use std::path::{Path, PathBuf};

use super::spec::LEAST_MEMORY;
use super::{PageCache, RunError, RunSpec, SandboxChoice, clock};
use crate::Reporter;
use crate::jail::Strictness;
use crate::machine::{
    Clock, Firecracker, Host, KvmState, MOST_VCPUS, MachineError, Qemu, RootDevice, kvm_state,
};
use crate::network::NetworkError;

/// The kind of machine, and the program where it is known by now.
#[derive(Debug)]
pub(super) enum Choice {
    Firecracker(PathBuf),
    Qemu,
    Host,
}

/// Decides on the machine.
pub(super) fn choose(spec: &RunSpec, reporter: &dyn Reporter) -> Result<Choice, RunError> {
    clock::check(spec)?;
    if !spec.firecracker.is_default() {
        match spec.sandbox {
            SandboxChoice::Qemu => return Err(RunError::NotFirecracker { other: "QEMU" }),
            SandboxChoice::None => return Err(RunError::NotFirecracker { other: "no VMM" }),
            SandboxChoice::Auto | SandboxChoice::Firecracker => {}
        }
    }
    check_memory_and_disk(spec)?;
    if spec.sandbox == SandboxChoice::None {
        if spec.jail.strictness == Strictness::Complete {
            return Err(RunError::NoJail);
        }
        if spec.network.is_some() {
            return Err(MachineError::from(NetworkError::NoMachine).into());
        }
        reporter.warning(
            "no sandbox: the command runs on this host's own kernel, which an image can attack; \
             --vcpus and --memory do not apply",
        );
        return Ok(Choice::Host);
    }
    if spec.memory < LEAST_MEMORY {
        return Err(RunError::TooLittleMemory {
            asked: spec.memory,
            least: LEAST_MEMORY,
        });
    }
    let cache = &spec.directories.cache;
    match spec.sandbox {
        SandboxChoice::Firecracker | SandboxChoice::Auto
            if spec.sandbox == SandboxChoice::Firecracker || !spec.firecracker.is_default() =>
        {
            let program = Firecracker::find(spec.firecracker.program.as_deref(), cache)?;
            if !fits_firecracker(spec) {
                let asked = spec.vcpus.get();
                return Err(RunError::TooManyVcpus { asked });
            }
            return Ok(Choice::Firecracker(program));
        }
        // The user's choices for QEMU ask for QEMU.
        SandboxChoice::Auto
            if spec.qemu.is_default()
                && spec.clock == Clock::Wall
                && fits_firecracker(spec)
                && kvm_state() == KvmState::Usable =>
        {
            if let Some(program) = preferred(spec.firecracker.program.as_deref(), cache, reporter)?
            {
                return Ok(Choice::Firecracker(program));
            }
        }
        _ => {}
    }
    if spec.root_device() == RootDevice::Nvdimm && spec.disk.bytes() / 16 > spec.memory.bytes() {
        // One 64-byte page structure for each 4 KiB of the disk, out of the guest's memory.
        return Err(RunError::NvdimmTooLarge {
            disk: spec.disk,
            memory: spec.memory,
        });
    }
    Qemu::find(spec.qemu.program.as_deref())?;
    Ok(Choice::Qemu)
}

/// Whether Firecracker gives a machine so many vCPUs. It would say so itself, but only once everything else
/// is prepared.
fn fits_firecracker(spec: &RunSpec) -> bool {
    spec.vcpus.get() <= MOST_VCPUS
}

/// Whether the machine can have its memory and its disk as the user wants them in the host's memory.
fn check_memory_and_disk(spec: &RunSpec) -> Result<(), RunError> {
    let other = match spec.sandbox {
        SandboxChoice::Firecracker => Some("Firecracker"),
        SandboxChoice::None => Some("no VMM"),
        SandboxChoice::Auto | SandboxChoice::Qemu => None,
    };
    if let Some(other) = other.filter(|_| spec.qemu.lock_memory) {
        return Err(RunError::NoLockedMemory { other });
    }
    if spec.prefault && spec.sandbox == SandboxChoice::None {
        return Err(RunError::NoMemory);
    }
    let has_disk = spec.sandbox != SandboxChoice::None || Host::can_mount();
    if spec.page_cache != PageCache::AsItIs && !has_disk {
        return Err(RunError::NoDisk);
    }
    Ok(())
}

/// The Firecracker to take where the kind of machine is left to the runner. One that was `named` is
/// taken as it is: whether it can be used is seen when it runs.
fn preferred(
    named: Option<&Path>,
    cache: &Path,
    reporter: &dyn Reporter,
) -> Result<Option<PathBuf>, MachineError> {
    let found = Firecracker::find(named, cache);
    if named.is_some() {
        return found.map(Some);
    }
    Ok(found.ok().filter(|program| can_be_used(program, reporter)))
}

/// Whether a Firecracker that nobody asked for is one that can be used. If not, that is said.
fn can_be_used(program: &Path, reporter: &dyn Reporter) -> bool {
    match Firecracker::check(program) {
        Ok(()) => true,
        Err(error) => {
            reporter.warning(&format!(
                "QEMU is used instead of {}: {error}",
                program.display()
            ));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Mutex;

    use super::*;
    use crate::result::Iteration;

    #[derive(Debug, Default)]
    struct Warnings(Mutex<Vec<String>>);

    impl Reporter for Warnings {
        fn debug(&self, _message: &str) {}
        fn info(&self, _message: &str) {}
        fn warning(&self, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
        fn begin(&self, _step: &str, _total: Option<u64>) {}
        fn advance(&self, _done: u64) {}
        fn end(&self) {}
        fn iteration(&self, _iteration: &Iteration, _metrics_line: &str) {}
    }

    #[test]
    fn a_firecracker_that_is_named_is_taken_or_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("old");
        fs::write(&program, "#!/bin/sh\necho Firecracker v1.12.9\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let reporter = Warnings::default();
        let taken = preferred(Some(&program), folder.path(), &reporter).unwrap();
        assert_eq!(taken, Some(program.canonicalize().unwrap()));
        let missing = preferred(Some(&folder.path().join("none")), folder.path(), &reporter);
        assert!(matches!(missing, Err(MachineError::NoFirecracker { .. })));
        assert_eq!(reporter.0.into_inner().unwrap(), [""; 0]);
    }

    #[test]
    fn a_firecracker_that_nobody_asked_for_may_be_unusable() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("firecracker");
        for (content, reason) in [
            ("#!/bin/sh\necho Firecracker v1.13.0\n", None),
            (
                "#!/bin/sh\necho Firecracker v1.12.9\n",
                Some("Firecracker 1.12.9 is too old: 1.13 or newer is needed"),
            ),
            (
                "#!/bin/sh\necho 'no such\tlibrary' >&2; exit 127\n",
                Some("it is no Firecracker that runs here: no such library"),
            ),
            (
                "#!/bin/sh\nkill -9 $$\n",
                Some("it is no Firecracker that runs here: signal: 9 (SIGKILL)"),
            ),
            (
                "#!/no/such/shell\n",
                Some("it is no Firecracker that runs here: No such file or directory"),
            ),
        ] {
            fs::write(&program, content).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            let reporter = Warnings::default();
            assert_eq!(can_be_used(&program, &reporter), reason.is_none());
            let warnings = reporter.0.into_inner().unwrap();
            let Some(reason) = reason else {
                assert_eq!(warnings, [""; 0]);
                continue;
            };
            let expected = format!("QEMU is used instead of {}: {reason}", program.display());
            assert_eq!(warnings.len(), 1);
            assert!(warnings[0].starts_with(&expected), "{warnings:?}");
            assert_eq!(warnings[0].lines().count(), 1);
        }
    }
}
