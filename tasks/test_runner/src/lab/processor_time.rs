//! What the virtual processors of a QEMU process have used.

use std::fs;

/// The sum over the process's threads that run guest code, in clock ticks; over all of its threads
/// where none can be told apart. 0 once the process is gone.
pub(crate) fn of_virtual_cpus(process: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
        return 0;
    };
    let threads: Vec<Thread> = tasks
        .filter_map(|task| {
            let path = task.ok()?.path().join("stat");
            parse(&fs::read_to_string(path).ok()?)
        })
        .collect();
    sum(&threads)
}

/// A thread's name and what it has used.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thread {
    name: String,
    ticks: u64,
}

fn sum(threads: &[Thread]) -> u64 {
    // `CPU 0/TCG`, with `-name debug-threads=on`.
    let of = |keep: fn(&str) -> bool| {
        threads
            .iter()
            .filter(move |thread| keep(&thread.name))
            .map(|thread| thread.ticks)
    };
    if of(|name| name.starts_with("CPU ")).next().is_some() {
        of(|name| name.starts_with("CPU ")).sum()
    } else {
        of(|_| true).sum()
    }
}

/// `/proc/PID/task/TID/stat`: the name stands in parentheses and may hold anything; `utime` and
/// `stime` are the fields 14 and 15 (proc(5)).
fn parse(stat: &str) -> Option<Thread> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Thread {
        name: name.to_owned(),
        ticks: user + system,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let stat = "12 (CPU 0/TCG) (x) S 1 12 12 0 -1 4194304 5 0 0 0 700 42 0 0 20 0 3 0";
        assert_eq!(
            parse(stat),
            Some(Thread {
                name: "CPU 0/TCG) (x".to_owned(),
                ticks: 742
            })
        );
        assert_eq!(parse("12 (x) S"), None);
    }

    #[test]
    fn only_virtual_cpus_count_where_they_are_named() {
        let thread = |name: &str, ticks| Thread {
            name: name.to_owned(),
            ticks,
        };
        let named = [
            thread("qemu-system-x86", 5),
            thread("CPU 0/TCG", 70),
            thread("CPU 1/TCG", 1),
        ];
        assert_eq!(sum(&named), 71);
        assert_eq!(sum(&named[..1]), 5);
    }

    #[test]
    fn this_process_has_threads() {
        let before = of_virtual_cpus(std::process::id());
        assert!(of_virtual_cpus(std::process::id()) >= before);
        assert_eq!(of_virtual_cpus(u32::MAX), 0);
    }
}
