//! Putting a machine's threads where the layout has them.
//!
//! ```text
//! VMM is born on      benchmark + others        boots as fast as it can
//! guest says hello    vCPU threads ─► one benchmark CPU each, everything else ─► others
//! orders are sent     the command starts
//! ```
//!
//! A VMM makes its vCPU threads before the guest runs, so they are there when the guest has said
//! hello; what it makes later is born of a thread that was placed. QEMU names them with
//! `-name …,debug-threads=on` (`CPU 0/KVM`, `CPU 0/TCG`; `ALL CPUs/TCG` for one thread that
//! executes all), Firecracker always (`fc_vcpu 0`).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::CpuSet;
use super::affinity::{each_thread, set_thread};
use super::precedence::{put_process, put_thread};

/// Where the parts of one machine run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The command, or the vCPUs.
    pub(crate) benchmark: CpuSet,
    /// The VMM's other threads.
    pub(crate) others: CpuSet,
    /// The CPU of each vCPU.
    pub(crate) vcpus: Vec<u32>,
    /// The cgroup below which the machine's own is made, if it has to be in that one.
    pub(crate) cgroup: Option<PathBuf>,
    /// A cgroup of v1 that comes before others, for what runs on the benchmark's CPUs.
    pub(crate) precedence: Option<PathBuf>,
    /// The NUMA node that the VMM's memory comes from; `None` for the nearest one.
    pub(crate) memory_node: Option<u32>,
    /// Whether threads of the kernel's work for it that this process may move.
    pub(crate) has_kernel_threads: bool,
}

/// Why a machine's threads are not where they belong.
#[derive(Debug, Error)]
pub(crate) enum PlacementError {
    #[error("failed to find the VMM's process: {0}")]
    Process(io::Error),
    #[error("failed to place the VMM's threads: {0}")]
    Threads(io::Error),
    #[error("failed to let the command come before other programs: {0}")]
    Precedence(io::Error),
    #[error("the VMM has no thread for vCPU {missing}: {names}")]
    Vcpu { missing: usize, names: String },
}

impl Placement {
    /// Everything that a machine may run on.
    pub(crate) fn all(&self) -> CpuSet {
        self.benchmark.or(&self.others)
    }

    /// Places the threads of the VMM `process`.
    pub(crate) fn place_vmm(&self, process: u32) -> Result<(), PlacementError> {
        let mut placed = BTreeSet::new();
        let mut names = Vec::new();
        each_thread(process, |thread, name| {
            names.push(format!("{name:?}"));
            let vcpu = vcpu_of(name);
            let own = vcpu.and_then(|vcpu| self.vcpus.get(vcpu));
            placed.extend(vcpu.filter(|_| own.is_some()));
            match own {
                Some(&cpu) => {
                    if let Some(members) = &self.precedence {
                        put_thread(members, thread)?;
                    }
                    set_thread(thread, &CpuSet::from_iter([cpu]))
                }
                None => set_thread(thread, &self.others),
            }
        })
        .map_err(PlacementError::Threads)?;
        if placed.contains(&0) && names.iter().any(|name| name.starts_with("\"ALL CPUs")) {
            return Ok(());
        }
        match (0..self.vcpus.len()).find(|vcpu| !placed.contains(vcpu)) {
            Some(missing) => Err(PlacementError::Vcpu {
                missing,
                names: names.join(", "),
            }),
            None => Ok(()),
        }
    }

    /// Places the init that runs the command on this host itself, all but its CPUs: it moves the
    /// command there.
    pub(crate) fn place_init(&self, process: u32) -> Result<(), PlacementError> {
        match &self.precedence {
            Some(members) => put_process(members, process).map_err(PlacementError::Precedence),
            None => Ok(()),
        }
    }

