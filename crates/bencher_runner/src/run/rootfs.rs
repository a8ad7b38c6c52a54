//! From an image to its root filesystem: built once, kept in the cache.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bencher_oci::{Cancellation, Image};
use bencher_rootfs::identity::ImageIdentity;
use bencher_rootfs::{BuildOptions, CachedImage, ImageCache, LayerSource, Progress, Step};

use super::layers::{SourceLayer, layers};
use super::{RunError, RunSpec};
use crate::images::{ImageChoice, Obtained, obtain};
use crate::units::ByteSize;
use crate::{Directories, Reporter};

/// The image's root filesystem out of the cache, built unless it is there.
pub(crate) fn cached(
    image: &Image,
    spec: &RunSpec,
    reporter: &dyn Reporter,
    cancel: &Cancellation,
) -> Result<CachedImage, RunError> {
    let cache = ImageCache::open(&spec.directories.cache.join("rootfs"))?;
    let sources = layers(image)?;
    let progress = BuildProgress::new(reporter, cancel);
    let options = BuildOptions::new(disk_bytes(spec.disk));
    let cached = cache.get_or_build(&as_sources(&sources), &options, &progress);
    reporter.end();
    Ok(cached?)
}

/// Copies a cached image to the new file `path`: by sharing its blocks where the filesystem can.
pub(crate) fn copy(
    cached: &CachedImage,
    path: &Path,
    reporter: &dyn Reporter,
    cancel: &Cancellation,
) -> Result<(), RunError> {
    let target = File::create_new(path).map_err(|source| RunError::State {
        path: path.to_owned(),
        source,
    })?;
    let progress = BuildProgress::new(reporter, cancel);
    bencher_rootfs::copy(&cached.file, &target, &progress)?;
    Ok(())
}

/// Extracts the image's files below the new folder `path` and returns their root.
pub(crate) fn extract(
    image: &Image,
    path: &Path,
    reporter: &dyn Reporter,
    cancel: &Cancellation,
) -> Result<PathBuf, RunError> {
    let sources = layers(image)?;
    let progress = BuildProgress::new(reporter, cancel);
    let options = BuildOptions::new(0);
    let extracted = bencher_rootfs::extract(&as_sources(&sources), path, &options, &progress);
    reporter.end();
    let report = extracted?;
    for (count, what) in [
        (
            report.lost_owners,
            "files have another owner than in the image",
        ),
        (report.lost_devices, "devices of the image are missing"),
        (
            report.lost_xattrs,
            "extended attributes of the image are missing",
        ),
    ] {
        if count > 0 {
            reporter.warning(&format!("without root, {count} {what}"));
        }
    }
    Ok(report.rootfs)
}

/// The key of an image's root filesystem in the cache.
pub(crate) fn key_of(image: &Image, disk: ByteSize) -> Result<String, RunError> {
    Ok(key(&layers(image)?, disk_bytes(disk)))
}

fn key(sources: &[SourceLayer<'_>], disk: u64) -> String {
    ImageIdentity::new(sources.iter().map(LayerSource::diff_id), disk).to_string()
}

/// Disks are of whole MiB: an NVDIMM can not be otherwise, and nobody asks for less.
fn disk_bytes(disk: ByteSize) -> u64 {
    disk.mebibytes() << 20
}

/// Builds the root filesystem of an image into a new file, past the cache.
///
/// `path` appears when the image is whole; until then it has a name of its own beside it. It ends
/// when `cancel` says so.
///
/// # Errors
///
/// When the image can not be used, `path` exists already, or the disk is full.
pub fn build_to_file(
    image: &ImageChoice,
    disk: ByteSize,
    path: &Path,
    directories: &Directories,
    reporter: &dyn Reporter,
    cancel: &Cancellation,
) -> Result<(), RunError> {
    let failed = |source| RunError::Result {
        path: path.to_owned(),
        source,
    };
    if path.symlink_metadata().is_ok() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let obtained = obtain(image, directories, reporter, cancel)?;
    let file = crate::destination::beside(path, ".rootfs-").map_err(failed)?;
    let build = |image: &Image, reporter: &dyn Reporter| {
        let sources = layers(image)?;
        let progress = BuildProgress::new(reporter, cancel);
        let options = BuildOptions::new(disk_bytes(disk));
        let built =
            bencher_rootfs::build(&as_sources(&sources), file.as_file(), &options, &progress);
        reporter.end();
        built.map(drop).map_err(RunError::from)
    };
    match obtained {
        Obtained::Here(image) => build(&image, reporter)?,
        Obtained::Coming(coming) => coming.fetch_beside(build)?.1,
    }
    file.persist_noclobber(path)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

fn as_sources<'a>(sources: &'a [SourceLayer<'_>]) -> Vec<&'a dyn LayerSource> {
    sources.iter().map(|source| source as _).collect()
}

/// A build's progress as the reporter hears it.
struct BuildProgress<'a> {
    reporter: &'a dyn Reporter,
    cancel: &'a Cancellation,
    done: AtomicU64,
}

impl<'a> BuildProgress<'a> {
    fn new(reporter: &'a dyn Reporter, cancel: &'a Cancellation) -> Self {
        Self {
            reporter,
            cancel,
            done: AtomicU64::new(0),
        }
    }
}

impl Progress for BuildProgress<'_> {
    fn step(&self, step: Step) {
        self.done.store(0, Ordering::Relaxed);
        self.reporter.end();
        match step {
            Step::WaitForOther => self
                .reporter
                .info("another runner builds the same root filesystem: waiting for it"),
            Step::Read { bytes } => {
                self.reporter
                    .begin("building the root filesystem, once", Some(bytes));
            }
            Step::ReadAgain { bytes } => self.reporter.begin(
                "the disk is nearly full: reading the layers once more to place what remains",
                Some(bytes),
            ),
            _ => {}
        }
    }

    fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.reporter.advance(done);
    }

    fn wait(&self, wait: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        Ok(self.cancel.beside("lock", None, wait)?)
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
