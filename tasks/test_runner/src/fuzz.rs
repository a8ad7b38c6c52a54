//! `fuzz`: short runs of the fuzz targets in `fuzz/`.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, anyhow, bail};

use crate::check::Counts;
use crate::console;
use crate::process::{capture, capture_both, command};
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

/// Runs each of `targets` for `seconds`, as many at a time as there are CPUs.
///
/// # Errors
///
/// When the targets do not compile.
pub(crate) fn run(
    workspace: &Workspace,
    cargo_fuzz: &Path,
    targets: &[String],
    seconds: u32,
) -> anyhow::Result<Counts> {
    console::note("building the targets (cargo fuzz build)");
    capture(&mut cargo_fuzz_command(workspace, cargo_fuzz, "build")?)?;
    let queue = Mutex::new(targets.iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut counts = Counts::default();
        while let Some(target) = next() {
            counts += judge(target, run_one(workspace, cargo_fuzz, target, seconds));
        }
        counts
    };
    let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cpus).map(|_| scope.spawn(work)).collect();
        let mut counts = Counts::default();
        for worker in workers {
            counts += worker
                .join()
                .map_err(|_panic| anyhow!("a thread that ran a fuzz target panicked"))?;
        }
        Ok(counts)
    })
}

/// Counts and tells what came of a target: the number of inputs that were tried, or what was found.
fn judge(target: &str, tried: anyhow::Result<u64>) -> Counts {
    let mut counts = Counts::default();
    match tried {
        Ok(inputs) => {
            counts.passed += 1;
            console::note(&format!("{target}: nothing found in {inputs} inputs"));
        }
        Err(error) => {
            counts.failed += 1;
            console::error(&error.context(format!("{target} failed")));
        }
    }
    counts
}

/// Returns how many inputs were tried.
fn run_one(
    workspace: &Workspace,
    cargo_fuzz: &Path,
    target: &str,
    seconds: u32,
) -> anyhow::Result<u64> {
    let mut run = cargo_fuzz_command(workspace, cargo_fuzz, "run")?;
    // What the fuzzer finds stays out of the tree; the committed seeds are only read.
    run.arg(target)
        .arg(workspace.folder(&format!("fuzz/corpus/{target}"))?);
    let seeds = workspace.root().join("fuzz/seeds").join(target);
    if seeds.exists() {
        run.arg(seeds);
    }
    run.arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-malloc_limit_mb={LARGEST_ALLOCATION}"))
        .args(["-timeout=10", "-print_final_stats=1"]);
    let output = capture_both(&mut run)?;
    executed(&String::from_utf8_lossy(&output.stderr))
        .context("the fuzzer did not say how many inputs it tried")
}

/// The number of inputs in libFuzzer's final statistics.
fn executed(log: &str) -> Option<u64> {
    log.lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?
        .trim()
        .parse()
        .ok()
}

fn cargo_fuzz_command(
    workspace: &Workspace,
    cargo_fuzz: &Path,
    action: &str,
) -> anyhow::Result<Command> {
    let mut command = command("rustup");
    command
        .current_dir(workspace.root())
        .args(["run", "nightly"])
        .arg(cargo_fuzz)
        .args(["fuzz", action, "--fuzz-dir", "fuzz", "--target-dir"])
        .arg(workspace.folder("fuzz")?.join("target"));
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_inputs_is_read() {
        let log = "Done 9 runs\nstat::number_of_executed_units: 80123\nstat::x: 1\n";
        assert_eq!(executed(log), Some(80_123));
        assert_eq!(executed("Done 9 runs\n"), None);
    }

    #[test]
    fn unknown_targets_are_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let targets = folder.path().join("fuzz/fuzz_targets");
        fs::create_dir_all(&targets).expect("it can be made");
        for name in ["b.rs", "a.rs", "notes.md"] {
            fs::write(targets.join(name), "").expect("it can be written");
        }
        let workspace = Workspace::at(folder.path());
        assert_eq!(choose(&workspace, &[]).expect("all"), ["a", "b"]);
        let asked = ["b".to_owned()];
        assert_eq!(choose(&workspace, &asked).expect("one"), ["b"]);
        let error = choose(&workspace, &["c".to_owned()]).expect_err("there is no c");
        assert_eq!(
            error.to_string(),
            "there is no fuzz target c: choose among a, b"
        );
    }
}
