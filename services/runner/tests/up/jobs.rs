//! Jobs that are carried out, canceled, over their time, or refused.

use std::fs;

use bencher_channel_protocol::{RunnerMessage, Terminal};
use serde_json::json;

use crate::bench::{Bench, KEY, completed, failed, job_uuid, script_of};
use crate::support::processes_with;

#[test]
fn a_job_is_claimed_and_completed() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&["--poll-timeout", "7"]);
    let mut channel = bench.server.accept();
    assert_eq!(channel.path, "/v0/runners/bench-1/channel");
    assert_eq!(channel.authorization, format!("Bearer {KEY}"));
    match channel.next() {
        Some(RunnerMessage::Ready(ready)) => {
            assert_eq!(ready.poll_timeout.unwrap().seconds(), 7);
        }
        other => panic!("{other:?}"),
    }
    // Two jobs on one connection, with nothing to do in between.
    channel.say(&bench.job(1, &json!({})).to_string());
    let results = completed(channel.end());
    assert_eq!((results.len(), results[0].exit_code), (1, 0));
    assert_eq!(results[0].stdout.as_deref(), Some("hello\n"));
    assert_eq!(channel.running, 1);
    channel.is_ready();
    channel.say(r#"{"event":"no_job"}"#);
    channel.is_ready();
    channel.say(&bench.script(2, "echo out; echo err >&2; echo $ANSWER"));
    let results = completed(channel.end());
    assert_eq!(results[0].stdout.as_deref(), Some("out\n\n"));
    assert_eq!(results[0].stderr.as_deref(), Some("err\n"));
    channel.is_ready();
    assert!(bench.outbox().is_empty());
    let log = up.stops();
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn heartbeats_come_until_the_end() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.running(&bench.script(1, "sleep 3"));
    let mut heartbeats = 0;
    loop {
        match channel.next().unwrap() {
            RunnerMessage::Heartbeat => heartbeats += 1,
            RunnerMessage::Completed { job, .. } => break channel.acknowledge(Some(job)),
            other => panic!("{other:?}"),
        }
        channel.acknowledge(None);
    }
    assert!(heartbeats >= 2, "{heartbeats}");
    channel.is_ready();
    up.stops();
}

#[test]
fn a_canceled_job_is_killed_and_the_next_one_runs() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let mut job = bench.job(1, &script_of("echo begun; exec sleep 918273"));
    job["live_output"] = json!(true);
    channel.say(&job.to_string());
    assert_eq!(channel.news().event(), "output");
    // What it says comes before what it becomes.
    while processes_with("918273").is_empty() {
        std::thread::yield_now();
    }
    channel.say(r#"{"event":"cancel"}"#);
    assert_eq!(channel.end(), Terminal::Canceled { job: job_uuid(1) });
    assert!(processes_with("918273").is_empty());
    channel.is_ready();
    channel.say(&bench.script(2, "echo next"));
    assert_eq!(
        completed(channel.end())[0].stdout.as_deref(),
        Some("next\n")
    );
    channel.is_ready();
    up.stops();
}

#[test]
fn a_job_over_its_time_fails_with_what_it_produced() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&["--grace-period", "0.1"]);
    let mut channel = bench.server.ready();
    let mut config = script_of("echo before; exec sleep 1000");
    config["timeout"] = json!(1);
    channel.say(&bench.job(1, &config).to_string());
    let (results, error) = failed(channel.end());
    assert_eq!(error, "iteration 1 took longer than its timeout");
    assert_eq!(results[0].stdout.as_deref(), Some("before\n"));
    assert_eq!(results[0].exit_code, 124);
    channel.is_ready();
    up.stops();
}

#[test]
fn a_command_that_fails_fails_the_job_unless_it_may() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let mut config = script_of("echo once; exit 3");
    config["iter"] = json!(2);
    channel.say(&bench.job(1, &config).to_string());
    let (results, error) = failed(channel.end());
    assert_eq!(error, "iteration 1 ended with the exit code 3");
    assert_eq!((results.len(), results[0].exit_code), (1, 3));
    channel.is_ready();
    config["allow_failure"] = json!(true);
    channel.say(&bench.job(2, &config).to_string());
    let codes = completed(channel.end());
    let codes: Vec<i32> = codes.iter().map(|result| result.exit_code).collect();
    assert_eq!(codes, [3, 3]);
    channel.is_ready();
    up.stops();
}

#[test]
fn what_can_not_be_run_here_is_refused_with_the_reason() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let change = |pointer: &str, value| {
        let mut job = bench.job(1, &json!({}));
        *job.pointer_mut(pointer).unwrap() = value;
        job.to_string()
    };
    let unknown = format!("sha256:{}", "0".repeat(64));
    for (job, expected) in [
        (
            change("/spec/architecture", json!("riscv64")),
            "does not understand the job",
        ),
        (
            change("/spec/os", json!("windows")),
            "asks for windows, and this runner has linux",
        ),
        (change("/spec/network", json!(true)), "no network for a job"),
        (change("/spec/cpu", json!(1000)), "asks for 1000 CPUs"),
        (change("/config/digest", json!(unknown)), unknown.as_str()),
        (
            change("/config/registry", json!("http://127.0.0.1:1/")),
            "127.0.0.1:1",
        ),
        (
            bench
                .job(1, &json!({"cmd": ["/no/such/program"]}))
                .to_string(),
            "iteration 1 did not start",
        ),
        (
            bench.job(1, &json!({"iter": 0})).to_string(),
            "`config.iter` is 0",
        ),
        (
            bench.job(1, &json!({"cmd": vec!["x"; 65]})).to_string(),
            "more than the 64 allowed",
        ),
    ] {
        channel.say(&job);
        let (_, error) = failed(channel.end());
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
        channel.is_ready();
    }
    up.stops();
}

#[test]
fn without_a_sandbox_nothing_runs_unless_that_is_allowed() {
    let Some(bench) = Bench::new() else {
        return;
    };
    // A host that could run machines, as far as it is looked at before the first job.
    let kernel = bench.cache.path().join("vmlinux");
    fs::write(&kernel, b"\x7fELF a small kernel").unwrap();
    let mut command = bench.cache.command(&["up", "--host", &bench.server.url()]);
    command
        .args(["--sandbox", "qemu", "--qemu", "/bin/sh", "--kernel"])
        .arg(&kernel)
        .env("BENCHER_RUNNER", "bench-1")
        .env("BENCHER_RUNNER_KEY", KEY);
    let up = bench.spawn(&mut command);
    let mut channel = bench.server.ready();
    channel.say(&bench.script(1, "echo hello"));
    let (results, error) = failed(channel.end());
    assert!(results.is_empty());
    assert!(error.contains("--danger-allow-no-sandbox"), "{error}");
    assert_eq!(channel.running, 0);
    channel.is_ready();
    up.stops();
}

/// The key and the token are nowhere but where they are needed.
#[test]
fn secrets_are_neither_given_to_the_command_nor_printed() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.running(&bench.script(1, "env; sleep 3"));
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1));
        if parent == Some(&up.id().to_string()) {
            let file = |name| fs::read(process.path().join(name)).unwrap_or_default();
            let text = [file("cmdline"), file("environ")].concat();
            assert!(
                !String::from_utf8_lossy(&text).contains("s3cret"),
                "{process:?}"
            );
        }
    }
    let results = completed(channel.end());
    let stdout = results[0].stdout.as_ref().unwrap();
    assert!(
        stdout.contains("PATH=/bin") && !stdout.contains("s3cret"),
        "{stdout}"
    );
    channel.is_ready();
    let log = up.stops();
    assert!(!log.contains("s3cret"), "{log}");
}
