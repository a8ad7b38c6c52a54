//! Where a document goes that the user named a place for.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How the names of unfinished documents begin.
const PREFIX: &str = ".result-";

/// A place for a document.
#[derive(Debug)]
pub enum Destination {
    /// A regular file, or none yet: replaced as a whole.
    File(PathBuf),
    /// A device or a pipe: written to.
    Stream(PathBuf),
}

impl Destination {
    /// The one that `path` names.
    ///
    /// # Errors
    ///
    /// When it is a folder, or can not be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            // Through symbolic links: what they lead to is replaced, not the link.
            Ok(found) if found.is_file() => Ok(Self::File(path.canonicalize()?)),
            Ok(_) => Ok(Self::Stream(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::File(path.to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether it can be written: better to learn that it can not before a benchmark than after it.
    ///
    /// # Errors
    ///
    /// When it can not.
    pub fn check(&self) -> io::Result<()> {
        match self {
            Self::File(path) => beside(path, PREFIX).map(drop),
            Self::Stream(_) => Ok(()),
        }
    }

    /// Writes what `write` writes.
    ///
    /// # Errors
    ///
    /// When that fails. A file is then as it was.
    pub fn write(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::File(path) => {
                let mut file = beside(path, PREFIX)?;
                finish(file.as_file_mut(), write)?;
                file.persist(path).map_err(|error| error.error)?;
            }
            Self::Stream(path) => finish(fs::File::options().write(true).open(path)?, write)?,
        }
        Ok(())
    }
}

fn finish(to: impl Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffered = io::BufWriter::new(to);
    write(&mut buffered)?;
    buffered.flush()
}

/// A file in the folder of `path`, to become `path` when it is whole.
pub(crate) fn beside(path: &Path, prefix: &str) -> io::Result<tempfile::NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
}
