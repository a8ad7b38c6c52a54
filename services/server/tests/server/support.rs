//! A server, a client of its API, and runners.

mod api;
mod between;
mod collector;
mod database;
mod document;
mod image;
mod prometheus;
mod runner;
mod up;
mod watcher;
mod wire;

use std::fs::{File, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) use api::{Api, config, job_body, spec_body};
pub(crate) use between::{Fate, between, pass_on};
pub(crate) use collector::{Collector, attribute};
pub(crate) use document::{Typed, Typing, instead, shell, typed};
pub(crate) use image::{BUSYBOX, image};
pub(crate) use prometheus::Numbers;
pub(crate) use runner::{PATIENCE, Runner};
pub(crate) use up::Up;
pub(crate) use watcher::Watcher;
pub(crate) use wire::Wire;

/// The exit code of what another start does not mend.
pub(crate) const LASTING: i32 = 78;

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// PostgreSQL instead of SQLite.
    pub(crate) database: Option<String>,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    /// Where to listen instead of at any free port.
    pub(crate) listen: Option<String>,
}

impl Setup {
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            ..Self::default()
        }
    }
}

/// A running server. It is killed with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    /// The first token, where this start made it.
    pub(crate) token: Option<String>,
}

impl Server {
    /// Starts one with its data in `folder`.
    pub(crate) fn start(folder: &Path, setup: &Setup) -> Self {
        // Its log is there before it is a server's.
        close(folder);
        let mut command = Command::new(env!("CARGO_BIN_EXE_bencher-server"));
        command
            .args(["serve", "--listen"])
            .arg(setup.listen.as_deref().unwrap_or("127.0.0.1:0"))
            .arg("--data-dir")
            .arg(folder)
            .args(&setup.arguments)
            .env("RUST_LOG", "info")
            .envs(setup.environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(folder.join("log"))
                    .unwrap(),
            );
        if let Some(database) = &setup.database {
            command.arg("--database").arg(database);
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut token = None;
        let url = loop {
            let line = lines.next().expect("it says where it listens").unwrap();
            if let Some(url) = line.strip_prefix("listening on ") {
                break url.to_owned();
            }
            token = line
                .strip_prefix("admin token, shown only now: ")
                .map(str::to_owned);
        };
        Self { child, url, token }
    }

    /// What a server that does not start in `folder` says, and its exit code.
    pub(crate) fn refused(folder: &Path, setup: &Setup) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bencher-server"));
        command
            .args(["serve", "--listen"])
            .arg(setup.listen.as_deref().unwrap_or("127.0.0.1:0"))
            .arg("--data-dir")
            .arg(folder)
            .args(&setup.arguments);
        if let Some(database) = &setup.database {
            command.arg("--database").arg(database);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if line.unwrap().starts_with("listening on ") {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("it starts");
            }
        }
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), errors)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// Ends it as an administrator would, and says whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        self.signal(Signal::SIGTERM);
        self.child.wait().unwrap().success()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Whether one of its threads opens a pipe that nobody writes to.
    pub(crate) fn waits_for_a_pipe(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let mut waits =
            threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("wchan")));
        waits.any(|place| place.is_ok_and(|place| place == "wait_for_partner"))
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Lets nobody else look into `folder`.
fn close(folder: &Path) {
    let mode = std::fs::metadata(folder).unwrap().permissions().mode();
    if mode & 0o007 != 0 && !folder.join("server.sqlite").exists() {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
    }
}

/// A server with a project, a spec and an administrator.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Option<Server>,
    pub(crate) setup: Setup,
    pub(crate) api: Api,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), &setup);
        let token = server.token.clone().expect("a first token");
        let api = Api::new(&server.url, &token);
        api.post("/v0/projects", &serde_json::json!({"slug": "p"}));
        api.post("/v0/specs", &spec_body("s"));
        Self {
            folder,
            server: Some(server),
            setup,
            api,
        }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// Starts the server anew, after it ended.
    pub(crate) fn start_again(&mut self) {
        let server = Server::start(self.folder.path(), &self.setup);
        assert_eq!(server.token, None, "there is a token already");
        self.api = Api::new(&server.url, self.api.token());
        self.server = Some(server);
    }

    pub(crate) fn kill(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a runner for the spec `s`, and gives its key.
    pub(crate) fn new_runner(&self, slug: &str) -> String {
        let body = serde_json::json!({"slug": slug, "specs": ["s"]});
        let created = self.api.post("/v0/runners", &body);
        created["key"].as_str().unwrap().to_owned()
    }

    /// Makes a runner and connects as it.
    pub(crate) fn connected(&self, slug: &str) -> Runner {
        let key = self.new_runner(slug);
        Runner::connect(&self.server().url, slug, &key).unwrap()
    }

    /// Submits a job, and gives its identifier.
    pub(crate) fn submit(&self) -> String {
        self.api.submit(&job_body("p", "s"))
    }
}
