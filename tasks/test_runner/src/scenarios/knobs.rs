//! What host tuning turns, and what it leaves on the host while it is at work, as the kernel shows
//! it. The files are those that `docs/tuning.md` names, not those that a runner says it turned.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cpus;

/// Every knob's files; a star stands for the rest of a name.
const FILES: [&str; 23] = [
    "/proc/irq/default_smp_affinity",
    "/proc/irq/*/smp_affinity_list",
    "/proc/sys/kernel/nmi_watchdog",
    "/proc/sys/kernel/numa_balancing",
    "/proc/sys/kernel/perf_event_paranoid",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/kernel/soft_watchdog",
    "/proc/sys/kernel/timer_migration",
    "/proc/sys/vm/dirty_writeback_centisecs",
    "/proc/sys/vm/stat_interval",
    "/proc/sys/vm/swappiness",
    "/sys/devices/system/cpu/cpufreq/boost",
    "/sys/devices/system/cpu/cpufreq/policy*/boost",
    "/sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_min_freq",
    "/sys/devices/system/cpu/intel_pstate/no_turbo",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/smt/control",
    "/sys/devices/virtual/workqueue/cpumask",
    "/sys/kernel/mm/ksm/run",
    "/sys/kernel/mm/transparent_hugepage/enabled",
];

/// The file of each interrupt that says which CPUs it goes to.
const AFFINITY: &str = "/smp_affinity_list";

/// Says how long CPUs may take to wake up, in binary microseconds
/// (`Documentation/power/pm_qos_interface.rst`). What it is told holds while it is open.
pub(crate) const LATENCY: &str = "/dev/cpu_dma_latency";

/// What a runner notes before it changes anything.
const JOURNAL: &str = "/var/lib/bencher-runner/tuning.json";

/// The cgroup that has CPUs of its own.
const PARTITION: &str = "bencher-runner.quiet";

/// What a host is like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostState {
    /// The value in each file that this kernel has.
    pub(crate) values: BTreeMap<String, String>,
    /// How long CPUs may take to wake up, in microseconds.
    pub(crate) latency: Option<i32>,
    /// Whether there is a journal.
    pub(crate) journal: bool,
    /// Whether there is the cgroup in which a benchmark has CPUs of its own, or comes first on them.
    pub(crate) partition: bool,
}

impl HostState {
    /// What this host is like now.
    pub(crate) fn here() -> Self {
        let files = FILES.iter().flat_map(|pattern| matching(pattern));
        // An interrupt may go while its file is read: then it is not there.
        let values = files.filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            Some((path.display().to_string(), value(&text).to_owned()))
        });
        Self {
            values: values.collect(),
            latency: latency(),
            journal: Path::new(JOURNAL).exists(),
            partition: cpus::hierarchies()
                .iter()
                .any(|top| top.join(PARTITION).exists()),
        }
    }

    /// The files whose values are not the same in `other`. Interrupts come and go with their devices:
    /// one that only one of both has is no difference.
    pub(crate) fn changes(&self, other: &Self) -> Vec<String> {
        let all = self.values.keys().chain(other.values.keys());
        let differs = |file: &&String| match (self.values.get(*file), other.values.get(*file)) {
            (Some(one), Some(other)) => one != other,
            _ => !file.ends_with(AFFINITY),
        };
        let mut changed: Vec<String> = all.filter(differs).cloned().collect();
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// All that is not the same in `other`.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = self.changes(other);
        for (what, is_same) in [
            (LATENCY, self.latency == other.latency),
            (JOURNAL, self.journal == other.journal),
            (PARTITION, self.partition == other.partition),
        ] {
            if !is_same {
                differences.push(what.to_owned());
            }
        }
        differences
    }
}

impl From<HostState> for Value {
    fn from(state: HostState) -> Self {
        serde_json::json!(state)
    }
}

/// Where a partition would be; `None` without cpusets.
pub(crate) fn partition() -> Option<PathBuf> {
    Some(cpus::cpuset_hierarchy()?.join(PARTITION))
}

