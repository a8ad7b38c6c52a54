//! Images that were built before.
//!
//! ```text
//! DIRECTORY/
//!   IDENTITY.ext4   a complete image, never changed
//!   IDENTITY.lock   shared lock: the image is in use; exclusive: being built or removed
//!   IDENTITY.tmp    being built, or left by a crash (then nobody holds the lock)
//! ```
//!
//! An image appears by being renamed, once it is complete and on disk. It is complete if it has
//! the size of its disk and a superblock, which is written last.
//!
//! A lock file may be removed by whoever holds it exclusively. So after locking one must look
//! whether the file is still the one in the directory, and start over otherwise.

mod lock;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::build::{BuildOptions, BuildReport, build};
use crate::error::RootfsError;
use crate::identity::ImageIdentity;
use crate::progress::{Progress, Step};
use crate::source::LayerSource;
use lock::{Lock, Mode};

const IMAGE: &str = "ext4";
const LOCK: &str = "lock";
const TEMPORARY: &str = "tmp";

/// Why the cache could not give an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The directory can not be used.
    #[error("failed to use the image cache {}: choose a directory that you can write to", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file in it can not be used.
    #[error("failed to {action} {}", .path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no image yet, and it could not be built.
    #[error(transparent)]
    Build(#[from] RootfsError),
}

/// A directory of images.
#[derive(Clone, Debug)]
pub struct ImageCache {
    directory: PathBuf,
}

/// An image of the cache. As long as this lives nobody removes it.
#[derive(Debug)]
pub struct CachedImage {
    /// The image, open for reading.
    pub file: File,
    /// Where it is.
    pub path: PathBuf,
    /// What was built, if the image was not there before.
    pub built: Option<BuildReport>,
    _lock: Lock,
}

/// What the cache knows about an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheEntry {
    /// The identity of the image, in hexadecimal digits.
    pub name: String,
    /// The size of its disk in bytes.
    pub disk_bytes: u64,
    /// What it takes of the host's disk, in bytes.
    pub stored_bytes: u64,
    /// When it was built.
    pub created: SystemTime,
    /// When it was last asked for.
    pub last_used: SystemTime,
}

