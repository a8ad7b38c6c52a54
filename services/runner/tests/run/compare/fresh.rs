//! Sides that are run.

use std::fs;

use serde_json::{Value, json};

use super::{compare, invalid};
use crate::support::{Image, Ran, Runner, no_image, no_vm};

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
