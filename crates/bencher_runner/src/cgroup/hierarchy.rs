//! Where cgroups are mounted, and which controllers they have.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of this host's hierarchy of version 2, or why there is none, as a clause.
pub(crate) fn unified() -> Result<PathBuf, &'static str> {
    mounted(&mounts(), |kind, _| kind == "cgroup2").ok_or("no cgroup v2 hierarchy is mounted")
}

/// The root of the hierarchy of version 1 that has `controller`.
pub(crate) fn legacy(controller: &str) -> Option<PathBuf> {
    mounted(&mounts(), |kind, options| {
        kind == "cgroup" && options.split(',').any(|option| option == controller)
    })
}

/// Whether the cgroup `folder` of version 2 has `controller` to give.
pub(crate) fn has_controller(folder: &Path, controller: &str) -> bool {
    lists(&folder.join("cgroup.controllers"), controller)
}

/// Whether `file` of a cgroup lists `controller`.
pub(super) fn lists(file: &Path, controller: &str) -> bool {
    fs::read_to_string(file)
        .is_ok_and(|names| names.split_whitespace().any(|name| name == controller))
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// Where `/proc/self/mountinfo` (see `proc_pid_mountinfo(5)`) has the first file system of whose kind
/// and options `is_it` is true.
fn mounted(mountinfo: &str, is_it: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (place, filesystem) = line.split_once(" - ")?;
        let mut fields = filesystem.split(' ');
        let (kind, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
        is_it(kind, options).then_some(())?;
        place.split(' ').nth(4).map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
42 31 0:39 / / rw - ext4 /dev/sda rw,cpu\n";

    #[test]
    fn a_hierarchy_is_found_among_others() {
        let place = |is_it: fn(&str, &str) -> bool| mounted(MOUNTS, is_it);
        let expected = Some(PathBuf::from("/sys/fs/cgroup/unified"));
        assert_eq!(place(|kind, _| kind == "cgroup2"), expected);
        let of_cpu = |kind: &str, options: &str| kind == "cgroup" && options == "rw,cpu,cpuacct";
        let expected = Some(PathBuf::from("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(place(of_cpu), expected);
        assert_eq!(place(|kind, _| kind == "btrfs"), None);
        assert_eq!(mounted("a line of no such kind\n", |_, _| true), None);
    }

    #[test]
    fn a_controller_is_a_whole_word() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_controller(folder.path(), "cpu"));
        fs::write(folder.path().join("cgroup.controllers"), "cpuset io\n").unwrap();
        assert!(has_controller(folder.path(), "cpuset"));
        assert!(!has_controller(folder.path(), "cpu"));
    }
}
