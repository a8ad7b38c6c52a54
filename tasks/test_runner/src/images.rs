//! The OCI images that the harness runs, each kept below a key of its recipe.

mod apt;
mod builder;
mod busybox;
mod content;
mod debian;
mod large;
mod layer;
mod layout;
mod packages;
mod recipe;
mod split;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::console;
use crate::workspace::Workspace;
pub(crate) use apt::{Distribution, Source, refresh as refresh_packages, unpack as unpack_package};
pub(crate) use builder::{Builder, builder, reference};
pub(crate) use busybox::static_binary as static_busybox;
pub(crate) use debian::OUTPUT as DEBIAN_OUTPUT;
pub(crate) use large::layer_files as layers;
pub(crate) use layer::{LayerWriter, TIMESTAMP};
pub(crate) use layout::write as write_layout;
pub(crate) use packages::install as install_packages;
pub(crate) use recipe::{Recipe, key as recipe_key};
pub(crate) use split::split as split_tar;

/// The folder of the artifacts that holds the images.
const FOLDER: &str = "images";

/// An image that the harness can build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Image {
    /// BusyBox and a shell script, built from a Dockerfile
    Busybox,
    /// Debian with a C compiler and Python, in several layers
    Debian,
    /// For the benchmarks: 650 MB, 34,000 entries, one folder of 20,000 files
    Large,
}

impl Image {
    /// The images that `test` runs.
    pub(crate) const TESTED: [Self; 2] = [Self::Busybox, Self::Debian];

    /// The name, as in paths and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Busybox => "busybox",
            Self::Debian => "debian",
            Self::Large => "large",
        }
    }
}

/// The folder of the OCI image layout of `image`, which is built unless its recipe has been built
/// before.
///
/// # Errors
///
/// When a step of its recipe fails; nothing is left behind then.
pub(crate) fn ensure(workspace: &Workspace, image: Image) -> anyhow::Result<PathBuf> {
    let recipe: Box<dyn Recipe> = match image {
        Image::Busybox => Box::new(busybox::Busybox::find(workspace)?),
        Image::Debian => Box::new(debian::Debian::here()?),
        Image::Large => Box::new(large::Large::new(workspace.clone())?),
    };
    keep(&workspace.folder(FOLDER)?, image.name(), &*recipe)
}

/// The image `name` in `folder`, which is built unless its recipe has been built before.
///
/// # Errors
///
/// When a step of its recipe fails; nothing is left behind then.
pub(crate) fn keep(folder: &Path, name: &str, recipe: &dyn Recipe) -> anyhow::Result<PathBuf> {
    let layout = folder.join(format!("{name}-{}", recipe::key(recipe)));
    if !layout.exists() {
        console::note(&format!("{name}: {}", recipe.summary()));
        let started = Instant::now();
        build(recipe, &layout)?;
        console::note(&format!(
            "{name}: {:.0} MiB in {:.1} s",
            megabytes(&layout)?,
            started.elapsed().as_secs_f64()
        ));
    }
    let link = folder.join(name);
    point(&link, &layout)?;
    remove_older(folder, name, &layout)?;
    Ok(link)
}

/// Where `image` is once it is built.
pub(crate) fn path(workspace: &Workspace, image: Image) -> PathBuf {
    workspace.artifacts().join(FOLDER).join(image.name())
}

/// Builds beside `layout` and moves the finished folder there.
///
/// # Errors
///
/// When a step fails; nothing is left behind then.
pub(crate) fn build(recipe: &dyn Recipe, layout: &Path) -> anyhow::Result<()> {
    let partial = layout.with_extension("partial");
    remove_if_there(&partial)?;
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    let built = recipe.build(&partial).and_then(|()| {
        fs::rename(&partial, layout)
            .with_context(|| format!("cannot move {} in place", layout.display()))
    });
    if built.is_err() {
        remove_if_there(&partial)?;
    }
    built
}

/// Makes `link` a relative link to its neighbour `target`.
fn point(link: &Path, target: &Path) -> anyhow::Result<()> {
    let name = Path::new(target.file_name().context("a layout has a name")?);
    if fs::read_link(link).is_ok_and(|current| current == name) {
        return Ok(());
    }
    let fresh = link.with_extension("new");
    remove_if_there(&fresh)?;
    symlink(name, &fresh)
        .and_then(|()| fs::rename(&fresh, link))
        .with_context(|| format!("cannot make the link {}", link.display()))
}

/// Removes what older recipes of the image `name` made.
fn remove_older(folder: &Path, name: &str, newest: &Path) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|file| file.strip_prefix(name)?.strip_prefix('-'))
            // The name of another image may begin as this one's: here comes a key.
            .and_then(|rest| rest.split('.').next())
            .is_some_and(|key| key.chars().all(|digit| digit.is_ascii_hexdigit()));
        if ours && path != newest {
            remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// Removes a file or a folder with everything in it.
///
/// # Errors
///
/// When it is there and can not be removed.
pub(crate) fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// The size of a layout's blobs, or of the archive that is there instead.
fn megabytes(layout: &Path) -> anyhow::Result<f64> {
    let blobs = layout.join(layout::BLOBS);
    let files = if blobs.exists() { &blobs } else { layout };
    let mut bytes = 0;
    for entry in fs::read_dir(files).with_context(|| format!("cannot list {}", files.display()))? {
        bytes += entry?.metadata()?.len();
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    Ok(bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests;
