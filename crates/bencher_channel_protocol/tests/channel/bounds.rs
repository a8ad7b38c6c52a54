//! The bounds of every field, from both sides.

use std::collections::BTreeMap;

use bencher_channel_protocol::{
    DecodeError, MAX_FILES, MAX_ITERATIONS, RunnerMessage, ServerMessage, Uuid,
};
use serde_json::{Value, json};

use crate::samples::job_with;

/// What a job with one field replaced is refused for, without the job's name in front.
fn refusal(path: &str, value: Value) -> Option<String> {
    match ServerMessage::decode(&job_with(path, value)) {
        Ok(_) => None,
        Err(DecodeError::Job { source, .. }) => Some(source.to_string()),
        Err(other) => panic!("{path}: a job without a name: {other}"),
    }
}

fn map(count: usize) -> Value {
    (0..count)
        .map(|number| (format!("V{number}"), json!("")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn the_largest_is_taken_and_one_more_is_not() {
    let table = [
        (
            "/config/entrypoint",
            json!(vec![""; 64]),
            json!(vec![""; 65]),
        ),
        ("/config/cmd", json!(vec![""; 64]), json!(vec![""; 65])),
        (
            "/config/file_paths",
            json!(vec!["/a"; 255]),
            json!(vec!["/a"; 256]),
        ),
        ("/config/env", map(255), map(256)),
        (
            "/config/cmd",
            json!(["x".repeat(131_071)]),
            json!(["x".repeat(131_072)]),
        ),
        (
            "/config/file_paths",
            json!(["x".repeat(4_095)]),
            json!(["x".repeat(4_096)]),
        ),
        (
            "/config/registry",
            json!("x".repeat(2_048)),
            json!("x".repeat(2_049)),
        ),
        ("/config/iter", json!(65_535), json!(65_536)),
        (
            "/oci_token",
            json!("x".repeat(65_536)),
            json!("x".repeat(65_537)),
        ),
        ("/spec/name", json!("x".repeat(255)), json!("x".repeat(256))),
        ("/spec/slug", json!("x".repeat(255)), json!("x".repeat(256))),
        ("/timeout", json!(1), json!(0)),
        ("/config/timeout", json!(1), json!(0)),
        ("/config/iter", json!(1), json!(0)),
        ("/spec/cpu", json!(1), json!(0)),
        ("/spec/memory", json!(1), json!(0)),
        ("/spec/disk", json!(u64::MAX), json!(0)),
        ("/spec/name", json!("x"), json!("")),
        ("/config/registry", json!("x"), json!("")),
        ("/config/file_paths", json!(["x"]), json!([""])),
        ("/config/cmd", json!([""]), json!(["a\0b"])),
        ("/config/entrypoint", json!(["a"]), json!(["\0"])),
        ("/config/file_paths", json!(["a"]), json!(["a\0"])),
        ("/config/env", json!({"A": ""}), json!({"A": "\0"})),
        ("/config/env", json!({"A": "="}), json!({"A=B": ""})),
        ("/config/env", json!({"A": ""}), json!({"": ""})),
    ];
    for (path, good, bad) in table {
        assert_eq!(refusal(path, good), None, "{path}");
        let error = refusal(path, bad).unwrap_or_else(|| panic!("{path}: taken"));
        assert!(
            error.starts_with("the event `job` is out of bounds: "),
            "{path}: {error}"
        );
        assert!(error.len() < 400, "{path}: a long error");
    }
}

#[test]
fn wrong_kinds_are_refused() {
    for (path, value) in [
        ("/config/digest", json!("sha512:00")),
        ("/config/digest", json!("sha256:ABCD")),
        ("/config/project", json!("not-a-uuid")),
        ("/config/cmd", json!("sh -c true")),
        ("/config/env", json!(["A=b"])),
        ("/config/build_time", json!(1)),
        ("/spec/sandbox", json!("docker")),
        ("/spec/architecture", json!("riscv64")),
        ("/spec/cpu", json!(-1)),
        ("/spec/memory", json!(1.5)),
        ("/timeout", json!("60")),
        ("/oci_token", Value::Null),
    ] {
        let error = refusal(path, value).unwrap_or_else(|| panic!("{path}: taken"));
        assert!(
            error.starts_with("the event `job` is malformed: "),
            "{path}: {error}"
        );
    }
}

#[test]
fn messages_name_the_field_and_the_bound() {
    for (path, value, message) in [
        (
            "/config/cmd",
            json!(vec![""; 65]),
            "`config.cmd` has 65 items, more than the 64 allowed",
        ),
        (
            "/config/iter",
            json!(70_000),
            "`config.iter` is 70000, more than the 65535 allowed",
        ),
        ("/spec/cpu", json!(0), "`spec.cpu` is 0"),
        (
            "/config/env",
            json!({"A=\u{1b}": ""}),
            "the variable name `A=\\u{1b}` holds an equals sign",
        ),
    ] {
        let error = refusal(path, value).unwrap();
        assert_eq!(
            error,
            format!("the event `job` is out of bounds: {message}")
        );
    }
}

#[test]
fn no_more_results_are_read_than_a_job_may_have() {
    let taken = |results: &str| {
        let text = format!(
            r#"{{"event":"failed","job":"{}","error":"e","results":[{results}]}}"#,
            Uuid::nil()
        );
        let message = RunnerMessage::decode(&text).map_err(|error| error.to_string())?;
        let RunnerMessage::Failed { results, .. } = message else {
            panic!("it is another message");
        };
        let files = results.iter().filter_map(|one| one.output.as_ref());
        let files: usize = files.map(BTreeMap::len).sum();
        Ok::<_, String>((results.len(), files))
    };
    let iterations = |count: usize| vec![r#"{"exit_code":0}"#; count].join(",");
    let with_files = |count: usize| {
        let files: Vec<_> = (0..count)
            .map(|number| format!("\"{number}\":\"\""))
            .collect();
        format!(r#"{{"exit_code":0,"output":{{{}}}}}"#, files.join(","))
    };
    let most = usize::try_from(MAX_ITERATIONS).unwrap();
    assert_eq!(taken(&iterations(most)), Ok((most, 0)));
    let error = taken(&iterations(most + 1)).unwrap_err();
    assert!(error.contains("more than 65535 iterations"), "{error}");
    // In one iteration, and in several of them together.
    let half = with_files(MAX_FILES / 2);
    assert_eq!(taken(&with_files(MAX_FILES)), Ok((1, MAX_FILES)));
    assert_eq!(taken(&format!("{half},{half}")), Ok((2, MAX_FILES)));
    for many in [
        with_files(MAX_FILES + 1),
        format!("{half},{},{half}", with_files(1)),
    ] {
        let error = taken(&many).unwrap_err();
        assert!(error.contains("more than 599186 files"), "{error}");
    }
    // What is absent or null is nothing, as before.
    for nothing in [r#"{"exit_code":0}"#, r#"{"exit_code":0,"output":null}"#] {
        assert_eq!(taken(nothing), Ok((1, 0)));
    }
}
