//! The folder of a kernel: what it holds, and reading it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::lease::{self, Lease};
use super::{Kernel, Module};

/// Raised when the layout of a cached kernel changes; older folders are then ignored.
pub(super) const FORMAT: u32 = 6;

pub(super) const MANIFEST: &str = "kernel.json";
pub(super) const ELF: &str = "vmlinux";
pub(super) const BZIMAGE: &str = "bzImage";

/// What `kernel.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// The file to boot, relative to the folder.
    pub(super) image: String,
    pub(super) release: Option<String>,
    pub(super) sha256: String,
    pub(super) origin: String,
    /// In load order; each is `modules/<name>.ko`.
    pub(super) modules: Vec<ModuleEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ModuleEntry {
    pub(super) name: String,
    pub(super) needs: Vec<String>,
}

/// The image of a kernel as it was distributed, whose digest is known.
pub(super) fn distributed(kernel: &Kernel) -> PathBuf {
    let bzimage = kernel.image.with_file_name(BZIMAGE);
    if bzimage.exists() {
        bzimage
    } else {
        kernel.image.clone()
    }
}

/// The kernel in `folder`, which stays there for as long as it is used. What is in use is found
/// only after it can not be removed any more.
pub(super) fn load_leased(folder: &Path) -> Option<Kernel> {
    let lease = match lease::take(folder) {
        Lease::Taken(lease) => Some(Arc::new(lease)),
        Lease::ReadOnly => None,
        Lease::Gone => return None,
    };
    Some(Kernel {
        lease,
        ..load(folder)?
    })
}

pub(super) fn load(folder: &Path) -> Option<Kernel> {
    let manifest = fs::read(folder.join(MANIFEST)).ok()?;
    let manifest: Manifest = serde_json::from_slice(&manifest).ok()?;
    let image = folder.join(&manifest.image);
    if manifest.format != FORMAT || !image.is_file() {
        return None;
    }
    let elf = folder.join(ELF);
    Some(Kernel {
        image,
        elf: elf.is_file().then_some(elf),
        release: manifest.release,
        sha256: manifest.sha256,
        origin: manifest.origin,
        lease: None,
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
