//! Results that mean mischief.

use serde_json::json;

use super::{FAST, Results, compare};
use crate::support::{Ran, Runner};

/// Erases what is before it, sets a title, turns the line around and looks like a line of the runner's.
const LABEL: &str =
    "a\u{1b}[2J\u{9b}1A\u{1b}]0;title\u{7}\u{202e}\nrunner: error: it is fine\n::error::b";

/// Fails where something reached a terminal that steers it, or that looks like another line.
fn is_harmless(ran: &Ran) {
    for text in [ran.text(), &ran.stderr] {
        let steers = |character: char| {
            character.is_control() && !['\n', '\r'].contains(&character) || character == '\u{202e}'
        };
        assert!(!text.contains(steers), "{text:?}");
        for line in text.lines() {
            assert!(!line.starts_with("runner: error: it is fine"), "{text}");
            assert!(!line.starts_with("::error::b"), "{text}");
        }
    }
}

#[test]
fn nothing_of_a_result_steers_a_terminal() {
    let results = Results::new();
    let files: Vec<_> = (0..4)
        .map(|index| {
            results.with(&format!("{index}.json"), &FAST, |document| {
                document["label"] = json!(LABEL);
                document["trust"]["reasons"] = json!([LABEL]);
                document["started_at"] = json!(1_795_981_792 + index);
                document["command"]["arguments"] = json!(["sh", LABEL]);
                document["command"]["environment"] = json!([LABEL]);
                document["image"]["reference"] = json!(LABEL);
                document["host"]["kernel_release"] = json!(format!("{LABEL}{index}"));
            })
        })
        .collect();
    for format in ["human", "json", "csv", "markdown", "junit", "github"] {
        is_harmless(&compare(&files[0], &files[1], &["--format", format]).exits(0));
    }
    let other = results.with("other.json", &FAST, |document| {
        document["label"] = json!(LABEL);
        document["host"]["cpu_model"] = json!(LABEL);
    });
    is_harmless(&compare(&files[0], &other, &[]).exits(125));
    let failed = results.with("failed.json", &FAST[..0], |document| {
        document["outcome"]["error"] = json!(LABEL);
    });
    is_harmless(&compare(&files[0], &failed, &[]).exits(125));
    let kind = results.with("kind.json", &FAST, |document| {
        document["command"]["layouts"] = json!(LABEL);
    });
    is_harmless(&compare(&files[0], &kind, &[]).exits(125));

    let run = |arguments: &[&str]| {
        let mut command = Runner::new().command();
        command.args(arguments).args(&files);
        Ran::of(command.output().unwrap())
    };
    is_harmless(&run(&["history"]).exits(0));
    is_harmless(&run(&["history", "--json"]).exits(0));
    is_harmless(&run(&["export", "--to", "bencher"]).exits(125));
    let mut command = Runner::new().command();
    let export = command.args(["export", "--to", "bencher"]).arg(&files[0]);
    is_harmless(&Ran::of(export.output().unwrap()).exits(0));
}

/// What a file says is told as words of a command line, which nobody's shell takes for more.
#[test]
fn a_command_line_out_of_a_file_is_quoted() {
    let results = Results::new();
    let file = results.with("before.json", &FAST, |document| {
        document["command"]["arguments"] = json!(["sh", LABEL]);
        document["machine"]["sandbox"] = json!("qemu");
        document["machine"]["network"] = json!({
            "allowed": ["192.0.2.1; touch /tmp/x \u{1b}[2J"], "blocked": [], "name_servers": [],
        });
    });
    let mut command = Runner::new().command();
    let ran = Ran::of(command.arg("reproduce").arg(&file).output().unwrap()).exits(125);
    is_harmless(&ran);
    let grant = r"--network-allow $'192.0.2.1; touch /tmp/x \033[2J'";
    assert!(ran.stderr.contains(grant), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(r"$'a\033[2J\302\2331A"),
        "{}",
        ran.stderr
    );
}
