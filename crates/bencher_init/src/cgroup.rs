//! The command's cgroup (v2): entering it and reading what it counted.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;

use crate::error::{InitError, errno};

/// Where the hierarchy is mounted while the guest starts.
const HIERARCHY: &str = "/sys/fs/cgroup";
/// The command's cgroup in a guest.
const COMMAND: &str = "/sys/fs/cgroup/command";
/// What is to be measured, and limits that a command may want to set for its own children.
const CONTROLLERS: [&str; 4] = ["cpu", "memory", "io", "pids"];
/// No file that is read here is longer.
const FILE_LIMIT: u64 = 64 * 1024;

/// An open cgroup. It stays usable whatever becomes of the mount.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: OwnedFd,
    path: String,
}

/// How a process comes into a cgroup.
#[derive(Debug)]
pub(crate) struct Door {
    /// To be born in it: see [`crate::sys::fork_into`].
    pub(crate) folder: OwnedFd,
    /// To enter it by writing `0`.
    pub(crate) processes: OwnedFd,
}

/// What a cgroup counted. What the kernel does not tell is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) cpu_microseconds: Option<u64>,
    pub(crate) user_microseconds: Option<u64>,
    pub(crate) system_microseconds: Option<u64>,
    pub(crate) memory_peak_bytes: Option<u64>,
    pub(crate) oom_kills: Option<u64>,
    pub(crate) read_bytes: Option<u64>,
    pub(crate) write_bytes: Option<u64>,
}

impl Cgroup {
    /// Mounts the hierarchy of a guest and makes the command's cgroup in it. Returns the
    /// controllers that the kernel lacks, too.
    pub(crate) fn create_in_guest() -> Result<(Self, Vec<&'static str>), InitError> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(
            Some("cgroup2"),
            HIERARCHY,
            Some("cgroup2"),
            flags,
            None::<&str>,
        )
        .map_err(|error| InitError::mount("cgroup2", HIERARCHY, error))?;
        let control = format!("{HIERARCHY}/cgroup.subtree_control");
        // One by one: a list with one that is not there is refused as a whole.
        let missing = CONTROLLERS
            .into_iter()
            .filter(|controller| std::fs::write(&control, format!("+{controller}")).is_err())
            .collect();
        std::fs::create_dir(COMMAND).map_err(|error| InitError::Cgroup {
            path: COMMAND.to_owned(),
            source: errno(&error),
        })?;
        Ok((Self::open(Path::new(COMMAND))?, missing))
    }

    /// Opens a cgroup that is there.
    pub(crate) fn open(path: &Path) -> Result<Self, InitError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let name = path.display().to_string();
        match open(path, flags, Mode::empty()) {
            Ok(folder) => Ok(Self { folder, path: name }),
            Err(source) => Err(InitError::Cgroup { path: name, source }),
        }
    }

    /// The ways in.
    pub(crate) fn door(&self) -> Result<Door, InitError> {
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let processes = openat(self.folder.as_fd(), "cgroup.procs", flags, Mode::empty());
        let folder = self.folder.try_clone().map_err(|error| errno(&error));
        match (folder, processes) {
            (Ok(folder), Ok(processes)) => Ok(Door { folder, processes }),
            (Err(source), _) | (_, Err(source)) => Err(InitError::Cgroup {
                path: format!("{}/cgroup.procs", self.path),
                source,
            }),
        }
    }

    /// Reads the counters.
    pub(crate) fn counters(&self) -> Counters {
        let cpu = self.read("cpu.stat");
        let io = self.read("io.stat");
        Counters {
            cpu_microseconds: cpu.as_deref().and_then(|text| value(text, "usage_usec")),
            user_microseconds: cpu.as_deref().and_then(|text| value(text, "user_usec")),
            system_microseconds: cpu.as_deref().and_then(|text| value(text, "system_usec")),
            memory_peak_bytes: self
                .read("memory.peak")
                .and_then(|text| text.trim().parse().ok()),
            oom_kills: self
                .read("memory.events")
                .and_then(|text| value(&text, "oom_kill")),
            read_bytes: io.as_deref().map(|text| sum(text, "rbytes")),
            write_bytes: io.as_deref().map(|text| sum(text, "wbytes")),
        }
    }

    /// A file of the cgroup's, if the kernel has it.
    fn read(&self, name: &str) -> Option<String> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = openat(self.folder.as_fd(), name, flags, Mode::empty()).ok()?;
        let mut text = String::new();
        File::from(file)
            .take(FILE_LIMIT)
            .read_to_string(&mut text)
            .ok()?;
        Some(text)
    }
}

/// The value of `key` in a file of `KEY VALUE` lines ("flat keyed" in cgroup-v2.rst).
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}

/// The sum over all lines of the value of `key` in a file of `NAME KEY=VALUE…` lines ("nested
/// keyed").
fn sum(text: &str, key: &str) -> u64 {
    text.lines()
        .flat_map(|line| line.split_ascii_whitespace().skip(1))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == key)
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() {
        let cpu = "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\nnr_periods 0\n";
        assert_eq!(value(cpu, "usage_usec"), Some(1234));
        assert_eq!(value(cpu, "user_usec"), Some(1000));
        assert_eq!(value(cpu, "usage"), None);
        assert_eq!(
            value("oom 1\noom_kill 2\noom_group_kill 3\n", "oom_kill"),
            Some(2)
        );
        let io = "254:0 rbytes=4096 wbytes=1 rios=1 wios=1 dbytes=0 dios=0\n\
                  8:0 rbytes=10 wbytes=18446744073709551615\n\
                  7:0 \n";
        assert_eq!(sum(io, "rbytes"), 4106);
        assert_eq!(sum(io, "wbytes"), u64::MAX);
        assert_eq!(sum("", "rbytes"), 0);
    }

    #[test]
    fn what_is_missing_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("cpu.stat"),
            "usage_usec 5\nuser_usec x\n",
        )
        .unwrap();
        let counters = Cgroup::open(folder.path()).unwrap().counters();
        let expected = Counters {
            cpu_microseconds: Some(5),
            ..Counters::default()
        };
        assert_eq!(counters, expected);
    }
}
