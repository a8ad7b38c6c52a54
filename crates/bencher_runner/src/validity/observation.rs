//! What a host says of itself at one moment.

use std::collections::BTreeMap;
use std::fs;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use super::counters::{self, CpuTime};
use super::kernel_log::KernelLog;
use super::sensors::{self, Frequency};
use crate::cpus::CpuSet;

/// Looks at a host before and after each iteration's command.
#[derive(Debug)]
pub struct Observer {
    host: PathBuf,
    /// Where the machine's virtual CPUs may run.
    cpus: CpuSet,
    log: Option<KernelLog>,
}

/// What a host said at one moment: counters since its start, and what sensors showed. What it does
/// not tell is absent.
#[derive(Debug, Clone)]
pub struct Observation {
    pub(super) at: Instant,
    pub(super) times: BTreeMap<u32, CpuTime>,
    pub(super) switches: BTreeMap<u32, u64>,
    pub(super) interrupts: BTreeMap<u32, u64>,
    pub(super) frequencies: BTreeMap<u32, Frequency>,
    pub(super) throttlings: Option<u64>,
    /// Thousandths of a degree Celsius.
    pub(super) temperature: Option<i64>,
    pub(super) swapped_in: Option<u64>,
    pub(super) stalled: Stalled,
    pub(super) clock_source: Option<String>,
    /// What the kernel's log said since the observation before.
    pub(super) trouble: Vec<String>,
}

/// Microseconds in which some task waited for each resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stalled {
    pub(super) cpu: Option<u64>,
    pub(super) memory: Option<u64>,
    pub(super) io: Option<u64>,
}

impl Observer {
    /// An observer of this host, for a machine that runs on `cpus`. Of the kernel's log it hears
    /// what is said from now on.
    pub fn new(cpus: CpuSet) -> Self {
        Self {
            host: PathBuf::from("/"),
            cpus,
            log: KernelLog::from_now(),
        }
    }

    /// An observer of a folder that looks like a host.
    #[cfg(test)]
    pub(super) fn of(host: &Path, cpus: CpuSet) -> Self {
        Self {
            host: host.to_owned(),
            cpus,
            log: None,
        }
    }

    /// The CPUs that are looked at.
    pub fn cpus(&self) -> &CpuSet {
        &self.cpus
    }

    /// The temperature of the processor in thousandths of a degree Celsius, if the host tells.
    pub fn temperature(&self) -> Option<i64> {
        sensors::temperature(&self.host)
    }

    /// Looks at the host now.
    pub fn observe(&mut self) -> Observation {
        let trouble = self.log.as_mut().map_or_else(Vec::new, KernelLog::trouble);
        let host = self.host.as_path();
        let read = |path: &str| fs::read_to_string(host.join(path)).unwrap_or_default();
        let stalled = |resource| counters::stalled(&read(&format!("proc/pressure/{resource}")));
        Observation {
            frequencies: sensors::frequencies(host, &self.cpus),
            throttlings: sensors::throttlings(host, &self.cpus),
            temperature: sensors::temperature(host),
            clock_source: sensors::clock_source(host),
            swapped_in: counters::swapped_in(&read("proc/vmstat")),
            stalled: Stalled {
                cpu: stalled("cpu"),
                memory: stalled("memory"),
                io: stalled("io"),
            },
            times: self.watched(counters::cpu_times(&read("proc/stat"))),
            switches: self.watched(counters::switches(&read("proc/schedstat"))),
            interrupts: self.watched(counters::interrupts(&read("proc/interrupts"))),
            trouble,
            at: Instant::now(),
        }
    }

    fn watched<T>(&self, mut of_each: BTreeMap<u32, T>) -> BTreeMap<u32, T> {
        of_each.retain(|cpu, _| self.cpus.contains(*cpu));
        of_each
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cpus_of_the_machine_are_looked_at() {
        let host = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = host.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "proc/stat",
            "cpu 0\ncpu0 1 0 0 0 0 0 0 9\ncpu1 2 0 0 0 0 0 0 5\n",
        );
        write("proc/interrupts", "  CPU0 CPU1\n 0: 3 4 x\n");
        write("proc/pressure/io", "some avg10=0.00 total=12\n");
        let mut observer = Observer::of(host.path(), "1".parse().unwrap());
        let seen = observer.observe();
        assert_eq!(
            seen.times,
            BTreeMap::from([(1, CpuTime { busy: 2, steal: 5 })])
        );
        assert_eq!(seen.interrupts, BTreeMap::from([(1, 4)]));
        assert_eq!(seen.stalled.io, Some(12));
        // What is not there is not made up.
        assert_eq!(seen.stalled.cpu, None);
        assert_eq!(seen.temperature, None);
        assert!(seen.switches.is_empty() && seen.trouble.is_empty());
    }

    #[test]
    fn this_host_tells_what_its_cpus_do() {
        let cpus: CpuSet = fs::read_to_string("/sys/devices/system/cpu/online")
            .unwrap()
            .parse()
            .unwrap();
        let mut observer = Observer::new(cpus);
        let before = observer.observe();
        let after = observer.observe();
        assert!(!before.times.is_empty());
        for (cpu, time) in &after.times {
            assert!(time.busy >= before.times[cpu].busy);
        }
    }
}
