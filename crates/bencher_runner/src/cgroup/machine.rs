//! The cgroup of one machine.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::parent::Parent;
use super::{hierarchy, quiet, remove_tree};

/// Those that limit a machine.
const LIMITED: [&str; 2] = ["memory", "pids"];

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

/// CPU time that a cgroup counted, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuTime {
    pub(crate) all: u64,
    pub(crate) user: u64,
    pub(crate) system: u64,
}

impl CpuTime {
    /// Reads `cpu.stat` (`Documentation/admin-guide/cgroup-v2.rst`).
    fn parse(stat: &str) -> Option<Self> {
        let value = |name: &str| {
            let value = |line: &str| line.strip_prefix(name)?.trim().parse().ok();
            stat.lines().find_map(value)
        };
        Some(Self {
            all: value("usage_usec ")?,
            user: value("user_usec ")?,
            system: value("system_usec ")?,
        })
    }

    /// What was added since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
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
                "a limit of {name} (the cgroups of this host have no such controller to give here)"
            ),
        }
    }
}

impl Cgroup {
    /// What this host lacks for [`Cgroup::create`].
    pub(crate) fn obstacles() -> Vec<Obstacle> {
        match Parent::find() {
            Err(reason) => vec![Obstacle::None(reason)],
            Ok(parent) => {
                parent.enable_controllers();
                LIMITED
                    .into_iter()
                    .filter(|name| !parent.controls(name))
                    .map(Obstacle::Controller)
                    .collect()
            }
        }
    }

    /// The same, as far as it can be told without making or changing anything.
    pub(crate) fn foreseeable_obstacles() -> Vec<Obstacle> {
        let top = match hierarchy::unified() {
            Err(reason) => return vec![Obstacle::None(reason.to_owned())],
            Ok(top) => top,
        };
        let folder = if nix::unistd::geteuid().is_root() {
            top
        } else {
            match Parent::find() {
                Err(reason) => return vec![Obstacle::None(reason)],
                Ok(parent) => parent.path,
            }
        };
        let missing = LIMITED.into_iter();
        missing
            .filter(|name| !hierarchy::has_controller(&folder, name))
            .map(Obstacle::Controller)
            .collect()
    }

    /// Makes the cgroup `name`, if this host has a place for it, with those limits that the host
    /// can set. `within` is the cgroup that it has to be in; `None` for where they are made else.
    pub(crate) fn create(
        name: &str,
        limits: CgroupLimits,
        within: Option<&Path>,
    ) -> Result<Option<Self>, CgroupError> {
        let parent = match within {
            Some(path) => Parent::at(path),
            None => match Parent::find() {
                Ok(parent) => parent,
                Err(_) => return Ok(None),
            },
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

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The CPU time of everything that ever was in it; `None` where the kernel does not tell. It is
    /// counted whatever controllers there are.
    pub(crate) fn cpu_time(&self) -> Option<CpuTime> {
        CpuTime::parse(&fs::read_to_string(self.path.join("cpu.stat")).ok()?)
    }

    /// Whether something in it was ended because it took more memory than it may.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        events
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "))
            .any(|count| count != "0")
    }

    /// Removes the cgroups of the run `name`, which is over, and ends what is left in them.
    ///
    /// # Errors
    ///
    /// When something in one does not end.
    pub(crate) fn remove_left_over(name: &str) -> io::Result<()> {
        let Ok(parent) = Parent::find() else {
            return Ok(());
        };
        let quiet = parent.top.as_deref().map(quiet);
        let quiet = quiet.filter(|path| path.exists());
        for parent in [Some(parent), quiet.map(|path| Parent::at(&path))]
            .into_iter()
            .flatten()
        {
            let prefix = parent.child(&format!("{name}."));
            for entry in fs::read_dir(&parent.path)? {
                let path = entry?.path();
                if path
                    .as_os_str()
                    .as_encoded_bytes()
                    .starts_with(prefix.as_os_str().as_encoded_bytes())
                {
                    remove_tree(&path)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // One that can not be removed now is removed with the left-over run.
        let _removed_later = remove_tree(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_made_and_removed_where_there_is_a_place_for_it() {
        let limits = CgroupLimits {
            memory_bytes: Some(64 << 20),
            pids: Some(10),
        };
        let name = format!("test-{}.1", std::process::id());
        let Some(cgroup) = Cgroup::create(&name, limits, None).unwrap() else {
            println!("skipped: no cgroup v2 of this user's");
            return;
        };
        let path = cgroup.path().to_owned();
        assert!(path.join("cgroup.procs").is_file());
        assert_eq!(Cgroup::foreseeable_obstacles(), Cgroup::obstacles());
        if Cgroup::obstacles().is_empty() {
            let limit = fs::read_to_string(path.join("pids.max")).unwrap();
            assert_eq!(limit, "10\n");
        }
        // As if this process had been killed.
        std::mem::forget(cgroup);
        Cgroup::remove_left_over(&format!("test-{}", std::process::id())).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn one_within_another_goes_with_it() {
        let limits = CgroupLimits {
            memory_bytes: None,
            pids: None,
        };
        let name = format!("outer-{}.1", std::process::id());
        let Some(outer) = Cgroup::create(&name, limits, None).unwrap() else {
            println!("skipped: no cgroup v2 of this user's");
            return;
        };
        let inner = Cgroup::create("inner", limits, Some(outer.path()));
        let inner = inner.unwrap().unwrap();
        assert_eq!(inner.path(), outer.path().join("inner"));
        fs::create_dir_all(inner.path().join("a/command/made")).unwrap();
        std::mem::forget(inner);
        remove_tree(outer.path()).unwrap();
        assert!(!outer.path().exists());
    }

    #[test]
    fn what_is_left_in_one_is_ended_and_waited_for() {
        let limits = CgroupLimits {
            memory_bytes: None,
            pids: None,
        };
        let name = format!("busy-{}.1", std::process::id());
        let Some(cgroup) = Cgroup::create(&name, limits, None).unwrap() else {
            println!("skipped: no cgroup v2 of this user's");
            return;
        };
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        fs::write(cgroup.path().join("cgroup.procs"), child.id().to_string()).unwrap();
        let path = cgroup.path().to_owned();
        // A zombie is in no cgroup.
        drop(cgroup);
        assert!(!path.exists());
        assert!(!child.wait().unwrap().success());
    }
}
