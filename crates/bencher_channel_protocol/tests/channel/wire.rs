//! Every message beside the text that it is on the wire.

use bencher_channel_protocol::{
    Architecture, DecodeError, Evidence, IterationOutput, LiveOutput, Os, OutputStream,
    PollTimeout, RESERVED_OUTPUT, Ready, RunnerInfo, RunnerMessage, ServerMessage, Update,
    UpdateChannel, Uuid,
};

use crate::samples::{JOB, files, job};

const JOB_UUID: Uuid = Uuid::from_u128(0x3c5a_d7a1_6b6a_4a56_a1ee_1c4d_3b3f_2a10);
const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_a_runner_says() {
    let table = [
        (RunnerMessage::Ready(Ready::default()), r#"{"event":"ready"}"#.to_owned()),
        (
            RunnerMessage::Ready(Ready {
                poll_timeout: Some(PollTimeout::new(30).unwrap()),
                runner: Some(RunnerInfo {
                    os: Os::Linux,
                    arch: Architecture::X86_64,
                    version: "0.1.0".to_owned(),
                    channel: Some(UpdateChannel::Canary),
                    checksum: Some(SHA.parse().unwrap()),
                    live_output: false,
                }),
                live_output: false,
                evidence: false,
            }),
            format!(
                r#"{{"event":"ready","poll_timeout":30,"runner":{{"os":"linux","arch":"x86_64","version":"0.1.0","channel":"canary","checksum":"{SHA}"}}}}"#
            ),
        ),
        (
            RunnerMessage::Ready(Ready {
                poll_timeout: None,
                runner: Some(RunnerInfo {
                    os: Os::MacOs,
                    arch: Architecture::Aarch64,
                    version: "1".to_owned(),
                    channel: None,
                    checksum: None,
                    live_output: true,
                }),
                live_output: false,
                evidence: false,
            }),
            r#"{"event":"ready","runner":{"os":"macos","arch":"aarch64","version":"1","live_output":true}}"#.to_owned(),
        ),
        (
            RunnerMessage::Ready(Ready {
                live_output: true,
                ..Ready::default()
            }),
            r#"{"event":"ready","live_output":true}"#.to_owned(),
        ),
        (
            RunnerMessage::Ready(Ready {
                evidence: true,
                ..Ready::default()
            }),
            r#"{"event":"ready","evidence":true}"#.to_owned(),
        ),
        (RunnerMessage::Running, r#"{"event":"running"}"#.to_owned()),
        (RunnerMessage::Heartbeat, r#"{"event":"heartbeat"}"#.to_owned()),
        (
            RunnerMessage::Completed {
                job: JOB_UUID,
                results: vec![
                    IterationOutput {
                        exit_code: 0,
                        stdout: Some("out\n".to_owned()),
                        stderr: None,
                        output: Some(files(&[("/r.json", "{}"), (RESERVED_OUTPUT, "{}")])),
                    },
                    IterationOutput {
                        exit_code: -1,
                        stderr: Some("é".to_owned()),
                        ..IterationOutput::default()
                    },
                ],
                evidence: None,
            },
            format!(
                r#"{{"event":"completed","job":"{JOB_UUID}","results":[{{"exit_code":0,"stdout":"out\n","output":{{"\u0000bencher":"{{}}","/r.json":"{{}}"}}}},{{"exit_code":-1,"stderr":"é"}}]}}"#
            ),
        ),
        (
            RunnerMessage::Failed {
                job: JOB_UUID,
                results: Vec::new(),
                error: "no such image".to_owned(),
                evidence: Some(Evidence::new(r#"{"version": 1}"#.to_owned()).unwrap()),
            },
            format!(
                r#"{{"event":"failed","job":"{JOB_UUID}","results":[],"error":"no such image","evidence":{{"version": 1}}}}"#
            ),
        ),
        (
            RunnerMessage::Canceled { job: JOB_UUID },
            format!(r#"{{"event":"canceled","job":"{JOB_UUID}"}}"#),
        ),
        (
            RunnerMessage::Output(LiveOutput {
                job: JOB_UUID,
                iteration: 1,
                stream: OutputStream::Stderr,
                text: "x".to_owned(),
            }),
            format!(
                r#"{{"event":"output","job":"{JOB_UUID}","iteration":1,"stream":"stderr","text":"x"}}"#
            ),
        ),
    ];
    for (message, text) in table {
        assert_eq!(message.encode(), text);
        assert_eq!(RunnerMessage::decode(&text), Ok(message.clone()));
        assert!(text.contains(&format!("\"event\":\"{}\"", message.event())));
    }
}

#[test]
fn what_a_server_says() {
    let table = [
        (
            ServerMessage::Ack { job: None },
            r#"{"event":"ack"}"#.to_owned(),
        ),
        (
            ServerMessage::Ack {
                job: Some(JOB_UUID),
            },
            format!(r#"{{"event":"ack","job":"{JOB_UUID}"}}"#),
        ),
        (ServerMessage::NoJob, r#"{"event":"no_job"}"#.to_owned()),
        (ServerMessage::Cancel, r#"{"event":"cancel"}"#.to_owned()),
        (
            ServerMessage::Update(Update {
                version: "0.2.0".to_owned(),
                url: "https://example.com/runner".to_owned(),
                checksum: SHA.parse().unwrap(),
            }),
            format!(
                r#"{{"event":"update","version":"0.2.0","url":"https://example.com/runner","checksum":"{SHA}"}}"#
            ),
        ),
    ];
    for (message, text) in table {
        assert_eq!(message.encode(), text);
        assert_eq!(ServerMessage::decode(&text), Ok(message.clone()));
        assert!(text.contains(&format!("\"event\":\"{}\"", message.event())));
    }
}

/// The document of a job is the text that was decoded, field by field.
#[test]
fn a_job_encodes_to_what_it_came_from() {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let encoded = ServerMessage::Job(Box::new(job())).encode();
    assert_eq!(value(&encoded), value(JOB));
}

/// A job that asks for everything that can be asked for.
#[test]
fn a_full_job_encodes_to_what_it_came_from() {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let mut document = value(JOB);
    document["spec"]["fallback"] = "2026-11-29T12:00:00Z".into();
    document["spec"]["archived"] = "2026-11-29T12:00:00Z".into();
    for (name, value) in [
        ("image", serde_json::json!("project/image:tag")),
        ("entrypoint", serde_json::json!(["/bin/sh", "-c"])),
        ("cmd", serde_json::json!(["true"])),
        ("env", serde_json::json!({"A": "b=c"})),
        ("timeout", serde_json::json!(60)),
        ("file_paths", serde_json::json!(["/results.json"])),
        ("build_time", serde_json::json!(true)),
        ("file_size", serde_json::json!(true)),
        ("average", serde_json::json!("mean")),
        ("iter", serde_json::json!(3)),
        ("fold", serde_json::json!("median")),
        ("allow_failure", serde_json::json!(true)),
        ("backdate", serde_json::json!("2026-11-29T12:00:00Z")),
    ] {
        document["config"][name] = value;
    }
    let job = ServerMessage::decode(&document.to_string()).unwrap();
    assert_eq!(value(&job.encode()), document);
}

#[test]
fn a_sandbox_that_is_null_or_left_out_is_none_and_is_said_as_null() {
    let mut document: serde_json::Value = serde_json::from_str(JOB).unwrap();
    document["spec"]["sandbox"] = serde_json::Value::Null;
    let message = ServerMessage::decode(&document.to_string()).unwrap();
    assert!(message.encode().contains(r#""sandbox":null"#));
    document["spec"].as_object_mut().unwrap().remove("sandbox");
    assert_eq!(ServerMessage::decode(&document.to_string()), Ok(message));
}

#[test]
fn unknown_fields_are_passed_over() {
    assert_eq!(
        ServerMessage::decode(r#"{"new":[1,{}],"event":"ack","more":null}"#),
        Ok(ServerMessage::Ack { job: None })
    );
    assert_eq!(
        RunnerMessage::decode(
            r#"{"event":"ready","x":1,"runner":{"os":"linux","arch":"x86_64","version":"","y":2}}"#
        )
        .map(|message| message.event()),
        Ok("ready")
    );
    let mut document: serde_json::Value = serde_json::from_str(JOB).unwrap();
    document["spec"]["gpu"] = 1.into();
    document["config"]["more"] = serde_json::json!({"a": []});
    assert_eq!(
        ServerMessage::decode(&document.to_string()),
        Ok(ServerMessage::Job(Box::new(job())))
    );
}

#[test]
fn what_is_null_is_absent() {
    assert_eq!(
        ServerMessage::decode(r#"{"event":"ack","job":null}"#),
        Ok(ServerMessage::Ack { job: None })
    );
}

#[test]
fn malformed_texts_say_what_is_wrong() {
    let server = [
        ("", "the message is not a JSON object with an `event`: ``"),
        (
            "[]",
            "the message is not a JSON object with an `event`: `[]`",
        ),
        (
            "{}",
            "the message is not a JSON object with an `event`: `missing field `event` at line 1 column 2`",
        ),
        (
            "{\"event\":\"\u{1b}[31m\"}",
            "the message is not a JSON object with an `event`: `control character",
        ),
        (
            r#"{"event":"\u001b[31m"}"#,
            "the event `\\u{1b}[31m` is not known",
        ),
        (
            r#"{"event":"ack","event":"ack"}"#,
            "the message is not a JSON object with an `event`: `duplicate field",
        ),
        (r#"{"event":"ready"}"#, "the event `ready` is not known"),
        (
            r#"{"event":"ack","job":"x"}"#,
            "the event `ack` is malformed: ",
        ),
        (
            r#"{"event":"job"}"#,
            "the event `job` is malformed: `missing field `uuid`",
        ),
        (
            r#"{"event":"job","uuid":"3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10"}"#,
            "the job 3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10 can not be run: the event `job` is malformed: `missing field `spec`",
        ),
        (
            r#"{"event":"update","version":"1","url":"x","checksum":"ABC"}"#,
            "the event `update` is malformed: ",
        ),
        (
            r#"{"event":"cancel""#,
            "the message is not a JSON object with an `event`: `EOF",
        ),
    ];
    for (text, expected) in server {
        let error = ServerMessage::decode(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let runner = [
        (
            r#"{"event":"ready","poll_timeout":0}"#,
            "a poll timeout is a whole number of seconds from 1 to 900, not 0",
        ),
        (r#"{"event":"ready","poll_timeout":901}"#, "not 901"),
        (r#"{"event":"ready","runner":{}}"#, "missing field `os`"),
        (
            r#"{"event":"completed","results":[]}"#,
            "missing field `job`",
        ),
        (
            r#"{"event":"completed","job":"3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10"}"#,
            "missing field `results`",
        ),
        (
            r#"{"event":"failed","job":"3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10","results":[]}"#,
            "missing field `error`",
        ),
        (r#"{"event":"job"}"#, "is not known"),
    ];
    for (text, expected) in runner {
        let error = RunnerMessage::decode(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// A job that can not be run is refused by its name.
#[test]
fn a_bad_job_keeps_its_name() {
    let bad = JOB.replace("\"linux\"", "\"plan9\"");
    match ServerMessage::decode(&bad).unwrap_err() {
        DecodeError::Job { job, source } => {
            assert_eq!(job, JOB_UUID);
            assert!(source.to_string().contains("plan9"), "{source}");
        }
        other => panic!("{other}"),
    }
}
