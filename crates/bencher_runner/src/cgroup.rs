//! A cgroup (v2) for each machine: what runs in it is counted, limited, and ended as one.
//!
//! ```text
//! <cgroup2>/bencher-runner/<run>.<iteration>     as root
//! <cgroup2>/<own>/bencher-runner.<run>.<iteration>   as a user, where the own cgroup is the user's
//! ```
//!
//! Hosts differ: some have no cgroup v2, some only a hierarchy without controllers beside v1, some
//! give users none. So nothing here is taken for granted, and what is missing is said.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What the runner calls its part of the hierarchy.
const NAME: &str = "bencher-runner";

/// The controllers that limit and count.
const CONTROLLERS: [&str; 4] = ["cpu", "io", "memory", "pids"];

/// Why a machine has no cgroup although there is a hierarchy for it.
#[derive(Debug, Error)]
#[error("failed to {action} the cgroup {}: {source}", path.display())]
pub struct CgroupError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What limits everything in a cgroup together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CgroupLimits {
    /// Memory in bytes, page cache included.
    pub(crate) memory_bytes: Option<u64>,
    /// Processes and threads.
    pub(crate) pids: Option<u64>,
}

/// A cgroup, removed when dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

/// What a host lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// There is nowhere to make one; the text says why, as a clause.
    None(String),
    /// A limit can not be set.
    Controller(&'static str),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(reason) => write!(formatter, "a cgroup of its own ({reason})"),
            Self::Controller(name) => write!(
                formatter,
                "a limit of {name} (this host's cgroup v2 has no such controller to give)"
            ),
        }
    }
}

impl Cgroup {
    /// What this host lacks for [`Cgroup::create`].
    pub(crate) fn obstacles() -> Vec<Obstacle> {
        match Parent::find() {
            Err(reason) => vec![Obstacle::None(reason)],
            Ok(parent) => ["memory", "pids"]
                .into_iter()
                .filter(|name| !parent.controls(name))
                .map(Obstacle::Controller)
                .collect(),
        }
    }

    /// Makes the cgroup `name`, if this host has a place for it, with those limits that the host
    /// can set.
    pub(crate) fn create(name: &str, limits: CgroupLimits) -> Result<Option<Self>, CgroupError> {
        let Ok(parent) = Parent::find() else {
            return Ok(None);
        };
        parent.enable_controllers();
        let path = parent.child(name);
        fs::create_dir(&path).map_err(|source| CgroupError {
            action: "make",
            path: path.clone(),
            source,
        })?;
        let cgroup = Self { path };
        for (file, value) in [
            ("memory.max", limits.memory_bytes),
            // Swapping would be noise, and keep a guest's memory on the host's disk.
            ("memory.swap.max", limits.memory_bytes.map(|_| 0)),
            ("memory.oom.group", limits.memory_bytes.map(|_| 1)),
            ("pids.max", limits.pids),
        ] {
            let path = cgroup.path.join(file);
            let Some(value) = value.filter(|_| path.exists()) else {
                continue;
            };
            fs::write(&path, value.to_string()).map_err(|source| CgroupError {
                action: "limit",
                path,
                source,
            })?;
        }
        Ok(Some(cgroup))
    }

