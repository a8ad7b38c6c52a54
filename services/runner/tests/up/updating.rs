//! Becoming another program, between two jobs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use bencher_channel_protocol::{Ready, RunnerMessage};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::bench::KEY;
use crate::server::{Channel, Server};
use crate::support::{Cache, serve_once};

/// A program that may be replaced: a copy of the real one, in a folder of its own.
struct Installed {
    folder: TempDir,
    cache: Cache,
    server: Server,
}

fn checksum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Installed {
    fn new() -> Self {
        let installed = Self {
            folder: tempfile::tempdir().unwrap(),
            cache: Cache::new(),
            server: Server::start(),
        };
        fs::copy(env!("CARGO_BIN_EXE_runner"), installed.program()).unwrap();
        installed
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("runner")
    }

    fn contents(&self) -> Vec<u8> {
        fs::read(self.program()).unwrap()
    }

    /// Another program that does the same: what stands behind an ELF file is not looked at.
    fn other(&self) -> Vec<u8> {
        let mut bytes = self.contents();
        bytes.push(b'\n');
        bytes
    }

    fn start(&self, options: &[&str]) -> Started {
        let up = ["up", "--host", &self.server.url(), "--runner", "bench-1"];
        let like = self.cache.command(&up);
        let mut command = Command::new(self.program());
        command.args(like.get_args()).args(options);
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap());
        }
        command.env("BENCHER_RUNNER_KEY", KEY);
        Started(command.spawn().unwrap())
    }

    /// Names of files in the program's folder.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

/// It is killed with this value, whatever program it has become.
struct Started(std::process::Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn ready(channel: &mut Channel) -> Ready {
    match channel.next() {
        Some(RunnerMessage::Ready(ready)) => ready,
        other => panic!("not ready: {other:?}"),
    }
}

/// The checksum of the program that is ready; `None` where it wants no updates.
fn program(channel: &mut Channel) -> Option<String> {
    let info = ready(channel).runner?;
    Some(info.checksum.unwrap().to_string())
}

fn offer(url: &str, checksum: &str) -> String {
    format!(r#"{{"event":"update","version":"9.9.9","url":"{url}","checksum":"{checksum}"}}"#)
}

#[test]
fn a_runner_becomes_the_program_that_has_reached_the_server() {
    let installed = Installed::new();
    let (old, new) = (installed.contents(), installed.other());
    let _up = installed.start(&["--update-channel", "canary"]);
    let mut channel = installed.server.accept();
    let first = ready(&mut channel);
    let info = first.runner.unwrap();
    assert_eq!(info.checksum.unwrap().to_string(), checksum(&old));
    assert_eq!(serde_json::to_value(info.channel).unwrap(), "canary");
    channel.say(&offer(&serve_once(new.clone()), &checksum(&new)));
    channel.ends();
    // The trial, which is no program to update.
    let mut trial = installed.server.accept();
    assert_eq!(program(&mut trial), None);
    assert_eq!(checksum(&installed.contents()), checksum(&old), "not yet");
    trial.say(r#"{"event":"no_job"}"#);
    trial.ends();
    let mut channel = installed.server.accept();
    assert_eq!(program(&mut channel), Some(checksum(&new)));
    assert_eq!(checksum(&installed.contents()), checksum(&new));
    assert_eq!(installed.files(), ["runner", "runner.previous"]);
    // It is what it became: the same again is no update.
    channel.say(&offer("http://127.0.0.1:1/", &checksum(&new)));
    assert_eq!(program(&mut channel), None);
}

#[test]
fn programs_that_are_unfit_are_not_taken() {
    let installed = Installed::new();
    let old = checksum(&installed.contents());
    let script = |rest: &str| format!("#!/bin/sh\n{rest}\n").into_bytes();
    let silent = script("exit 0");
    let failing = script("[ \"$1\" = --version ] && echo runner 9.9.9 && exit; exit 3");
    let large = vec![0; 20_000];
    for (contents, sum) in [
        // Something else than what was offered.
        (silent.clone(), checksum(b"another")),
        // Larger than this runner takes.
        (large.clone(), checksum(&large)),
        // No program, and one that does not say its version.
        (b"nothing".to_vec(), checksum(b"nothing")),
        (silent.clone(), checksum(&silent)),
        // One that does not reach the server.
        (failing.clone(), checksum(&failing)),
    ] {
        let _up = installed.start(&["--max-download-size", "10k"]);
        let mut channel = installed.server.accept();
        assert_eq!(program(&mut channel), Some(old.clone()));
        channel.say(&offer(&serve_once(contents), &sum));
        channel.ends();
        let mut channel = installed.server.accept();
        assert_eq!(program(&mut channel), Some(old.clone()));
        assert_eq!(checksum(&installed.contents()), old);
        assert_eq!(installed.files(), ["runner"]);
        // It is not tried again.
        channel.say(&offer("http://127.0.0.1:1/", &sum));
        assert_eq!(program(&mut channel), None);
    }
    // After a restart neither, if it was the program's own fault.
    let _up = installed.start(&[]);
    let mut channel = installed.server.accept();
    ready(&mut channel);
    channel.say(&offer("http://127.0.0.1:1/", &checksum(&failing)));
    assert_eq!(program(&mut channel), None);
    let mode = fs::metadata(installed.program())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111);
}

#[test]
fn who_wants_no_updates_says_so() {
    let installed = Installed::new();
    let _up = installed.start(&["--no-auto-update"]);
    let mut channel = installed.server.accept();
    assert_eq!(program(&mut channel), None);
    channel.say(&offer("http://127.0.0.1:1/", &checksum(b"x")));
    assert_eq!(program(&mut channel), None);
}
