//! Making files out of a tree.
//!
//! One directory is open at a time: on the way down a child is opened, on the way up `..`. So
//! neither the depth of a tree nor the length of its paths matters. Files with several names are
//! made in a directory of their own first, under their number, and every name is a link to there.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat,
    fchmod, fchown, fsetxattr, futimens, linkat, lsetxattr, makedev, mkdirat, mknodat, open,
    openat, symlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::{ExtractError, directory_error};
use crate::copy::{Copier, CopyError, CopyMethod};
use crate::error::{RootfsError, is_full};
use crate::limits::EntryName;
use crate::progress::Progress;
use crate::tree::{Kind, Node, NodeId, Timestamp, Tree};

const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The largest numbers of a device that Linux has. The kernel cuts off what is beyond, and what is
/// left is the number of another device.
const MAX_MAJOR: u32 = (1 << 12) - 1;
const MAX_MINOR: u32 = (1 << 20) - 1;

/// What could not be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Lost {
    pub(super) owners: u64,
    pub(super) devices: u64,
    pub(super) xattrs: u64,
}

/// Makes the files of `tree`, whose contents are in `spool`, in the directory `rootfs`. `links` is
/// an empty directory of the same filesystem.
pub(super) fn materialise(
    tree: &Tree,
    spool: &File,
    rootfs: &Path,
    links: &Path,
    progress: &dyn Progress,
) -> Result<Lost, ExtractError> {
    let enter = |path: &Path| {
        open(path, DIRECTORY, Mode::empty())
            .map_err(|error| directory_error("open", path, error.into()))
    };
    let links = enter(links)?;
    let mut maker = Maker {
        tree,
        contents: Copier::new(spool, CopyMethod::Sparse),
        progress,
        links: links.as_fd(),
        linked: vec![false; tree.len()],
        is_root: geteuid().is_root(),
        lost: Lost::default(),
        path: Vec::new(),
    };
    maker.directory_tree(enter(rootfs)?)?;
    Ok(maker.lost)
}

struct Maker<'a> {
    tree: &'a Tree,
    contents: Copier<'a>,
    progress: &'a dyn Progress,
    links: BorrowedFd<'a>,
    /// By id: whether a node with several names was made.
    linked: Vec<bool>,
    is_root: bool,
    lost: Lost,
    /// Of the entry at hand, for messages.
    path: Vec<u8>,
}

