//! `fuzz`: short runs of the fuzz targets in `fuzz/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::check::{Counts, duration};
use crate::console;
use crate::process::{capture, command, describe};
use crate::tools;
use crate::workspace::Workspace;

/// The largest single allocation that a target may make, in MiB. Every parser promises bounded
/// memory; the largest buffer that one of them legitimately has is 8 MiB.
const LARGEST_ALLOCATION: u32 = 64;

/// Makes sure that fuzz targets can be built here.
///
/// # Errors
///
/// When there is no nightly toolchain or no cargo-fuzz.
pub(crate) fn prepare(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let nightly = command("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !nightly {
        bail!("there is no nightly toolchain (rustup toolchain install nightly)");
    }
    tools::CARGO_FUZZ.ensure(workspace)
}

/// The names of all targets.
///
/// # Errors
///
/// When the folder of the targets can not be read.
pub(crate) fn targets(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let folder = workspace.root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|_| path.extension().is_some_and(|it| it == "rs")) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The targets that were asked for, or all.
///
/// # Errors
///
/// When one does not exist.
pub(crate) fn choose(workspace: &Workspace, asked: &[String]) -> anyhow::Result<Vec<String>> {
    let all = targets(workspace)?;
    if let Some(unknown) = asked.iter().find(|name| !all.contains(name)) {
        bail!(
            "there is no fuzz target {unknown}: choose among {}",
            all.join(", ")
        );
    }
    Ok(if asked.is_empty() {
        all
    } else {
        asked.to_vec()
    })
}

/// Runs each of `targets` for `seconds`.
pub(crate) fn run(
    workspace: &Workspace,
    cargo_fuzz: &Path,
    targets: &[String],
    seconds: u32,
) -> Counts {
    let mut counts = Counts::default();
    for target in targets {
        let started = Instant::now();
        match run_one(workspace, cargo_fuzz, target, seconds) {
            Ok(()) => {
                counts.passed += 1;
                console::note(&format!(
                    "{target}: nothing found in {}",
                    duration(started.elapsed())
                ));
            }
            Err(error) => {
                counts.failed += 1;
                console::error(&error.context(format!("{target} failed")));
            }
        }
    }
    counts
}

fn run_one(
    workspace: &Workspace,
    cargo_fuzz: &Path,
    target: &str,
    seconds: u32,
) -> anyhow::Result<()> {
    let work = workspace.folder("fuzz")?;
    // What the fuzzer finds stays out of the tree; the committed seeds are only read.
    let corpus = workspace.folder(&format!("fuzz/corpus/{target}"))?;
    let seeds = workspace.root().join("fuzz/seeds").join(target);
    let mut fuzz = command("rustup");
    fuzz.current_dir(workspace.root())
        .args(["run", "nightly"])
        .arg(cargo_fuzz)
        .args(["fuzz", "run", "--target-dir"])
        .arg(work.join("target"))
        .arg(target)
        .arg(corpus);
    if seeds.exists() {
        fuzz.arg(seeds);
    }
    fuzz.arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-malloc_limit_mb={LARGEST_ALLOCATION}"))
        .args(["-timeout=10", "-print_final_stats=1"]);
    console::note(&describe(&fuzz));
    capture(&mut fuzz).map(|_| ())
}
