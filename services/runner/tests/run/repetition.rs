//! How often a command is run.

use serde_json::json;

use crate::support::{Image, Ran, Runner, no_image};

fn run(arguments: &[&str]) -> Ran {
    let image = Image::new(&json!({"Cmd": ["true"]}));
    let words = [&["--sandbox", "none", "--format", "json"], arguments].concat();
    Runner::new().run(&image, &words)
}

#[test]
fn iterations_to_warm_up_are_marked_and_come_first() {
    if no_image() {
        return;
    }
    let ran = run(&["--warmup", "2", "--iter", "1"]).exits(0);
    let result = ran.json();
    let iterations = result["iterations"].as_array().unwrap();
    let marks: Vec<_> = iterations
        .iter()
        .map(|iteration| (&iteration["index"], &iteration["warmup"]))
        .collect();
    let expected = [(1, true), (2, true), (3, false)].map(|(n, mark)| (json!(n), json!(mark)));
    assert_eq!(marks, expected.each_ref().map(|(n, mark)| (n, mark)));
    assert_eq!(result["outcome"]["iterations_wanted"], 1);
    assert_eq!(result["outcome"]["precision"], json!(null));
    assert!(ran.stderr.contains("iteration 1 (to warm up): exit code 0"));
}

#[test]
fn it_goes_on_until_the_interval_is_narrow_or_there_may_be_no_more() {
    if no_image() {
        return;
    }
    let ran = run(&["--until-ci", "90%", "--max-iter", "12"]).exits(0);
    let outcome = &ran.json()["outcome"];
    let precision = &outcome["precision"];
    assert_eq!(precision["metric"], "wall");
    let reached = precision["reached"].as_f64().unwrap();
    let (run, reason) = if reached <= 0.9 {
        (outcome["iterations_run"].as_u64().unwrap(), "narrow")
    } else {
        (12, "iterations")
    };
    assert!(run == 10 || run == 12, "{outcome}");
    assert_eq!(outcome["iterations_run"], run);
    assert_eq!(precision["stopped_by"], reason);

    // Nothing is as precise as that.
    let ran = run_out_of(&["--until-ci", "0.000001%", "--max-iter", "3"]);
    assert_eq!(
        ran.json()["outcome"]["precision"]["stopped_by"],
        "iterations"
    );
    assert!(ran.stderr.contains("raise --max-iter"), "{}", ran.stderr);
    let ran = run_out_of(&["--until-ci", "0.000001%", "--max-time", "1ms"]);
    let outcome = &ran.json()["outcome"];
    assert_eq!(outcome["precision"]["stopped_by"], "time");
    assert_eq!(outcome["iterations_run"], 1);
    assert!(ran.stderr.contains("raise --max-time"), "{}", ran.stderr);
}

fn run_out_of(arguments: &[&str]) -> Ran {
    run(arguments).exits(0)
}

#[test]
fn numbers_that_contradict_each_other_are_refused() {
    for (arguments, expected) in [
        (
            &["--until-ci", "1%", "--iter", "5"][..],
            "cannot be used with",
        ),
        (&["--max-iter", "5"], "--until-ci"),
        (&["--until-ci", "0"], "write it as 1%"),
        (
            &["--until-ci", "1%", "--metric", "speed"],
            "speed is no metric",
        ),
    ] {
        let mut command = Runner::new().command();
        command.args(["run", "--image", "x"]).args(arguments);
        let ran = Ran::of(command.output().unwrap()).exits(125);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
