//! What stands still for a while: runners are not to suffer for it.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use test_support::Postgres;

use crate::support::*;

/// How long a runner may be silent, in seconds.
const HEARTBEAT: &str = "6";
/// Long enough for all jobs to seem to be silent.
const OUTAGE: Duration = Duration::from_secs(15);
/// Half a second each, until silence would count.
const HEARTBEATS: usize = 14;

/// Says that it is alive until the server hears it, on a new connection if need be.
fn come_back(site: &Site, mut runner: Runner, key: &str) -> Runner {
    runner.send(&json!({"event": "heartbeat"}));
    if let Some(answer) = runner.try_receive() {
        assert_eq!(answer["event"], "ack");
        return runner;
    }
    // It was taken for silent, or its heartbeat could not be written.
    let mut runner = Runner::connect(&site.server().url, "r", key).unwrap();
    assert_eq!(runner.say("heartbeat"), "ack");
    runner
}

#[test]
fn a_server_that_stood_still_takes_no_runner_for_silent() {
    let site = Site::with(Setup::with(&["--heartbeat-timeout", HEARTBEAT]));
    let key = site.new_runner("r");
    let id = site.submit();
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    // Until silence would count.
    for _ in 0..HEARTBEATS {
        thread::sleep(Duration::from_millis(500));
        assert_eq!(runner.say("heartbeat"), "ack");
    }
    site.server().signal(Signal::SIGSTOP);
    thread::sleep(OUTAGE);
    site.server().signal(Signal::SIGCONT);
    // Some looks at the time, which are not to end the job.
    thread::sleep(Duration::from_secs(1));
    let mut runner = come_back(&site, runner, &key);
    assert_eq!(site.api.job(&id)["state"], "running");
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
    // Real silence counts again.
    let silent = site.submit();
    runner.claim();
    let end = site.api.wait_for(&silent, &["failed"]);
    assert_eq!(end["reason"], "heartbeat_timeout");
}

#[test]
fn a_database_that_hangs_is_told_and_takes_no_runner_for_silent() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let site = Site::with(Setup {
        database: Some(postgres.url()),
        ..Setup::with(&["--heartbeat-timeout", HEARTBEAT])
    });
    let key = site.new_runner("r");
    let id = site.submit();
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    for _ in 0..HEARTBEATS {
        thread::sleep(Duration::from_millis(500));
        assert_eq!(runner.say("heartbeat"), "ack");
    }
    postgres.pause().unwrap();
    let (status, body) = site.api.send("GET", "/readyz", None);
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("the database does not answer"), "{body}");
    assert_eq!(site.api.send("GET", "/healthz", None).0, 200);
    // Whoever asks for something is told so as well, and does not wait for ever.
    let (status, body) = site.api.send("GET", "/v0/jobs", None);
    assert_eq!(status, 503, "{body}");
    postgres.resume().unwrap();
    let mut runner = come_back(&site, runner, &key);
    assert_eq!(site.api.job(&id)["state"], "running");
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
    let begun = Instant::now();
    while site.api.send("GET", "/readyz", None).0 != 200 {
        assert!(begun.elapsed() < PATIENCE, "it is not ready again");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_database_that_is_gone_may_be_asked_again() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let site = Site::with(Setup {
        database: Some(postgres.url()),
        ..Setup::default()
    });
    drop(postgres);
    let body = job_body("p", "s").to_string();
    // On connections that are broken, and where there are none.
    for _ in 0..10 {
        let (status, answer) = site.api.send("GET", "/v0/jobs", None);
        assert_eq!(status, 503, "{answer}");
        let (status, answer) = site.api.send("POST", "/v0/jobs", Some(&body));
        assert_eq!(status, 503, "{answer}");
    }
}
