//! Finding the files that were asked for.

use std::os::fd::{AsFd, OwnedFd};

use bencher_output_protocol::{Limits, LogLevel};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use nix::sys::stat::{FileStat, fstat};

use super::file::send_file;
use super::names::{NAMES_LIMIT, Names};
use super::sink::Sink;
use crate::error::InitError;
use crate::image::{Resolve, RootFolder};
use crate::text::display;

/// The file systems that may hold outputs, beside the root: `/proc`, `/sys` and `/dev` may not.
const PLACES: [&str; 3] = ["/tmp", "/run", "/dev/shm"];

/// Looks outputs up and sends them, within the limits.
#[derive(Debug)]
pub(crate) struct Collector<'a, S> {
    sink: &'a mut S,
    root: &'a RootFolder,
    /// Ids of the file systems that may hold outputs.
    devices: Vec<u64>,
    file_bytes: u64,
    /// How many more bytes of files may be sent.
    bytes_left: u64,
    /// How many more files may be sent.
    files_left: u32,
    /// How many files were found beyond that.
    left_out: u64,
    /// How many bytes of names are kept at a time.
    names_limit: usize,
}

/// A folder that is being walked.
#[derive(Debug)]
struct Level {
    /// Its path, without a slash at the end.
    path: Vec<u8>,
    names: std::vec::IntoIter<Vec<u8>>,
    /// What the names cost.
    bytes: usize,
}

/// What an output turned out to be.
enum Found {
    File(FileStat),
    Folder,
    Link,
    /// Something that is never collected, and what.
    Other(&'static str),
}

/// Opening something only to look at it has no effects, even if it is a device or a pipe.
const LOOK: OFlag = OFlag::O_PATH;
/// Opening what was a regular file when it was looked at.
const READ: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY);

impl<'a, S: Sink> Collector<'a, S> {
    pub(crate) fn new(
        sink: &'a mut S,
        root: &'a RootFolder,
        limits: &Limits,
    ) -> Result<Self, InitError> {
        let top = fstat(root.as_fd()).map_err(|source| InitError::Prepare {
            path: "/".to_owned(),
            source,
        })?;
        let mut devices = vec![top.st_dev];
        for place in PLACES {
            if let Ok(folder) = root.resolve(place, LOOK, Resolve::NoLinks)
                && let Ok(stat) = fstat(&folder)
            {
                devices.push(stat.st_dev);
            }
        }
        Ok(Self {
            sink,
            root,
            devices,
            file_bytes: limits.file_bytes,
            bytes_left: limits.total_file_bytes,
            files_left: limits.file_count,
            left_out: 0,
            names_limit: NAMES_LIMIT,
        })
    }

    /// Sends each of `outputs`, which are relative to `working_directory` unless absolute.
    pub(crate) fn collect(
        mut self,
        outputs: &[Vec<u8>],
        working_directory: &[u8],
    ) -> Result<(), InitError> {
        for requested in outputs {
            let left_out = self.left_out;
            let path = absolute(requested, working_directory);
            match self.look(&path, OFlag::empty()) {
                Ok(Found::File(stat)) => {
                    if let Err(error) = self.file(&path, OFlag::empty(), &stat)? {
                        self.sink.missing(requested, &error.to_string())?;
                    }
                }
                Ok(Found::Folder) => {
                    if let Err(error) = self.folder(path)? {
                        self.sink.missing(requested, &error.to_string())?;
                    }
                }
                Ok(Found::Link) => self.sink.missing(requested, "it is a symbolic link")?,
                Ok(Found::Other(what)) => self.sink.missing(requested, what)?,
                Err(Errno::ENOENT) => self.sink.missing(requested, "there is no such file")?,
                Err(error) => self.sink.missing(requested, &error.to_string())?,
            }
            match self.left_out - left_out {
                0 => {}
                count => {
                    let reason = format!("the limit of files is reached, {count} left out");
                    self.sink.missing(requested, &reason)?;
                }
            }
        }
        Ok(())
    }

    /// Finds out what `path` is.
    fn look(&self, path: &[u8], flags: OFlag) -> nix::Result<Found> {
        let stat = fstat(&self.resolve(path, LOOK | flags)?)?;
        Ok(match stat.st_mode & S_IFMT {
            S_IFLNK => Found::Link,
            _ if !self.devices.contains(&stat.st_dev) => {
                Found::Other("it is on a file system of the kernel's")
            }
            S_IFREG => Found::File(stat),
            S_IFDIR => Found::Folder,
            _ => Found::Other("it is a device, a pipe or a socket"),
        })
    }

