//! Kernels in the cache.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::bzimage::{self, BzImage};
use super::{Kernel, KernelError, Module, modules};

/// Raised when the layout of a cached kernel changes; older folders are then ignored.
const FORMAT: u32 = 3;

/// The folder `kernels` of the cache.
#[derive(Debug, Clone)]
pub struct KernelStore {
    folder: PathBuf,
}

/// What `kernel.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// The file to boot, relative to the folder.
    image: String,
    release: Option<String>,
    sha256: String,
    origin: String,
    /// In load order; each is `modules/<name>.ko`.
    modules: Vec<ModuleEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ModuleEntry {
    name: String,
    needs: Vec<String>,
}

const MANIFEST: &str = "kernel.json";

/// How the names of folders begin that are not finished, and will be renamed.
const STAGING: &str = ".new-";

impl KernelStore {
    /// The store in the folder `cache`, which need not exist.
    pub fn new(cache: &Path) -> Self {
        Self {
            folder: cache.join("kernels"),
        }
    }

    /// The newest kernel whose origin begins with `origin`, or `None`. A folder that is not a
    /// whole kernel of this format is passed over.
    pub fn newest(&self, origin: &str) -> Option<Kernel> {
        let mut kernels: Vec<_> = fs::read_dir(&self.folder)
            .ok()?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                if entry
                    .file_name()
                    .as_encoded_bytes()
                    .starts_with(STAGING.as_bytes())
                {
                    return None;
                }
                let path = entry.path();
                let modified = fs::metadata(path.join(MANIFEST)).ok()?.modified().ok()?;
                let kernel = load(&path)?;
                kernel
                    .origin
                    .starts_with(origin)
                    .then_some((modified, kernel))
            })
            .collect();
        kernels.sort_by_key(|(modified, _)| *modified);
        kernels.pop().map(|(_, kernel)| kernel)
    }

    /// Keeps the kernel `image` and what a guest needs of the modules in `modules_folder`.
    ///
    /// # Errors
    ///
    /// When `image` is no kernel, a module is damaged, or the cache can not be written.
    pub fn add(
        &self,
        image: &Path,
        modules_folder: Option<&Path>,
        origin: &str,
    ) -> Result<Kernel, KernelError> {
        let bytes = fs::read(image).map_err(|source| KernelError::Read {
            path: image.to_owned(),
            source,
        })?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let modules = modules_folder.map(modules::resolve).transpose()?;
        let modules = modules.unwrap_or_default();
        let parts = Parts::of(image, &bytes)?;

        create_folder(&self.folder)?;
        let staging = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(&self.folder)
            .map_err(cache_error(&self.folder))?;
        if let Some(elf) = &parts.elf {
            write(&staging.path().join("vmlinux"), elf)?;
        }
        if parts.elf.is_none() || !bzimage::is_elf(&bytes) {
            write(&staging.path().join("bzImage"), &bytes)?;
        }
        let modules_target = staging.path().join("modules");
        create_folder(&modules_target)?;
        for module in &modules {
            let name = format!("{}.ko", module.name);
            write(&modules_target.join(name), &module.read()?)?;
        }
        let manifest = Manifest {
            format: FORMAT,
            image: parts.boot_file().to_owned(),
            release: parts.release,
            sha256,
            origin: origin.to_owned(),
            modules: modules
                .into_iter()
                .map(|module| ModuleEntry {
                    name: module.name,
                    needs: module.needs,
                })
                .collect(),
        };
        let json = serde_json::to_vec_pretty(&manifest).map_err(|error| KernelError::Cache {
            path: staging.path().join(MANIFEST),
            source: error.into(),
        })?;
        write(&staging.path().join(MANIFEST), &json)?;
        self.publish(staging, &manifest)
    }

    /// Renames the finished folder to its final name. Two processes may fetch the same kernel at
    /// once: the later one finds the name taken, by the same content, and uses that.
    fn publish(
        &self,
        staging: tempfile::TempDir,
        manifest: &Manifest,
    ) -> Result<Kernel, KernelError> {
        let identity = Sha256::digest(format!(
            "{FORMAT} {} {} {:?}",
            manifest.sha256, manifest.origin, manifest.modules
        ));
        let target = self.folder.join(format!(
            "{}-{}",
            manifest
                .release
                .as_deref()
                .map_or("kernel".to_owned(), safe_name),
            &hex::encode(identity)[..16],
        ));
        if load(&target).is_none() {
            match fs::rename(staging.path(), &target) {
                Ok(()) => {
                    // The folder has its final name now: there is nothing to remove.
                    let _renamed = staging.keep();
                }
                Err(source) if load(&target).is_none() => {
                    return Err(KernelError::Cache {
                        path: target,
                        source,
                    });
                }
                Err(_) => {}
            }
        }
        load(&target).ok_or_else(|| KernelError::Cache {
            path: target,
            source: std::io::Error::other("the kernel is not whole after it was written"),
        })
    }
}

