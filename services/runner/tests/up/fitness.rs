//! Hosts that can not run jobs: they take none.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::bench::{Bench, KEY, completed, failed, job_uuid};
use crate::keeping::{does_not_ask, leave};
use crate::support::Cache;

/// Before the first job, and before the server is even asked.
#[test]
fn a_host_without_a_vmm_asks_for_no_job() {
    let cache = Cache::new();
    let ran = cache
        .run(&[
            "up",
            "--no-auto-update",
            "--host",
            "http://127.0.0.1:1",
            "--runner",
            "bench-1",
            "--key",
            KEY,
            "--firecracker",
            "/none",
        ])
        .exits(125);
    assert!(
        ran.stderr
            .contains("this host can not run jobs: no Firecracker: `/none`")
            && ran.stderr.contains("`runner setup`")
            && ran.stderr.contains("--sandbox qemu"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("can not be reached"), "{}", ran.stderr);
}

/// The same command without leave to run jobs without a sandbox.
fn without_leave(like: &Command) -> Command {
    let mut command = Command::new(like.get_program());
    command.args(
        like.get_args()
            .filter(|word| *word != "--danger-allow-no-sandbox"),
    );
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    command
}

/// What earlier jobs have come to is owed to the server whatever has become of the host since.
#[test]
fn results_are_delivered_by_a_host_that_can_run_no_more_jobs() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let outbox = bench.outbox_folder();
    fs::create_dir_all(&outbox).unwrap();
    leave(&outbox, job_uuid(1), 10);
    let up = bench.spawn(&mut without_leave(
        &bench.command(&["--firecracker", "/none"]),
    ));
    let mut channel = bench.server.accept();
    let results = completed(channel.end());
    assert_eq!(results[0].stdout.as_deref(), Some("xxxxxxxxxx"));
    does_not_ask(channel);
    let log = up.stops();
    assert!(
        log.contains("this host can not run jobs: it is looked at again in 5 s"),
        "{log}"
    );
}

/// One job fails, and not the queue.
#[test]
fn no_job_is_asked_for_at_once_after_one_that_failed_by_the_host() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&["--firecracker", "/none"]);
    let mut channel = bench.server.ready();
    let mut job = bench.job(1, &json!({}));
    job["spec"]["sandbox"] = json!("firecracker");
    channel.say(&job.to_string());
    let (_, error) = failed(channel.end());
    assert!(error.contains("no Firecracker: `/none`"), "{error}");
    does_not_ask(channel);
    // It may run jobs without a sandbox.
    let mut channel = bench.server.ready();
    channel.say(&bench.script(2, "exit 3"));
    failed(channel.end());
    // That was the job's own fault.
    channel.is_ready();
    let log = up.stops();
    for text in [
        "only jobs without a sandbox can be run here",
        "that is a reason of this host and not of the job: no job is asked for until the host was looked at",
        "nothing that keeps this host from running jobs was found",
    ] {
        assert!(log.contains(text), "{text}: {log}");
    }
}
