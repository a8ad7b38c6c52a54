//! Messages that the tests share, and how any message is made.

use std::collections::BTreeMap;

use bencher_channel_protocol::{
    Architecture, Checksum, Evidence, IterationOutput, Job, JobConfig, JobSpec, LiveOutput, Os,
    OutputStream, PollTimeout, PullToken, RESERVED_OUTPUT, Ready, RunnerInfo, RunnerMessage,
    SandboxKind, ServerMessage, Terminal, Update, UpdateChannel, Uuid,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

pub(crate) const JOB: &str = r#"{
    "event": "job",
    "uuid": "3c5ad7a1-6b6a-4a56-a1ee-1c4d3b3f2a10",
    "spec": {
        "uuid": "7ad4d9f1-4f5b-4f3c-8f5e-0e3a1c2b4d5f",
        "name": "Small",
        "slug": "small",
        "os": "linux",
        "architecture": "x86_64",
        "sandbox": "firecracker",
        "cpu": 2,
        "memory": 4294967296,
        "disk": 10737418240,
        "network": false,
        "created": "2026-11-29T12:00:00Z",
        "modified": "2026-11-29T12:00:00Z"
    },
    "config": {
        "registry": "http://localhost:61016/",
        "project": "11111111-2222-4333-8444-555555555555",
        "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    },
    "oci_token": "eyJ0eXAi.secret",
    "timeout": 3600,
    "created": "2026-11-29T12:00:00Z"
}"#;

pub(crate) fn job() -> Job {
    match ServerMessage::decode(JOB).unwrap() {
        ServerMessage::Job(job) => *job,
        other => panic!("not a job: {other:?}"),
    }
}

/// [`JOB`] with one field replaced, by a path like `/config/iter`.
pub(crate) fn job_with(path: &str, value: serde_json::Value) -> String {
    let mut document: serde_json::Value = serde_json::from_str(JOB).unwrap();
    let (parent, name) = path.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[name] = value;
    document.to_string()
}

pub(crate) fn any_uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn any_checksum() -> impl Strategy<Value = Checksum> {
    any::<[u8; 32]>().prop_map(Checksum::new)
}

fn text() -> impl Strategy<Value = String> {
    "[^\\x00]{0,20}"
}

pub(crate) fn any_result() -> impl Strategy<Value = IterationOutput> {
    let path = prop_oneof![".{1,12}", Just(RESERVED_OUTPUT.to_owned())];
    (
        any::<i32>(),
        option::of(".{0,300}"),
        option::of(".{0,300}"),
        option::of(btree_map(path, ".{0,300}", 0..6)),
    )
        .prop_map(|(exit_code, stdout, stderr, output)| IterationOutput {
            exit_code,
            stdout,
            stderr,
            output,
        })
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    ".{0,800}".prop_map(|text| {
        let text = serde_json::json!({"version": 1, "text": text}).to_string();
        Evidence::new(text).unwrap()
    })
}

pub(crate) fn any_terminal() -> impl Strategy<Value = Terminal> {
    let results = || vec(any_result(), 0..8);
    prop_oneof![
        (any_uuid(), results(), option::of(any_evidence())).prop_map(|(job, results, evidence)| {
            Terminal::Completed {
                job,
                results,
                evidence,
            }
        }),
        (
            any_uuid(),
            results(),
            ".{0,300}",
            option::of(any_evidence())
        )
            .prop_map(|(job, results, error, evidence)| Terminal::Failed {
                job,
                results,
                error,
                evidence,
            }),
        any_uuid().prop_map(|job| Terminal::Canceled { job }),
    ]
}

fn any_runner_info() -> impl Strategy<Value = RunnerInfo> {
    (
        prop_oneof![Just(Os::Linux), Just(Os::MacOs), Just(Os::Windows)],
        prop_oneof![Just(Architecture::X86_64), Just(Architecture::Aarch64)],
        text(),
        option::of(prop_oneof![
            Just(UpdateChannel::Stable),
            Just(UpdateChannel::Canary)
        ]),
        option::of(any_checksum()),
        any::<bool>(),
    )
        .prop_map(
            |(os, arch, version, channel, checksum, live_output)| RunnerInfo {
                os,
                arch,
                version,
                channel,
                checksum,
                live_output,
            },
        )
}

pub(crate) fn any_runner_message() -> impl Strategy<Value = RunnerMessage> {
    let poll = (1_u32..=900).prop_map(|seconds| PollTimeout::new(seconds).unwrap());
    let ready = (
        option::of(poll),
        option::of(any_runner_info()),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(poll_timeout, runner, live_output, evidence)| {
            RunnerMessage::Ready(Ready {
                poll_timeout,
                runner,
                live_output,
                evidence,
            })
        });
    let stream = prop_oneof![Just(OutputStream::Stdout), Just(OutputStream::Stderr)];
    let output =
        (any_uuid(), any::<u32>(), stream, text()).prop_map(|(job, iteration, stream, text)| {
            RunnerMessage::Output(LiveOutput {
                job,
                iteration,
                stream,
                text,
            })
        });
    prop_oneof![
        ready,
        Just(RunnerMessage::Running),
        Just(RunnerMessage::Heartbeat),
        any_terminal().prop_map(RunnerMessage::from),
        output,
    ]
}

fn any_config() -> impl Strategy<Value = JobConfig> {
    let first = (
        option::of(text()),
        option::of(vec(text(), 0..5)),
        option::of(vec(text(), 0..5)),
        option::of(btree_map("[A-Z_]{1,9}", text(), 0..5)),
        option::of(1..u32::MAX),
        option::of(vec("[a-z/]{1,20}", 0..5)),
    );
    let second = (
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        option::of(1_u32..=65_535),
        option::of(any::<bool>()),
        option::of(text().prop_map(serde_json::Value::from)),
    );
    (any_uuid(), first, second).prop_map(|(project, first, second)| {
        let (image, entrypoint, cmd, env, timeout, file_paths) = first;
        let (build_time, file_size, iter, allow_failure, opaque) = second;
        JobConfig {
            project,
            image,
            entrypoint,
            cmd,
            env,
            timeout,
            file_paths,
            build_time,
            file_size,
            average: opaque.clone(),
            iter,
            fold: opaque.clone(),
            allow_failure,
            backdate: opaque,
            ..job().config
        }
    })
}

fn any_job() -> impl Strategy<Value = Job> {
    let spec = (
        any_uuid(),
        option::of(Just(SandboxKind::Firecracker)),
        1..u32::MAX,
        1..u64::MAX,
        1..u64::MAX,
        any::<bool>(),
        option::of(text()),
    )
        .prop_map(
            |(uuid, sandbox, cpu, memory, disk, network, archived)| JobSpec {
                uuid,
                sandbox,
                cpu,
                memory,
                disk,
                network,
                archived,
                ..job().spec
            },
        );
    (
        any_uuid(),
        spec,
        any_config(),
        text(),
        1..u32::MAX,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(uuid, spec, config, token, timeout, live_output, evidence)| Job {
                uuid,
                spec,
                config,
                oci_token: PullToken::new(token),
                timeout,
                created: "2026-11-29T12:00:00Z".to_owned(),
                live_output,
                evidence,
            },
        )
}

pub(crate) fn any_server_message() -> impl Strategy<Value = ServerMessage> {
    prop_oneof![
        option::of(any_uuid()).prop_map(|job| ServerMessage::Ack { job }),
        any_job().prop_map(|job| ServerMessage::Job(Box::new(job))),
        Just(ServerMessage::NoJob),
        Just(ServerMessage::Cancel),
        ("[^\\x00]{1,20}", "[^\\x00]{1,20}", any_checksum()).prop_map(
            |(version, url, checksum)| ServerMessage::Update(Update {
                version,
                url,
                checksum,
            })
        ),
    ]
}

pub(crate) fn result(stdout: &str) -> IterationOutput {
    IterationOutput {
        stdout: Some(stdout.to_owned()),
        ..IterationOutput::default()
    }
}

pub(crate) fn files(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |text: &&str| (*text).to_owned();
    let files = files.iter();
    files
        .map(|(path, text)| (owned(path), owned(text)))
        .collect()
}
