//! Whether jobs can be run on this host: looked at before the first one is asked for, and after one that
//! failed for a reason of the host. A runner that does not look takes the whole queue, and fails it.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use thiserror::Error;

use super::{JobPolicy, JobSandbox};
use crate::cache::available;
use crate::kernel::{self, KernelError, KernelStore};
use crate::machine::{Firecracker, KvmState, MachineError, Qemu};
use crate::{Directories, Reporter};

/// Less than this on a disk is no place for a job, in bytes.
const LEAST_SPACE: u64 = 64 << 20;

/// Which jobs can be run.
#[derive(Debug)]
pub(super) enum Fitness {
    /// All that are admitted.
    All,
    /// Only those without a sandbox, and why.
    OnlyWithoutSandbox(Unfit),
}

/// Why no job can be run on this host.
#[derive(Debug, Error)]
pub enum Unfit {
    /// There is no VMM that can be used.
    #[error("this host can not run jobs: {}{source}", of(program.as_ref()))]
    Vmm {
        /// The program, where there is one.
        program: Option<PathBuf>,
        /// What is wrong.
        source: MachineError,
    },
    /// Firecracker has no KVM.
    #[error(
        "this host can not run jobs: Firecracker needs KVM, which is not usable here: {reason}; `runner \
         doctor` says what mends it, or use --sandbox qemu"
    )]
    NoKvm {
        /// Why.
        reason: String,
    },
    /// There is no kernel for guests.
    #[error(
        "this host can not run jobs: {0}; `runner setup` fetches one, and says what else lacks"
    )]
    Kernel(#[from] KernelError),
    /// A disk has no room.
    #[error(
        "this host can not run jobs: {} MiB are left on the disk of {}, and {} MiB are the least: free some",
        left >> 20, path.display(), LEAST_SPACE >> 20
    )]
    Disk {
        /// The folder.
        path: PathBuf,
        /// What is left, in bytes.
        left: u64,
    },
    /// A disk does not answer.
    #[error(
        "this host can not run jobs: the disk of {} does not tell how much is left; see whether it works",
        path.display()
    )]
    Broken {
        /// The folder.
        path: PathBuf,
    },
}

fn of(program: Option<&PathBuf>) -> String {
    program.map_or_else(String::new, |program| format!("{}: ", program.display()))
}

/// Whether jobs can be run. The guest's kernel is fetched if it is not in the cache.
///
/// # Errors
///
/// [`Unfit`], where no job can be run that may come.
pub(super) fn look(
    policy: &JobPolicy,
    directories: &Directories,
    kvm: &KvmState,
    reporter: &dyn Reporter,
) -> Result<Fitness, Unfit> {
    let vmm = look_at_vmm(policy, directories, kvm);
    match vmm {
        Err(unfit) if policy.allow_no_sandbox => Ok(Fitness::OnlyWithoutSandbox(unfit)),
        Err(unfit) => Err(unfit),
        // Whether there is a kernel decides about nothing, and fetching it takes its time.
        Ok(()) if policy.allow_no_sandbox => Ok(Fitness::All),
        Ok(()) => {
            let store = KernelStore::new(&directories.cache);
            kernel::find(&policy.kernel, &store, reporter, &AtomicBool::new(false))?;
            Ok(Fitness::All)
        }
    }
}

/// The same after a job has failed, which may have been for want of space.
pub(super) fn look_again(
    policy: &JobPolicy,
    directories: &Directories,
    kvm: &KvmState,
    reporter: &dyn Reporter,
) -> Result<Fitness, Unfit> {
    for folder in [&directories.cache, &directories.state] {
        let Some(left) = available(folder) else {
            let path = folder.clone();
            return Err(Unfit::Broken { path });
        };
        check_space(folder, left)?;
    }
    look(policy, directories, kvm, reporter)
}

fn check_space(folder: &std::path::Path, left: u64) -> Result<(), Unfit> {
    if left < LEAST_SPACE {
        let path = folder.to_owned();
        return Err(Unfit::Disk { path, left });
    }
    Ok(())
}

