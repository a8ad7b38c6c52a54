//! What else runs on the host just now.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;
use crate::host_files::HostFiles;
use crate::validity::{OTHERS, TICKS, cpu_times};

pub(super) const CHECK: Check = Check {
    name: "load",
    why: "other programs take the benchmark's CPUs, or its share of caches and memory",
    examine,
};

/// How long the host is looked at.
const SPAN: Duration = Duration::from_secs(1);

fn examine(host: &Host) -> Outcome {
    let before = Usage::now(&host.files);
    let start = Instant::now();
    std::thread::sleep(SPAN);
    judge(&before, &Usage::now(&host.files), start.elapsed())
}

/// Of the time of one CPU, what others may take.
const BUSY: f64 = 0.1;

/// CPU time since the host's start, in ticks.
struct Usage {
    /// Of each CPU.
    cpus: BTreeMap<u32, u64>,
    /// Of this process.
    own: u64,
    /// Of each other process, with its name.
    processes: BTreeMap<u32, (String, u64)>,
}

impl Usage {
    fn now(files: &HostFiles) -> Self {
        let stat = files.value("/proc/stat").unwrap_or_default();
        let own = std::process::id();
        let all = files.processes();
        let all = all.iter().filter_map(|folder| {
            let (id, name, ticks) = process(&files.value(folder.join("stat"))?)?;
            Some((id, (name, ticks)))
        });
        let mut processes: BTreeMap<_, _> = all.collect();
        let own = processes.remove(&own).map_or(0, |(_, ticks)| ticks);
        Self {
            cpus: cpu_times(&stat)
                .into_iter()
                .map(|(cpu, time)| (cpu, time.busy))
                .collect(),
            own,
            processes,
        }
    }
}

/// The id, name, and user and system time of a process, from its `stat` (see `proc_pid_stat(5)`).
fn process(stat: &str) -> Option<(u32, String, u64)> {
    // The name is in parentheses, and may hold some.
    let (id, rest) = stat.split_once(" (")?;
    let (name, fields) = rest.rsplit_once(") ")?;
    // The state is the third field, the times are the 14th and 15th.
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || times.next()?.parse::<u64>().ok();
    let ticks = next()?.checked_add(next()?)?;
    Some((id.parse().ok()?, name.to_owned(), ticks))
}

fn judge(before: &Usage, after: &Usage, span: Duration) -> Outcome {
    #[expect(clippy::cast_precision_loss, reason = "of a second there are few")]
    let share = |ticks: u64| ticks as f64 / (TICKS * span.as_secs_f64());
    let busy = after.cpus.iter().map(|(cpu, ticks)| {
        let before = before.cpus.get(cpu).copied().unwrap_or(*ticks);
        (ticks.saturating_sub(before), *cpu)
    });
    let all: u64 = busy.clone().map(|(ticks, _)| ticks).sum();
    let own = after.own.saturating_sub(before.own);
    #[expect(clippy::cast_precision_loss, reason = "no host has so many")]
    let of_all = share(all.saturating_sub(own)) / after.cpus.len().max(1) as f64;
    let (ticks, cpu) = busy.max().unwrap_or_default();
    let of_one = share(ticks.saturating_sub(own));
    // Of many CPUs one that is busy all the time is a small share, and may be the benchmark's.
    if of_all <= OTHERS && of_one <= BUSY {
        return Outcome::pass(format!("{:.1} % of the CPUs' time", of_all * 100.0));
    }
    let used = after.processes.iter().map(|(id, (name, ticks))| {
        let before = before.processes.get(id).map_or(0, |(_, ticks)| *ticks);
        (ticks.saturating_sub(before), name.as_str(), *id)
    });
    let most = used.max().filter(|(ticks, ..)| *ticks > 0);
    let who = most.map_or_else(String::new, |(ticks, name, id)| {
        format!(
            ", most of it by {name} (process {id}): {:.0} % of a CPU",
            share(ticks) * 100.0
        )
    });
    Outcome::warn(
        format!(
            "{:.1} % of the CPUs' time, {:.0} % of CPU {cpu}{who}",
            of_all * 100.0,
            of_one * 100.0
        ),
        "end what need not run: top shows it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(busy: u64, own: u64, processes: &[(u32, &str, u64)]) -> Usage {
        let processes = processes.iter();
        let idle = (1..50).map(|cpu| (cpu, 100));
        Usage {
            cpus: idle.chain([(0, busy)]).collect(),
            own,
            processes: processes
                .map(|&(id, name, ticks)| (id, (name.to_owned(), ticks)))
                .collect(),
        }
    }

    #[test]
    fn whoever_uses_most_is_named() {
        let before = usage(0, 3, &[(7, "make", 30), (8, "cc1", 500)]);
        let judged = |after: &Usage| judge(&before, after, Duration::from_secs(1));
        let quiet = usage(9, 3, &[(7, "make", 34)]);
        assert_eq!(judged(&quiet), Outcome::pass("0.2 % of the CPUs' time"));
        // Of fifty CPUs it is little, and one is busy.
        let busy = usage(60, 3, &[(7, "make", 32), (8, "cc1", 550)]);
        assert_eq!(
            judged(&busy).found,
            "1.2 % of the CPUs' time, 60 % of CPU 0, most of it by cc1 (process 8): 50 % of a CPU"
        );
        // What was used by processes that have ended.
        assert_eq!(
            judged(&usage(60, 3, &[])).found,
            "1.2 % of the CPUs' time, 60 % of CPU 0"
        );
        // The doctor's own time is nobody else's.
        let own = judged(&usage(60, 60, &[]));
        assert_eq!(own.status, crate::doctor::Status::Pass);
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 1 2 3 4 50 7 0 0 20 0 1";
        assert_eq!(process(stat), Some((42, "a) b (c".to_owned(), 57)));
        assert_eq!(process("42 (x) S 1"), None);
        assert_eq!(process(""), None);
    }
}