impl Maker<'_> {
    /// Fills the root directory, which is open as `here`.
    fn directory_tree(&mut self, root: OwnedFd) -> Result<(), ExtractError> {
        let tree = self.tree;
        let mut here = root;
        let mut walk = vec![(tree.root(), tree.children(tree.root()))];
        while let Some((directory, children)) = walk.last_mut() {
            let directory = *directory;
            if let Some((name, id)) = children.next() {
                if self.progress.is_cancelled() {
                    return Err(RootfsError::Cancelled.into());
                }
                self.path.push(b'/');
                self.path.extend_from_slice(name);
                if tree.node(id).kind == Kind::Directory {
                    here = self.enter(&here, name)?;
                    walk.push((id, tree.children(id)));
                    continue;
                }
                self.name(here.as_fd(), name, id)?;
                self.path.truncate(self.path.len() - name.len() - 1);
                continue;
            }
            walk.pop();
            let done = if walk.is_empty() {
                None
            } else {
                // Before the directory gets its permissions, which may not let anyone in.
                let parent = || openat(&here, "..", DIRECTORY, Mode::empty());
                Some(self.step("leave", parent)?)
            };
            // Last of all, as everything in it changes its times.
            self.attributes(Place::Open(here.as_fd()), directory)?;
            self.progress.advance(1);
            let Some(parent) = done else {
                return Ok(());
            };
            here = parent;
            let slash = self.path.iter().rposition(|&byte| byte == b'/');
            self.path.truncate(slash.unwrap_or(0));
        }
        Ok(())
    }

    fn enter(&self, here: &OwnedFd, name: &[u8]) -> Result<OwnedFd, ExtractError> {
        let name = OsStr::from_bytes(name);
        // Open for nobody else until it is complete.
        self.step("create", || mkdirat(here, name, Mode::RWXU))?;
        self.step("open", || openat(here, name, DIRECTORY, Mode::empty()))
    }

    /// Makes a name for a node that is no directory.
    fn name(&mut self, here: BorrowedFd<'_>, name: &[u8], id: NodeId) -> Result<(), ExtractError> {
        let name = OsStr::from_bytes(name);
        if self.tree.links(id) == 1 {
            self.progress.advance(1);
            return self.node(here, name, id);
        }
        let number = id.index().to_string();
        if !std::mem::replace(&mut self.linked[id.index()], true) {
            self.progress.advance(1);
            self.node(self.links, OsStr::new(&number), id)?;
        }
        match linkat(self.links, &number, here, name, AtFlags::empty()) {
            // Was left out, and counted.
            Err(Errno::NOENT) if is_device(self.tree.node(id).kind) => Ok(()),
            other => self.step("link", || other),
        }
    }

    /// Makes a node that is no directory, with its attributes.
    fn node(&mut self, here: BorrowedFd<'_>, name: &OsStr, id: NodeId) -> Result<(), ExtractError> {
        let special = |kind, device| mknodat(here, name, kind, Mode::RUSR, device);
        let device = |kind, major, minor| {
            if !self.is_root || major > MAX_MAJOR || minor > MAX_MINOR {
                return Err(Errno::PERM);
            }
            special(kind, makedev(major, minor))
        };
        let made = match self.tree.node(id).kind {
            // Never asked for.
            Kind::Directory => return Ok(()),
            Kind::File { size } => return self.file(here, name, id, size),
            Kind::Symlink => symlinkat(OsStr::from_bytes(self.tree.symlink_target(id)), here, name),
            Kind::Fifo => special(FileType::Fifo, 0),
            Kind::CharacterDevice { major, minor } => {
                device(FileType::CharacterDevice, major, minor)
            }
            Kind::BlockDevice { major, minor } => device(FileType::BlockDevice, major, minor),
        };
        if is_device(self.tree.node(id).kind) && made == Err(Errno::PERM) {
            self.lost.devices += 1;
            return Ok(());
        }
        self.step("create", || made)?;
        self.attributes(Place::Named(here, name), id)
    }

    fn file(
        &mut self,
        here: BorrowedFd<'_>,
        name: &OsStr,
        id: NodeId,
        size: u64,
    ) -> Result<(), ExtractError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let open = || openat(here, name, flags | OFlags::CLOEXEC, mode);
        let file = File::from(self.step("create", open)?);
        for segment in self.tree.segments(id) {
            self.contents
                .copy(segment.position, &file, segment.offset, segment.length)
                .map_err(|error| match error {
                    CopyError::HostDiskFull(source) => ExtractError::HostDiskFull(source),
                    source => ExtractError::Contents {
                        entry: EntryName::new(&self.path),
                        source,
                    },
                })?;
        }
        file.set_len(size)
            .map_err(|source| self.error("resize", source))?;
        self.attributes(Place::Open(file.as_fd()), id)
    }

    /// Sets owner, extended attributes, permissions and times, in this order: a new owner takes
    /// set-user-ID and capabilities away, access control lists change the permissions.
    fn attributes(&mut self, place: Place<'_>, id: NodeId) -> Result<(), ExtractError> {
        let node = self.tree.node(id);
        if self.is_root {
            match place.set_owner(&node) {
                Err(Errno::PERM | Errno::INVAL) => self.lost.owners += 1,
                other => self.step("set the owner of", || other)?,
            }
        } else if node.uid != geteuid().as_raw() || node.gid != getegid().as_raw() {
            self.lost.owners += 1;
        }
        for (attribute, value) in self.tree.xattrs(id) {
            // Not every filesystem has them, and not everyone may set them.
            if place.set_xattr(attribute, value).is_err() {
                self.lost.xattrs += 1;
            }
        }
        if node.kind != Kind::Symlink {
            self.step("set the permissions of", || place.set_permissions(&node))?;
        }
        self.step("set the times of", || place.set_times(&node))
    }

    fn step<T>(
        &self,
        action: &'static str,
        call: impl FnOnce() -> rustix::io::Result<T>,
    ) -> Result<T, ExtractError> {
        call().map_err(|error| self.error(action, error.into()))
    }

    fn error(&self, action: &'static str, source: io::Error) -> ExtractError {
        if is_full(&source) {
            return ExtractError::HostDiskFull(source);
        }
        ExtractError::Entry {
            action,
            entry: EntryName::new(&self.path),
            source,
        }
    }
}

fn is_device(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::CharacterDevice { .. } | Kind::BlockDevice { .. }
    )
}

/// A file whose attributes are to be set.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// A file or directory that is open.
    Open(BorrowedFd<'a>),
    /// Something that must not be opened, by its name in a directory.
    Named(BorrowedFd<'a>, &'a OsStr),
}

impl Place<'_> {
    fn set_owner(self, node: &Node) -> rustix::io::Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(node.uid)), Some(Gid::from_raw(node.gid)));
        match self {
            Self::Open(file) => fchown(file, uid, gid),
            Self::Named(directory, name) => {
                chownat(directory, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    fn set_xattr(self, name: &[u8], value: &[u8]) -> rustix::io::Result<()> {
        let name = OsStr::from_bytes(name);
        match self {
            Self::Open(file) => fsetxattr(file, name, value, XattrFlags::empty()),
            Self::Named(directory, file) => {
                // There is no such call that takes a directory.
                let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
                lsetxattr(path.join(file), name, value, XattrFlags::empty())
            }
        }
    }

    fn set_permissions(self, node: &Node) -> rustix::io::Result<()> {
        let mode = Mode::from_raw_mode(node.permissions.into());
        match self {
            Self::Open(file) => fchmod(file, mode),
            // It is no symbolic link.
            Self::Named(directory, name) => chmodat(directory, name, mode, AtFlags::empty()),
        }
    }

    fn set_times(self, node: &Node) -> rustix::io::Result<()> {
        let time = |time: Timestamp| Timespec {
            tv_sec: time.seconds,
            tv_nsec: time.nanoseconds.into(),
        };
        let times = Timestamps {
            last_access: time(node.accessed),
            last_modification: time(node.modified),
        };
        match self {
            Self::Open(file) => futimens(file, &times),
            Self::Named(directory, name) => {
                utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }
}
