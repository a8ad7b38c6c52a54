//! `runner compare`: images, commands and results.

use std::fs;
use std::path::{Path, PathBuf};

use bencher_report::{Comparison, History};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Image, Ran, Runner, no_image, no_vm};

/// Where the schema of `--format json` is published.
const PUBLISHED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/comparison.schema.json"
);

/// Where that of `runner history --json` is.
const PUBLISHED_HISTORY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/history.schema.json"
);

/// A result of a run of the first layout.
const RESULT: &str = include_str!("../../../../crates/bencher_runner/tests/data/result-1.json");

#[test]
fn the_published_schemas_are_current() {
    let (comparison, history) = (
        schemars::schema_for!(Comparison),
        schemars::schema_for!(History),
    );
    for (path, schema) in [(PUBLISHED, comparison), (PUBLISHED_HISTORY, history)] {
        let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(path, &current).unwrap();
        }
        let published = fs::read_to_string(path).unwrap();
        assert!(
            published == current,
            "{path} is out of date: run UPDATE_SCHEMA=1 cargo test -p bencher_runner_cli schema"
        );
    }
}

/// Results in files, with wall times in microseconds.
struct Results(TempDir);

impl Results {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(&self, name: &str, wall: &[u64], change: impl FnOnce(&mut Value)) -> PathBuf {
        let mut document: Value = serde_json::from_str(RESULT).unwrap();
        let iteration = document["iterations"][0].clone();
        let iterations = (1..).zip(wall).map(|(index, wall)| {
            let mut one = iteration.clone();
            one["index"] = json!(index);
            one["resources"]["wall_ns"] = json!(wall * 1000);
            one
        });
        document["iterations"] = iterations.collect();
        change(&mut document);
        let path = self.0.path().join(name);
        fs::write(&path, document.to_string()).unwrap();
        path
    }

    fn of(&self, name: &str, wall: &[u64]) -> PathBuf {
        self.with(name, wall, |_| {})
    }
}

const FAST: [u64; 6] = [1000, 1004, 998, 1001, 997, 1003];
const SLOW: [u64; 6] = [1101, 1100, 1104, 1098, 1097, 1103];

fn compare(baseline: &Path, candidate: &Path, arguments: &[&str]) -> Ran {
    let mut command = Runner::new().command();
    command.arg("compare").arg(baseline).arg(candidate);
    Ran::of(command.args(arguments).output().unwrap())
}

fn invalid(document: &Value) -> Vec<String> {
    invalid_by(PUBLISHED, document)
}

