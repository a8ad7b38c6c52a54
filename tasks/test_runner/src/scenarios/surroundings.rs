//! What this host offers, and why a backend or a scenario can not run on it.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::backend::Backend;
use super::cpus;
use super::features::Features;
use crate::prerequisites;

/// This host and the runner at hand.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// Why KVM is not usable, if so.
    kvm: Result<(), &'static str>,
    /// Firecracker, where there is one.
    pub(crate) firecracker: Option<PathBuf>,
    /// `bencher-server`, where there is one.
    pub(crate) server: Option<PathBuf>,
    /// Whether there is QEMU.
    qemu: bool,
    /// Whether this process may own files of others and make namespaces.
    root: bool,
    /// What the user allows.
    knobs: Knobs,
    /// Why no services are installed here, if so.
    services: Result<(), &'static str>,
    /// How many CPUs this process may use.
    cpus: usize,
    /// Whether CPUs can be taken away from the rest of the host.
    cpusets: bool,
    /// What the runner can do.
    pub(crate) features: Features,
}

/// What may be done with this host's knobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knobs {
    /// Nothing: the host is somebody's.
    Kept,
    /// Scenarios may turn them.
    MayBeTurned,
}

/// What a scenario needs that not every host or runner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// An option of `runner run`.
    Option(&'static str),
    /// Root.
    Root,
    /// Root, where the host's own kernel runs the command: only root has more users than itself.
    RootOnHost,
    /// A program.
    Program(&'static str),
    /// `bencher-server`.
    Server,
    /// PostgreSQL.
    Postgres,
    /// A builder that keeps all extended attributes of files.
    Xattrs,
    /// Root, on a host whose knobs may be turned. Nothing else runs beside such a scenario.
    TunableHost,
    /// Root, on a host with systemd where services may be installed. Nothing else runs beside such a scenario.
    Services,
    /// So many CPUs.
    Cpus(usize),
    /// The cpuset controller of cgroup v2.
    Cpusets,
}

impl Surroundings {
    /// Looks around. `firecracker` and `server` are what the user named, and `knobs` and `may_install` what
    /// the user allows.
    pub(crate) fn look(
        firecracker: Option<PathBuf>,
        server: Option<PathBuf>,
        features: Features,
        knobs: Knobs,
        may_install: bool,
    ) -> Self {
        Self {
            kvm: kvm(),
            firecracker: firecracker.or_else(|| prerequisites::find("firecracker")),
            server,
            qemu: prerequisites::qemu().is_ok(),
            root: prerequisites::is_root(),
            knobs,
            // As sd_booted(3) has it.
            services: services(may_install, Path::new("/run/systemd/system").is_dir()),
            cpus: cpus::own().len(),
            cpusets: cpus::cpuset_hierarchy().is_some(),
            features,
        }
    }

    /// Whether the user says that this host's knobs may be turned.
    pub(crate) fn may_be_tuned(&self) -> bool {
        self.knobs == Knobs::MayBeTurned
    }

    /// The best machine that this host has, whether or not the runner can use it.
    pub(crate) fn best_machine(&self) -> Backend {
        match (&self.kvm, &self.firecracker) {
            (Ok(()), Some(_)) if self.features.has_value("--sandbox", "firecracker") => {
                Backend::Firecracker
            }
            (Ok(()), _) => Backend::QemuKvm,
            (Err(_), _) => Backend::QemuTcg,
        }
    }

    /// Why nothing can run on `backend` here, if so.
    pub(crate) fn lacks_backend(&self, backend: Backend) -> Option<String> {
        let sandbox = backend.sandbox();
        if !self.features.has_value("--sandbox", sandbox) {
            return Some(format!("this runner has no `--sandbox {sandbox}`"));
        }
        if backend.needs_kvm()
            && let Err(reason) = self.kvm
        {
            return Some(reason.to_owned());
        }
        match backend {
            Backend::Firecracker if self.firecracker.is_none() => {
                Some("no firecracker binary".to_owned())
            }
            Backend::QemuKvm | Backend::QemuTcg if !self.qemu => {
                Some("QEMU is not installed".to_owned())
            }
            _ => None,
        }
    }

    /// Why `need` is not met here on `backend`, if so.
    pub(crate) fn lacks(&self, need: Need, backend: Backend) -> Option<String> {
        let need = match need {
            Need::RootOnHost if backend == Backend::Host => Need::Root,
            need => need,
        };
        match need {
            Need::Option(name) if !self.features.has_option(name) => {
                Some(format!("this runner has no `{name}`"))
            }
            Need::Root if !self.root => Some("not root".to_owned()),
            Need::Program(name) if prerequisites::find(name).is_none() => {
                Some(format!("no program `{name}`"))
            }
            Need::Server if self.server.is_none() => {
                Some("no bencher-server: name one with --server".to_owned())
            }
            Need::Postgres => test_support::Postgres::lacking().map(str::to_owned),
            // Docker's builder writes only security.capability into its layers.
            Need::Xattrs if crate::images::builder() == Ok(crate::images::Builder::Docker) => {
                Some("Docker's builder leaves user.* attributes out".to_owned())
            }
            Need::TunableHost if !self.may_be_tuned() => {
                Some("this host is not to be tuned (see --may-tune)".to_owned())
            }
            Need::Services if self.services.is_err() => self.services.err().map(str::to_owned),
            Need::TunableHost | Need::Services if !self.root => Some("not root".to_owned()),
            Need::Cpus(count) if self.cpus < count => Some(format!("fewer than {count} CPUs")),
            Need::Cpusets if !self.cpusets => {
                Some("the cgroups (v2) of this host have no cpuset controller".to_owned())
            }
            _ => None,
        }
    }
}

/// Whether services may be installed where `systemd` says whether it is the init.
fn services(may_install: bool, systemd: bool) -> Result<(), &'static str> {
    match (may_install, systemd) {
        (false, _) => Err("no services are to be installed on this host (see --may-install)"),
        (true, false) => Err("systemd is not this host's init"),
        (true, true) => Ok(()),
    }
}