    /// Places the kernel's threads that work for the VM of `vmm`. Their names tell a process id of a
    /// VMM's own namespace at most, so they are those that were born since the VMM was: they end with
    /// it. What can not be placed is left.
    pub(crate) fn place_kernel_threads(&self, vmm: u32) {
        if !self.has_kernel_threads {
            return;
        }
        let stat = fs::read_to_string(format!("/proc/{vmm}/stat")).unwrap_or_default();
        let Some(birth) = birth(&stat) else {
            return;
        };
        let Ok(processes) = fs::read_dir("/proc") else {
            return;
        };
        for process in processes.flatten() {
            let Some(id) = process.file_name().to_str().and_then(|id| id.parse().ok()) else {
                continue;
            };
            let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            if is_vm_work(&stat, birth) {
                // Some are bound to a CPU for good.
                let _left = set_thread(id, &self.others);
            }
        }
    }
}

/// The process that the jailer `jailer` watches over.
pub(crate) fn child_of(jailer: u32) -> Result<u32, PlacementError> {
    let path = format!("/proc/{jailer}/task/{jailer}/children");
    let children = fs::read_to_string(path).map_err(PlacementError::Process)?;
    let first = children.split_whitespace().next();
    let id = first.and_then(|id| id.parse().ok());
    id.ok_or_else(|| PlacementError::Process(io::ErrorKind::NotFound.into()))
}

/// The threads of the VMM `process` that execute its guest, in the order of the vCPUs.
///
/// # Errors
///
/// When the process has ended, and when it has no such threads.
pub(crate) fn vcpu_threads(process: u32) -> Result<Vec<u32>, PlacementError> {
    let mut threads = Vec::new();
    let mut names = Vec::new();
    each_thread(process, |thread, name| {
        names.push(format!("{name:?}"));
        threads.extend(vcpu_of(name).map(|vcpu| (vcpu, thread)));
        Ok(())
    })
    .map_err(PlacementError::Threads)?;
    if threads.is_empty() {
        return Err(PlacementError::Vcpu {
            missing: 0,
            names: names.join(", "),
        });
    }
    threads.sort_unstable();
    Ok(threads.into_iter().map(|(_, thread)| thread).collect())
}

/// The number of the vCPU whose thread is called `name`.
fn vcpu_of(name: &str) -> Option<usize> {
    if name.starts_with("ALL CPUs/") {
        return Some(0);
    }
    let number = match name.strip_prefix("fc_vcpu ") {
        Some(number) => number,
        None => name.strip_prefix("CPU ")?.split_once('/')?.0,
    };
    number.parse().ok()
}