/// What is wrong with a document by a schema.
fn invalid_by(schema: &str, document: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_slice(&fs::read(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(document)
        .map(|error| error.to_string())
        .collect()
}

#[test]
fn results_are_compared_and_the_threshold_decides_the_exit_code() {
    let results = Results::new();
    let (fast, slow) = (results.of("fast", &FAST), results.of("slow", &SLOW));
    let wall = ["--metric", "wall"];
    for (sides, threshold, code, verdict) in [
        ([&fast, &slow], "3%", 1, "slower"),
        ([&fast, &slow], "20%", 0, "slower"),
        ([&slow, &fast], "3%", 0, "faster"),
        ([&fast, &fast], "3%", 0, "no_difference_seen"),
    ] {
        let arguments = [
            &wall[..],
            &["--format", "json", "--fail-if-slower", threshold],
        ]
        .concat();
        let ran = compare(sides[0], sides[1], &arguments).exits(code);
        let document = ran.json();
        assert_eq!(invalid(&document), [""; 0]);
        let answer = &document["metrics"][0]["answer"];
        assert_eq!(answer["verdict"], verdict);
        assert_eq!(document["design"]["arrangement"], "independent");
    }
}

#[test]
fn each_format_is_what_its_readers_take() {
    let results = Results::new();
    let (fast, slow) = (results.of("fast", &FAST), results.of("slow", &SLOW));
    let print = |format: &str| {
        let ran = compare(&fast, &slow, &["--format", format]).exits(0);
        ran.text().to_owned()
    };
    let human = print("human");
    assert!(
        human.contains("wall") && human.contains("slower"),
        "{human}"
    );
    assert!(!human.contains('\x1b'), "no terminal, no colours");
    assert!(print("csv").starts_with("metric,unit,"));
    assert!(print("markdown").contains("| wall |"));
    assert!(print("junit").starts_with("<?xml"));

    let summary = results.0.path().join("summary.md");
    fs::write(&summary, "before\n").unwrap();
    let mut command = Runner::new().command();
    command.env("GITHUB_STEP_SUMMARY", &summary).arg("compare");
    command.args([&fast, &slow]).args(["--format", "github"]);
    let ran = Ran::of(command.output().unwrap()).exits(0);
    assert!(ran.text().contains("::warning title="), "{}", ran.text());
    let written = fs::read_to_string(summary).unwrap();
    assert!(written.starts_with("before\n###"), "{written}");
}

#[test]
fn the_document_goes_to_a_file_beside_the_table() {
    let results = Results::new();
    let (fast, slow) = (results.of("fast", &FAST), results.of("slow", &SLOW));
    let file = results.0.path().join("comparison.json");
    let arguments = ["--result", file.to_str().unwrap()];
    let ran = compare(&fast, &slow, &arguments).exits(0);
    assert!(ran.text().contains("slower"));
    let document: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(invalid(&document), [""; 0]);
    assert_eq!(document["candidate"]["label"], slow.to_str().unwrap());
}

#[test]
fn what_can_not_be_compared_is_refused_with_what_to_do() {
    let results = Results::new();
    let fast = results.of("fast", &FAST);
    let other = results.with("other", &FAST, |document| {
        document["host"]["cpu_model"] = json!("Another");
    });
    let newer = results.with("newer", &FAST, |document| document["version"] = json!(99));
    let failed = results.with("failed", &FAST, |document| {
        for iteration in document["iterations"].as_array_mut().unwrap() {
            iteration["exit_code"] = json!(3);
        }
    });
    let broken = results.0.path().join("broken");
    fs::write(&broken, "{\"version\": 1, ").unwrap();
    for (candidate, expected) in [
        (&other, "processor (AMD EPYC and Another); --force"),
        (&newer, "has the layout 99"),
        (&failed, "failed in each of 6 iterations"),
        (&broken, "is no result document of this runner"),
    ] {
        let ran = compare(&fast, candidate, &[]).exits(125);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
    let forced = compare(&fast, &other, &["--force", "--format", "json"]).exits(0);
    assert_eq!(forced.json()["forced"], true);
    let one = results.of("one", &[5]);
    let ran = compare(&fast, &one, &["--metric", "wall"]).exits(0);
    assert!(ran.text().contains("one iteration only"), "{}", ran.text());
}

#[test]
fn commands_take_turns_in_the_order_that_the_seed_gives() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = Runner::new().command();
    command.args([
        "compare",
        "--sandbox",
        "none",
        "--iter",
        "4",
        "--warmup",
        "1",
    ]);
    command.args(["--seed", "5", "--format", "json"]);
    command.arg("--image").arg(image.path());
    command.arg("--output-dir").arg(&out);
    command.args(["--", "sh", "-c", "echo old"]);
    command.args(["--vs", "sh", "-c", "echo new"]);
    let ran = Ran::of(command.output().unwrap()).exits(0);
    let document = ran.json();
    assert_eq!(invalid(&document), [""; 0]);
    let design = &document["design"];
    assert_eq!(
        (&design["arrangement"], &design["seed"]),
        (&json!("interleaved"), &json!(5))
    );
    let mut expected = vec!["A iteration 1", "B iteration 1"];
    let names: Vec<_> = (2..=5)
        .map(|index| ["A", "B"].map(|letter| format!("{letter} iteration {index}")))
        .collect();
    for (order, [baseline, candidate]) in design["orders"].as_array().unwrap().iter().zip(&names) {
        expected.extend(if order == "baseline" {
            [baseline.as_str(), candidate]
        } else {
            [candidate.as_str(), baseline]
        });
    }
    let lines = ran.stderr.lines();
    let told: Vec<_> = lines
        .filter_map(|line| line.strip_prefix("runner: "))
        .filter(|line| line.starts_with("A iteration") || line.starts_with("B iteration"))
        .map(|line| &line[..13])
        .collect();
    assert_eq!(told, expected);
    assert_eq!(document["baseline"]["iterations"], 4);
    assert_eq!(document["baseline"]["warmups"], 1);
    assert_eq!(document["candidate"]["label"], "sh -c 'echo new'");
    let warned = ran.stderr.matches("warning: no sandbox").count();
    assert_eq!(warned, 1, "both sides have the same machine");
    for (side, text) in [("a", "old"), ("b", "new")] {
        let result: Value =
            serde_json::from_slice(&fs::read(out.join(side).join("result.json")).unwrap()).unwrap();
        let iterations = result["iterations"].as_array().unwrap();
        assert_eq!(iterations.len(), 5);
        assert_eq!(
            iterations[4]["stdout"]["content"]["text"],
            format!("{text}\n")
        );
    }
    // What was measured together can be compared apart, and with itself.
    let ran = compare(&out.join("a"), &out.join("a"), &["--format", "json"]).exits(0);
    assert_eq!(ran.json()["baseline"]["iterations"], 4);
}

#[test]
fn a_recorded_side_is_compared_with_a_fresh_one() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({"Cmd": ["true"]}));
    let runner = Runner::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.json");
    let words = ["--sandbox", "none", "--iter", "2"];
    let keep = ["--result", file.to_str().unwrap()];
    runner.run(&image, &[&words[..], &keep].concat()).exits(0);
    let mut command = runner.command();
    command.arg("compare").arg(&file).arg(image.path());
    command.args(words).args(["--format", "json"]);
    let document = Ran::of(command.output().unwrap()).exits(0).json();
    assert_eq!(document["design"]["arrangement"], "independent");
    assert_eq!(document["baseline"]["file"], file.to_str().unwrap());
    assert_eq!(document["candidate"]["file"], Value::Null);
    assert_eq!(document["candidate"]["iterations"], 2);
}

