//! New programs that fail, or are stopped, at each step on their way to the old one's place.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::Command;

use bencher_channel_protocol::Terminal;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::{Bench, Up, completed, failed, job_uuid};
use crate::server::{Server, drain};
use crate::support::serve_once;
use crate::updating::{Installed, Started, checksum, offer, offers, program, script};

/// Children of a process.
fn children(parent: u32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let of_parent = processes.filter_map(|process| {
        let id = process.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        let mut words = stat.rsplit(')').next()?.split_whitespace();
        (words.nth(1)? == parent.to_string()).then_some(id)
    });
    of_parent.collect()
}

/// A runner that may be updated, and is: up to the connection of the program that is tried.
fn trying(bench: &Bench, installed: &Installed, options: &[&str]) -> (Up, crate::server::Channel) {
    let like = bench.command_of("bench-1", options);
    let mut command = Command::new(installed.program());
    command.args(like.get_args());
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    let up = bench.spawn(&mut command);
    let mut channel = bench.server.ready();
    let new = installed.other();
    channel.say(&offer(&serve_once(new.clone()), &checksum(&new)));
    channel.ends();
    let mut trial = bench.server.accept();
    trial.is_ready();
    (up, trial)
}

/// A stop order reaches the program that is tried, and its job ends as any other would.
#[test]
fn a_stop_order_during_a_trial_lets_its_job_end() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let installed = Installed::new();
    let old = installed.contents();
    let (mut up, mut trial) = trying(&bench, &installed, &[]);
    trial.say(&bench.script(1, "sleep 3; echo ended"));
    trial.is_running();
    up.signal(Signal::SIGTERM);
    let results = completed(trial.end());
    assert_eq!(results[0].stdout.as_deref(), Some("ended\n"));
    assert_eq!(up.wait().code(), Some(0), "{}", up.log());
    assert!(bench.outbox().is_empty());
    assert_eq!(installed.files(), ["runner"]);
    assert_eq!(checksum(&installed.contents()), checksum(&old));
}

/// A second one ends it at once.
#[test]
fn a_second_stop_order_during_a_trial_ends_its_job() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let installed = Installed::new();
    let (mut up, mut trial) = trying(&bench, &installed, &[]);
    trial.say(&bench.script(1, "exec sleep 1000"));
    trial.is_running();
    up.signal(Signal::SIGTERM);
    while !up.log().contains("stopping when the job has ended") {
        trial.next();
        trial.acknowledge(None);
    }
    up.signal(Signal::SIGTERM);
    let (_, error) = failed(trial.terminal());
    assert!(error.contains("the runner was stopped"), "{error}");
    assert_eq!(up.wait().code(), Some(143));
    assert_eq!(bench.outbox(), [format!("{}.json", job_uuid(1))]);
}

