//! Kernels in the cache.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::bzimage::{self, BzImage, UnpackError};
use super::folder::{BZIMAGE, ELF, FORMAT, MANIFEST, Manifest, ModuleEntry, load, load_leased};
use super::{Kernel, KernelError, Module, modules};
use crate::Reporter;
use crate::scratch::Scratch;

/// The largest kernel that is taken, in bytes, as it is distributed and once unpacked.
pub(crate) const MAX_KERNEL: u64 = 512 << 20;

/// The folder `kernels` of the cache.
#[derive(Debug, Clone)]
pub struct KernelStore {
    folder: PathBuf,
    /// Where kernels are until they are whole.
    scratch: PathBuf,
}

impl KernelStore {
    /// The store in the folder `cache`, which need not exist.
    pub fn new(cache: &Path) -> Self {
        Self {
            folder: cache.join("kernels"),
            scratch: cache.join("tmp"),
        }
    }

    /// The folder that the kernels are in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder on the filesystem of the cache for what is being fetched.
    pub(crate) fn scratch(&self, reporter: &dyn Reporter) -> Result<Scratch, KernelError> {
        Scratch::create(&self.scratch, "kernel-", reporter, |_| Ok(())).map_err(|error| {
            KernelError::Cache {
                path: error.path,
                source: error.source,
            }
        })
    }

    /// The newest kernel whose origin begins with `origin`, or `None`. A folder that is not a
    /// whole kernel of this format is passed over.
    pub fn newest(&self, origin: &str) -> Option<Kernel> {
        self.newest_that(|kernel| kernel.origin.starts_with(origin))
    }

    /// The newest kernel with this SHA-256, in hexadecimal, of its image as it was distributed, or
    /// `None`.
    pub fn of_digest(&self, sha256: &str) -> Option<Kernel> {
        self.newest_that(|kernel| kernel.sha256 == sha256)
    }

    fn newest_that(&self, is_meant: impl Fn(&Kernel) -> bool) -> Option<Kernel> {
        let mut kernels: Vec<_> = fs::read_dir(&self.folder)
            .ok()?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let modified = fs::metadata(path.join(MANIFEST)).ok()?.modified().ok()?;
                is_meant(&load(&path)?).then_some((modified, path))
            })
            .collect();
        kernels.sort_by_key(|(modified, _)| *modified);
        kernels
            .into_iter()
            .rev()
            .find_map(|(_, path)| load_leased(&path))
    }

    /// Keeps the kernel `image` and what a guest needs of the modules in `modules_folder`, unless
    /// it is there already.
    ///
    /// # Errors
    ///
    /// When `image` is no kernel, a module is damaged, or the cache can not be written.
    pub fn add(
        &self,
        image: &Path,
        modules_folder: Option<&Path>,
        origin: &str,
        reporter: &dyn Reporter,
    ) -> Result<Kernel, KernelError> {
        let sha256 = digest(image)?;
        let modules = modules_of(modules_folder)?;
        let identity = identity(&sha256, origin, &modules)?;
        if let Some(kernel) = self.find(&identity) {
            return Ok(kernel);
        }
        let scratch = self.scratch(reporter)?;
        let staging = scratch.path().join("kernel");
        create_folder(&staging)?;
        let boot = unpack(image, &staging)?;
        let modules_target = staging.join("modules");
        create_folder(&modules_target)?;
        for module in &modules {
            let name = format!("{}.ko", module.name);
            write(&modules_target.join(name), &module.read()?)?;
        }
        let manifest = Manifest {
            format: FORMAT,
            image: boot.name.to_owned(),
            release: boot.release,
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
            path: staging.join(MANIFEST),
            source: error.into(),
        })?;
        write(&staging.join(MANIFEST), &json)?;
        self.publish(&staging, &manifest, &identity)
    }

    /// The kernel whose image has this digest, with what a guest needs of `modules_folder`, if it
    /// is there.
    ///
    /// # Errors
    ///
    /// When a module is damaged.
    pub(crate) fn known(
        &self,
        sha256: &str,
        modules_folder: Option<&Path>,
        origin: &str,
    ) -> Result<Option<Kernel>, KernelError> {
        let identity = identity(sha256, origin, &modules_of(modules_folder)?)?;
        Ok(self.find(&identity))
    }

    /// The whole kernel of this identity.
    fn find(&self, identity: &str) -> Option<Kernel> {
        fs::read_dir(&self.folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with(identity))
            .find_map(|path| load_leased(&path))
    }

    /// Renames the finished folder to its final name. Two processes may fetch the same kernel at
    /// once: the later one finds the name taken, by the same content, and uses that.
    fn publish(
        &self,
        staging: &Path,
        manifest: &Manifest,
        identity: &str,
    ) -> Result<Kernel, KernelError> {
        create_folder(&self.folder)?;
        let release = manifest.release.as_deref();
        let release = release.map_or("kernel".to_owned(), safe_name);
        let target = self.folder.join(format!("{release}-{identity}"));
        if load(&target).is_none() {
            // What is there under this name is no whole kernel: it would only be in the way.
            let _nothing_there = fs::remove_dir_all(&target);
            match fs::rename(staging, &target) {
                Err(source) if load(&target).is_none() => {
                    return Err(KernelError::Cache {
                        path: target,
                        source,
                    });
                }
                _ => {}
            }
        }
        load_leased(&target).ok_or_else(|| KernelError::Cache {
            path: target,
            source: std::io::Error::other("the kernel is not whole after it was written"),
        })
    }
}