#[test]
fn a_command_that_fails_leaves_nothing_to_compare() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let mut command = Runner::new().command();
    command.args(["compare", "--sandbox", "none", "--iter", "2", "--image"]);
    command.arg(image.path());
    command.args(["--", "true", "--vs", "sh", "-c", "exit 3"]);
    let ran = Ran::of(command.output().unwrap()).exits(125);
    assert!(
        ran.stderr.contains("a command failed with exit code 3"),
        "{}",
        ran.stderr
    );
}

#[test]
fn under_a_virtual_clock_two_runs_are_enough_to_be_sure() {
    if no_vm() {
        return;
    }
    let image = Image::new(&json!({}));
    let script = |rounds: u32| format!("i=0; while [ $i -lt {rounds} ]; do i=$((i+1)); done");
    let run = |rounds: [u32; 2]| {
        let mut command = Runner::new().command();
        command.args(["compare", "--clock", "virtual", "--iter", "2"]);
        command.args([
            "--metric",
            "wall",
            "--fail-if-slower",
            "0.1%",
            "--format",
            "json",
        ]);
        command.arg("--image").arg(image.path());
        // The lengths of both are the same.
        command.args(["--", "sh", "-c", &script(rounds[0])]);
        command.args(["--vs", "sh", "-c", &script(rounds[1])]);
        Ran::of(command.output().unwrap())
    };
    let document = run([2_000, 2_020]).exits(1).json();
    let answer = &document["metrics"][0]["answer"];
    assert_eq!(
        (&answer["method"], &answer["verdict"]),
        (&json!("exact"), &json!("slower"))
    );
}

