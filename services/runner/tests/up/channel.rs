//! Connections that are refused, lost, closed, or say what makes no sense.

use std::io::Write as _;

use bencher_channel_protocol::{ConnectionNumber, RunnerMessage, Terminal};
use nix::sys::signal::Signal;

use crate::bench::{Bench, KEY, completed, failed, job_uuid};
use crate::server::{Server, drain};
use crate::support::Cache;

/// A runner that is never given a job: it needs no registry.
fn idle(server: &Server, options: &[&str]) -> (std::process::Command, Cache) {
    let cache = Cache::new();
    let mut command = cache.command(&["up", "--host", &server.url(), "--runner", "bench-1"]);
    command
        .args(["--no-auto-update", "--danger-allow-no-sandbox"])
        .args(options)
        .env("BENCHER_RUNNER_KEY", KEY);
    (command, cache)
}

/// As the server that was seen does: 101, then the end without a close frame.
#[test]
fn a_wrong_key_is_said_to_be_probably_wrong() {
    let server = Server::start();
    let (mut command, _cache) = idle(&server, &[]);
    let mut child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..3 {
        drop(server.accept());
    }
    // The fourth attempt comes after what the third was told as.
    let fourth = server.accept();
    child.kill().unwrap();
    drop(fourth);
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("the key or the runner is probably wrong"),
        "{log}"
    );
    assert!(!log.contains(KEY), "{log}");
}

#[test]
fn each_connection_says_which_it_is() {
    let server = Server::start();
    let (mut command, _cache) = idle(&server, &[]);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let number = || -> ConnectionNumber { server.ready().connection.parse().unwrap() };
    let first = number();
    assert!(first.to_string().ends_with(".1"), "{first}");
    let second = number();
    child.kill().unwrap();
    child.wait().unwrap();
    // One that did not come about has a number, too.
    assert!(first.is_overtaken_by(second), "{first}, then {second}");
}

#[test]
fn a_refusal_is_the_end() {
    for (status, text) in [
        ("401 Unauthorized", "the key is wrong"),
        ("404 Not Found", "there is no such runner"),
    ] {
        let server = Server::start();
        let (mut command, _cache) = idle(&server, &[]);
        let child = command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stream = server.stream();
        drain(&mut stream);
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{log}");
        assert!(
            log.contains(text) && log.contains("check --host, --runner and --key"),
            "{log}"
        );
    }
}

#[test]
fn bad_command_lines_are_refused_at_once() {
    let cache = Cache::new();
    let base = [
        "up",
        "--host",
        "http://127.0.0.1:1",
        "--runner",
        "r",
        "--key",
        KEY,
    ];
    for (change, expected) in [
        (vec!["up", "--runner", "r", "--key", KEY], "--host"),
        (
            vec!["up", "--host", "x", "--runner", "r", "--key", KEY],
            "no address of a server",
        ),
        (
            vec!["up", "--host", "http://x", "--runner", "R!", "--key", KEY],
            "neither the UUID of a runner nor a slug",
        ),
        (vec!["up", "--host", "http://x", "--runner", "r"], "--key"),
        (
            vec![
                "up", "--host", "http://x", "--runner", "r", "--key", "nonsense",
            ],
            "no key of a runner",
        ),
        (
            vec![
                "up",
                "--host",
                "http://x",
                "--runner",
                "r",
                "--key-file",
                "/none",
            ],
            "failed to read the key in /none",
        ),
        (
            [&base[..], &["--poll-timeout", "0"]].concat(),
            "from 1 to 900",
        ),
        (
            [&base[..], &["--poll-timeout", "901"]].concat(),
            "from 1 to 900",
        ),
        ([&base[..], &["--ca", "/none.pem"]].concat(), "/none.pem"),
    ] {
        let ran = cache.run(&change).exits(125);
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
        assert!(!ran.stderr.contains("nonsense"), "{}", ran.stderr);
    }
}