fn modules_of(folder: Option<&Path>) -> Result<Vec<Module>, KernelError> {
    Ok(folder
        .map(modules::resolve)
        .transpose()?
        .unwrap_or_default())
}

/// What tells one kernel in the cache from another: the image, where it came from, and what every
/// module of it holds.
fn identity(sha256: &str, origin: &str, modules: &[Module]) -> Result<String, KernelError> {
    let mut hasher = Sha256::new();
    hasher.update(format!("{FORMAT}\0{sha256}\0{origin}\0"));
    for module in modules {
        hasher.update(format!("{}\0", module.name));
        hasher.update(Sha256::digest(module.read()?));
    }
    Ok(hex::encode(hasher.finalize())[..16].to_owned())
}

/// SHA-256 of the file, in hexadecimal.
pub(super) fn digest(image: &Path) -> Result<String, KernelError> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut reader = open(image)?;
    loop {
        match reader.read(&mut buffer).map_err(read_error(image))? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    if reader.limit() == 0 {
        return Err(KernelError::TooLarge {
            path: image.to_owned(),
            limit: MAX_KERNEL,
        });
    }
    Ok(hex::encode(hasher.finalize()))
}

/// One byte more than is allowed is read, which tells that the file is too large.
fn open(image: &Path) -> Result<std::io::Take<File>, KernelError> {
    let file = File::open(image).map_err(read_error(image))?;
    Ok(file.take(MAX_KERNEL + 1))
}

fn read_error(path: &Path) -> impl FnOnce(std::io::Error) -> KernelError {
    let path = path.to_owned();
    move |source| KernelError::Read { path, source }
}

/// The file of a kernel that is booted.
struct BootFile {
    name: &'static str,
    release: Option<String>,
}