#[test]
fn a_series_tells_where_it_changed() {
    let results = Results::new();
    let files: Vec<_> = (0..12)
        .map(|index: u64| {
            let wall = if index < 6 { FAST } else { SLOW }.map(|wall| wall + index % 3);
            results.with(&format!("{index}.json"), &wall, |document| {
                document["started_at"] = json!(1_795_981_792 + 3600 * index);
                document["label"] = json!(format!("commit-{index}"));
            })
        })
        .collect();
    let history = |files: &[PathBuf], arguments: &[&str]| {
        let mut command = Runner::new().command();
        command
            .arg("history")
            .args(files.iter().rev())
            .args(arguments);
        Ran::of(command.output().unwrap())
    };
    let text = history(&files, &[]).exits(0);
    assert!(
        text.text().contains("1 change in 12 results"),
        "{}",
        text.text()
    );
    let document = history(&files, &["--json"]).exits(0).json();
    assert_eq!(invalid_by(PUBLISHED_HISTORY, &document), [""; 0]);
    assert_eq!(document["changes"][0]["label"], "commit-6");
    let least = history(&files, &["--json", "--least", "50%"])
        .exits(0)
        .json();
    assert_eq!(least["changes"], json!([]));
    let few = history(&files[..3], &[]).exits(125);
    assert!(
        few.stderr.contains("a series takes 4 results"),
        "{}",
        few.stderr
    );
}

#[test]
fn results_are_exported_under_their_names() {
    let results = Results::new();
    let file = results.of("fast.json", &FAST);
    let labelled = results.with("other.json", &SLOW, |document| {
        document["label"] = json!("it");
    });
    let export = |arguments: &[&str], files: &[&PathBuf]| {
        let mut command = Runner::new().command();
        command
            .args(["export", "--to", "bencher"])
            .args(arguments)
            .args(files);
        Ran::of(command.output().unwrap())
    };
    let found = export(&[], &[&file, &labelled]).exits(0).json();
    let latency = &found["it"]["latency"];
    let mean = latency["value"].as_f64().unwrap();
    assert!((mean - 1_100_500.0).abs() < 1.0, "{found}");
    assert!(latency["lower_value"].as_f64().unwrap() < mean);
    assert!(
        found["sh -c 'echo hello'"]["latency"]["value"].is_f64(),
        "{found}"
    );
    let named = export(&["--name", "sort"], &[&file]).exits(0).json();
    assert!(named["sort"].is_object());
    let twice = export(&[], &[&file, &file]).exits(125);
    assert!(
        twice.stderr.contains("two benchmarks are called"),
        "{}",
        twice.stderr
    );
    export(&["--name", "sort"], &[&file, &labelled]).exits(125);
}

#[test]
fn a_report_is_a_page_that_a_browser_shows() {
    let results = Results::new();
    let (fast, slow) = (results.of("fast", &FAST), results.of("slow", &SLOW));
    let page = results.0.path().join("report.html");
    let arguments = ["--report", page.to_str().unwrap()];
    compare(&fast, &slow, &arguments).exits(0);
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("<!doctype html>"));
    let Some(chromium) = bencher_runner::paths::find_program("chromium") else {
        println!("skipped: no chromium on this machine");
        return;
    };
    let picture = results.0.path().join("page.png");
    let mut command = std::process::Command::new(chromium);
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=900,1200",
        ])
        .arg(format!(
            "--user-data-dir={}",
            results.0.path().join("profile").display()
        ))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", page.display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let png = fs::read(&picture).unwrap();
    assert!(png.starts_with(b"\x89PNG"), "it is a picture");
    // An empty page is a few kilobytes at most.
    assert!(png.len() > 20_000, "{} bytes", png.len());
}
