//! A host whose disk is full.

use std::fs::File;

use bencher_rootfs::{
    BuildOptions, CacheError, CopyError, ExtractError, ImageCache, NoProgress, RootfsError, build,
    copy, extract,
};

use crate::archive::Archive;
use crate::host::{has, run, text};
use crate::layers::{MemoryLayer, sources};

const MIB: u64 = 1 << 20;

/// A filesystem of 2 MiB.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = text(directory.path());
        run("mount", &["-t", "tmpfs", "-o", "size=2M", "tmpfs", path]);
        Self(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", text(self.0.path())]);
    }
}

#[test]
fn a_full_disk_is_told_apart_from_a_disk_that_is_too_small() {
    if !has(
        "a_full_disk_is_told_apart_from_a_disk_that_is_too_small",
        &["mount"],
    ) {
        return;
    }
    let disk = SmallDisk::new();
    let directory = disk.0.path();
    let archive = Archive::new().file("large", vec![7; 3_000_000]).end();
    let layers = [MemoryLayer::new("layer", archive)];
    let options = BuildOptions::new(16 * MIB);

    let path = directory.join("image");
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    let error = build(&sources(&layers), &file, &options, &NoProgress).unwrap_err();
    assert!(matches!(error, RootfsError::HostDiskFull(_)), "{error}");
    assert!(error.to_string().contains("disk is full"), "{error}");

    let source = tempfile::tempfile().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&source, &vec![1; 3_000_000], 0).unwrap();
    file.set_len(0).unwrap();
    let error = copy(&source, &file, &NoProgress).unwrap_err();
    assert!(matches!(error, CopyError::HostDiskFull(_)), "{error}");
    drop(file);
    std::fs::remove_file(&path).unwrap();

    let cache = ImageCache::open(&directory.join("cache")).unwrap();
    let error = cache
        .get_or_build(&sources(&layers), &options, &NoProgress)
        .unwrap_err();
    assert!(
        matches!(error, CacheError::Build(RootfsError::HostDiskFull(_))),
        "{error}"
    );
    assert!(cache.entries().unwrap().is_empty());

    let target = directory.join("extracted");
    let error = extract(&sources(&layers), &target, &options, &NoProgress).unwrap_err();
    assert!(
        matches!(
            error,
            ExtractError::HostDiskFull(_) | ExtractError::Build(RootfsError::HostDiskFull(_))
        ),
        "{error}"
    );
    assert!(!target.exists());
}
