//! What is refused before anything has run.

use serde_json::json;

use super::{FAST, Results, compare, invalid};
use crate::support::{Image, Ran, Runner, no_image};

/// A side of `file` and one that is run.
fn with_fresh(file: &std::path::Path, image: &Image, arguments: &[&str]) -> Ran {
    let mut command = Runner::new().command();
    command.arg("compare").arg(file).arg(image.path());
    command.args(["--sandbox", "none", "--iter", "2"]);
    command.args(arguments).args(["--", "true"]);
    Ran::of(command.output().unwrap())
}

#[test]
fn nothing_is_run_to_be_compared_with_what_it_can_not_be_compared_with() {
    if no_image() {
        return;
    }
    let (results, image) = (Results::new(), Image::new(&json!({})));
    let other = results.with("other", &FAST, |document| {
        document["host"]["cpu_model"] = json!("Another");
    });
    let fast = results.of("fast", &FAST);
    let empty = results.of("empty", &[]);
    for (file, arguments, expected) in [
        (&other, &[][..], "processor (Another and "),
        (&empty, &[], "has no iteration to compare"),
        (
            &fast,
            &["--metric", "cycles", "--fail-if-slower", "3%", "--force"],
            "--fail-if-slower can not be decided by cycles: not even ",
        ),
    ] {
        let ran = with_fresh(file, &image, arguments).exits(125);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        assert!(!ran.stderr.contains("iteration 1:"), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
    let arguments = ["--force", "--format", "json"];
    let forced = with_fresh(&other, &image, &arguments).exits(0);
    assert_eq!(forced.json()["forced"], true);
}

#[test]
fn a_threshold_that_can_not_be_decided_is_no_pass_and_the_rest_is_told() {
    let results = Results::new();
    let fast = results.of("fast", &FAST);
    let asked = ["--metric", "cycles", "--metric", "wall"];
    let threshold = ["--fail-if-slower", "3%", "--format", "json"];
    let ran = compare(&fast, &fast, &[asked, threshold].concat()).exits(125);
    let expected = "error: --fail-if-slower can not be decided by cycles";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    let document = ran.json();
    assert_eq!(invalid(&document), [""; 0]);
    assert!(document["incomplete"].is_string() && document["gate"].is_null());
    assert!(document["metrics"][1]["answer"].is_object());
}