/// What is to be kept of a kernel image.
struct Parts {
    /// The ELF image, when it can be booted directly.
    elf: Option<Vec<u8>>,
    release: Option<String>,
}

impl Parts {
    fn of(path: &Path, bytes: &[u8]) -> Result<Self, KernelError> {
        if bzimage::is_elf(bytes) {
            return Ok(Self {
                elf: Some(bytes.to_vec()),
                release: None,
            });
        }
        let image = BzImage::parse(bytes).ok_or_else(|| KernelError::NotAKernel {
            path: path.to_owned(),
        })?;
        let elf = image.unpack(path)?;
        Ok(Self {
            elf: bzimage::has_pvh_entry(&elf).then_some(elf),
            release: image.release().map(str::to_owned),
        })
    }

    fn boot_file(&self) -> &'static str {
        if self.elf.is_some() {
            "vmlinux"
        } else {
            "bzImage"
        }
    }
}

fn load(folder: &Path) -> Option<Kernel> {
    let manifest = fs::read(folder.join(MANIFEST)).ok()?;
    let manifest: Manifest = serde_json::from_slice(&manifest).ok()?;
    let image = folder.join(&manifest.image);
    if manifest.format != FORMAT || !image.is_file() {
        return None;
    }
    Some(Kernel {
        image,
        release: manifest.release,
        sha256: manifest.sha256,
        origin: manifest.origin,
        modules: manifest
            .modules
            .into_iter()
            .map(|entry| Module {
                path: folder.join("modules").join(format!("{}.ko", entry.name)),
                name: entry.name,
                needs: entry.needs,
            })
            .collect(),
    })
}

fn safe_name(release: &str) -> String {
    release
        .chars()
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | '+' => character,
            _ => '_',
        })
        .take(64)
        .collect()
}

fn create_folder(folder: &Path) -> Result<(), KernelError> {
    fs::create_dir_all(folder).map_err(cache_error(folder))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), KernelError> {
    let mut file = File::create(path).map_err(cache_error(path))?;
    file.write_all(bytes).map_err(cache_error(path))?;
    file.sync_all().map_err(cache_error(path))
}

fn cache_error(path: &Path) -> impl FnOnce(std::io::Error) -> KernelError {
    let path = path.to_owned();
    move |source| KernelError::Cache { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf() -> Vec<u8> {
        b"\x7fELF and so on".to_vec()
    }

    #[test]
    fn a_kernel_is_kept_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("vmlinux");
        fs::write(&image, elf()).unwrap();
        let store = KernelStore::new(&folder.path().join("cache"));
        assert!(store.newest("").is_none());
        let kernel = store.add(&image, None, "test").unwrap();
        assert_eq!(fs::read(&kernel.image).unwrap(), elf());
        assert_eq!(kernel.sha256, hex::encode(Sha256::digest(elf())));
        store.add(&image, None, "test").unwrap();
        let folders: Vec<_> = fs::read_dir(folder.path().join("cache/kernels"))
            .unwrap()
            .collect();
        assert_eq!(folders.len(), 1, "{folders:?}");
        assert_eq!(store.newest("te").unwrap().image, kernel.image);
        assert!(store.newest("other").is_none());
    }

    #[test]
    fn an_unfinished_kernel_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("vmlinux");
        fs::write(&image, elf()).unwrap();
        let store = KernelStore::new(folder.path());
        let kernel = store.add(&image, None, "test").unwrap();
        let finished = kernel.image.parent().unwrap();
        fs::rename(finished, finished.with_file_name(".new-abc")).unwrap();
        assert!(store.newest("test").is_none());
    }

    #[test]
    fn half_a_kernel_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("vmlinux");
        fs::write(&image, elf()).unwrap();
        let store = KernelStore::new(folder.path());
        let kernel = store.add(&image, None, "test").unwrap();
        fs::remove_file(&kernel.image).unwrap();
        assert!(store.newest("test").is_none());
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("readme");
        fs::write(&image, "hello").unwrap();
        let error = KernelStore::new(folder.path()).add(&image, None, "test");
        assert!(matches!(error, Err(KernelError::NotAKernel { .. })));
    }
}
