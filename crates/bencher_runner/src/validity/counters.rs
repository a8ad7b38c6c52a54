//! The kernel's counters of what CPUs do, from `/proc`. See `proc_stat(5)`, `proc_interrupts(5)`,
//! and the kernel's `Documentation/scheduler/sched-stats.rst` and `Documentation/accounting/psi.rst`.

use std::collections::BTreeMap;

/// What one CPU has spent its time with since the host's start, in ticks (`USER_HZ`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTime {
    /// Executing anything, guests included.
    pub(crate) busy: u64,
    /// Wanting to execute, while the hypervisor below this host executed something else.
    pub(crate) steal: u64,
}

/// The times of each CPU in `/proc/stat`.
pub(crate) fn cpu_times(stat: &str) -> BTreeMap<u32, CpuTime> {
    per_cpu(stat, |fields| {
        // user nice system idle iowait irq softirq steal; guests' time is in user and nice.
        let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields[..] else {
            return None;
        };
        Some(CpuTime {
            busy: user + nice + system + irq + softirq,
            steal,
        })
    })
}

/// How often each CPU took up another task, from `/proc/schedstat`.
pub(super) fn switches(schedstat: &str) -> BTreeMap<u32, u64> {
    // The ninth field: timeslices run on this CPU.
    per_cpu(schedstat, |fields| fields.get(8).copied())
}

/// Lines `cpuN NUMBER…`, `cpu` alone left out.
fn per_cpu<T>(text: &str, value: impl Fn(Vec<u64>) -> Option<T>) -> BTreeMap<u32, T> {
    let of_line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let cpu = words.next()?.strip_prefix("cpu")?.parse().ok()?;
        let fields = words.map(|word| word.parse().unwrap_or(0)).collect();
        Some((cpu, value(fields)?))
    };
    text.lines().filter_map(of_line).collect()
}

/// How many interrupts each CPU has served, from `/proc/interrupts`.
pub(super) fn interrupts(text: &str) -> BTreeMap<u32, u64> {
    let mut lines = text.lines();
    let cpus: Vec<u32> = lines
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("CPU")?.parse().ok())
        .collect();
    let mut sums: BTreeMap<u32, u64> = cpus.iter().map(|&cpu| (cpu, 0)).collect();
    for line in lines {
        let Some((_name, counts)) = line.split_once(':') else {
            continue;
        };
        // After the counts, of which some lines have fewer than there are CPUs, comes a text.
        let counts = counts
            .split_ascii_whitespace()
            .map_while(|word| word.parse::<u64>().ok());
        for (cpu, count) in cpus.iter().zip(counts) {
            *sums.entry(*cpu).or_default() += count;
        }
    }
    sums
}

/// Pages that were read back from swap since the host's start, from `/proc/vmstat`.
pub(super) fn swapped_in(vmstat: &str) -> Option<u64> {
    vmstat
        .lines()
        .find_map(|line| line.strip_prefix("pswpin ")?.trim().parse().ok())
}

/// Microseconds in which some task was held up, from a file of `/proc/pressure`.
pub(super) fn stalled(pressure: &str) -> Option<u64> {
    let some = pressure
        .lines()
        .find_map(|line| line.strip_prefix("some "))?;
    some.split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("total=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_those_of_each_cpu() {
        let stat = "cpu  10 1 2 100 5 1 1 7 3 0\n\
                    cpu0 4 1 1 50 2 1 0 3 1 0\n\
                    cpu12 6 0 1 50 3 0 1 4 2 0\n\
                    intr 123 4 5\nctxt 99\n";
        let times = cpu_times(stat);
        assert_eq!(times.keys().copied().collect::<Vec<_>>(), [0, 12]);
        assert_eq!(times[&0], CpuTime { busy: 7, steal: 3 });
        assert_eq!(times[&12], CpuTime { busy: 8, steal: 4 });
        // Before Linux 2.6.11 there was no steal.
        assert!(cpu_times("cpu0 1 2 3 4 5 6 7\n").is_empty());
    }

    #[test]
    fn switches_are_the_ninth_number() {
        let text = "version 15\ntimestamp 5\ncpu1 0 0 0 0 0 0 70 80 90\ndomain0 3 0\n";
        assert_eq!(switches(text), BTreeMap::from([(1, 90)]));
    }

    #[test]
    fn interrupts_are_added_up_for_each_cpu() {
        let text = "            CPU0       CPU3\n\
                    \x20 0:         10          0   IO-APIC   2-edge      timer\n\
                    LOC:       1000       2000   Local timer interrupts\n\
                    ERR:          7\n\
                    MIS:          0\n";
        assert_eq!(interrupts(text), BTreeMap::from([(0, 1017), (3, 2000)]));
    }

    #[test]
    fn what_was_swapped_in_and_held_up() {
        assert_eq!(swapped_in("pgpgin 5\npswpin 42\npswpout 3\n"), Some(42));
        assert_eq!(swapped_in("pgpgin 5\n"), None);
        let pressure = "some avg10=0.00 avg60=0.12 avg300=0.05 total=123456\n\
                        full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(stalled(pressure), Some(123_456));
        assert_eq!(stalled("full total=7\n"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(cpu[0-9]{0,3}|[a-zA-Z0-9:= \n]){0,20}") {
            cpu_times(&text);
            switches(&text);
            interrupts(&text);
            swapped_in(&text);
            stalled(&text);
        }
    }
}
