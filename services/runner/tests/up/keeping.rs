//! Terminal messages on disk, and disks that do not take or give them.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use bencher_channel_protocol::{RunnerMessage, Terminal, Uuid};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::bench::{Bench, completed, failed, job_uuid};
use crate::server::Channel;
use crate::support::SmallDisk;

const CANCEL: &str = r#"{"event":"cancel"}"#;

/// The runner's messages are on this disk.
fn keep_on(bench: &Bench, disk: &SmallDisk) {
    let outbox = bench.outbox_folder();
    fs::create_dir_all(outbox.parent().unwrap()).unwrap();
    symlink(disk.path(), outbox).unwrap();
}

/// From now on the disk has this size.
fn resize(disk: &SmallDisk, size: &str) {
    let mounted = Command::new("mount")
        .args(["-o", &format!("remount,size={size}")])
        .arg(disk.path())
        .status();
    assert!(mounted.unwrap().success());
}

/// Takes all that is left of the disk.
fn fill(disk: &SmallDisk) {
    let mut file = File::create(disk.path().join("filler")).unwrap();
    while file.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
}

/// The folder of messages is no folder any more, until what comes back is called.
fn make_useless(bench: &Bench) -> impl FnOnce() {
    let outbox = bench.outbox_folder();
    let aside = outbox.with_file_name("aside");
    fs::rename(&outbox, &aside).unwrap();
    fs::write(&outbox, "no folder").unwrap();
    move || fs::remove_file(outbox).unwrap()
}

/// The runner ends the connection without having asked for a job.
#[track_caller]
pub(crate) fn does_not_ask(mut channel: Channel) {
    while let Some(message) = channel.next() {
        assert_eq!(message, RunnerMessage::Heartbeat);
    }
}

/// No job is asked for whose result would have no place; once there is one, it is.
#[test]
fn a_full_disk_is_no_place_for_a_job() {
    let (Some(bench), Some(disk)) = (Bench::new(), SmallDisk::mount()) else {
        return;
    };
    keep_on(&bench, &disk);
    let up = bench.start(&[]);
    does_not_ask(bench.server.accept());
    resize(&disk, "64m");
    bench.server.ready();
    let log = up.stops();
    assert!(
        log.contains("no job is asked for until there is (No space left on device"),
        "{log}"
    );
    assert!(
        log.contains("there is room for the end of a job on disk again"),
        "{log}"
    );
}

/// A disk that gets full while a job runs takes the job's result all the same.
#[test]
fn a_result_has_a_place_on_a_disk_that_is_full_by_then() {
    let (Some(bench), Some(disk)) = (Bench::new(), SmallDisk::of("12m")) else {
        return;
    };
    keep_on(&bench, &disk);
    let up = bench.start(&[]);
    let mut channel = bench
        .server
        .running(&bench.script(1, "echo precious; exec sleep 1000"));
    fill(&disk);
    channel.say(CANCEL);
    let canceled = Terminal::Canceled { job: job_uuid(1) };
    assert_eq!(channel.terminal(), canceled);
    up.crash();
    fill(&disk);
    let up = bench.start(&[]);
    let mut channel = bench.server.accept();
    assert_eq!(channel.end(), canceled);
    does_not_ask(channel);
    up.stops();
}

/// What can not be written is sent all the same, as often as it takes, and no more jobs are asked for.
#[test]
fn a_result_that_can_not_be_written_is_sent_from_memory() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.running(&bench.script(1, "exec sleep 1000"));
    let mend = make_useless(&bench);
    channel.say(CANCEL);
    let canceled = Terminal::Canceled { job: job_uuid(1) };
    assert_eq!(channel.terminal(), canceled);
    drop(channel);
    let mut channel = bench.server.accept();
    assert_eq!(channel.end(), canceled);
    does_not_ask(channel);
    mend();
    let mut channel = bench.server.ready();
    channel.say(&bench.script(2, "echo next"));
    let results = completed(channel.end());
    assert_eq!(results[0].stdout.as_deref(), Some("next\n"));
    channel.is_ready();
    let log = up.stops();
    assert!(
        log.contains("can not be written to disk: it is in memory until it can"),
        "{log}"
    );
}

/// Where nothing helps, it is said.
#[test]
fn a_result_that_is_lost_is_said_to_be() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let mut up = bench.start(&[]);
    let mut channel = bench.server.running(&bench.script(1, "exec sleep 1000"));
    let _mend = make_useless(&bench);
    channel.say(CANCEL);
    channel.terminal();
    up.signal(Signal::SIGTERM);
    up.signal(Signal::SIGTERM);
    up.wait();
    let log = up.log();
    assert!(
        log.contains("is lost unless the server has it: it can not be written to disk"),
        "{log}"
    );
}

/// A disk that has become useless since the job was asked for.
#[test]
fn a_job_is_not_begun_whose_result_could_not_be_kept() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&[]);
    let mut channel = bench.server.ready();
    let _mend = make_useless(&bench);
    channel.say(&bench.script(1, "echo hello"));
    let (results, error) = failed(channel.end());
    assert_eq!(channel.running, 0);
    assert!(results.is_empty());
    assert!(
        error.contains("could not keep the result of the job on its disk"),
        "{error}"
    );
    does_not_ask(channel);
    up.stops();
}

/// What is on disk and no message becomes one that says so; it stays for whoever wants to look at it.
#[test]
fn a_damaged_result_is_told_as_a_failure() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let outbox = bench.outbox_folder();
    fs::create_dir_all(&outbox).unwrap();
    fs::write(outbox.join(format!("{}.json", job_uuid(1))), "{\"needs").unwrap();
    let up = bench.start(&[]);
    let mut channel = bench.server.accept();
    let (_, error) = failed(channel.end());
    assert!(error.contains("the runner has lost its result"), "{error}");
    channel.is_ready();
    assert!(bench.outbox().is_empty());
    let aside = outbox.join(format!(".damaged-{}", job_uuid(1)));
    assert_eq!(fs::read_to_string(aside).unwrap(), "{\"needs");
    let log = up.stops();
    assert!(
        log.contains("the server is told that the job has failed"),
        "{log}"
    );
}

/// A long message that was not acknowledged by an earlier runner.
pub(crate) fn leave(outbox: &Path, job: Uuid, bytes: usize) {
    let message = json!({
        "event": "completed",
        "job": job,
        "results": [{"exit_code": 0, "stdout": "x".repeat(bytes)}],
    });
    let kept = json!({"needs_running": false, "message": message.to_string()});
    fs::write(outbox.join(format!("{job}.json")), kept.to_string()).unwrap();
}

/// The most memory that a process ever had, in bytes.
fn peak(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kibibytes.parse::<usize>().unwrap() << 10
}

/// Results that wait for a server are on disk, and not in the memory of a host that runs benchmarks.
#[test]
fn results_that_wait_are_not_in_memory() {
    const COUNT: u8 = 60;
    const LENGTH: usize = 1_000_000;
    let Some(bench) = Bench::new() else {
        return;
    };
    let outbox = bench.outbox_folder();
    fs::create_dir_all(&outbox).unwrap();
    for number in 0..COUNT {
        leave(&outbox, job_uuid(number), LENGTH);
    }
    let up = bench.start(&[]);
    let mut channel = bench.server.accept();
    for _ in 0..COUNT {
        let results = completed(channel.end());
        assert_eq!(results[0].stdout.as_ref().unwrap().len(), LENGTH);
    }
    channel.is_ready();
    let peak = peak(up.id());
    assert!(peak < usize::from(COUNT) * LENGTH, "{peak}");
    up.stops();
}