fn look_at_vmm(policy: &JobPolicy, directories: &Directories, kvm: &KvmState) -> Result<(), Unfit> {
    let vmm = |program: Option<PathBuf>| move |source| Unfit::Vmm { program, source };
    match policy.sandbox {
        JobSandbox::Firecracker => {
            let named = policy.firecracker.program.as_deref();
            let program = Firecracker::find(named, &directories.cache).map_err(vmm(None))?;
            Firecracker::check(&program).map_err(vmm(Some(program)))?;
            match kvm {
                // As for a run: the user may know better.
                KvmState::Usable | KvmState::Doubtful(_) => Ok(()),
                KvmState::Unusable(reason) => Err(Unfit::NoKvm {
                    reason: reason.clone(),
                }),
            }
        }
        JobSandbox::Qemu => {
            let named = policy.qemu.program.as_deref();
            Qemu::find(named).map(drop).map_err(vmm(None))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;
    use crate::kernel::KernelSource;
    use crate::reporter::Silent;
    use crate::up::admission::tests::policy;

    const USABLE: KvmState = KvmState::Usable;

    /// A folder with programs and a kernel, and nothing else of a host.
    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, version) in [("good", "1.13.0"), ("old", "1.12.9")] {
                let program = folder.path().join(name);
                let script = format!("#!/bin/sh\necho Firecracker v{version}\n");
                fs::write(&program, script).unwrap();
                fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            }
            fs::write(folder.path().join("vmlinux"), b"\x7fELF a small kernel").unwrap();
            Self(folder)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn directories(&self) -> Directories {
            Directories {
                cache: self.path("cache"),
                state: self.path("state"),
            }
        }

        fn policy(&self, sandbox: JobSandbox, program: &str, kernel: &str) -> JobPolicy {
            let mut policy = policy();
            policy.sandbox = sandbox;
            policy.firecracker.program = Some(self.path(program));
            policy.qemu.program = Some(self.path(program));
            policy.kernel = KernelSource::File {
                image: self.path(kernel),
                modules: None,
            };
            policy
        }

        fn look(&self, policy: &JobPolicy, kvm: &KvmState) -> Result<Fitness, String> {
            look(policy, &self.directories(), kvm, &Silent).map_err(|unfit| unfit.to_string())
        }
    }

    #[test]
    fn what_lacks_is_told_with_what_to_do() {
        let bench = Bench::new();
        let no_kvm = KvmState::Unusable("there is no /dev/kvm".to_owned());
        let doubtful = KvmState::Doubtful("neither is loaded".to_owned());
        let kernel = "vmlinux";
        for (program, kernel, kvm, expected) in [
            ("good", kernel, &USABLE, None),
            ("good", kernel, &doubtful, None),
            (
                "none",
                kernel,
                &USABLE,
                Some("fetch it with `runner setup`"),
            ),
            (
                "old",
                kernel,
                &USABLE,
                Some("old: Firecracker 1.12.9 is too old"),
            ),
            (
                "good",
                kernel,
                &no_kvm,
                Some("there is no /dev/kvm; `runner doctor` says"),
            ),
            ("good", "none", &USABLE, Some("failed to read the kernel")),
        ] {
            let policy = bench.policy(JobSandbox::Firecracker, program, kernel);
            match (bench.look(&policy, kvm), expected) {
                (Ok(Fitness::All), None) => {}
                (Err(said), Some(expected)) => assert!(said.contains(expected), "{said}"),
                (found, _) => panic!("{found:?} with {program}, {kernel} and {kvm:?}"),
            }
        }
        if cfg!(target_arch = "x86_64") {
            let policy = bench.policy(JobSandbox::Qemu, "none", kernel);
            let said = bench.look(&policy, &USABLE).unwrap_err();
            assert!(said.contains("name it with --qemu FILE"), "{said}");
            // It needs no KVM.
            let policy = bench.policy(JobSandbox::Qemu, "good", kernel);
            assert!(matches!(bench.look(&policy, &no_kvm), Ok(Fitness::All)));
        }
    }

    #[test]
    fn who_may_run_jobs_without_a_sandbox_needs_none() {
        let bench = Bench::new();
        let mut policy = bench.policy(JobSandbox::Firecracker, "none", "none");
        policy.allow_no_sandbox = true;
        let found = bench.look(&policy, &USABLE).unwrap();
        assert!(matches!(
            found,
            Fitness::OnlyWithoutSandbox(Unfit::Vmm { .. })
        ));
        policy.firecracker.program = Some(bench.path("good"));
        assert!(matches!(bench.look(&policy, &USABLE), Ok(Fitness::All)));
    }

    #[test]
    fn a_disk_without_space_is_no_place_for_a_job() {
        let folder = Path::new("/cache");
        check_space(folder, LEAST_SPACE).unwrap();
        let said = check_space(folder, LEAST_SPACE - 1)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("63 MiB are left on the disk of /cache"),
            "{said}"
        );
    }
}
