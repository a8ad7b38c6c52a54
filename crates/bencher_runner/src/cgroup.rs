//! A cgroup (v2) for each machine: what runs in it is counted, limited, and ended as one.
//!
//! ```text
//! <cgroup2>/bencher-runner/<run>.<iteration>     as root
//! <cgroup2>/bencher-runner.quiet/<run>.<iteration>   as root, with CPUs of its own
//! <cgroup2>/<own>/bencher-runner.<run>.<iteration>   as a user, where the own cgroup is the user's
//! ```
//!
//! Hosts differ: some have no cgroup v2, some only a hierarchy without controllers beside v1, some
//! give users none. So nothing here is taken for granted, and what is missing is said.

use std::fmt;
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use thiserror::Error;

/// What the runner calls its part of the hierarchy.
const NAME: &str = "bencher-runner";

/// What it calls the part that has CPUs of its own.
const QUIET: &str = "bencher-runner.quiet";

/// The controllers that limit and count.
const CONTROLLERS: [&str; 4] = ["cpu", "io", "memory", "pids"];

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

/// How long what is in a cgroup may take to end once it was killed: a guest's memory has to be
/// given back.
const PATIENCE: Duration = Duration::from_secs(5);

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
        let Some(top) = hierarchy() else {
            return vec![Obstacle::None(
                "no cgroup v2 hierarchy is mounted".to_owned(),
            )];
        };
        let folder = if nix::unistd::geteuid().is_root() {
            top
        } else {
            match Parent::find() {
                Err(reason) => return vec![Obstacle::None(reason)],
                Ok(parent) => parent.path,
            }
        };
        let given = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        let lacks = |name: &&str| !given.split_whitespace().any(|given| given == *name);
        let missing = LIMITED.into_iter().filter(lacks);
        missing.map(Obstacle::Controller).collect()
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

/// The root of this host's hierarchy, where one is mounted.
pub(crate) fn hierarchy() -> Option<PathBuf> {
    mounted(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// The cgroup that has CPUs of its own, in the hierarchy whose root is `top`.
pub(crate) fn quiet(top: &Path) -> PathBuf {
    top.join(QUIET)
}

/// Lets what is made below `path`, which is below the hierarchy's root `top`, be counted and
/// limited.
pub(crate) fn pass_controllers_on(top: &Path, path: &Path) {
    Parent {
        path: path.to_owned(),
        prefix: "",
        top: Some(top.to_owned()),
    }
    .enable_controllers();
}

/// Ends what is in a cgroup, and in those below it, and removes them all. A command of root's may
/// have made any number of them, within one another; the kernel bounds their depth.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    // First everything is ended at once, so that nothing makes another one meanwhile.
    let _before_5_14 = fs::write(path.join("cgroup.kill"), "1");
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    remove(path)
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // One that can not be removed now is removed with the left-over run.
        let _removed_later = remove_tree(&self.path);
    }
}

/// Ends what is in the cgroup and removes it.
fn remove(path: &Path) -> io::Result<()> {
    // What was in it has ended already, unless something went wrong. Kernels before 5.14 lack the
    // file.
    let _nothing_there = fs::write(path.join("cgroup.kill"), "1");
    wait_until_empty(path)?;
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Waits until no process is in it any more: the kernel announces that.
fn wait_until_empty(path: &Path) -> io::Result<()> {
    let mut events = match fs::File::open(path.join("cgroup.events")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut text = String::new();
        events.rewind()?;
        events.read_to_string(&mut text)?;
        if text.lines().any(|line| line == "populated 0") {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut changed = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        if poll(&mut changed, timeout)? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
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
    /// The cgroup `path`, which this process has made.
    fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            prefix: "",
            top: None,
        }
    }

    fn find() -> Result<Self, String> {
        let top = hierarchy().ok_or("no cgroup v2 hierarchy is mounted")?;
        let parent = if nix::unistd::geteuid().is_root() {
            let path = top.join(NAME);
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(format!("failed to make {}: {error}", path.display()));
                }
                _ => {}
            }
            Self {
                path,
                prefix: "",
                top: Some(top),
            }
        } else {
            let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            let own = own_path(&own).ok_or("this process is in no cgroup v2")?;
            let path = top.join(own.trim_start_matches('/'));
            // Whether a child can be made is up to the folder's owner.
            nix::unistd::access(&path, nix::unistd::AccessFlags::W_OK)
                .map_err(|_| format!("{} belongs to another user", path.display()))?;
            Self {
                path,
                prefix: "bencher-runner.",
                top: None,
            }
        };
        // Below a threaded cgroup there are threads only. The hierarchy's root has no such file.
        let kind = fs::read_to_string(parent.path.join("cgroup.type"));
        match kind.as_deref().map(str::trim_end) {
            Ok("domain") | Err(_) => Ok(parent),
            Ok(kind) => Err(format!("{} is {kind}", parent.path.display())),
        }
    }

    fn child(&self, name: &str) -> PathBuf {
        self.path.join(format!("{}{name}", self.prefix))
    }

    /// Gives children the controllers, one by one: a list with one that is not there is refused as
    /// a whole. What can not be given is an obstacle, and told as such.
    ///
    /// A cgroup that has processes of its own is left alone, unless it is the hierarchy's root: it
    /// would take some controllers, and become one of threads by that.
    fn enable_controllers(&self) {
        for folder in self.top.iter().chain([&self.path]) {
            let is_root = !folder.join("cgroup.type").exists();
            let has_processes = fs::read_to_string(folder.join("cgroup.procs"))
                .is_ok_and(|processes| !processes.is_empty());
            if has_processes && !is_root {
                continue;
            }
            for controller in CONTROLLERS {
                let control = folder.join("cgroup.subtree_control");
                let _is_an_obstacle = fs::write(control, format!("+{controller}"));
            }
        }
    }

    /// Whether children have the controller.
    fn controls(&self, controller: &str) -> bool {
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