impl ImageCache {
    /// Opens the cache in `directory`, which is made if need be, and removes what crashes left.
    ///
    /// # Errors
    /// [`CacheError::Directory`]; [`CacheError::File`] for leftovers that can not be removed.
    pub fn open(directory: &Path) -> Result<Self, CacheError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| CacheError::Directory {
                path: directory.to_owned(),
                source,
            })?;
        let cache = Self {
            directory: directory.to_owned(),
        };
        for name in cache.names_with(TEMPORARY)? {
            if let Some(_lock) = Lock::try_exclusive(&cache.path(&name, LOCK))? {
                remove_if_there(&cache.path(&name, TEMPORARY))?;
                if !cache.path(&name, IMAGE).exists() {
                    remove_if_there(&cache.path(&name, LOCK))?;
                }
            }
        }
        Ok(cache)
    }

    /// The image of the given layers, the lowest first: built now, if it is not there.
    ///
    /// Processes that want the same image at the same time build it once. Who waits for another
    /// hears [`Step::WaitForOther`], and can only be cancelled by a signal.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn get_or_build(
        &self,
        layers: &[&dyn LayerSource],
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<CachedImage, CacheError> {
        let diff_ids = layers.iter().map(|layer| layer.diff_id());
        let name = ImageIdentity::new(diff_ids, options.disk_bytes).to_string();
        let mut built = None;
        loop {
            let lock = self.lock(&name, Mode::Shared, progress)?;
            lock.touch()?;
            if let Some(file) = self.open_image(&name, options.disk_bytes)? {
                return Ok(CachedImage {
                    file,
                    path: self.path(&name, IMAGE),
                    built,
                    _lock: lock,
                });
            }
            drop(lock);
            let _lock = self.lock(&name, Mode::Exclusive, progress)?;
            // Someone else may have built it in between.
            if self.open_image(&name, options.disk_bytes)?.is_none() {
                built = Some(self.build(&name, layers, options, progress)?);
            }
        }
    }

    /// All complete images, in no particular order.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn entries(&self) -> Result<Vec<CacheEntry>, CacheError> {
        let mut entries = Vec::new();
        for name in self.names_with(IMAGE)? {
            let path = self.path(&name, IMAGE);
            let metadata = match fs::metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(|source| file_error("look at", &path, source))?,
            };
            let created = metadata
                .modified()
                .map_err(|source| file_error("look at", &path, source))?;
            let used = fs::metadata(self.path(&name, LOCK)).and_then(|lock| lock.modified());
            entries.push(CacheEntry {
                name,
                disk_bytes: metadata.len(),
                stored_bytes: metadata.blocks() * 512,
                created,
                // Without its lock file the image was never used by anyone who is still there.
                last_used: used.unwrap_or(created),
            });
        }
        Ok(entries)
    }

    /// Whether somebody uses an image, or builds it.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn is_in_use(&self, entry: &CacheEntry) -> Result<bool, CacheError> {
        Lock::is_held(&self.path(&entry.name, LOCK))
    }

    /// Whether an image has what is written last. What it holds has no digest.
    ///
    /// # Errors
    /// [`CacheError`] if it can not be read.
    pub fn is_whole(&self, entry: &CacheEntry) -> Result<bool, CacheError> {
        // What was removed meanwhile is not damaged.
        let is_gone = || !self.path(&entry.name, IMAGE).exists();
        Ok(self.open_image(&entry.name, entry.disk_bytes)?.is_some() || is_gone())
    }

    /// Removes an image, unless it is in use: then `false` is given.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn remove(&self, entry: &CacheEntry) -> Result<bool, CacheError> {
        let lock_path = self.path(&entry.name, LOCK);
        let Some(_lock) = Lock::try_exclusive(&lock_path)? else {
            return Ok(false);
        };
        remove_if_there(&self.path(&entry.name, IMAGE))?;
        remove_if_there(&self.path(&entry.name, TEMPORARY))?;
        remove_if_there(&lock_path)?;
        Ok(true)
    }

    fn lock(&self, name: &str, mode: Mode, progress: &dyn Progress) -> Result<Lock, CacheError> {
        let path = self.path(name, LOCK);
        if let Some(lock) = Lock::try_lock(&path, mode)? {
            return Ok(lock);
        }
        progress.step(Step::WaitForOther);
        Lock::wait(&path, mode, progress)
    }

    /// The image, if it is there and complete.
    fn open_image(&self, name: &str, disk_bytes: u64) -> Result<Option<File>, CacheError> {
        let path = self.path(name, IMAGE);
        let failed = |source| file_error("open", &path, source);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed)?,
        };
        let is_whole = file.metadata().map_err(failed)?.len() == disk_bytes
            && has_superblock(&file).map_err(failed)?;
        Ok(is_whole.then_some(file))
    }

    /// Builds an image and puts it in its place. The lock is held exclusively.
    fn build(
        &self,
        name: &str,
        layers: &[&dyn LayerSource],
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<BuildReport, CacheError> {
        let temporary = self.path(name, TEMPORARY);
        remove_if_there(&temporary)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&temporary)
            .and_then(|file| {
                // The directory keeps others away from it. A VMM that maps it is another user, and
                // is given this file alone.
                file.set_permissions(Permissions::from_mode(0o644))?;
                Ok(file)
            })
            .map_err(|source| file_error("create", &temporary, source))?;
        let finished = build(layers, &file, options, progress)
            .map_err(CacheError::from)
            .and_then(|report| {
                self.publish(&file, name)?;
                Ok(report)
            });
        if finished.is_err() {
            // The reason why it failed matters more than whether this works; if it does not, the
            // file is removed with the leftovers of crashes.
            let _ = fs::remove_file(&temporary);
        }
        finished
    }

    fn publish(&self, file: &File, name: &str) -> Result<(), CacheError> {
        let temporary = self.path(name, TEMPORARY);
        let image = self.path(name, IMAGE);
        file.sync_all()
            .map_err(|source| match RootfsError::write(source) {
                RootfsError::Write(source) => file_error("sync", &temporary, source),
                full => CacheError::Build(full),
            })?;
        fs::rename(&temporary, &image).map_err(|source| file_error("create", &image, source))?;
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| file_error("sync", &self.directory, source))
    }

    /// The names of all files with this extension.
    fn names_with(&self, extension: &str) -> Result<Vec<String>, CacheError> {
        let failed = |source| CacheError::Directory {
            path: self.directory.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let path = PathBuf::from(entry.map_err(failed)?.file_name());
            if path.extension() == Some(OsStr::new(extension))
                && let Some(name) = path.file_stem().and_then(OsStr::to_str)
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.directory.join(format!("{name}.{extension}"))
    }
}

/// Whether there is the magic number of an ext4 superblock.
fn has_superblock(file: &File) -> io::Result<bool> {
    const PLACE: u64 = 1024 + 0x38;
    const MAGIC: [u8; 2] = 0xEF53_u16.to_le_bytes();
    let mut magic = [0; 2];
    file.read_exact_at(&mut magic, PLACE)?;
    Ok(magic == MAGIC)
}

fn remove_if_there(path: &Path) -> Result<(), CacheError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| file_error("remove", path, source)),
    }
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> CacheError {
    CacheError::File {
        action,
        path: path.to_owned(),
        source,
    }
}
