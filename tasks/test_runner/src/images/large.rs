//! The image of the benchmarks: the Debian image's packages, a folder of very many small files and
//! a tree of larger ones. Same packages, same image: everything else is a function of a seed.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::json;

use super::content::{Random, Text};
use super::debian::Debian;
use super::layer::{Layer, LayerWriter};
use super::layout::{self, BLOBS};
use super::recipe::Recipe;
use super::split::split;
use super::{Image, ensure};
use crate::workspace::Workspace;

/// Files in the one large folder, and what their sizes lie between, in bytes.
const MODULES: usize = 20_000;
const MODULE_SIZES: (u64, u64) = (300, 8_500);

/// Files of the tree, and what their sizes lie between, in bytes.
const RECORDS: usize = 1_200;
const RECORD_SIZES: (u64, u64) = (8 << 10, 256 << 10);

/// How much of the packages the tree's contents are cut out of, in bytes.
const MATERIAL: u64 = 64 << 20;

/// The recipe.
#[derive(Debug)]
pub(crate) struct Large {
    workspace: Workspace,
    packages: Debian,
}

/// The parts of a manifest that name the layers.
#[derive(Debug, Deserialize)]
struct Blobs {
    layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Configuration {
    rootfs: Rootfs,
}

#[derive(Debug, Deserialize)]
struct Rootfs {
    diff_ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    #[serde(flatten)]
    blobs: Blobs,
}

#[derive(Debug, Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
}

impl Large {
    /// The recipe on top of this machine's Debian image.
    ///
    /// # Errors
    ///
    /// When the machine has no sources of Debian packages.
    pub(crate) fn new(workspace: Workspace) -> anyhow::Result<Self> {
        Ok(Self {
            workspace,
            packages: Debian::here()?,
        })
    }
}

impl Recipe for Large {
    fn ingredients(&self) -> Vec<Vec<u8>> {
        let mut parts = self.packages.ingredients();
        parts.push(format!("{MODULES} {MODULE_SIZES:?} {RECORDS} {RECORD_SIZES:?}").into_bytes());
        parts
    }

    fn summary(&self) -> String {
        format!("adding a folder of {MODULES} files and {RECORDS} larger files to the Debian image")
    }