    /// The file into which a process writes `0` to enter.
    pub(crate) fn processes(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the cgroups of the run `name`, which is over, and ends what is left in them.
    pub(crate) fn remove_left_over(name: &str) {
        let Ok(parent) = Parent::find() else { return };
        let prefix = parent.child(&format!("{name}."));
        let Ok(entries) = fs::read_dir(&parent.path) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path
                .as_os_str()
                .as_encoded_bytes()
                .starts_with(prefix.as_os_str().as_encoded_bytes())
            {
                drop(Self { path });
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // What is in it has ended already, unless something went wrong. Kernels before 5.14 lack
        // the file.
        let _nothing_there = fs::write(self.path.join("cgroup.kill"), "1");
        // One that can not be removed yet is removed with the left-over run.
        let _removed_later = fs::remove_dir(&self.path);
    }
}

/// Where cgroups are made.
#[derive(Debug)]
struct Parent {
    path: PathBuf,
    /// What comes before the names of cgroups.
    prefix: &'static str,
    /// The hierarchy's own root, whose controllers root may pass on.
    top: Option<PathBuf>,
}

impl Parent {
    fn find() -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let top = mounted(&mounts).ok_or("no cgroup v2 hierarchy is mounted")?;
        if nix::unistd::geteuid().is_root() {
            let path = top.join(NAME);
            return match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    Err(format!("failed to make {}: {error}", path.display()))
                }
                _ => Ok(Self {
                    path,
                    prefix: "",
                    top: Some(top),
                }),
            };
        }
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own = own_path(&own).ok_or("this process is in no cgroup v2")?;
        let path = top.join(own.trim_start_matches('/'));
        // Whether a child can be made is up to the folder's owner.
        nix::unistd::access(&path, nix::unistd::AccessFlags::W_OK)
            .map_err(|_| format!("{} belongs to another user", path.display()))?;
        Ok(Self {
            path,
            prefix: "bencher-runner.",
            top: None,
        })
    }

    fn child(&self, name: &str) -> PathBuf {
        self.path.join(format!("{}{name}", self.prefix))
    }

    /// Gives children the controllers, one by one: a list with one that is not there is refused as
    /// a whole. What can not be given is an obstacle, and told as such.
    fn enable_controllers(&self) {
        for folder in self.top.iter().chain([&self.path]) {
            for controller in CONTROLLERS {
                let control = folder.join("cgroup.subtree_control");
                let _is_an_obstacle = fs::write(control, format!("+{controller}"));
            }
        }
    }

    /// Whether children have the controller, or would after [`Parent::enable_controllers`].
    fn controls(&self, controller: &str) -> bool {
        self.enable_controllers();
        fs::read_to_string(self.path.join("cgroup.subtree_control"))
            .is_ok_and(|enabled| enabled.split_whitespace().any(|name| name == controller))
    }
}

/// Where a cgroup v2 hierarchy is mounted, from `/proc/self/mountinfo` (see `proc(5)`).
fn mounted(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (place, filesystem) = line.split_once(" - ")?;
        filesystem.starts_with("cgroup2 ").then_some(())?;
        place.split(' ').nth(4).map(PathBuf::from)
    })
}

/// This process's cgroup, from `/proc/self/cgroup` (see `cgroups(7)`).
fn own_path(cgroups: &str) -> Option<&str> {
    cgroups.lines().find_map(|line| line.strip_prefix("0::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_among_those_of_v1() {
        let mountinfo = "\
31 24 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
32 31 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 31 0:28 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(
            mounted(mountinfo),
            Some(PathBuf::from("/sys/fs/cgroup/unified"))
        );
        assert_eq!(mounted("1 2 0:1 / / rw - ext4 /dev/sda rw\n"), None);
        let own = "4:memory:/x\n1:cpu:/\n0::/user.slice/user-1.slice\n";
        assert_eq!(own_path(own), Some("/user.slice/user-1.slice"));
        assert_eq!(own_path("1:cpu:/\n"), None);
    }

    #[test]
    fn one_is_made_and_removed_where_there_is_a_place_for_it() {
        let limits = CgroupLimits {
            memory_bytes: Some(64 << 20),
            pids: Some(10),
        };
        let name = format!("test-{}.1", std::process::id());
        let Some(cgroup) = Cgroup::create(&name, limits).unwrap() else {
            println!("skipped: no cgroup v2 of this user's");
            return;
        };
        let path = cgroup.path().to_owned();
        assert!(path.join("cgroup.procs").is_file());
        if Cgroup::obstacles().is_empty() {
            let limit = fs::read_to_string(path.join("pids.max")).unwrap();
            assert_eq!(limit, "10\n");
        }
        // As if this process had been killed.
        std::mem::forget(cgroup);
        Cgroup::remove_left_over(&format!("test-{}", std::process::id()));
        assert!(!path.exists());
    }
}
