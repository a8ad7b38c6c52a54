//! Becoming another program, between two jobs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bencher_channel_protocol::{Ready, RunnerMessage};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::bench::KEY;
use crate::server::{Channel, Server};
use crate::support::{Cache, serve_once};

/// A program that may be replaced: a copy of the real one, in a folder of its own.
pub(crate) struct Installed {
    folder: TempDir,
    cache: Cache,
    pub(crate) server: Server,
}

pub(crate) fn checksum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Installed {
    pub(crate) fn new() -> Self {
        let installed = Self {
            folder: tempfile::tempdir().unwrap(),
            cache: Cache::new(),
            server: Server::start(),
        };
        fs::copy(env!("CARGO_BIN_EXE_runner"), installed.program()).unwrap();
        installed
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("runner")
    }

    pub(crate) fn contents(&self) -> Vec<u8> {
        fs::read(self.program()).unwrap()
    }

    /// Another program that does the same: what stands behind an ELF file is not looked at.
    pub(crate) fn other(&self) -> Vec<u8> {
        let mut bytes = self.contents();
        bytes.push(b'\n');
        bytes
    }

    pub(crate) fn start(&self, options: &[&str]) -> Started {
        let up = ["up", "--host", &self.server.url(), "--runner", "bench-1"];
        let like = self.cache.command(&up);
        let mut command = Command::new(self.program());
        command
            .args(like.get_args())
            .arg("--danger-allow-no-sandbox")
            .args(options);
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap());
        }
        command.env("BENCHER_RUNNER_KEY", KEY);
        Started(command.spawn().unwrap())
    }

    /// Names of files in the program's folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

/// Another program, of a shell script. `$REAL` is this one, which says its version.
pub(crate) fn script(interpreter: &str, rest: &str) -> Vec<u8> {
    let real = env!("CARGO_BIN_EXE_runner");
    let version = r#"[ "$1" = --version ] && exec "$REAL" --version"#;
    format!("#!{interpreter}\nREAL='{real}'\n{version}\n{rest}\n").into_bytes()
}

/// Offers a program, after `ready`, and waits for the end of the connection.
pub(crate) fn offers(channel: &mut Channel, program: &[u8]) {
    channel.say(&offer(&serve_once(program.to_vec()), &checksum(program)));
    channel.ends();
}

/// It is killed with this value, whatever program it has become.
pub(crate) struct Started(pub(crate) std::process::Child);

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
pub(crate) fn program(channel: &mut Channel) -> Option<String> {
    let info = ready(channel).runner?;
    Some(info.checksum.unwrap().to_string())
}

pub(crate) fn offer(url: &str, checksum: &str) -> String {
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
    assert_eq!(checksum(&installed.contents()), checksum(&old), "not yet");
    channel.say(r#"{"event":"no_job"}"#);
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
    for (contents, sum, is_final) in [
        // Something else than what was offered.
        (silent.clone(), checksum(b"another"), false),
        // Larger than this runner takes.
        (large.clone(), checksum(&large), false),
        // No program, and one that does not say its version.
        (b"nothing".to_vec(), checksum(b"nothing"), true),
        (silent.clone(), checksum(&silent), true),
        // One that does not reach the server.
        (failing.clone(), checksum(&failing), true),
    ] {
        let _up = installed.start(&["--max-download-size", "10k"]);
        let mut channel = installed.server.accept();
        assert_eq!(program(&mut channel), Some(old.clone()));
        channel.say(&offer(&serve_once(contents), &sum));
        channel.ends();
        let mut channel = installed.server.accept();
        if is_final {
            assert_eq!(program(&mut channel), Some(old.clone()));
            // It is not tried again.
            channel.say(&offer("http://127.0.0.1:1/", &sum));
        }
        // For a while it wants none.
        assert_eq!(program(&mut channel), None);
        assert_eq!(checksum(&installed.contents()), old);
        assert_eq!(installed.files(), ["runner"]);
    }
    // After a restart neither, if it was the program's own fault.
    let up = installed.start(&[]);
    let mut channel = installed.server.accept();
    ready(&mut channel);
    channel.say(&offer("http://127.0.0.1:1/", &checksum(&failing)));
    assert_eq!(program(&mut channel), None);
    drop(up);
    // What failed for another reason is offered, and tried, again.
    let _up = installed.start(&[]);
    let mut channel = installed.server.accept();
    ready(&mut channel);
    channel.say(&offer("http://127.0.0.1:1/", &checksum(b"another")));
    channel.ends();
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

/// Serves some bytes once over HTTPS, with a certificate that the CA in the folder has signed.
fn serve_encrypted(folder: &Path, content: Vec<u8>) -> String {
    let pem = |name: &str| folder.join(name);
    let certificate = CertificateDer::from_pem_file(pem("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut request = [0; 4096];
        // Who does not trust the certificate says so, and goes.
        if stream.read(&mut request).is_err() {
            return;
        }
        let length = content.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&content).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    });
    format!("https://{address}/file")
}

/// The certificates of `--ca` are those that updates may have, too.
#[test]
fn an_update_comes_from_where_the_user_trusts() {
    let installed = Installed::new();
    let new = installed.other();
    let folder = tempfile::tempdir().unwrap();
    test_support::certificates::write(folder.path()).unwrap();
    for is_trusted in [false, true] {
        let ca = folder.path().join("ca.pem").display().to_string();
        let options: &[&str] = if is_trusted { &["--ca", &ca] } else { &[] };
        let _up = installed.start(options);
        let mut channel = installed.server.ready();
        let url = serve_encrypted(folder.path(), new.clone());
        channel.say(&offer(&url, &checksum(&new)));
        channel.ends();
        let mut next = installed.server.accept();
        // A trial wants no updates, and neither does a runner that has failed to get one.
        assert_eq!(program(&mut next), None);
        next.say(r#"{"event":"no_job"}"#);
        let goes_on = next.next().is_some();
        assert_eq!(goes_on, !is_trusted);
    }
}