    fn build(&self, layout: &Path) -> anyhow::Result<()> {
        let debian = ensure(&self.workspace, Image::Debian)?;
        let lower = layers(&debian)?;
        let [base, toolchain, python, ..] = lower.as_slice() else {
            bail!("{} has too few layers", debian.display());
        };
        fs::create_dir_all(layout.join(BLOBS))?;
        for layer in [base, toolchain] {
            share(&blob(&debian, &layer.digest), &blob(layout, &layer.digest))?;
        }
        let mut material = Vec::new();
        for layer in [base, toolchain] {
            open(&debian, layer)?
                .take(MATERIAL / 2)
                .read_to_end(&mut material)
                .context("a layer of the Debian image is damaged")?;
        }
        let python = open(&debian, python)?;
        let (modules, records) = thread::scope(|scope| {
            let modules = scope.spawn(|| {
                let mut layers = [LayerWriter::create(layout, "modules")?];
                split(python, &mut layers, |_| 0)?;
                let [mut layer] = layers;
                write_modules(&mut layer, MODULES)?;
                layer.finish()
            });
            let records = (|| {
                let mut layer = LayerWriter::create(layout, "records")?;
                write_records(&mut layer, RECORDS, &material)?;
                layer.finish()
            })();
            (modules.join(), records)
        });
        let modules = modules.map_err(|_| anyhow::anyhow!("writing a layer panicked"))??;
        let all = [base.clone(), toolchain.clone(), modules, records?];
        layout::write(
            layout,
            &all,
            &json!({"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["true"]}),
        )
    }
}

/// One folder with `count` small files of source text.
fn write_modules(layer: &mut LayerWriter, count: usize) -> anyhow::Result<()> {
    let mut random = Random::new(1);
    let text = Text::new(&mut random);
    layer.folder("srv/app", 0o755)?;
    layer.folder("srv/app/modules", 0o755)?;
    let mut contents = Vec::new();
    for index in 0..count {
        let size = random.between(MODULE_SIZES);
        contents.clear();
        text.write(&mut random, size, &mut contents);
        let path = format!("srv/app/modules/{:08x}-{index}.js", random.next() >> 32);
        layer.file(&path, 0o644, &contents)?;
    }
    Ok(())
}

/// A tree of `count` files pieced together from `material`, and what upper layers also do: replace
/// a file, delete another, empty a folder, link.
fn write_records(layer: &mut LayerWriter, count: usize, material: &[u8]) -> anyhow::Result<()> {
    let mut random = Random::new(2);
    layer.folder("srv/data", 0o750)?;
    let mut contents = Vec::new();
    for index in 0..count {
        let (shelf, place) = (index / 20, index % 20);
        let folder = format!("srv/data/{:02}/{shelf:03}", shelf / 10);
        if place == 0 {
            if shelf % 10 == 0 {
                layer.folder(&format!("srv/data/{:02}", shelf / 10), 0o755)?;
            }
            layer.folder(&folder, 0o755)?;
        }
        let size = usize::try_from(random.between(RECORD_SIZES))?;
        contents.clear();
        while contents.len() < size {
            let length = usize::try_from(random.between((512, 16 << 10)))?;
            let start = usize::try_from(random.below(material.len() as u64))?;
            let end = (start + length).min(material.len());
            contents.extend_from_slice(&material[start..end]);
        }
        contents.truncate(size);
        layer.file(&format!("{folder}/{place:02}.bin"), 0o644, &contents)?;
    }
    layer.symlink("srv/data/current", "00/000/00.bin")?;
    layer.file("etc/motd", 0o644, b"An image for benchmarks.\n")?;
    layer.file("etc/.wh.issue.net", 0o644, b"")?;
    layer.folder("usr/share/man", 0o755)?;
    layer.file("usr/share/man/.wh..wh..opq", 0o644, b"")?;
    Ok(())
}

/// The files of the layers of the only image of a layout, the lowest first.
///
/// # Errors
///
/// When the layout is not as this crate writes it.
pub(crate) fn layer_files(layout: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let layers = layers(layout)?;
    Ok(layers
        .iter()
        .map(|layer| blob(layout, &layer.digest))
        .collect())
}

/// The layers of the only image of a layout.
fn layers(layout: &Path) -> anyhow::Result<Vec<Layer>> {
    let index: Index = document(&layout.join("index.json"))?;
    let manifest = index
        .manifests
        .first()
        .context("the layout holds no image")?;
    let manifest: Manifest = document(&blob(layout, &manifest.digest))?;
    let configuration: Configuration = document(&blob(layout, &manifest.config.digest))?;
    Ok(manifest
        .blobs
        .layers
        .into_iter()
        .zip(configuration.rootfs.diff_ids)
        .map(|(layer, diff_id)| Layer {
            digest: layer.digest,
            size: layer.size,
            diff_id,
        })
        .collect())
}

fn document<T: for<'a> Deserialize<'a>>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
}

fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout
        .join(BLOBS)
        .join(digest.trim_start_matches("sha256:"))
}

fn open(layout: &Path, layer: &Layer) -> anyhow::Result<GzDecoder<BufReader<File>>> {
    let path = blob(layout, &layer.digest);
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(GzDecoder::new(BufReader::new(file)))
}

/// Gives a blob a second name, or copies it where links can not be made.
fn share(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::hard_link(from, to)
        .or_else(|_| fs::copy(from, to).map(|_| ()))
        .with_context(|| format!("cannot copy {}", from.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(seed: &Path) -> [Layer; 2] {
        let mut modules = LayerWriter::create(seed, "modules").expect("it can be written");
        write_modules(&mut modules, 50).expect("it can be written");
        let mut records = LayerWriter::create(seed, "records").expect("it can be written");
        let material: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        write_records(&mut records, 30, &material).expect("it can be written");
        [modules, records].map(|layer| layer.finish().expect("it is complete"))
    }

    #[test]
    fn the_same_seed_gives_the_same_layers() {
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let [first, second] = [&folders[0], &folders[1]].map(|folder| small(folder.path()));
        assert_eq!(first, second);
        assert_ne!(first[0].digest, first[1].digest);
    }
}
