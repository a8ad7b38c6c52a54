//! `test`: a real benchmark of each image in a microVM.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::check::Counts;
use crate::console;
use crate::images::{self, Image};
use crate::process;
use crate::report::{Iteration, Report};
use crate::runner::Runner;
use crate::table::Table;
use crate::workspace::Workspace;

/// The folder of the artifacts that holds what the newest runs produced.
const RESULTS: &str = "results";

/// What the benchmark of the BusyBox image prints, wherever it runs.
const BUSYBOX_OUTPUT: &str = include_str!("../images/busybox/expected");

/// What the benchmark of the Debian image measures.
const DEBIAN_BENCHMARKS: [&str; 4] = ["c/sieve", "c/orbit", "c/sort", "python/collatz"];

/// A benchmark that ran and produced what it should.
#[derive(Debug)]
struct Measured {
    report: Report,
    total: Duration,
}

/// Runs `images`, which are built, and prints what was measured.
///
/// # Errors
///
/// When results can not be kept.
pub(crate) fn run(
    workspace: &Workspace,
    runner: &Runner,
    images: &[Image],
) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let mut table = Table::new([
        "image", "machine", "boot ms", "wall ms", "cpu ms", "peak MiB", "total ms",
    ]);
    let mut reasons = Vec::new();
    for &image in images {
        let folder = fresh_folder(workspace, image)?;
        match measure(workspace, runner, image, &folder) {
            Ok(measured) => {
                counts.passed += 1;
                table.row(row(image, &measured)?);
                reasons.extend(measured.report.trust.reasons);
            }
            Err(error) => {
                counts.failed += 1;
                console::error(&error.context(format!("the image {} failed", image.name())));
            }
        }
    }
    println!("\n{}", table.render());
    reasons.sort();
    reasons.dedup();
    for reason in reasons {
        println!("Note: {reason}.");
    }
    Ok(counts)
}

