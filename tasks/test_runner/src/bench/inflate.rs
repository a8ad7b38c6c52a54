//! The bound of every build from compressed layers: decompressing them to nowhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::rounds::Contestant;
use crate::console;
use crate::process::{capture, cargo, command};
use crate::workspace::Workspace;

/// The libraries that the package `inflate` can use.
const LIBRARIES: [&str; 3] = ["zlib-rs", "zlib-ng", "libdeflate"];

/// The feature of the package that hashes too, with the first of these libraries.
const VERIFY: &str = "verify";

/// What the rows are called; the library follows.
pub(super) const TO_NOWHERE: &str = "inflate to nowhere: ";
pub(super) const VERIFIED: &str = "inflate to nowhere, SHA-256 of blobs and contents: ";

/// The program of ISA-L.
const ISA_L: &str = "igzip";

/// One contestant for each library, all decompressing `layers`.
///
/// # Errors
///
/// When the program does not compile.
pub(crate) fn contestants(
    workspace: &Workspace,
    layers: &[PathBuf],
) -> anyhow::Result<Vec<Contestant<'static>>> {
    let mut contestants = Vec::new();
    let to_nowhere = LIBRARIES.map(|library| (library, format!("{TO_NOWHERE}{library}")));
    let verified = (VERIFY, format!("{VERIFIED}{}", LIBRARIES[0]));
    for (feature, name) in to_nowhere.into_iter().chain([verified]) {
        let program = build(workspace, feature)?;
        let layers = layers.to_vec();
        contestants.push(Contestant::program(name, move |_| {
            let mut inflate = command(&program);
            inflate.args(&layers);
            inflate
        }));
    }
    let layers = layers.to_vec();
    contestants.push(Contestant::program(
        format!("{TO_NOWHERE}{ISA_L}"),
        move |_| isa_l(&layers),
    ));
    Ok(contestants)
}

/// `igzip` takes one file at a time: as many of it as there are CPUs, the largest file first.
fn isa_l(layers: &[PathBuf]) -> Command {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut shell = command("sh");
    shell
        .arg("-c")
        .arg(format!(
            "printf '%s\\0' \"$@\" | xargs -0 -n 1 -P {cpus} {ISA_L} --decompress --stdout >/dev/null"
        ))
        .arg("sh")
        .args(layers);
    shell
}

fn build(workspace: &Workspace, library: &str) -> anyhow::Result<PathBuf> {
    let target = workspace.folder("inflate")?.join(library);
    let manifest = workspace
        .root()
        .join("tasks/test_runner/inflate/Cargo.toml");
    console::note(&format!("building inflate with {library}"));
    capture(
        cargo()
            .args(["build", "--release", "--locked", "--no-default-features"])
            .args(["--features", library, "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(target.join("release/inflate"))
}

/// The layers of the only image of `layout`, the largest first.
///
/// # Errors
///
/// When the layout can not be read.
pub(crate) fn largest_first(layout: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut layers = crate::images::layers(layout)?;
    layers.sort_by_key(|path| std::cmp::Reverse(size(path).unwrap_or(0)));
    Ok(layers)
}

/// The size of a file in bytes.
///
/// # Errors
///
/// When it is not there.
pub(crate) fn size(path: &Path) -> anyhow::Result<u64> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(metadata.len())
}
