//! Removing extracted files, whatever they are like.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, open, openat, statat, unlinkat};
use rustix::io::Errno;

use super::{ExtractError, directory_error};

const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Removes a directory and everything in it, also where it is deeper than paths can be long or
/// files be open, and where directories forbid their owner to look into them. Symbolic links are
/// removed, not followed. A directory that is not there is no error.
///
/// # Errors
/// [`ExtractError::Directory`]. What was removed until then stays removed.
pub fn remove_extracted(directory: &Path) -> Result<(), ExtractError> {
    let failed = |error: Errno| directory_error("remove", directory, error.into());
    let rwx = Mode::RWXU;
    match open(directory, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        Ok(root) => empty(root).map_err(failed)?,
        Err(Errno::ACCESS) => {
            rustix::fs::chmod(directory, rwx).map_err(failed)?;
            let root = open(directory, DIRECTORY, Mode::empty()).map_err(failed)?;
            empty(root).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    std::fs::remove_dir(directory)
        .map_err(|source: io::Error| directory_error("remove", directory, source))
}

/// Removes everything in a directory.
fn empty(root: OwnedFd) -> Result<(), Errno> {
    let mut here = root;
    // The directories that were entered; the last one is open as `here`.
    let mut entered: Vec<CString> = Vec::new();
    loop {
        if let Some(name) = remove_files(&here)? {
            here = enter(&here, &name)?;
            entered.push(name);
            continue;
        }
        let Some(name) = entered.pop() else {
            return Ok(());
        };
        here = openat(&here, "..", DIRECTORY, Mode::empty())?;
        unlinkat(&here, &name, AtFlags::REMOVEDIR)?;
    }
}

/// Removes everything but directories; gives the first of these, if there is one.
fn remove_files(here: &OwnedFd) -> Result<Option<CString>, Errno> {
    for entry in Dir::read_from(here)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Not every filesystem tells.
            FileType::Unknown => {
                let found = statat(here, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(found.st_mode)
            }
            known => known,
        };
        if kind == FileType::Directory {
            return Ok(Some(name.to_owned()));
        }
        unlinkat(here, name, AtFlags::empty())?;
    }
    Ok(None)
}

/// Opens a directory so that what is in it can be removed.
fn enter(here: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    // Through a handle of the directory itself: what has its name may be another thing by now.
    let found = openat(here, name, DIRECTORY | OFlags::PATH, Mode::empty())?;
    let link = format!("/proc/self/fd/{}", found.as_raw_fd());
    rustix::fs::chmod(link, Mode::RWXU)?;
    openat(here, name, DIRECTORY, Mode::empty())
}