fn fresh_folder(workspace: &Workspace, image: Image) -> anyhow::Result<PathBuf> {
    let folder = workspace.folder(RESULTS)?.join(image.name());
    images::remove_if_there(&folder)?;
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn measure(
    workspace: &Workspace,
    runner: &Runner,
    image: Image,
    folder: &Path,
) -> anyhow::Result<Measured> {
    let document = folder.join("result.json");
    let outputs = folder.join("output");
    let mut command = runner.command();
    command
        .arg("run")
        .arg("--image")
        .arg(images::path(workspace, image))
        .arg("--result")
        .arg(&document)
        .arg("--output-dir")
        .arg(&outputs);
    if image == Image::Debian {
        command.args(["--output", images::DEBIAN_OUTPUT]);
    }
    console::note(&process::describe(&command));
    let started = Instant::now();
    let status = command.status().context("the runner can not be started")?;
    let total = started.elapsed();
    ensure!(status.success(), "the runner ended with {status}");
    let report = Report::read(&document)?;
    verify(image, report.only()?, &outputs)?;
    Ok(Measured { report, total })
}

/// Whether the benchmark produced what it must.
fn verify(image: Image, iteration: &Iteration, outputs: &Path) -> anyhow::Result<()> {
    let stdout = iteration
        .stdout
        .text(outputs)
        .context("the standard output")?;
    match image {
        Image::Busybox => ensure!(
            stdout == BUSYBOX_OUTPUT,
            "the benchmark printed\n{stdout}instead of\n{BUSYBOX_OUTPUT}"
        ),
        Image::Debian => {
            let [file] = iteration.files.as_slice() else {
                bail!(
                    "{} files were collected instead of one",
                    iteration.files.len()
                );
            };
            ensure!(
                file.guest_path.as_deref() == Some(images::DEBIAN_OUTPUT),
                "{:?} was collected instead of {}",
                file.guest_path,
                images::DEBIAN_OUTPUT
            );
            let text = file.text(outputs).context("the collected file")?;
            ensure!(text == stdout, "the collected file differs from the output");
            verify_benchmarks(&text)?;
        }
        Image::Large => {}
    }
    Ok(())
}

/// A benchmark's measures in Bencher Metric Format.
type Measures = BTreeMap<String, BTreeMap<String, Measure>>;

#[derive(Debug, Deserialize)]
struct Measure {
    value: f64,
}

fn verify_benchmarks(text: &str) -> anyhow::Result<()> {
    let results: Measures =
        serde_json::from_str(text).context("the results are not in Bencher Metric Format")?;
    for name in DEBIAN_BENCHMARKS {
        let value = results
            .get(name)
            .and_then(|measures| measures.get("latency"))
            .with_context(|| format!("the results lack {name}"))?
            .value;
        ensure!(value > 0.0, "{name} took no time");
    }
    Ok(())
}

fn row(image: Image, measured: &Measured) -> anyhow::Result<[String; 7]> {
    let machine = &measured.report.machine;
    let iteration = measured.report.only()?;
    let resources = iteration.resources.as_ref();
    #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
    let scaled = |value: Option<u64>, unit: f64| number(value.map(|value| value as f64 / unit));
    Ok([
        image.name().to_owned(),
        format!("{} {}", machine.sandbox, machine.accelerator),
        number(iteration.spans.until_command()),
        scaled(resources.map(|it| it.wall_ns), 1e6),
        scaled(resources.and_then(|it| it.cpu_us), 1e3),
        scaled(
            resources.and_then(|it| it.memory_peak_bytes),
            f64::from(1 << 20),
        ),
        number(Some(measured.total.as_secs_f64() * 1e3)),
    ])
}

/// A number without decimals, or a dash for none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let json = r#"{
            "machine": {"sandbox": "qemu", "accelerator": "tcg"},
            "host": {
                "tuning": {"tuned_by": "nobody", "reason": null, "knobs": []},
                "cpu_layout": {"pinned": false}
            },
            "iterations": [{
                "spans": {"before_ms": 1, "copy_ms": 2, "start_ms": 3, "boot_ms": 900.4, "prepare_ms": 99.6},
                "resources": {"wall_ns": 1234567890, "cpu_us": 1200000, "memory_peak_bytes": null},
                "stdout": {"bytes": 0, "kept_bytes": 0, "content": {"text": ""}},
                "files": []
            }],
            "trust": {"comparable": false, "reasons": ["no hardware virtualization"]}
        }"#;
        serde_json::from_str(json).expect("it has the right form")
    }

    #[test]
    fn a_row_shows_what_is_known() {
        let measured = Measured {
            report: report(),
            total: Duration::from_millis(3500),
        };
        assert_eq!(
            row(Image::Busybox, &measured).expect("one iteration"),
            ["busybox", "qemu tcg", "1000", "1235", "1200", "–", "3500"]
        );
    }

    #[test]
    fn another_output_is_refused() {
        let report = report();
        let iteration = report.only().expect("one iteration");
        let error = verify(Image::Busybox, iteration, Path::new("/")).expect_err("it is empty");
        assert!(error.to_string().contains("instead of"), "{error}");
        let error = verify(Image::Debian, iteration, Path::new("/")).expect_err("it is missing");
        assert!(error.to_string().starts_with("0 files"), "{error}");
    }

    #[test]
    fn every_benchmark_must_have_a_time() {
        let entry =
            |name: &str, value: f64| format!(r#""{name}": {{"latency": {{"value": {value}}}}}"#);
        let all = |value: f64| {
            let entries: Vec<_> = DEBIAN_BENCHMARKS
                .iter()
                .map(|name| entry(name, value))
                .collect();
            format!("{{{}}}", entries.join(","))
        };
        verify_benchmarks(&all(1.5)).expect("all are there");
        assert!(verify_benchmarks(&all(0.0)).is_err());
        let error = verify_benchmarks("{}").expect_err("none is there");
        assert_eq!(error.to_string(), "the results lack c/sieve");
        assert!(verify_benchmarks("nonsense").is_err());
    }
}
