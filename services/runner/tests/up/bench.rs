//! A runner, a registry with images, and jobs of them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use bencher_channel_protocol::{IterationOutput, Terminal, Uuid};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{Registry, Setup};

use crate::server::Server;
use crate::support::{Cache, Image, no_image, skip};

pub(crate) const KEY: &str = "bencher_runner_s3cretK3y";
const PROJECT: &str = "11111111-2222-4333-8444-555555555555";

/// Everything that a job needs, on this machine.
pub(crate) struct Bench {
    pub(crate) server: Server,
    /// `None` once it is closed.
    registry: Option<Registry>,
    /// Its address.
    registry_host: String,
    pub(crate) cache: Cache,
    state: TempDir,
    log: PathBuf,
    digest: String,
}

/// A `runner up`. It is killed with this value.
pub(crate) struct Up {
    child: Child,
    log: PathBuf,
}

pub(crate) fn job_uuid(number: u8) -> Uuid {
    Uuid::from_u128(0x3c5a_d7a1_6b6a_4a56_a1ee_1c4d_3b3f_2a00 + u128::from(number))
}

impl Bench {
    /// `None` where this machine has not what it takes.
    pub(crate) fn new() -> Option<Self> {
        if no_image() {
            return None;
        }
        let Some(registry) = Registry::start(&Setup::default()).unwrap() else {
            skip(Some("no docker-registry or no skopeo on this machine"));
            return None;
        };
        let image = Image::new(&json!({"Cmd": ["echo", "hello"], "Env": ["PATH=/bin"]}));
        let index = fs::read(image.path().join("index.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let name = format!("{PROJECT}:latest");
        let source = format!("oci:{}", image.path().display());
        registry
            .push(&source, &name, &["--preserve-digests"])
            .unwrap();
        let cache = Cache::new();
        Some(Self {
            server: Server::start(),
            registry_host: registry.host().clone(),
            registry: Some(registry),
            log: cache.path().join("log"),
            state: tempfile::tempdir().unwrap(),
            cache,
            digest,
        })
    }

    /// A job of the image, with more in its `config`.
    pub(crate) fn job(&self, number: u8, config: &Value) -> Value {
        let mut job = json!({
            "event": "job",
            "uuid": job_uuid(number),
            "spec": {
                "uuid": "7ad4d9f1-4f5b-4f3c-8f5e-0e3a1c2b4d5f",
                "name": "Host",
                "slug": "host",
                "os": "linux",
                "architecture": std::env::consts::ARCH,
                "sandbox": null,
                "cpu": 1,
                "memory": 512 << 20,
                "disk": 1 << 30,
                "network": false,
                "created": "2026-11-29T12:00:00Z",
                "modified": "2026-11-29T12:00:00Z",
            },
            "config": {
                "registry": format!("http://{}/", self.registry_host),
                "project": PROJECT,
                "digest": self.digest,
            },
            "oci_token": "s3cretT0ken",
            "timeout": 100,
            "created": "2026-11-29T12:00:00Z",
        });
        for (name, value) in config.as_object().unwrap() {
            job["config"][name] = value.clone();
        }
        job
    }

    /// A job of a script, as a text.
    pub(crate) fn script(&self, number: u8, script: &str) -> String {
        self.job(number, &script_of(script)).to_string()
    }

    /// `runner up` for this server, its key in the environment.
    pub(crate) fn command(&self, options: &[&str]) -> Command {
        self.command_of("bench-1", &[&["--no-auto-update"], options].concat())
    }

    /// The same for a runner of another name, that may be updated.
    pub(crate) fn command_of(&self, runner: &str, options: &[&str]) -> Command {
        let mut command = self
            .cache
            .command(&["-v", "up", "--host", &self.server.url()]);
        command
            .args([
                "--runner",
                runner,
                "--danger-allow-no-sandbox",
                "--no-cpuset-partition",
            ])
            .args(options)
            .env("BENCHER_RUNNER_STATE_DIR", self.state.path())
            .env("BENCHER_RUNNER_KEY", KEY);
        command
    }

    pub(crate) fn start(&self, options: &[&str]) -> Up {
        self.spawn(&mut self.command(options))
    }

    pub(crate) fn spawn(&self, command: &mut Command) -> Up {
        let log = File::options()
            .append(true)
            .create(true)
            .open(&self.log)
            .unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Up {
            child,
            log: self.log.clone(),
        }
    }

    /// From now on nobody gives the image.
    pub(crate) fn close_registry(&mut self) {
        self.registry = None;
    }

    /// The state folder.
    pub(crate) fn state_folder(&self) -> String {
        self.state.path().display().to_string()
    }

    /// Where messages are kept that were not acknowledged.
    pub(crate) fn outbox_folder(&self) -> PathBuf {
        self.state.path().join("up/bench-1/outbox")
    }

    /// Files that hold messages which were not acknowledged.
    pub(crate) fn outbox(&self) -> Vec<String> {
        let entries = fs::read_dir(self.outbox_folder()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // The others are no messages, or not yet.
        names.filter(|name| !name.starts_with('.')).collect()
    }
}

pub(crate) fn script_of(script: &str) -> Value {
    json!({"cmd": ["sh", "-c", script]})
}

impl Up {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// `kill -9`.
    pub(crate) fn crash(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Everything that was said until now, by earlier ones as well.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops it while it is idle, or has stopped already; the log.
    #[track_caller]
    pub(crate) fn stops(mut self) -> String {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        let log = self.log();
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

#[track_caller]
pub(crate) fn completed(terminal: Terminal) -> Vec<IterationOutput> {
    match terminal {
        Terminal::Completed { results, .. } => results,
        other => panic!("not completed: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn failed(terminal: Terminal) -> (Vec<IterationOutput>, String) {
    match terminal {
        Terminal::Failed { results, error, .. } => (results, error),
        other => panic!("not failed: {other:?}"),
    }
}
