//! Where a scenario runs, and what that must look like in a result.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A kind of machine, as the runner is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Backend {
    /// Firecracker
    Firecracker,
    /// QEMU with KVM
    QemuKvm,
    /// QEMU's emulator
    QemuTcg,
    /// This host's own kernel
    Host,
}

impl Backend {
    /// The name, as on the command line and in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Firecracker => "firecracker",
            Self::QemuKvm => "qemu-kvm",
            Self::QemuTcg => "qemu-tcg",
            Self::Host => "host",
        }
    }

    /// Whether the command has a kernel of its own.
    pub(crate) fn is_machine(self) -> bool {
        self != Self::Host
    }

    /// Whether the machine needs the processor's virtualization.
    pub(crate) fn needs_kvm(self) -> bool {
        matches!(self, Self::Firecracker | Self::QemuKvm)
    }

    /// What `--sandbox` takes, and what `machine.sandbox` says in the result.
    pub(crate) fn sandbox(self) -> &'static str {
        match self {
            Self::Firecracker => "firecracker",
            Self::QemuKvm | Self::QemuTcg => "qemu",
            Self::Host => "none",
        }
    }

    /// What `--accelerator` takes, where there is a choice.
    pub(crate) fn chosen_accelerator(self) -> Option<&'static str> {
        match self {
            Self::QemuKvm | Self::QemuTcg => Some(self.accelerator()),
            Self::Firecracker | Self::Host => None,
        }
    }

    /// What `machine.accelerator` says in the result.
    pub(crate) fn accelerator(self) -> &'static str {
        match self {
            Self::Firecracker | Self::QemuKvm => "kvm",
            Self::QemuTcg => "tcg",
            Self::Host => "none",
        }
    }

    /// What `machine.transport` and the metrics say.
    pub(crate) fn transport(self) -> &'static str {
        match self {
            Self::Firecracker => "vsock",
            Self::QemuKvm | Self::QemuTcg => "serial",
            Self::Host => "local",
        }
    }

    /// What the name of the VMM's program begins with; `None` where there is no VMM.
    pub(crate) fn vmm(self) -> Option<&'static str> {
        match self {
            Self::Firecracker => Some("firecracker"),
            Self::QemuKvm | Self::QemuTcg => Some("qemu-system"),
            Self::Host => None,
        }
    }
}

/// The backends on which a scenario has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// Wherever a command can run.
    Everywhere,
    /// Where the command has a kernel of its own.
    Machines,
    /// Where QEMU emulates the processor.
    Emulated,
    /// On the host's own kernel.
    Host,
}

impl On {
    /// Whether `backend` is one of them.
    pub(crate) fn includes(self, backend: Backend) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Machines => backend.is_machine(),
            Self::Emulated => backend == Backend::QemuTcg,
            Self::Host => backend == Backend::Host,
        }
    }

    /// All of them, in their order.
    pub(crate) fn backends(self) -> Vec<Backend> {
        let all = Backend::value_variants().iter().copied();
        all.filter(|&backend| self.includes(backend)).collect()
    }
}

/// What the user may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// The best machine that this host has
    Auto,
    /// Firecracker
    Firecracker,
    /// QEMU with KVM
    QemuKvm,
    /// QEMU's emulator
    QemuTcg,
    /// This host's own kernel
    Host,
}

impl Choice {
    /// The backend that is meant where `best` is the best machine.
    pub(crate) fn resolve(self, best: Backend) -> Backend {
        match self {
            Self::Auto => best,
            Self::Firecracker => Backend::Firecracker,
            Self::QemuKvm => Backend::QemuKvm,
            Self::QemuTcg => Backend::QemuTcg,
            Self::Host => Backend::Host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line_and_of_records() {
        for &backend in Backend::value_variants() {
            let value = backend.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), backend.name());
            let json = serde_json::to_value(backend).expect("it is a name");
            assert_eq!(json, backend.name());
        }
    }

    #[test]
    fn meanings_are_sets() {
        assert_eq!(On::Everywhere.backends().len(), 4);
        assert_eq!(On::Machines.backends().len(), 3);
        assert_eq!(On::Emulated.backends(), [Backend::QemuTcg]);
        assert_eq!(On::Host.backends(), [Backend::Host]);
    }

    #[test]
    fn auto_is_the_best() {
        assert_eq!(Choice::Auto.resolve(Backend::QemuKvm), Backend::QemuKvm);
        assert_eq!(Choice::Host.resolve(Backend::QemuKvm), Backend::Host);
    }
}