/// Whether a process is a thread of the kernel's that does a VM's work, by its `/proc/PID/stat`.
fn is_vm_work(stat: &str, since: u64) -> bool {
    /// The parent of all of the kernel's threads.
    const KTHREADD: &str = "2";
    let Some((before, after)) = stat.rsplit_once(") ") else {
        return false;
    };
    let name = before.split_once(" (").map_or("", |(_, name)| name);
    let is_kernels = after.split(' ').nth(1) == Some(KTHREADD);
    is_kernels
        && birth(stat) >= Some(since)
        && ["kvm-pit/", "kvm-nx-lpage-re", "vhost-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// When the process with this `stat` was born, in ticks since the host's start: field 22 of
/// `proc_pid_stat(5)`.
fn birth(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(") ")?;
    after.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vcpu_threads_are_known_by_their_names() {
        for (name, vcpu) in [
            ("CPU 0/TCG", Some(0)),
            ("CPU 11/KVM", Some(11)),
            ("ALL CPUs/TCG", Some(0)),
            ("fc_vcpu 3", Some(3)),
            ("qemu-system-x86", None),
            ("call_rcu", None),
            ("CPU x/KVM", None),
            ("CPU 1", None),
            ("fc_api", None),
            ("firecracker", None),
        ] {
            assert_eq!(vcpu_of(name), vcpu, "{name}");
        }
    }

    #[test]
    fn threads_of_vcpus_are_in_their_order() {
        let (tell, told) = std::sync::mpsc::channel();
        let mut threads = Vec::new();
        for name in ["CPU 1/KVM", "fc_api", "CPU 0/KVM"] {
            let tell = tell.clone();
            let (go, wait) = std::sync::mpsc::channel::<()>();
            let builder = std::thread::Builder::new().name(name.to_owned());
            let thread = builder.spawn(move || {
                let id = rustix::thread::gettid().as_raw_nonzero().get();
                tell.send(id.unsigned_abs()).unwrap();
                let _gone = wait.recv();
            });
            threads.push((go, thread.unwrap(), told.recv().unwrap()));
        }
        let found = vcpu_threads(std::process::id()).unwrap();
        assert_eq!(found, [threads[2].2, threads[0].2]);
    }

    #[test]
    fn only_the_kernels_own_threads_are_its() {
        for (stat, birth, is_its) in [
            ("77 (kvm-pit/1) S 2", 500, true),
            ("78 (vhost-77) S 2", 501, true),
            ("78 (kvm-nx-lpage-re) S 2", 500, true),
            // Another VM's, which was there before.
            ("78 (kvm-pit/1) S 2", 499, false),
            ("79 (vhost-77) S 1", 500, false),
            ("80 (kworker/0:1) I 2", 500, false),
            ("81 (a) S 2 (vhost-1) S 1", 500, false),
            ("", 500, false),
        ] {
            let stat = format!("{stat} 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 {birth} 0 0");
            assert_eq!(is_vm_work(&stat, 500), is_its, "{stat}");
        }
        assert!(!is_vm_work("", 0));
    }

    #[test]
    fn a_process_without_the_threads_of_a_vmm_is_none() {
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let cpu = super::super::affinity::permitted()
            .unwrap()
            .affinity
            .iter()
            .next();
        let own = CpuSet::from_iter(cpu);
        let placement = Placement {
            benchmark: own.clone(),
            others: own.clone(),
            vcpus: cpu.into_iter().collect(),
            cgroup: None,
            precedence: None,
            memory_node: None,
            has_kernel_threads: false,
        };
        let error = placement.place_vmm(child.id()).unwrap_err().to_string();
        let same = vcpu_threads(child.id()).unwrap_err().to_string();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(error.contains("no thread for vCPU 0: \"sleep\""), "{error}");
        assert_eq!(error, same);
        assert_eq!(placement.all(), own);
    }

    #[test]
    fn vcpus_and_init_come_before_other_programs_but_a_vmms_other_threads_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let sleep = crate::paths::find_program("sleep").unwrap();
        let put = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        let cpu = super::super::affinity::permitted()
            .unwrap()
            .affinity
            .iter()
            .next();
        let own = CpuSet::from_iter(cpu);
        let placement = Placement {
            benchmark: own.clone(),
            others: own,
            vcpus: cpu.into_iter().collect(),
            cgroup: None,
            precedence: Some(folder.path().to_owned()),
            memory_node: None,
            has_kernel_threads: false,
        };
        for (name, is_vcpu) in [("fc_api", false), ("fc_vcpu 0", true)] {
            let program = folder.path().join(name);
            std::os::unix::fs::symlink(&sleep, &program).unwrap();
            let mut child = std::process::Command::new(program)
                .arg("1000")
                .spawn()
                .unwrap();
            let placed = placement.place_vmm(child.id());
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(placed.is_ok(), is_vcpu, "{name}");
            let expected = is_vcpu.then(|| child.id().to_string());
            assert_eq!(put("tasks"), expected, "{name}");
        }
        assert_eq!(put("cgroup.procs"), None);
        placement.place_init(7).unwrap();
        assert_eq!(put("cgroup.procs").as_deref(), Some("7"));
        let gone = Placement {
            precedence: Some(folder.path().join("gone")),
            ..placement
        };
        let error = gone.place_init(7).unwrap_err().to_string();
        assert!(error.contains("come before other programs"), "{error}");
    }
}