/// The value in what a file says: where that is a choice, the one in brackets.
fn value(text: &str) -> &str {
    let chosen = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    chosen.map_or(text.trim(), |(chosen, _)| chosen)
}

fn latency() -> Option<i32> {
    let mut bytes = [0; 4];
    fs::File::open(LATENCY).ok()?.read_exact(&mut bytes).ok()?;
    Some(i32::from_ne_bytes(bytes))
}

/// The files of a pattern.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let Some(beginning) = part.strip_suffix('*') else {
            for path in &mut found {
                path.push(part);
            }
            continue;
        };
        let folders = std::mem::take(&mut found);
        for entry in folders
            .iter()
            .filter_map(|it| fs::read_dir(it).ok())
            .flatten()
            .flatten()
        {
            if entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(beginning.as_bytes())
            {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Values that no host has by default: who puts back defaults, and not what was there, is found
/// out. They go when this is dropped.
#[derive(Debug)]
pub(crate) struct Unusual {
    before: Vec<(&'static str, String)>,
}

impl Unusual {
    /// The files and what they say.
    pub(crate) const VALUES: [(&str, &str); 4] = [
        ("/proc/sys/kernel/randomize_va_space", "1"),
        ("/proc/sys/vm/dirty_writeback_centisecs", "707"),
        ("/proc/sys/vm/stat_interval", "7"),
        ("/proc/sys/vm/swappiness", "77"),
    ];

    /// Sets them.
    pub(crate) fn set() -> anyhow::Result<Self> {
        let mut own = Self { before: Vec::new() };
        for (file, value) in Self::VALUES {
            let before = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
            own.before.push((file, before));
            fs::write(file, value).with_context(|| format!("cannot write {file}"))?;
        }
        Ok(own)
    }
}

impl Drop for Unusual {
    fn drop(&mut self) {
        for (file, before) in &self.before {
            // It could be written before; and a scenario that fails has its say already.
            let _written = fs::write(file, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_knobs() {
        let state = HostState::here();
        for file in ["/proc/sys/vm/swappiness", "/sys/devices/system/cpu/online"] {
            assert!(state.values.contains_key(file), "{state:?}");
        }
        let mut other = state.clone();
        assert!(state.changes(&other).is_empty());
        other.values.remove("/proc/sys/vm/swappiness");
        other.values.insert("/new".to_owned(), String::new());
        other.journal = !other.journal;
        let changed = ["/new", "/proc/sys/vm/swappiness"];
        assert_eq!(state.changes(&other), changed);
        let changed = [&changed[..], &[JOURNAL]].concat();
        assert_eq!(state.differences(&other), changed);
        let json = Value::from(state.clone());
        let read: HostState = serde_json::from_value(json).expect("it was one");
        assert_eq!(read, state);
    }

    #[test]
    fn interrupts_may_come_and_go() {
        let with = |values: &[(&str, &str)]| HostState {
            values: values
                .iter()
                .map(|(irq, cpus)| (format!("/proc/irq/{irq}{AFFINITY}"), (*cpus).to_owned()))
                .collect(),
            ..HostState::default()
        };
        let before = with(&[("1", "0"), ("2", "0-1")]);
        let after = with(&[("2", "0-1"), ("3", "0")]);
        assert!(before.differences(&after).is_empty());
        let after = with(&[("1", "0"), ("2", "0")]);
        let moved = ["/proc/irq/2/smp_affinity_list"];
        assert_eq!(before.differences(&after), moved);
    }

    #[test]
    fn values_are_found_in_what_files_say() {
        assert_eq!(value("60\n"), "60");
        assert_eq!(value("always [madvise] never\n"), "madvise");
    }

    #[test]
    fn stars_stand_for_names() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["policy0", "policy12", "other"] {
            let inner = folder.path().join(name);
            fs::create_dir(&inner).expect("it can be made");
        }
        let pattern = format!("{}/policy*/boost", folder.path().display());
        let mut found = matching(&pattern);
        found.sort();
        let expected = ["policy0/boost", "policy12/boost"];
        assert_eq!(found, expected.map(|name| folder.path().join(name)));
    }
}
