//! Many results: `runner history` and `runner export`.

use std::path::PathBuf;

use serde_json::json;

use super::{FAST, PUBLISHED_HISTORY, Results, SLOW, invalid_by};
use crate::support::{Ran, Runner};

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
    assert_eq!(document["series"][0]["changes"][0]["label"], "commit-6");
    let least = history(&files, &["--json", "--least", "50%"])
        .exits(0)
        .json();
    assert_eq!(least["series"][0]["changes"], json!([]));
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
