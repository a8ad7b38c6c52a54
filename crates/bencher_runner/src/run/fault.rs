//! Whose fault it is that a run failed.

use std::error::Error;
use std::io;

use bencher_oci::{PullError, StoreError};
use bencher_rootfs::{CacheError, CopyError, ExtractError, RootfsError};
use rustix::io::Errno;

use super::RunError;
use crate::images::OpenImageError;
use crate::machine::MachineError;

/// Whose fault it is that a run failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The run's, or nobody's: it says nothing of other runs.
    Run,
    /// The host's: other runs would fail on it in the same way.
    Host,
}

impl RunError {
    /// Whose fault it is. `has_started` says whether a command of the run had started: a guest that runs
    /// one does what it wants, so a machine that ends after that may have been ended by it.
    pub fn fault(&self, has_started: bool) -> Fault {
        let is_hosts = match self {
            Self::Image(error) => is_of_host_image(error),
            Self::Rootfs(error) => is_of_host_rootfs(error),
            Self::RootfsCache(error) => match error {
                CacheError::Build(error) => is_of_host_rootfs(error),
                _ => true,
            },
            Self::RootfsCopy(error) => !matches!(error, CopyError::Cancelled),
            Self::Extract(error) => match error {
                ExtractError::Build(error) => is_of_host_rootfs(error),
                other => is_of_disk(other),
            },
            Self::Machine(error) => is_of_host_machine(error),
            Self::KernelPanic { .. }
            | Self::MachineDiedInBoot { .. }
            | Self::BootTimeout { .. }
            | Self::Io { .. } => !has_started,
            Self::Kernel(_)
            | Self::Initramfs(_)
            | Self::Cpus(_)
            | Self::Tuning(_)
            | Self::OutputFolder { .. }
            | Self::Result { .. }
            | Self::State { .. }
            | Self::Thread(_) => true,
            Self::Command(_)
            | Self::Environment(_)
            | Self::WorkingDirectory(_)
            | Self::StopSignal(_)
            | Self::User(_)
            | Self::DiffIdAlgorithm { .. }
            | Self::Protocol(_)
            | Self::Guest { .. }
            | Self::HostMemory { .. }
            | Self::MachineDied { .. }
            | Self::Suspect { .. }
            | Self::Adapter { .. }
            | Self::NoSuchMetric { .. }
            | Self::NoJail
            | Self::TooManyVcpus { .. }
            | Self::NotFirecracker { .. }
            | Self::NoLockedMemory { .. }
            | Self::NoMemory
            | Self::NoDisk
            | Self::VirtualClock { .. }
            | Self::Stalled { .. }
            | Self::TooManyFiles { .. }
            | Self::OutputFolderNotEmpty { .. }
            | Self::TooLittleMemory { .. }
            | Self::NvdimmTooLarge { .. }
            | Self::Refused(_)
            | Self::Interrupted(_)
            | Self::LeftAlone(_) => false,
        };
        if is_hosts { Fault::Host } else { Fault::Run }
    }
}

fn is_of_host_image(error: &OpenImageError) -> bool {
    match error {
        OpenImageError::Store(error) | OpenImageError::Pull(PullError::Store(error)) => {
            matches!(
                error,
                StoreError::Folder { .. } | StoreError::File { .. } | StoreError::NoSpace { .. }
            )
        }
        OpenImageError::Cache { .. } => true,
        // A registry that can not be reached may be one that only this job has.
        OpenImageError::Pull(_)
        | OpenImageError::Reference(_)
        | OpenImageError::Name(_)
        | OpenImageError::Image(_)
        | OpenImageError::Digest { .. }
        | OpenImageError::Gone { .. } => false,
    }
}

fn is_of_host_rootfs(error: &RootfsError) -> bool {
    match error {
        RootfsError::HostDiskFull(_) | RootfsError::Write(_) | RootfsError::Thread(_) => true,
        other => is_of_disk(other),
    }
}

fn is_of_host_machine(error: &MachineError) -> bool {
    match error {
        // What is in them is the run's, and there may be too much of it.
        MachineError::Orders(_) => false,
        MachineError::NoQemu { .. }
        | MachineError::Architecture { .. }
        | MachineError::NoKvm { .. }
        | MachineError::HugePages { .. }
        | MachineError::LockedMemory { .. }
        | MachineError::Ledger { .. }
        | MachineError::OldQemu { .. }
        | MachineError::NoFirecracker { .. }
        | MachineError::OldFirecracker { .. }
        | MachineError::NotFirecracker { .. }
        | MachineError::NotElf { .. }
        | MachineError::Api { .. }
        | MachineError::VmmGone
        | MachineError::CpuTemplate { .. }
        | MachineError::Network(_)
        | MachineError::Jail(_)
        | MachineError::Spawn { .. }
        | MachineError::Prepare { .. }
        | MachineError::Open { .. }
        | MachineError::Loop { .. }
        | MachineError::RootKind { .. } => true,
    }
}

/// Whether an error comes of a disk of the host that is full, or does not work.
fn is_of_disk(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let is_io = error.raw_os_error() == Some(Errno::IO.raw_os_error());
            let kind = error.kind();
            return is_io
                || matches!(
                    kind,
                    io::ErrorKind::StorageFull
                        | io::ErrorKind::QuotaExceeded
                        | io::ErrorKind::ReadOnlyFilesystem
                );
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::ConsoleExcerpt;

    fn full() -> io::Error {
        io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error())
    }

    #[test]
    fn a_fault_is_the_hosts_or_the_runs() {
        let layer = |source| RootfsError::ReadLayer {
            layer: "1".to_owned(),
            source,
        };
        let no_kvm = MachineError::NoKvm {
            reason: "it is gone".to_owned(),
        };
        let store = |error| OpenImageError::Pull(PullError::Store(error));
        let space = StoreError::NoSpace {
            path: "/cache".into(),
            digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
                .parse()
                .unwrap(),
        };
        let rows: Vec<(RunError, Fault)> = vec![
            (no_kvm.into(), Fault::Host),
            (MachineError::VmmGone.into(), Fault::Host),
            (store(space).into(), Fault::Host),
            (store(StoreError::TooMany(1)).into(), Fault::Run),
            (
                OpenImageError::Gone {
                    digest: "x".to_owned(),
                }
                .into(),
                Fault::Run,
            ),
            (RootfsError::HostDiskFull(full()).into(), Fault::Host),
            (CacheError::Build(layer(full())).into(), Fault::Host),
            (layer(io::ErrorKind::InvalidData.into()).into(), Fault::Run),
            (CopyError::HostDiskFull(full()).into(), Fault::Host),
            (CopyError::Cancelled.into(), Fault::Run),
            (RunError::Thread(full()), Fault::Host),
            (RunError::TooManyFiles { limit: 1 }, Fault::Run),
            (RunError::TooManyVcpus { asked: 33 }, Fault::Run),
        ];
        for (error, fault) in rows {
            for has_started in [false, true] {
                assert_eq!(error.fault(has_started), fault, "{error}");
            }
        }
    }

    /// Its command may have done it.
    #[test]
    fn a_machine_that_ends_is_the_hosts_fault_only_before_the_command() {
        let status = std::process::ExitStatus::default();
        let console = ConsoleExcerpt::default();
        let in_boot = RunError::MachineDiedInBoot { status, console };
        assert_eq!(in_boot.fault(false), Fault::Host);
        // An iteration before it may have left something behind.
        assert_eq!(in_boot.fault(true), Fault::Run);
        let console = ConsoleExcerpt::default();
        let later = RunError::MachineDied { status, console };
        assert_eq!(later.fault(true), Fault::Run);
    }
}