/// The job of a trial that is killed has an end, which the old program tells, before it asks for more.
#[test]
fn a_trial_that_is_killed_leaves_no_job_without_an_end() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let installed = Installed::new();
    let old = installed.contents();
    let (up, mut trial) = trying(&bench, &installed, &[]);
    trial.say(&bench.script(1, "exec sleep 1000"));
    trial.is_running();
    let tried = children(up.id());
    assert_eq!(tried.len(), 1);
    kill(Pid::from_raw(tried[0]), Signal::SIGKILL).unwrap();
    trial.ends();
    let mut channel = bench.server.accept();
    match channel.end() {
        Terminal::Failed { job, error, .. } => {
            assert_eq!(job, job_uuid(1));
            assert!(
                error.contains("the runner ended while the job ran"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    channel.is_ready();
    assert_eq!(checksum(&installed.contents()), checksum(&old));
    let log = up.stops();
    assert!(log.contains("did not end well (signal: 9"), "{log}");
}

/// It has reached the server, but that is not all that it has to do.
#[test]
fn a_trial_that_does_not_end_well_is_not_taken() {
    let installed = Installed::new();
    let old = checksum(&installed.contents());
    let new = script("/bin/sh", "\"$REAL\" \"$@\"; exit 3");
    let _up = installed.start(&[]);
    let mut channel = installed.server.ready();
    offers(&mut channel, &new);
    reached(&installed.server);
    let mut channel = installed.server.accept();
    assert_eq!(program(&mut channel), Some(old.clone()));
    channel.say(&offer("http://127.0.0.1:1/", &checksum(&new)));
    assert_eq!(program(&mut channel), None, "not again");
    assert_eq!(checksum(&installed.contents()), old);
}

/// A server, or a proxy before it, that refuses connections while it starts says nothing of the program.
#[test]
fn a_trial_that_is_refused_for_a_while_tries_again() {
    let installed = Installed::new();
    let new = installed.other();
    let _up = installed.start(&[]);
    let mut channel = installed.server.ready();
    offers(&mut channel, &new);
    for status in ["404 Not Found", "401 Unauthorized"] {
        let mut stream = installed.server.stream();
        drain(&mut stream);
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
    }
    reached(&installed.server);
    let mut channel = installed.server.accept();
    assert_eq!(program(&mut channel), Some(checksum(&new)));
}

/// Nobody waits for ever for one that says nothing.
#[test]
fn a_trial_that_hangs_is_given_up() {
    let installed = Installed::new();
    let old = checksum(&installed.contents());
    let new = script("/bin/sh", "exec sleep 1000");
    let up = installed.start(&[]);
    let mut channel = installed.server.ready();
    offers(&mut channel, &new);
    let mut channel = installed.server.accept();
    assert_eq!(program(&mut channel), Some(old));
    assert!(children(up.0.id()).is_empty());
    assert_eq!(installed.files(), ["runner"]);
}

/// A program whose interpreter is gone when it is started in the old one's stead: that goes on.
#[test]
fn what_can_not_be_started_is_not_started() {
    let installed = Installed::new();
    let old = checksum(&installed.contents());
    let folder = tempfile::tempdir().unwrap();
    let shell = folder.path().join("sh");
    symlink("/bin/sh", &shell).unwrap();
    let new = script(shell.to_str().unwrap(), "exec \"$REAL\" \"$@\"");
    let _up = installed.start(&[]);
    let mut channel = installed.server.ready();
    offers(&mut channel, &new);
    let mut trial = installed.server.ready();
    fs::remove_file(&shell).unwrap();
    trial.say(r#"{"event":"no_job"}"#);
    trial.ends();
    goes_on(&installed, &old, &new);
}

/// A program that ends as soon as it is started in the old one's stead: whoever starts the service anew
/// starts the old one.
#[test]
fn what_does_not_come_up_is_not_started_again() {
    let installed = Installed::new();
    let old = checksum(&installed.contents());
    let trial = "[ -n \"$BENCHER_RUNNER_UPDATE_TRIAL\" ] && exec \"$REAL\" \"$@\"";
    let new = script("/bin/sh", &format!("{trial}\nexit 3"));
    let mut up = installed.start(&[]);
    let mut channel = installed.server.ready();
    offers(&mut channel, &new);
    reached(&installed.server);
    assert_eq!(up.0.wait().unwrap().code(), Some(3));
    assert_eq!(checksum(&installed.contents()), old);
    let _up = installed.start(&[]);
    goes_on(&installed, &old, &new);
}

/// One that is stopped before the server has spoken to it has done nothing wrong.
#[test]
fn what_is_stopped_before_it_has_come_up_may_come_again() {
    let installed = Installed::new();
    let old = checksum(&installed.contents());
    let new = installed.other();
    let mut up = installed.start(&[]);
    let mut channel = installed.server.ready();
    offers(&mut channel, &new);
    reached(&installed.server);
    let mut channel = installed.server.accept();
    assert_eq!(program(&mut channel), Some(checksum(&new)));
    let id = Pid::from_raw(up.0.id().cast_signed());
    kill(id, Signal::SIGTERM).unwrap();
    assert_eq!(up.0.wait().unwrap().code(), Some(0));
    assert_eq!(installed.files(), ["runner"]);
    let _up = installed.start(&[]);
    let mut channel = installed.server.accept();
    assert_eq!(program(&mut channel), Some(old));
    offers(&mut channel, &new);
    reached(&installed.server);
}

#[test]
fn what_a_killed_update_has_left_is_removed() {
    let installed = Installed::new();
    let left = installed.program().with_file_name(".runner-update-left");
    fs::write(&left, "half").unwrap();
    let _up = installed.start(&[]);
    installed.server.ready();
    assert_eq!(installed.files(), ["runner"]);
}

/// An address is shown without what it could do to a terminal.
#[test]
fn an_address_that_is_none_is_not_asked() {
    let installed = Installed::new();
    let up: Started = installed.start(&[]);
    let mut channel = installed.server.ready();
    channel.say(&offer("http://host/\\u001b[2J", &checksum(b"x")));
    channel.ends();
    let mut channel = installed.server.accept();
    assert_eq!(program(&mut channel), None);
    drop(up);
}

/// Answers the trial.
fn reached(server: &Server) {
    let mut trial = server.ready();
    trial.say(r#"{"event":"no_job"}"#);
    trial.ends();
}

/// The old program is there, and does not want the new one.
fn goes_on(installed: &Installed, old: &str, new: &[u8]) {
    let mut channel = installed.server.accept();
    assert_eq!(program(&mut channel), Some(old.to_owned()));
    channel.say(&offer("http://127.0.0.1:1/", &checksum(new)));
    assert_eq!(program(&mut channel), None);
    assert_eq!(installed.files(), ["runner"]);
    assert_eq!(checksum(&installed.contents()), old);
}
