//! Results that are there.

use std::fs;

use serde_json::{Value, json};

use super::{FAST, Results, SLOW, compare, invalid};
use crate::support::{Ran, Runner};

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
    let comparison = results.0.path().join("comparison");
    let keep = ["--result", comparison.to_str().unwrap()];
    compare(&fast, &fast, &keep).exits(0);
    // It is not taken for the name of an image, for which a registry would be asked.
    let missing = results.0.path().join("missing.json");
    let broken = results.0.path().join("broken");
    fs::write(&broken, "{\"version\": 1, ").unwrap();
    for (candidate, expected) in [
        (&other, "processor (AMD EPYC and Another); --force"),
        (&newer, "has the layout 99"),
        (&failed, "failed in each of 6 iterations"),
        (&broken, "ends before the result does"),
        (&comparison, "is a comparison and no result"),
        (&missing, "failed to read "),
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