/// Whether KVM is usable. That its device opens says little: on some hosts it does, and a guest
/// then hangs.
fn kvm() -> Result<(), &'static str> {
    let loaded = ["kvm_intel", "kvm_amd"]
        .iter()
        .any(|module| Path::new("/sys/module").join(module).exists());
    let device = Path::new("/dev/kvm");
    if !device.exists() {
        return Err("no KVM: there is no /dev/kvm");
    }
    if !loaded && cfg!(target_arch = "x86_64") {
        return Err("no KVM: neither kvm_intel nor kvm_amd is loaded");
    }
    if File::options().read(true).write(true).open(device).is_err() {
        return Err("no KVM: /dev/kvm can not be opened");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str =
        "  --sandbox <S>  x [possible values: auto, qemu, firecracker, none]\n  --network";

    fn host(kvm: Result<(), &'static str>, firecracker: bool, help: &str) -> Surroundings {
        Surroundings {
            kvm,
            firecracker: firecracker.then(|| "/opt/firecracker".into()),
            server: None,
            qemu: true,
            root: false,
            knobs: Knobs::Kept,
            services: services(false, true),
            cpus: 2,
            cpusets: false,
            features: Features::of(help),
        }
    }

    #[test]
    fn the_best_machine_needs_kvm_and_its_vmm() {
        let older = "  --sandbox <S>  x [possible values: auto, qemu, none]";
        for (surroundings, best) in [
            (host(Ok(()), true, HELP), Backend::Firecracker),
            (host(Ok(()), false, HELP), Backend::QemuKvm),
            (host(Ok(()), true, older), Backend::QemuKvm),
            (host(Err("no"), true, HELP), Backend::QemuTcg),
        ] {
            assert_eq!(surroundings.best_machine(), best, "{surroundings:?}");
        }
    }

    #[test]
    fn reasons_are_precise() {
        let without = host(Err("no KVM: why"), false, HELP);
        let reason = |backend| without.lacks_backend(backend);
        assert_eq!(reason(Backend::QemuKvm).as_deref(), Some("no KVM: why"));
        assert_eq!(reason(Backend::QemuTcg), None);
        assert_eq!(reason(Backend::Host), None);
        let with = host(Ok(()), false, HELP);
        assert_eq!(
            with.lacks_backend(Backend::Firecracker).as_deref(),
            Some("no firecracker binary")
        );
        assert_eq!(
            host(Ok(()), true, "")
                .lacks_backend(Backend::Firecracker)
                .as_deref(),
            Some("this runner has no `--sandbox firecracker`")
        );
        assert_eq!(with.lacks(Need::Option("--network"), Backend::Host), None);
        assert_eq!(
            with.lacks(Need::Option("--hugepages"), Backend::Host)
                .as_deref(),
            Some("this runner has no `--hugepages`")
        );
        assert_eq!(
            with.lacks(Need::Root, Backend::Host).as_deref(),
            Some("not root")
        );
        let root = |backend| with.lacks(Need::RootOnHost, backend);
        assert_eq!(root(Backend::Host).as_deref(), Some("not root"));
        assert_eq!(root(Backend::QemuTcg), None);
        assert_eq!(
            with.lacks(Need::Program("no-such-program"), Backend::Host)
                .as_deref(),
            Some("no program `no-such-program`")
        );
    }

    #[test]
    fn a_host_is_only_tuned_by_root_and_when_the_user_says_so() {
        let mut here = host(Ok(()), true, HELP);
        let lacks = |here: &Surroundings, need| here.lacks(need, Backend::Host);
        let reason = lacks(&here, Need::TunableHost).expect("nobody said so");
        assert!(reason.contains("--may-tune"), "{reason}");
        here.knobs = Knobs::MayBeTurned;
        assert_eq!(lacks(&here, Need::TunableHost).as_deref(), Some("not root"));
        here.root = true;
        assert_eq!(lacks(&here, Need::TunableHost), None);
        let reason = lacks(&here, Need::Services).expect("nobody said so");
        assert!(reason.contains("--may-install"), "{reason}");
        here.services = services(true, true);
        assert_eq!(lacks(&here, Need::Services), None);
        here.services = services(true, false);
        let reason = lacks(&here, Need::Services);
        assert_eq!(reason.as_deref(), Some("systemd is not this host's init"));
        assert_eq!(lacks(&here, Need::Cpus(2)), None);
        let reason = lacks(&here, Need::Cpus(3));
        assert_eq!(reason.as_deref(), Some("fewer than 3 CPUs"));
        assert!(lacks(&here, Need::Cpusets).is_some());
        here.cpusets = true;
        assert_eq!(lacks(&here, Need::Cpusets), None);
    }
}
