//! Results that are read again.

use std::path::PathBuf;

use super::*;
use crate::support::no_image;

/// Results of runs without an adapter, of this command, in files.
fn old_results(folder: &Path, image: &Image, nanoseconds: &[u32]) -> Vec<PathBuf> {
    // The same command each time, so that they are one series.
    let script = go("$NANOSECONDS");
    let files = nanoseconds.iter().enumerate().map(|(index, time)| {
        let file = folder.join(format!("{index}.json"));
        let name = file.to_str().unwrap();
        let label = format!("commit-{index}");
        let time = format!("NANOSECONDS={time}");
        let arguments = [
            "--iter", "5", "--result", name, "--label", &label, "--env", &time,
        ];
        run(image, &arguments, &["sh", "-c", &script]).exits(0);
        file
    });
    files.collect()
}

#[test]
fn results_of_runs_without_an_adapter_are_read_again() {
    if no_image() {
        return;
    }
    let (image, folder) = (Image::new(&json!({})), tempfile::tempdir().unwrap());
    let times = [[5000; 4], [6000; 4]].concat();
    let files = old_results(folder.path(), &image, &times);
    let all: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let name = "BenchmarkSort-2/latency";

    let compare = ["compare", "--adapter", "go", "--metric", name, "--format"];
    for format in ["human", "json", "csv", "markdown", "junit", "github"] {
        let page = folder.path().join("page.html");
        let page = ["--report", page.to_str().unwrap()];
        let ran = runner(
            &[&compare[..], &[format], &page].concat(),
            &[all[0], all[4]],
        )
        .exits(0);
        assert!(
            ran.text().contains(name) && ran.text().contains("slower"),
            "{}",
            ran.text()
        );
        assert!(fs::read_to_string(page[1]).unwrap().contains(name));
    }
    // Without an adapter there are none.
    let ran = runner(&["compare", "--metric", name], &[all[0], all[4]]).exits(0);
    assert!(
        ran.text().contains("neither side measured"),
        "{}",
        ran.text()
    );

    let history = ["history", "--adapter", "auto", "--metric", name, "--json"];
    let document = runner(&history, &all).exits(0).json();
    assert_eq!(document["metric"], name);
    assert_eq!(document["unit"], "nanoseconds");
    assert_eq!(document["series"][0]["changes"][0]["label"], "commit-4");

    let export = [
        "export",
        "--to",
        "bencher",
        "--adapter",
        "go",
        "--name",
        "whole",
    ];
    let document = runner(&export, &all[..1]).exits(0).json();
    let latency = document["BenchmarkSort-2"]["latency"]["value"]
        .as_f64()
        .unwrap();
    assert!((5000.0..5040.0).contains(&latency), "{document}");
    assert!(document["BenchmarkSort-2"]["throughput"]["lower_value"].is_f64());
    assert!(document["whole"]["latency"]["value"].is_f64());

    let ran = runner(
        &["export", "--to", "bencher", "--adapter", "jmh"],
        &all[..1],
    )
    .exits(125);
    let told = "0.json: there are no metrics in iteration 1: standard output: the output is no jmh";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}

#[test]
fn large_outputs_are_read_out_of_the_output_folder() {
    if no_image() {
        return;
    }
    let (image, folder) = (Image::new(&json!({})), tempfile::tempdir().unwrap());
    let out = folder.path().join("out");
    let script = "i=0; while [ $i -lt 9000 ]; do echo sort-of-$(printf %0110d $((i % 9))) 5$i ns; i=$((i+1)); done";
    let arguments = ["--output-dir", out.to_str().unwrap()];
    run(&image, &arguments, &["sh", "-c", script]).exits(0);
    let export = [
        "export",
        "--to",
        "bencher",
        "--adapter",
        "lines",
        "--name",
        "x",
    ];
    let document = runner(&export, &[&out]).exits(0).json();
    assert_eq!(document.as_object().unwrap().len(), 10);
    let moved = folder.path().join("moved.json");
    fs::rename(out.join("result.json"), &moved).unwrap();
    let ran = runner(&export, &[&moved]).exits(125);
    assert!(
        ran.stderr.contains("name the output folder that it is in"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_was_read_is_read_again_when_it_is_reproduced() {
    if no_image() {
        return;
    }
    let (image, folder) = (Image::new(&json!({})), tempfile::tempdir().unwrap());
    let file = folder.path().join("old.json");
    let script = format!("{} > bench.txt", go(5000));
    let arguments = [
        "--adapter",
        "go=bench.txt",
        "--iter",
        "5",
        "--workdir",
        "/tmp",
        "--result",
    ];
    let arguments = [&arguments[..], &[file.to_str().unwrap()]].concat();
    run(&image, &arguments, &["sh", "-c", &script]).exits(0);
    let mut command = Runner::new().command();
    command
        .arg("reproduce")
        .arg(&file)
        .args(["--format", "json", "--", "--sandbox", "none"]);
    let ran = Ran::of(command.output().unwrap());
    assert!(ran.code == 0 || ran.code == 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--adapter go=bench.txt"),
        "{}",
        ran.stderr
    );
    let document = ran.json();
    let metrics = document["metrics"].as_array().unwrap();
    let found = metrics
        .iter()
        .find(|metric| metric["name"] == "BenchmarkSort-2/latency")
        .unwrap();
    assert_eq!(found["candidate"]["points"].as_array().unwrap().len(), 5);
    assert!(found["answer"].is_object(), "{found:#}");
}
