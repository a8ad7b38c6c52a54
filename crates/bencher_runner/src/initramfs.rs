//! The initramfs of every guest: `bencher_init` and the kernel modules it needs, nothing else.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::cpio::CpioWriter;
use crate::kernel::{Kernel, KernelError, Module, closure};

/// The guest's PID 1: static, built beside this crate by its build script.
pub const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bencher_init"));

/// Why there is no initramfs.
#[derive(Debug, Error)]
pub enum InitramfsError {
    /// A kernel module can not be read.
    #[error(transparent)]
    Module(#[from] KernelError),
    /// The cache can not be written.
    #[error(
        "failed to write the initramfs {}: {source}; make the folder writable or choose another \
         cache with --cache-dir",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// An initramfs in the cache.
#[derive(Debug, Clone)]
pub struct Initramfs {
    /// The uncompressed cpio archive.
    pub path: PathBuf,
    /// SHA-256 of what it was made of (init, and the names of the modules of a kernel), in
    /// hexadecimal.
    pub id: String,
}

/// The initramfs for `kernel` with the drivers `wanted` as far as they are modules, made unless
/// `cache` has it.
///
/// # Errors
///
/// When a module can not be read or the cache can not be written.
pub fn prepare(
    kernel: &Kernel,
    wanted: &[&str],
    cache: &Path,
) -> Result<Initramfs, InitramfsError> {
    let folder = cache.join("initramfs");
    let modules = closure(&kernel.modules, wanted);
    let id = identity(kernel, &modules);
    let path = folder.join(format!("{id}.cpio"));
    if path.is_file() {
        return Ok(Initramfs { path, id });
    }
    let archive = build(&modules, &path)?;
    publish(&archive, &folder, &path).map_err(|source| InitramfsError::Write {
        path: path.clone(),
        source,
    })?;
    Ok(Initramfs { path, id })
}

fn identity(kernel: &Kernel, modules: &[&Module]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"initramfs 2\0");
    hasher.update(Sha256::digest(INIT));
    hasher.update(kernel.sha256.as_bytes());
    for module in modules {
        hasher.update(module.path.as_os_str().as_encoded_bytes());
        hasher.update([0]);
    }
    hex::encode(hasher.finalize())
}

fn build(modules: &[&Module], path: &Path) -> Result<Vec<u8>, InitramfsError> {
    let modules = modules
        .iter()
        .map(|module| Ok((format!("modules/{}.ko", module.name), module.read()?)))
        .collect::<Result<Vec<_>, KernelError>>()?;
    let write = || {
        let mut cpio = CpioWriter::new(Vec::new());
        cpio.executable("init", INIT)?;
        cpio.folder("dev")?;
        cpio.folder("modules")?;
        let mut list = String::new();
        for (name, content) in &modules {
            cpio.file(name, content)?;
            list.push('/');
            list.push_str(name);
            list.push('\n');
        }
        cpio.file("modules.list", list.as_bytes())?;
        cpio.finish()
    };
    write().map_err(|source| InitramfsError::Write {
        path: path.to_owned(),
        source,
    })
}

fn publish(archive: &[u8], folder: &Path, path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(archive)?;
    // A jailed VMM reads it as a user of its own.
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Module;

    fn kernel(folder: &Path) -> Kernel {
        fs::write(folder.join("virtio.ko"), "the module").unwrap();
        Kernel {
            image: folder.join("vmlinux"),
            elf: None,
            release: None,
            sha256: "00".repeat(32),
            origin: "test".to_owned(),
            lease: None,
            modules: vec![Module {
                name: "virtio".to_owned(),
                path: folder.join("virtio.ko"),
                needs: Vec::new(),
            }],
        }
    }

    #[test]
    fn it_is_made_once_and_holds_init_and_modules() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = kernel(folder.path());
        let first = prepare(&kernel, &["virtio"], folder.path()).unwrap();
        let archive = fs::read(&first.path).unwrap();
        for part in [b"the module".as_slice(), b"/modules/virtio.ko\n"] {
            assert!(archive.windows(part.len()).any(|window| window == part));
        }
        let without = prepare(&kernel, &["other"], folder.path()).unwrap();
        assert_ne!(without.id, first.id);
        fs::remove_file(folder.path().join("virtio.ko")).unwrap();
        assert_eq!(
            prepare(&kernel, &["virtio"], folder.path()).unwrap().path,
            first.path
        );
    }

    #[test]
    fn an_unwritable_cache_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = kernel(folder.path());
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = prepare(&kernel, &[], &file).unwrap_err().to_string();
        assert!(error.contains("--cache-dir"), "{error}");
    }
}
