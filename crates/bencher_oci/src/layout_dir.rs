//! An image layout folder on disk, which may be hostile: no path in it leads out of it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::Mode;

use crate::blob::BlobFile;

/// An open layout folder.
#[derive(Debug)]
pub(crate) struct LayoutDir {
    folder: OwnedFd,
}

/// Why a file of a layout cannot be read. The messages follow the file's name.
#[derive(Debug, thiserror::Error)]
pub enum LayoutFileError {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// A symbolic link leads out of the layout, or in a circle.
    #[error("is a symbolic link that leads out of the layout: replace it by the file itself")]
    Escapes,
    /// A folder, a device, …
    #[error("is not a regular file")]
    NotAFile,
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(io::Error),
}

impl LayoutDir {
    /// Opens the folder that the user named; links to it are the user's own.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let folder = open(
            path,
            OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self { folder })
    }

    /// Opens a regular file; `path` is relative and has no `..`.
    pub(crate) fn file(&self, path: &str) -> Result<BlobFile, LayoutFileError> {
        let file = match self.open_beneath(path) {
            // Kernels before 5.6, and sandboxes that know no newer system calls.
            Err(Errno::ENOSYS | Errno::EPERM) => self.open_without_links(path),
            result => result,
        };
        let file = File::from(file.map_err(explain)?);
        let metadata = file.metadata().map_err(LayoutFileError::Io)?;
        if !metadata.is_file() {
            return Err(LayoutFileError::NotAFile);
        }
        BlobFile::whole(file).map_err(LayoutFileError::Io)
    }

    /// Links are followed as long as they stay in the layout.
    fn open_beneath(&self, path: &str) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(READ)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(&self.folder, path, how)
    }

    /// No link is followed at all.
    fn open_without_links(&self, path: &str) -> nix::Result<OwnedFd> {
        let mut folder = None;
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_PATH | OFlag::O_CLOEXEC;
            folder = Some(openat(
                folder.as_ref().unwrap_or(&self.folder),
                part,
                flags,
                Mode::empty(),
            )?);
        }
        openat(
            folder.as_ref().unwrap_or(&self.folder),
            name,
            READ | OFlag::O_NOFOLLOW,
            Mode::empty(),
        )
    }
}

/// Opening a fifo must not block, nor a terminal become ours.
const READ: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_CLOEXEC)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY);

fn explain(error: Errno) -> LayoutFileError {
    match error {
        Errno::ENOENT => LayoutFileError::Missing,
        Errno::EXDEV | Errno::ELOOP => LayoutFileError::Escapes,
        // A socket, and a file or a link where a folder belongs.
        Errno::ENXIO | Errno::ENOTDIR => LayoutFileError::NotAFile,
        other => LayoutFileError::Io(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const ESCAPES: &str =
        "is a symbolic link that leads out of the layout: replace it by the file itself";

    /// A layout with a file and every kind of link.
    fn layout() -> (tempfile::TempDir, LayoutDir) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("layout");
        fs::create_dir_all(root.join("blobs/sha256")).unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        fs::write(root.join("blobs/sha256/file"), "content").unwrap();
        symlink("file", root.join("blobs/sha256/inside")).unwrap();
        symlink("../../../secret", root.join("blobs/sha256/outside")).unwrap();
        symlink("/etc/passwd", root.join("blobs/sha256/absolute")).unwrap();
        symlink("/proc/self/exe", root.join("blobs/sha256/magic")).unwrap();
        symlink("loop", root.join("blobs/sha256/loop")).unwrap();
        symlink(folder.path(), root.join("blobs/sha512")).unwrap();
        nix::unistd::mkfifo(&root.join("blobs/sha256/fifo"), Mode::S_IRUSR).unwrap();
        let layout = LayoutDir::open(&root).unwrap();
        (folder, layout)
    }

    #[test]
    fn links_stay_inside() {
        let (_folder, layout) = layout();
        for name in ["file", "inside"] {
            let blob = layout.file(&format!("blobs/sha256/{name}")).unwrap();
            assert_eq!(blob.read_all().unwrap(), b"content");
        }
        for (path, message) in [
            ("blobs/sha256/nothing", "is missing"),
            ("blobs/sha256/outside", ESCAPES),
            ("blobs/sha256/absolute", ESCAPES),
            ("blobs/sha256/magic", ESCAPES),
            ("blobs/sha256/loop", ESCAPES),
            ("blobs/sha512/secret", ESCAPES),
            ("blobs/sha256/fifo", "is not a regular file"),
            ("blobs/sha256", "is not a regular file"),
            ("blobs/sha256/file/x", "is not a regular file"),
        ] {
            assert_eq!(
                layout.file(path).unwrap_err().to_string(),
                message,
                "{path}"
            );
        }
    }

    #[test]
    fn without_openat2_no_link_is_followed() {
        let (_folder, layout) = layout();
        assert!(layout.open_without_links("blobs/sha256/file").is_ok());
        for path in [
            "blobs/sha256/inside",
            "blobs/sha256/outside",
            "blobs/sha256/absolute",
        ] {
            assert_eq!(
                layout.open_without_links(path).unwrap_err(),
                Errno::ELOOP,
                "{path}"
            );
        }
        assert_eq!(
            layout
                .open_without_links("blobs/sha512/secret")
                .unwrap_err(),
            Errno::ENOTDIR,
        );
        assert!(layout.open_without_links("index.json").is_err());
    }
}
