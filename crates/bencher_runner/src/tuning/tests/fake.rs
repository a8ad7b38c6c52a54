//! Hosts that are folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::kernel::{Kernel, put};
use crate::Reporter;
use crate::cpus::CpuSet;
use crate::result::Iteration;
use crate::tuning::disk::Disk;
use crate::tuning::place::Place;
use crate::tuning::policy::{TuningChoices, TuningPolicy, TuningStrictness};

/// A host of two cores with two threads each, with everything in it that is ever tuned, as noisy as
/// hosts are.
const NOISY: [(&str, &str); 43] = [
    ("proc/sys/kernel/random/boot_id", "first-boot"),
    ("proc/sys/kernel/randomize_va_space", "2"),
    ("proc/sys/kernel/nmi_watchdog", "1"),
    ("proc/sys/kernel/soft_watchdog", "1"),
    ("proc/sys/kernel/timer_migration", "1"),
    ("proc/sys/kernel/numa_balancing", "1"),
    ("proc/sys/kernel/perf_event_paranoid", "2"),
    ("proc/sys/vm/swappiness", "60"),
    ("proc/sys/vm/dirty_writeback_centisecs", "500"),
    ("proc/sys/vm/stat_interval", "1"),
    ("proc/sys/vm/drop_caches", ""),
    ("proc/irq/default_smp_affinity", "f"),
    ("proc/irq/1/smp_affinity_list", "0-3"),
    ("proc/irq/2/smp_affinity_list", "0"),
    ("proc/irq/3/smp_affinity_list", "1,3"),
    // One that the kernel lets nobody move.
    ("proc/irq/4/smp_affinity_list", "1"),
    // One of a CPU that goes offline.
    ("proc/irq/5/smp_affinity_list", "3"),
    ("proc/7/comm", "systemd"),
    ("sys/kernel/mm/ksm/run", "1"),
    (
        "sys/kernel/mm/transparent_hugepage/enabled",
        "always [madvise] never",
    ),
    ("sys/devices/virtual/workqueue/cpumask", "f"),
    ("sys/devices/system/cpu/smt/control", "on"),
    (
        "sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
        "0,2",
    ),
    (
        "sys/devices/system/cpu/cpu1/topology/thread_siblings_list",
        "1,3",
    ),
    (
        "sys/devices/system/cpu/cpu2/topology/thread_siblings_list",
        "0,2",
    ),
    (
        "sys/devices/system/cpu/cpu3/topology/thread_siblings_list",
        "1,3",
    ),
    ("sys/devices/system/cpu/intel_pstate/no_turbo", "0"),
    (
        "sys/devices/system/cpu/cpufreq/policy0/affected_cpus",
        "0 2",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy0/scaling_driver",
        "intel_cpufreq",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors",
        "performance schedutil",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy0/scaling_governor",
        "schedutil",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy0/energy_performance_preference",
        "balance_power",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq",
        "800000",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq",
        "4500000",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy1/affected_cpus",
        "1 3",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy1/scaling_driver",
        "intel_cpufreq",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy1/scaling_available_governors",
        "performance schedutil",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy1/scaling_governor",
        "performance",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy1/scaling_min_freq",
        "800000",
    ),
    (
        "sys/devices/system/cpu/cpufreq/policy1/scaling_max_freq",
        "4500000",
    ),
    ("sys/devices/system/cpu/cpu0/acpi_cppc/nominal_freq", "3000"),
    ("sys/devices/system/cpu/cpu1/acpi_cppc/nominal_freq", "3000"),
    ("dev/cpu_dma_latency", ""),
];

/// What files say.
pub(in crate::tuning) type Files = BTreeMap<PathBuf, String>;

pub(in crate::tuning) struct FakeHost {
    folder: TempDir,
}

impl FakeHost {
    /// A host with nothing.
    pub(in crate::tuning) fn bare() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(in crate::tuning) fn noisy() -> Self {
        let host = Self::bare();
        for (file, value) in NOISY {
            host.write(file, value);
        }
        host
    }

    /// Another host that is like this one now.
    pub(in crate::tuning) fn copy(&self) -> Self {
        let copy = Self::bare();
        copy.become_like(&self.files(""));
        copy
    }

    /// Makes the files of this host those. Only what differs is touched: making thousands of
    /// files and removing them is what takes a filesystem's time.
    pub(in crate::tuning) fn become_like(&self, files: &Files) {
        let present = self.files("");
        for (file, value) in files {
            if present.get(file) != Some(value) {
                self.write(file, value);
            }
        }
        for file in present.keys().filter(|file| !files.contains_key(*file)) {
            self.remove(file);
        }
    }

    pub(in crate::tuning) fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        let file = file.as_ref();
        self.folder
            .path()
            .join(file.strip_prefix("/").unwrap_or(file))
    }

    pub(in crate::tuning) fn write(&self, file: impl AsRef<Path>, value: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        put(&path, value.as_bytes()).unwrap();
    }

    pub(in crate::tuning) fn read(&self, file: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    pub(in crate::tuning) fn remove(&self, file: impl AsRef<Path>) {
        fs::remove_file(self.path(file)).unwrap();
    }

    /// What all files of the kernel's say.
    pub(in crate::tuning) fn values(&self) -> Files {
        let mut values = self.files("proc");
        values.extend(self.files("sys"));
        values
    }

    /// What all files below a folder say.
    pub(in crate::tuning) fn files(&self, below: &str) -> Files {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path(below)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.folder.path()).unwrap();
                    // What is held is a number of four bytes.
                    let bytes = fs::read(&path).unwrap();
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    files.insert(name.to_owned(), text);
                }
            }
        }
        files
    }

    pub(in crate::tuning) fn place(&self) -> Place {
        self.place_with(Arc::new(self.kernel()))
    }

    pub(in crate::tuning) fn place_with(&self, disk: Arc<dyn Disk>) -> Place {
        Place::below(self.folder.path(), disk)
    }

    pub(in crate::tuning) fn kernel(&self) -> Kernel {
        Kernel::below(self.folder.path())
    }

    pub(in crate::tuning) fn journal(&self) -> PathBuf {
        self.place().journal
    }
}

/// Remembers what was said.
#[derive(Debug, Default)]
pub(in crate::tuning) struct Notes(Mutex<Vec<String>>);

impl Notes {
    pub(in crate::tuning) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn note(&self, level: &str, message: &str) {
        self.0.lock().unwrap().push(format!("{level}{message}"));
    }
}

impl Reporter for Notes {
    fn debug(&self, message: &str) {
        self.note("debug: ", message);
    }
    fn info(&self, message: &str) {
        self.note("", message);
    }
    fn warning(&self, message: &str) {
        self.note("warning: ", message);
    }
    fn begin(&self, _step: &str, _total: Option<u64>) {}
    fn advance(&self, _done: u64) {}
    fn end(&self) {}
    fn iteration(&self, _iteration: &Iteration, _metrics_line: &str) {}
}

pub(in crate::tuning) fn policy(strictness: TuningStrictness) -> TuningPolicy {
    TuningPolicy {
        strictness,
        choices: TuningChoices::default(),
    }
}

/// The first thread of the first core.
pub(in crate::tuning) fn housekeeping() -> CpuSet {
    [0].into_iter().collect()
}
