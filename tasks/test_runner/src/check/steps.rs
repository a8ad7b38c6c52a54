//! The steps of `all`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::Context as _;

use super::Progress;
use super::tally;
use super::verdict::Verdict;
use crate::console;
use crate::fuzz;
use crate::images::{self, Image};
use crate::lab;
use crate::machines;
use crate::prerequisites;
use crate::process::{cargo, run, watch};
use crate::runner::Runner;
use crate::scenarios;
use crate::tools;

/// How long each fuzz target runs as a part of `all`, in seconds.
const FUZZ_SECONDS: u32 = 10;

/// The variable that tells integration tests where images and kernel are; see the crate's
/// documentation for what lies there.
const ARTIFACTS_VARIABLE: &str = "RUNNER_TEST_ARTIFACTS";

/// Tells tests of other packages where the runner is.
const RUNNER_VARIABLE: &str = "BENCHER_RUNNER_BIN";

/// The configuration of cargo-nextest, which ends in the table of the report, and its profile.
const NEXTEST: &str = include_str!("../../nextest.toml");
const PROFILE: &str = "test-runner";

/// Cargo, working on the whole workspace: in colours and with a progress bar where a person reads,
/// without a line for each compiled crate elsewhere.
fn cargo_here(progress: &Progress) -> Command {
    let mut cargo = cargo();
    cargo.current_dir(progress.workspace.root());
    if console::is_terminal() {
        cargo.env("CARGO_TERM_COLOR", "always");
    } else {
        cargo.env("CARGO_TERM_QUIET", "true");
    }
    cargo
}

pub(super) fn format(progress: &mut Progress) -> Verdict {
    run(cargo_here(progress).args(["fmt", "--all", "--check"])).into()
}

pub(super) fn lints(progress: &mut Progress) -> Verdict {
    run(cargo_here(progress).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny=warnings",
    ]))
    .into()
}

pub(super) fn dependencies(progress: &mut Progress) -> Verdict {
    let deny = match tools::CARGO_DENY.ensure(&progress.workspace) {
        Ok(path) => path,
        Err(error) => return Verdict::skipped(format!("{error:#}")),
    };
    run(crate::process::command(deny)
        .current_dir(progress.workspace.root())
        .args(["--log-level", "error", "check"])
        .args(["bans", "licenses", "sources"]))
    .into()
}

pub(super) fn documentation(progress: &mut Progress) -> Verdict {
    run(cargo_here(progress)
        .args(["doc", "--workspace", "--no-deps", "--locked"])
        .env("RUSTDOCFLAGS", "--deny=warnings"))
    .into()
}

pub(super) fn tools(progress: &mut Progress) -> Verdict {
    let mut needed = prerequisites::for_machines();
    needed.extend(prerequisites::for_images(&Image::TESTED));
    let found = prerequisites::ensure(&needed);
    progress.tools = found.is_ok();
    if progress.tools {
        console::note("everything is there");
    }
    found.into()
}

pub(super) fn runner(progress: &mut Progress) -> Verdict {
    let mut prepare = || -> anyhow::Result<()> {
        let runner = progress.runner.insert(Runner::build(&progress.workspace)?);
        progress.kernel = Some(runner.fetch_kernel()?);
        Ok(())
    };
    prepare().into()
}

pub(super) fn images(progress: &mut Progress) -> Verdict {
    if !progress.tools {
        return Verdict::skipped("programs are missing");
    }
    let mut build = || -> anyhow::Result<()> {
        for image in Image::TESTED {
            let layout = images::ensure(&progress.workspace, image)?;
            console::note(&layout.display().to_string());
        }
        progress.images = true;
        Ok(())
    };
    build().into()
}

pub(super) fn tests(progress: &mut Progress) -> Verdict {
    let mut cargo = cargo_here(progress);
    if progress.images && progress.kernel.is_some() {
        cargo.env(ARTIFACTS_VARIABLE, progress.workspace.artifacts());
    } else {
        console::note("without kernel and images, tests that boot microVMs skip themselves");
    }
    if let Some(runner) = &progress.runner {
        // Tests of other packages would build one of their own.
        cargo.env(RUNNER_VARIABLE, runner.binary());
    }
    let nextest = cargo_here(progress)
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    let tested = if nextest {
        with_nextest(progress, &mut cargo)
    } else {
        console::note("cargo-nextest is not installed: using cargo test");
        with_cargo_test(cargo.args([
            "test",
            "--workspace",
            "--tests",
            "--no-fail-fast",
            "--",
            "--show-output",
        ]))
    };
    tested.unwrap_or_else(|error| Verdict::failed(format!("{error:#}")))
}