/// Puts what is to be kept of the kernel `image` into `folder`: its ELF image, and the image as it
/// was distributed.
fn unpack(image: &Path, folder: &Path) -> Result<BootFile, KernelError> {
    let source = File::open(image).map_err(read_error(image))?;
    let elf_path = folder.join(ELF);
    if bzimage::is_elf(&source).map_err(read_error(image))? {
        copy(image, &elf_path)?;
        return Ok(BootFile {
            name: ELF,
            release: None,
        });
    }
    let parsed = BzImage::parse(&source).map_err(read_error(image))?;
    let parsed = parsed.ok_or_else(|| KernelError::NotAKernel {
        path: image.to_owned(),
    })?;
    let mut elf = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&elf_path)
        .map_err(cache_error(&elf_path))?;
    parsed.unpack(&mut elf).map_err(|error| match error {
        UnpackError::Payload(reason) => KernelError::Payload {
            path: image.to_owned(),
            reason,
        },
        UnpackError::Write(source) => cache_error(&elf_path)(source),
    })?;
    finish(&elf, &elf_path)?;
    copy(image, &folder.join(BZIMAGE))?;
    let boots_directly = bzimage::has_pvh_entry(&elf);
    Ok(BootFile {
        name: if boots_directly { ELF } else { BZIMAGE },
        release: parsed.release().map(str::to_owned),
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

fn copy(from: &Path, to: &Path) -> Result<(), KernelError> {
    let mut file = File::create(to).map_err(cache_error(to))?;
    std::io::copy(&mut open(from)?, &mut file).map_err(cache_error(to))?;
    finish(&file, to)
}

/// Makes sure that the file is whole after a crash, and that a jailed VMM, which is a user of its
/// own, can read it whatever this process's mask is.
fn finish(file: &File, path: &Path) -> Result<(), KernelError> {
    file.set_permissions(fs::Permissions::from_mode(0o644))
        .and_then(|()| file.sync_all())
        .map_err(cache_error(path))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), KernelError> {
    let mut file = File::create(path).map_err(cache_error(path))?;
    file.write_all(bytes).map_err(cache_error(path))?;
    finish(&file, path)
}

fn cache_error(path: &Path) -> impl FnOnce(std::io::Error) -> KernelError {
    let path = path.to_owned();
    move |source| KernelError::Cache { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporter::Silent;

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
        let kernel = store.add(&image, None, "test", &Silent).unwrap();
        assert_eq!(fs::read(&kernel.image).unwrap(), elf());
        assert_eq!(kernel.sha256, hex::encode(Sha256::digest(elf())));
        store.add(&image, None, "test", &Silent).unwrap();
        let folders: Vec<_> = fs::read_dir(folder.path().join("cache/kernels"))
            .unwrap()
            .collect();
        assert_eq!(folders.len(), 1, "{folders:?}");
        assert_eq!(store.newest("te").unwrap().image, kernel.image);
        assert!(store.newest("other").is_none());
        let of_digest = store.of_digest(&kernel.sha256).unwrap();
        assert_eq!(of_digest.image, kernel.image);
        assert!(store.of_digest("00").is_none());
    }

    #[test]
    fn nothing_unfinished_stays_and_what_others_left_goes() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("readme");
        fs::write(&image, "hello").unwrap();
        let tmp = folder.path().join("tmp");
        fs::create_dir_all(tmp.join("kernel-left/kernel")).unwrap();
        let store = KernelStore::new(folder.path());
        store.add(&image, None, "test", &Silent).unwrap_err();
        let left: Vec<_> = fs::read_dir(&tmp)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [".lock"]);
    }

    #[test]
    fn half_a_kernel_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("vmlinux");
        fs::write(&image, elf()).unwrap();
        let store = KernelStore::new(folder.path());
        let kernel = store.add(&image, None, "test", &Silent).unwrap();
        fs::remove_file(&kernel.image).unwrap();
        let again = store.add(&image, None, "test", &Silent).unwrap();
        assert_eq!(fs::read(&again.image).unwrap(), elf());
    }

    #[test]
    fn a_file_that_never_ends_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("huge");
        File::create(&image)
            .unwrap()
            .set_len(MAX_KERNEL + 1)
            .unwrap();
        let error = KernelStore::new(folder.path()).add(&image, None, "test", &Silent);
        assert!(matches!(error, Err(KernelError::TooLarge { .. })));
    }

    #[test]
    fn half_a_kernel_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("vmlinux");
        fs::write(&image, elf()).unwrap();
        let store = KernelStore::new(folder.path());
        let kernel = store.add(&image, None, "test", &Silent).unwrap();
        fs::remove_file(&kernel.image).unwrap();
        assert!(store.newest("test").is_none());
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("readme");
        fs::write(&image, "hello").unwrap();
        let error = KernelStore::new(folder.path()).add(&image, None, "test", &Silent);
        assert!(matches!(error, Err(KernelError::NotAKernel { .. })));
    }
}