    /// Opens what was looked at.
    fn open(&self, path: &[u8], flags: OFlag) -> nix::Result<OwnedFd> {
        self.resolve(path, READ | flags)
    }

    fn resolve(&self, path: &[u8], flags: OFlag) -> nix::Result<OwnedFd> {
        // Without its slash the top's path is empty.
        let path = if path.is_empty() { b"/" } else { path };
        self.root.resolve(path, flags, Resolve::InRoot)
    }

    /// Sends a file, or counts it if there are too many. The inner error says that it can not be
    /// opened.
    fn file(
        &mut self,
        path: &[u8],
        flags: OFlag,
        seen: &FileStat,
    ) -> Result<nix::Result<()>, InitError> {
        if self.files_left == 0 {
            self.left_out += 1;
            return Ok(Ok(()));
        }
        let opened = self.open(path, flags).and_then(|file| {
            let stat = fstat(&file)?;
            // Nothing runs that could have changed it, but that is the host's to believe.
            if (stat.st_dev, stat.st_ino) == (seen.st_dev, seen.st_ino) {
                Ok((file, stat))
            } else {
                Err(Errno::ESTALE)
            }
        });
        match opened {
            Ok((file, stat)) => {
                self.files_left -= 1;
                let limit = self.file_bytes.min(self.bytes_left);
                let sent = send_file(self.sink, path, file, &stat, limit)?;
                self.bytes_left -= sent;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Sends all files below a folder, in the order of their names. The inner error says that the
    /// folder itself can not be read.
    fn folder(&mut self, path: Vec<u8>) -> Result<nix::Result<()>, InitError> {
        let mut levels = match self.level(path, OFlag::empty(), 0)? {
            Ok(level) => vec![level],
            Err(error) => return Ok(Err(error)),
        };
        let mut bytes = levels.iter().map(|level| level.bytes).sum();
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.next() else {
                bytes -= level.bytes;
                levels.pop();
                continue;
            };
            let path = [level.path.as_slice(), b"/", &name].concat();
            let failure = match self.look(&path, OFlag::O_NOFOLLOW) {
                Ok(Found::File(stat)) => self.file(&path, OFlag::O_NOFOLLOW, &stat)?.err(),
                Ok(Found::Folder) => match self.level(path.clone(), OFlag::O_NOFOLLOW, bytes)? {
                    Ok(level) => {
                        bytes += level.bytes;
                        levels.push(level);
                        None
                    }
                    Err(error) => Some(error),
                },
                Ok(Found::Link) => {
                    self.skip(&path, "it is a symbolic link")?;
                    None
                }
                Ok(Found::Other(what)) => {
                    self.skip(&path, what)?;
                    None
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failure {
                let text = format!("not collected, {error}: {}", display(&path));
                self.sink.log(LogLevel::Warning, text)?;
            }
        }
        Ok(Ok(()))
    }

    fn skip(&mut self, path: &[u8], what: &str) -> Result<(), InitError> {
        let text = format!("not collected, {what}: {}", display(path));
        self.sink.log(LogLevel::Debug, text)
    }

    /// Reads the names in a folder, when those of its parents take `bytes`.
    fn level(
        &mut self,
        path: Vec<u8>,
        flags: OFlag,
        bytes: usize,
    ) -> Result<nix::Result<Level>, InitError> {
        let read = || -> nix::Result<_> {
            let folder = self.open(&path, flags | OFlag::O_DIRECTORY)?;
            let mut names = Names::new(self.names_limit.saturating_sub(bytes));
            for entry in Dir::from_fd(folder)?.iter() {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." {
                    names.add(name);
                }
            }
            Ok(names.finish())
        };
        let (names, bytes, left_out) = match read() {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        if left_out > 0 {
            let text = format!(
                "{left_out} names were not looked at, for there are too many in this folder: {}",
                display(&path)
            );
            self.sink.log(LogLevel::Warning, text)?;
        }
        Ok(Ok(Level { path, names, bytes }))
    }
}

/// `path` from `folder`, without a slash at the end.
fn absolute(path: &[u8], folder: &[u8]) -> Vec<u8> {
    let mut full = if path.starts_with(b"/") {
        path.to_vec()
    } else {
        [folder, b"/", path].concat()
    };
    while full.last() == Some(&b'/') {
        full.pop();
    }
    full
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
