//! What the kernels in the cache take, and removing them.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::folder::{distributed, load};
use super::lease::{self, Seizure};
use super::store::{KernelStore, digest};
use super::{Kernel, KernelError};
use crate::Reporter;
use crate::disk_usage::disk_usage;

/// A kernel in the cache.
#[derive(Debug, Clone)]
pub struct KeptKernel {
    /// The name of its folder.
    pub id: String,
    /// What it takes of the disk, in bytes.
    pub bytes: u64,
    /// When it was last used, or kept.
    pub last_used: SystemTime,
    /// Whether a runner uses it.
    pub in_use: bool,
    /// The kernel; `None` where the folder holds none that this version can use.
    pub kernel: Option<Kernel>,
}

impl KernelStore {
    /// All folders of kernels, in the order of their names.
    ///
    /// # Errors
    ///
    /// When the cache can not be read.
    pub fn kept(&self) -> Result<Vec<KeptKernel>, KernelError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| KernelError::Read { path, source }
        };
        let entries = match fs::read_dir(self.folder()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(self.folder())(error)),
        };
        let mut kept = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed(self.folder()))?.path();
            let Some(id) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            // Another runner may remove it meanwhile.
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if !metadata.is_dir() {
                continue;
            }
            let made = metadata.modified().map_err(failed(&path))?;
            kept.push(KeptKernel {
                id: id.to_owned(),
                bytes: disk_usage(&path).map_err(failed(&path))?,
                last_used: lease::last_used(&path).unwrap_or(made),
                in_use: lease::is_held(&path),
                kernel: load(&path),
            });
        }
        kept.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(kept)
    }

    /// Removes the kernel with this id; `false` says that a runner uses it.
    ///
    /// # Errors
    ///
    /// When it can not be removed.
    pub fn remove(&self, id: &str, reporter: &dyn Reporter) -> Result<bool, KernelError> {
        let folder = self.folder().join(id);
        let failed = |source| KernelError::Cache {
            path: folder.clone(),
            source,
        };
        let _seized = match lease::seize(&folder) {
            Ok(Seizure::Taken(lock)) => lock,
            Ok(Seizure::InUse) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(failed(error)),
        };
        // Whoever looks for a kernel meanwhile finds a whole one or none.
        let scratch = self.scratch(reporter)?;
        fs::rename(&folder, scratch.path().join("removed")).map_err(failed)?;
        Ok(true)
    }
}

impl KeptKernel {
    /// Whether the kernel, as it was distributed, is still what was kept. What was unpacked of it
    /// has no digest.
    ///
    /// # Errors
    ///
    /// When it can not be read.
    pub fn is_whole(&self) -> Result<bool, KernelError> {
        let Some(kernel) = &self.kernel else {
            return Ok(false);
        };
        let image = distributed(kernel);
        match File::open(&image) {
            // Removed meanwhile: there is nothing that could be damaged.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            _ => Ok(digest(&image)? == kernel.sha256),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporter::Silent;

    fn store(folder: &Path) -> (KernelStore, Kernel) {
        let image = folder.join("vmlinux");
        fs::write(&image, b"\x7fELF and so on").unwrap();
        let store = KernelStore::new(&folder.join("cache"));
        let kernel = store.add(&image, None, "test", &Silent).unwrap();
        (store, kernel)
    }

    #[test]
    fn a_kernel_that_is_used_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (store, kernel) = store(folder.path());
        let kept = store.kept().unwrap().remove(0);
        assert!(kept.in_use && kept.is_whole().unwrap() && kept.bytes > 0);
        assert!(!store.remove(&kept.id, &Silent).unwrap());
        let copy = kernel.clone();
        drop(kernel);
        assert!(
            !store.remove(&kept.id, &Silent).unwrap(),
            "a copy is in use"
        );
        drop(copy);
        assert!(!store.kept().unwrap()[0].in_use);
        assert!(store.remove(&kept.id, &Silent).unwrap());
        assert!(store.kept().unwrap().is_empty());
        assert!(store.newest("test").is_none());
        assert!(store.remove(&kept.id, &Silent).unwrap(), "it is gone");
    }

    #[test]
    fn what_was_found_is_leased() {
        let folder = tempfile::tempdir().unwrap();
        let (store, kernel) = store(folder.path());
        drop(kernel);
        let id = store.kept().unwrap().remove(0).id;
        let found = store.newest("test").unwrap();
        assert!(!store.remove(&id, &Silent).unwrap());
        drop(found);
        assert!(store.remove(&id, &Silent).unwrap());
    }

    #[test]
    fn damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (store, kernel) = store(folder.path());
        fs::write(&kernel.image, b"\x7fELF and no more").unwrap();
        assert!(!store.kept().unwrap()[0].is_whole().unwrap());
        fs::remove_file(&kernel.image).unwrap();
        let half = store.kept().unwrap().remove(0);
        assert!(half.kernel.is_none() && !half.is_whole().unwrap());
    }
}