#[test]
fn one_runner_runs_once_on_a_machine() {
    let server = Server::start();
    let (mut command, cache) = idle(&server, &[]);
    let mut child = command.spawn().unwrap();
    let _channel = server.ready();
    let mut second = cache.command(&["up", "--host", &server.url(), "--runner", "bench-1"]);
    let second = second.env("BENCHER_RUNNER_KEY", KEY).output().unwrap();
    assert_eq!(second.status.code(), Some(125));
    let log = String::from_utf8(second.stderr).unwrap();
    assert!(
        log.contains("another `runner up` of bench-1 runs on this machine"),
        "{log}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A lost connection does not touch the job; the server is told again that it runs.
#[test]
fn a_job_survives_lost_connections() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let channel = bench.server.running(&bench.script(1, "sleep 4; echo done"));
    drop(channel);
    let mut channel = bench.server.accept();
    channel.is_running();
    channel.close(1000, "\"heartbeat_timeout\"");
    let mut channel = bench.server.accept();
    channel.is_running();
    let results = completed(channel.end());
    assert_eq!(results[0].stdout.as_deref(), Some("done\n"));
    channel.is_ready();
    let log = up.stops();
    assert!(
        log.contains("the server missed heartbeats and closed the connection"),
        "{log}"
    );
}

#[test]
fn a_result_is_delivered_after_the_servers_restart() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.running(&bench.script(1, "echo result"));
    let terminal = channel.terminal();
    assert_eq!(bench.outbox(), [format!("{}.json", job_uuid(1))]);
    channel.close(1001, "server shutting down");
    let mut channel = bench.server.accept();
    assert_eq!(channel.end(), terminal, "before ready");
    channel.is_ready();
    assert!(bench.outbox().is_empty());
    let log = up.stops();
    assert!(log.contains("server shutting down"), "{log}");
    let connected = format!("connected to {} as bench-1", bench.server.url());
    assert_eq!(log.matches(&connected).count(), 2, "{log}");
}

/// A canceled job's next heartbeat is answered with `cancel` in the place of `ack`, while the runner
/// is not connected as well.
#[test]
fn a_job_is_canceled_on_a_new_connection() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    drop(bench.server.running(&bench.script(1, "exec sleep 1000")));
    let mut channel = bench.server.accept();
    channel.next().unwrap();
    channel.say(r#"{"event":"cancel"}"#);
    assert_eq!(channel.end(), Terminal::Canceled { job: job_uuid(1) });
    channel.is_ready();
    up.stops();
}

#[test]
fn messages_that_make_no_sense_are_passed_over() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    for text in [
        "",
        "{",
        "[]",
        r#"{"event":"hello"}"#,
        r#"{"event":"job"}"#,
        r#"{"event":"ack","job":1}"#,
    ] {
        channel.say(text);
    }
    channel.say(&bench.script(1, "echo hello"));
    assert_eq!(
        completed(channel.end())[0].stdout.as_deref(),
        Some("hello\n")
    );
    channel.is_ready();
    for _ in 0..10 {
        channel.say("nonsense");
    }
    channel.ends();
    bench.server.ready();
    let log = up.stops();
    assert!(log.contains("the event `hello` is not known"), "{log}");
    assert!(
        log.contains("too many messages of the server make no sense"),
        "{log}"
    );
}

#[test]
fn a_poll_that_is_not_answered_is_asked_again() {
    let server = Server::start();
    let (mut command, _cache) = idle(&server, &["--poll-timeout", "1"]);
    let mut child = command.spawn().unwrap();
    let mut channel = server.ready();
    // Nothing comes within the poll timeout and its margin.
    channel.is_ready();
    channel.ends();
    server.ready();
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What a server says without an end keeps the runner neither from its heartbeats nor from a stop order, and is
/// not collected in its memory.
#[test]
fn a_flood_does_not_drown_the_runner() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let mut up = bench.start(&["--drain-timeout", "6"]);
    let mut channel = bench.server.running(&bench.script(1, "exec sleep 1000"));
    let flood = channel.flood(r#"{"event":"no_job"}"#);
    for _ in 0..5 {
        assert_eq!(channel.next(), Some(RunnerMessage::Heartbeat));
    }
    up.signal(Signal::SIGTERM);
    let terminal = loop {
        match channel.next().unwrap().into_terminal() {
            Ok(terminal) => break terminal,
            Err(other) => assert_eq!(other, RunnerMessage::Heartbeat),
        }
    };
    let (_, error) = failed(terminal);
    assert!(error.contains("the runner was stopped"), "{error}");
    drop(flood);
    channel.acknowledge(Some(job_uuid(1)));
    assert_eq!(up.wait().code(), Some(0));
}
