//! The lab's initramfs: loads the drivers of its disks, mounts them, starts the real init.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::kernel::Kernel;
use crate::cpio::Archive;

/// What the disks and the port need, each after what it uses.
const MODULES: [&str; 5] = [
    "virtio_ring",
    "virtio",
    "virtio_mmio",
    "virtio_blk",
    "virtio_console",
];

const INIT: &str = include_str!("initramfs.sh");

/// Packs `busybox`, a static one, with the modules of `kernel`.
///
/// # Errors
///
/// When a file can not be read.
pub(crate) fn build(kernel: &Kernel, busybox: &Path) -> anyhow::Result<Vec<u8>> {
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "modules", "proc", "root", "sys"] {
        archive.folder(folder);
    }
    archive.executable("bin/busybox", &read(busybox)?);
    archive.executable("init", INIT.as_bytes());
    for (number, name) in MODULES.iter().enumerate() {
        if let Some(path) = kernel.module(name)? {
            // The extension tells how it is packed; the number keeps the order.
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            archive.file(&format!("modules/{number}-{file}"), &read(&path)?);
        }
    }
    Ok(archive.finish())
}
