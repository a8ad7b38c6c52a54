//! `kill -9` of the runner.

use crate::bench::{Bench, completed, failed, job_uuid};
use crate::support::processes_with;

#[test]
fn a_result_survives_a_kill_of_the_runner() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.running(&bench.script(1, "echo precious"));
    let terminal = channel.terminal();
    up.crash();
    drop(channel);
    for _ in 0..2 {
        // Not acknowledged by the next one either.
        let up = bench.start(&[]);
        let mut channel = bench.server.accept();
        assert_eq!(channel.terminal(), terminal);
        up.crash();
    }
    let up = bench.start(&[]);
    let mut channel = bench.server.accept();
    let results = completed(channel.end());
    assert_eq!(results[0].stdout.as_deref(), Some("precious\n"));
    channel.is_ready();
    assert!(bench.outbox().is_empty());
    up.stops();
    let left = std::fs::read_dir(bench.outbox_folder()).unwrap();
    assert_eq!(left.count(), 0, "not even room");
}

/// The job is gone with the runner, and the server hears so at once instead of waiting.
#[test]
fn a_job_that_a_killed_runner_had_is_said_to_have_failed() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let channel = bench.server.running(&bench.script(1, "exec sleep 928374"));
    up.crash();
    drop(channel);
    let up = bench.start(&[]);
    let mut channel = bench.server.accept();
    let terminal = channel.end();
    assert_eq!(terminal.job(), job_uuid(1));
    let (_, error) = failed(terminal);
    assert!(
        error.contains("the runner ended while the job ran"),
        "{error}"
    );
    channel.is_ready();
    assert!(processes_with("928374").is_empty(), "the job is gone");
    channel.say(&bench.script(2, "echo next"));
    assert_eq!(
        completed(channel.end())[0].stdout.as_deref(),
        Some("next\n")
    );
    channel.is_ready();
    up.stops();
}
