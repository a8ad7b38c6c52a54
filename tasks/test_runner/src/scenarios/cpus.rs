//! CPUs, as the kernel tells of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use super::processes;

/// A thread of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread {
    /// As it calls itself.
    pub(crate) name: String,
    /// Where it may run, as a list.
    pub(crate) cpus: String,
}

/// The CPUs of a list such as `0-2,8`; what is no number is none.
pub(crate) fn parse(list: &str) -> BTreeSet<u32> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (begin, end) = range.split_once('-').unwrap_or((range, range));
        Some(begin.parse().ok()?..=end.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// The CPUs of a mask such as `00000001,80000000`: numbers of 32 bits, the highest first.
pub(crate) fn of_mask(mask: &str) -> BTreeSet<u32> {
    let mut cpus = BTreeSet::new();
    for (index, word) in (0..).zip(mask.trim().rsplit(',')) {
        let bits = u32::from_str_radix(word, 16).unwrap_or_default();
        let set = (0..u32::BITS).filter(|bit| bits >> bit & 1 == 1);
        cpus.extend(set.map(|bit| index * u32::BITS + bit));
    }
    cpus
}

/// Those that this process may use.
pub(crate) fn own() -> BTreeSet<u32> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    allowed(&status).map(parse).unwrap_or_default()
}

/// The list in a `/proc/PID/status` (`proc_pid_status(5)`).
fn allowed(status: &str) -> Option<&str> {
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(list.trim())
}

/// All threads of a process.
pub(crate) fn threads(process: i32) -> anyhow::Result<Vec<Thread>> {
    let folder = processes::folder(process).join("task");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut threads = Vec::new();
    for entry in entries.flatten() {
        let read = |name: &str| fs::read_to_string(entry.path().join(name));
        // A thread may end while it is looked at: then it is not there.
        let (Ok(name), Ok(status)) = (read("comm"), read("status")) else {
            continue;
        };
        threads.push(Thread {
            name: name.trim_end().to_owned(),
            cpus: allowed(&status)
                .context("the kernel does not tell a thread's CPUs")?
                .to_owned(),
        });
    }
    Ok(threads)
}

/// Where cgroup v2 is mounted, if CPUs can be given out there.
pub(crate) fn cpuset_hierarchy() -> Option<PathBuf> {
    let hierarchy = mounted(&mounts(), &["cgroup2"]).into_iter().next()?;
    let controllers = fs::read_to_string(hierarchy.join("cgroup.controllers")).ok()?;
    let has_cpusets = controllers.split_whitespace().any(|name| name == "cpuset");
    has_cpusets.then_some(hierarchy)
}

/// Where cgroups of any version are mounted.
pub(crate) fn hierarchies() -> Vec<PathBuf> {
    mounted(&mounts(), &["cgroup", "cgroup2"])
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// Where file systems of these kinds are in a `/proc/PID/mountinfo` (`proc_pid_mountinfo(5)`).
fn mounted(mountinfo: &str, kinds: &[&str]) -> Vec<PathBuf> {
    let place = |line: &str| {
        let (place, filesystem) = line.split_once(" - ")?;
        let kind = filesystem.split(' ').next()?;
        kinds.contains(&kind).then_some(())?;
        place.split(' ').nth(4).map(PathBuf::from)
    };
    mountinfo.lines().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_of_both_versions_are_found() {
        let mounts = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let expected = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"].map(PathBuf::from);
        assert_eq!(mounted(mounts, &["cgroup", "cgroup2"]), expected);
        assert_eq!(mounted(mounts, &["cgroup2"]), expected[1..]);
        assert!(mounted("31 24 0:26 / / rw - ext4 /dev/vda rw\n", &["cgroup2"]).is_empty());
    }

    #[test]
    fn lists_are_sets() {
        assert_eq!(parse("0-2,8\n"), BTreeSet::from([0, 1, 2, 8]));
        assert_eq!(parse("5"), BTreeSet::from([5]));
        assert!(parse("\n").is_empty());
        assert_eq!(of_mask("3\n"), BTreeSet::from([0, 1]));
        assert_eq!(of_mask("00000001,80000002"), BTreeSet::from([1, 31, 32]));
        assert!(of_mask("").is_empty());
    }

    #[test]
    fn this_process_runs_somewhere_and_so_do_its_threads() {
        let own = own();
        assert!(!own.is_empty());
        let id = i32::try_from(std::process::id()).expect("ids are small");
        let threads = threads(id).expect("it is there");
        assert!(threads.iter().all(|thread| !parse(&thread.cpus).is_empty()));
        let current = std::thread::current();
        let name: String = current
            .name()
            .unwrap_or_default()
            .chars()
            .take(15)
            .collect();
        assert!(
            threads.iter().any(|thread| thread.name == name),
            "{threads:?}"
        );
    }
}
