//! Stop orders.

use nix::sys::signal::Signal;

use crate::bench::{Bench, completed, failed, job_uuid};
use crate::support::processes_with;

#[test]
fn a_stop_order_lets_the_job_end() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let mut up = bench.start(&[]);
    let mut channel = bench
        .server
        .running(&bench.script(1, "sleep 3; echo ended"));
    up.signal(Signal::SIGTERM);
    let results = completed(channel.end());
    assert_eq!(results[0].stdout.as_deref(), Some("ended\n"));
    assert_eq!(up.wait().code(), Some(0));
    assert!(channel.next().is_none(), "no ready");
}

#[test]
fn a_job_that_takes_longer_is_handed_back() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let mut up = bench.start(&["--drain-timeout", "6"]);
    let mut channel = bench
        .server
        .running(&bench.script(1, "echo begun; exec sleep 1000"));
    up.signal(Signal::SIGTERM);
    let (results, error) = failed(channel.end());
    assert!(
        error.contains("the runner was stopped before the job had ended"),
        "{error}"
    );
    assert_eq!(results[0].stdout.as_deref(), Some("begun\n"));
    assert_eq!(up.wait().code(), Some(0));
    let log = up.log();
    let said = "stopping when the job has ended, or in 6 s";
    assert!(log.contains(said), "{log}");
}

#[test]
fn a_second_stop_order_ends_it_at_once() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let mut up = bench.start(&["--drain-timeout", "1000"]);
    let mut channel = bench.server.running(&bench.script(1, "exec sleep 938475"));
    up.signal(Signal::SIGTERM);
    // It has heard of the first when it says so.
    while !up.log().contains("stopping when the job has ended") {
        channel.next();
        channel.acknowledge(None);
    }
    up.signal(Signal::SIGTERM);
    let (_, error) = failed(channel.terminal());
    assert!(error.contains("the runner was stopped"), "{error}");
    assert_eq!(up.wait().code(), Some(143));
    assert!(processes_with("938475").is_empty());
    // It was not acknowledged.
    assert_eq!(bench.outbox(), [format!("{}.json", job_uuid(1))]);
}