fn with_nextest(progress: &Progress, cargo: &mut Command) -> anyhow::Result<Verdict> {
    let folder = progress.workspace.folder("tests")?;
    let report = folder.join("junit.xml");
    // An old report must not speak for a run that wrote none.
    images::remove_if_there(&report)?;
    // Without a path of its own the report would be in the workspace, wherever cargo's target is.
    let config = folder.join("nextest.toml");
    let text = format!("{NEXTEST}path = {:?}\n", report.display().to_string());
    fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
    let mut tool_config = std::ffi::OsString::from("test-runner:");
    tool_config.push(config);
    let status = cargo
        .args(["nextest", "run", "--workspace", "--locked"])
        .args(["--profile", PROFILE, "--tool-config-file"])
        .arg(tool_config)
        .status()
        .context("cannot start cargo nextest")?;
    if !report.exists() {
        return Ok(Verdict::failed("the tests did not run"));
    }
    let text =
        fs::read_to_string(&report).with_context(|| format!("cannot read {}", report.display()))?;
    let (counts, reasons) = tally::junit(&text)?;
    let failure = format!("{} failed", plural(counts.failed, "test"));
    Ok(Verdict::of_many(status.success(), counts, &failure).with_remarks(remarks(reasons)))
}

fn remarks(reasons: BTreeMap<String, u64>) -> Vec<String> {
    reasons
        .into_iter()
        .map(|(reason, count)| format!("{count} skipped: {reason}"))
        .collect()
}

fn with_cargo_test(cargo: &mut Command) -> anyhow::Result<Verdict> {
    let mut libtest = tally::Libtest::default();
    let status = watch(cargo, |line| libtest.line(line))?;
    let failure = match libtest.counts.failed {
        0 => "the tests did not run".to_owned(),
        failed => format!("{} failed", plural(failed, "test")),
    };
    let verdict = Verdict::of_many(status.success(), libtest.counts, &failure);
    Ok(verdict.with_remarks(remarks(libtest.reasons)))
}

pub(super) fn examples(progress: &mut Progress) -> Verdict {
    with_cargo_test(cargo_here(progress).args(["test", "--workspace", "--doc", "--quiet"]))
        .unwrap_or_else(|error| Verdict::failed(format!("{error:#}")))
}

pub(super) fn fuzzing(progress: &mut Progress) -> Verdict {
    let cargo_fuzz = match fuzz::prepare(&progress.workspace) {
        Ok(path) => path,
        Err(error) => return Verdict::skipped(format!("{error:#}")),
    };
    let fuzzed = fuzz::targets(&progress.workspace)
        .and_then(|targets| fuzz::run(&progress.workspace, &cargo_fuzz, &targets, FUZZ_SECONDS));
    match fuzzed {
        Ok(counts) => Verdict::of_many(
            counts.failed == 0,
            counts,
            &format!("{} failed", plural(counts.failed, "target")),
        ),
        Err(error) => Verdict::failed(format!("{error:#}")),
    }
}

pub(super) fn machines(progress: &mut Progress) -> Verdict {
    let Some(runner) = progress
        .runner
        .as_ref()
        .filter(|_| progress.kernel.is_some())
    else {
        return Verdict::skipped("there is no runner or no kernel");
    };
    if !progress.images {
        return Verdict::skipped("there are no images");
    }
    match machines::run(&progress.workspace, runner, &Image::TESTED) {
        Ok(counts) => Verdict::of_many(
            counts.failed == 0,
            counts,
            &format!("{} failed", plural(counts.failed, "image")),
        ),
        Err(error) => Verdict::failed(format!("{error:#}")),
    }
}

pub(super) fn scenarios(progress: &mut Progress) -> Verdict {
    let Some(runner) = progress
        .runner
        .as_ref()
        .filter(|_| progress.kernel.is_some())
    else {
        return Verdict::skipped("there is no runner or no kernel");
    };
    match scenarios::all(&progress.workspace, runner) {
        Ok(finished) => {
            let counts = scenarios::counts(&finished);
            let remarks = scenarios::reasons(&finished)
                .into_iter()
                .map(|(reason, count)| format!("{count} skipped: {reason}"))
                .collect();
            let failure = format!("{} failed", plural(counts.failed, "scenario"));
            Verdict::of_many(counts.failed == 0, counts, &failure).with_remarks(remarks)
        }
        Err(error) => Verdict::failed(format!("{error:#}")),
    }
}

pub(super) fn lab(progress: &mut Progress) -> Verdict {
    let Some(runner) = progress
        .runner
        .as_ref()
        .filter(|_| progress.kernel.is_some())
    else {
        return Verdict::skipped("there is no runner or no kernel");
    };
    match lab::check(&progress.workspace, runner) {
        Ok(outcomes) => {
            let counts = outcomes.counts();
            let failure = format!("{} failed", plural(counts.failed, "scenario"));
            Verdict::of_many(counts.failed == 0, counts, &failure).with_remarks(outcomes.reasons())
        }
        Err(error) => match lab::missing_prerequisite(&error) {
            Some(reason) => Verdict::skipped(reason),
            None => Verdict::failed(format!("{error:#}")),
        },
    }
}

fn plural(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
