//! From an image to its root filesystem: built once, kept in the cache.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bencher_oci::{Image, ImageOptions, ImageReference};
use bencher_rootfs::identity::ImageIdentity;
use bencher_rootfs::{BuildOptions, LayerSource, Progress, Step};

use super::layers::{SourceLayer, layers};
use super::{RunError, RunSpec};
use crate::units::ByteSize;
use crate::{Directories, Reporter};

#[derive(Debug)]
pub(crate) struct CachedRootfs {
    path: PathBuf,
}

impl CachedRootfs {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

pub(crate) fn copy_image(from: &Path, to: &Path) -> Result<(), RunError> {
    fs::copy(from, to).map_err(|source| RunError::State {
        path: to.to_owned(),
        source,
    })?;
    Ok(())
}

/// Opens the image that the user named.
pub(crate) fn open_image(
    reference: &ImageReference,
    directories: &Directories,
) -> Result<Image, RunError> {
    let scratch = directories.cache.join("tmp");
    fs::create_dir_all(&scratch).map_err(|source| RunError::Cache {
        path: scratch.clone(),
        source,
    })?;
    Ok(Image::open(reference, &ImageOptions::new(scratch))?)
}

/// The image's root filesystem out of the cache, built unless it is there.
pub(crate) fn cached(
    image: &Image,
    spec: &RunSpec,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<CachedRootfs, RunError> {
    let folder = spec.directories.cache.join("rootfs");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Cache { path, source }
    };
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let sources = layers(image)?;
    let path = folder.join(format!("{}.ext4", key(&sources, disk_bytes(spec.disk))));
    if path.exists() {
        return Ok(CachedRootfs { path });
    }
    let file = tempfile::NamedTempFile::new_in(&folder).map_err(failed(&folder))?;
    build(
        &sources,
        disk_bytes(spec.disk),
        file.as_file(),
        reporter,
        cancel,
    )?;
    file.persist(&path)
        .map_err(|error| failed(&path)(error.error))?;
    Ok(CachedRootfs { path })
}

/// Extracts the image's files into the new folder `path`.
pub(crate) fn extract(_image: &Image, _path: &Path) -> Result<(), RunError> {
    Err(RunError::Io {
        action: "extract the image",
        source: std::io::Error::other("needs root"),
    })
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
/// # Errors
///
/// When the image can not be used, `path` exists already, or the disk is full.
pub fn build_to_file(
    image: &OsStr,
    disk: ByteSize,
    path: &Path,
    directories: &Directories,
    reporter: &dyn Reporter,
) -> Result<(), RunError> {
    let image = open_image(&ImageReference::parse(image)?, directories)?;
    let sources = layers(&image)?;
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|source| RunError::Result {
            path: path.to_owned(),
            source,
        })?;
    let built = build(
        &sources,
        disk_bytes(disk),
        &file,
        reporter,
        &AtomicBool::new(false),
    );
    if built.is_err() {
        // Half an image is of no use to anyone.
        let _unneeded = fs::remove_file(path);
    }
    built
}

fn build(
    sources: &[SourceLayer<'_>],
    disk: u64,
    file: &File,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    let sources: Vec<&dyn LayerSource> = sources.iter().map(|source| source as _).collect();
    let progress = BuildProgress {
        reporter,
        cancel,
        done: AtomicU64::new(0),
    };
    let built = bencher_rootfs::build(&sources, file, &BuildOptions::new(disk), &progress);
    reporter.end();
    built?;
    Ok(())
}

/// A build's progress as the reporter hears it.
struct BuildProgress<'a> {
    reporter: &'a dyn Reporter,
    cancel: &'a AtomicBool,
    done: AtomicU64,
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

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}
