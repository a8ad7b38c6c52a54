//! Opening, making and mounting below the top of the image's file system, and nowhere else.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::error::InitError;

/// How symbolic links in a path are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolve {
    /// They are followed, the image's top being the root.
    InRoot,
    /// They are errors.
    NoLinks,
}

/// The top folder of the image's file system.
#[derive(Debug)]
pub(crate) struct RootFolder(OwnedFd);

impl RootFolder {
    pub(crate) fn open<P: ?Sized + NixPath>(path: &P) -> nix::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).map(Self)
    }

    /// Opens `path`, absolute or not, from this folder.
    pub(crate) fn resolve<P: ?Sized + NixPath>(
        &self,
        path: &P,
        flags: OFlag,
        resolve: Resolve,
    ) -> nix::Result<OwnedFd> {
        let mut resolve_flags = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        if resolve == Resolve::NoLinks {
            resolve_flags |= ResolveFlag::RESOLVE_NO_SYMLINKS;
        }
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(resolve_flags);
        openat2(&self.0, path, how)
    }

    /// Whether there is nothing at all, not even a broken link, with this name at the top.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        fstatat(&self.0, name, AtFlags::AT_SYMLINK_NOFOLLOW) == Err(Errno::ENOENT)
    }

    /// The folder `path`, made with `mode` if it is missing.
    pub(crate) fn folder(
        &self,
        path: &str,
        mode: u32,
        resolve: Resolve,
    ) -> Result<OwnedFd, InitError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let prepare = |source| InitError::Prepare {
            path: format!("/{path}"),
            source,
        };
        match self.resolve(path, flags, resolve) {
            Err(Errno::ENOENT) => {
                let (parent, name) = self.parent(path).map_err(prepare)?;
                mkdirat(&parent, name, Mode::from_bits_truncate(mode)).map_err(prepare)?;
                self.resolve(path, flags, resolve).map_err(prepare)
            }
            Err(source @ (Errno::ENOTDIR | Errno::ELOOP)) => Err(InitError::NotAFolder {
                path: format!("/{path}"),
                source,
            }),
            result => result.map_err(prepare),
        }
    }

    /// Mounts on the folder `path`, which is made if it is missing.
    pub(crate) fn mount(&self, path: &str, what: &Mount<'_>) -> Result<(), InitError> {
        let folder = self.folder(path, 0o755, Resolve::NoLinks)?;
        what.on(folder.as_fd())
            .map_err(|error| InitError::mount(what.name(), &format!("/{path}"), error))
    }

    /// Makes the file `path` with these contents, unless there is something of that name.
    pub(crate) fn write_if_missing(&self, path: &str, contents: &str) -> nix::Result<()> {
        let (parent, name) = self.parent(path)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        match openat(&parent, name, flags, Mode::from_bits_truncate(0o644)) {
            Ok(file) => File::from(file)
                .write_all(contents.as_bytes())
                .map_err(|error| crate::error::errno(&error)),
            Err(Errno::EEXIST) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes the file `path` with these contents in the place of whatever has that name, a link
    /// included.
    pub(crate) fn replace(&self, path: &str, contents: &str) -> nix::Result<()> {
        let (parent, name) = self.parent(path)?;
        match unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => self.write_if_missing(path, contents),
            Err(error) => Err(error),
        }
    }

    fn parent<'a>(&self, path: &'a str) -> nix::Result<(OwnedFd, &'a str)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        Ok((self.resolve(parent, flags, Resolve::InRoot)?, name))
    }
}

impl AsFd for RootFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Something to be mounted.
#[derive(Debug)]
pub(crate) enum Mount<'a> {
    /// A new file system of this type.
    New {
        filesystem: &'static str,
        flags: MsFlags,
        options: &'a str,
    },
    /// What is at this path of the current root.
    Bind { path: &'a Path, recursive: bool },
}

impl Mount<'_> {
    fn name(&self) -> &str {
        match self {
            Self::New { filesystem, .. } => filesystem,
            Self::Bind { path, .. } => path.to_str().unwrap_or("a folder"),
        }
    }

    /// Mounts on what `target` is a handle of. Needs `/proc`.
    pub(crate) fn on(&self, target: BorrowedFd<'_>) -> nix::Result<()> {
        let target = format!("/proc/self/fd/{}", target.as_raw_fd());
        match *self {
            Self::New {
                filesystem,
                flags,
                options,
            } => mount(
                Some(filesystem),
                target.as_str(),
                Some(filesystem),
                flags,
                Some(options),
            ),
            Self::Bind { path, recursive } => {
                let mut flags = MsFlags::MS_BIND;
                flags.set(MsFlags::MS_REC, recursive);
                mount(
                    Some(path),
                    target.as_str(),
                    None::<&str>,
                    flags,
                    None::<&str>,
                )
            }
        }
    }
}
