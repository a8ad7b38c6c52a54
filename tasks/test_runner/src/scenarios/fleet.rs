//! A fleet of one host: a registry with the scenario's image, servers, and the runner that serves them.
//!
//! ```text
//!             ┌── line ──► bencher-server ◄── the scenario, by its API
//! runner up ──┤
//!             └──────────► docker-registry
//! ```
//!
//! All are real processes, in the scenario's folder.

mod line;
mod service;
mod shelf;

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::Context as _;
use serde_json::{Value, json};
use test_support::{Registry, Setup};

pub(crate) use line::Line;
pub(crate) use service::Service;
pub(crate) use shelf::{Shelf, checksum};

use super::backend::Backend;
use super::stage::Stage;
use crate::companion::Companion;
use crate::runner::Runner;
use crate::server::{self, Api, Greeting};

/// The runner's name at the server.
pub(crate) const RUNNER: &str = "here";
/// The spec of jobs that ask for what the backend is.
pub(crate) const SPEC: &str = "as-the-backend";
/// The spec of jobs that ask for no sandbox.
pub(crate) const NO_SANDBOX: &str = "no-sandbox";
/// What servers of one database share of their folders.
const SECRETS: &str = "secrets.key";
const OUTPUTS: &str = "outputs";
/// The project of all jobs.
const PROJECT: &str = "scenarios";

/// A registry, a server, and a runner's place in it.
#[derive(Debug)]
pub(crate) struct Fleet {
    registry: Registry,
    /// The image at the registry, and what it is.
    image: String,
    digest: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// The server, while it runs.
    server: Option<Companion>,
    /// Where it listens.
    address: Option<SocketAddr>,
    /// The other server.
    second: Option<Companion>,
    /// Between the runner and the server.
    pub(crate) line: Line,
    /// For the scenario, past the line.
    pub(crate) api: Api,
    key: String,
}

impl Fleet {
    /// Founds one. Its server gets `arguments` beside those that it needs.
    pub(crate) fn found(stage: &mut Stage<'_>, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut fleet = Self::begin(stage, arguments)?;
        let token = fleet.serve(stage)?.context("a new server has no token")?;
        fleet.api = Api::new(&fleet.url()?, &token);
        fleet.settle(stage)?;
        Ok(fleet)
    }

    /// Founds one whose server is at `address` already; `token` is an administrator's.
    pub(crate) fn found_at(
        stage: &mut Stage<'_>,
        address: SocketAddr,
        token: &str,
    ) -> anyhow::Result<Self> {
        let mut fleet = Self::begin(stage, &[])?;
        fleet.address = Some(address);
        fleet.line.lead_to(address);
        fleet.api = Api::new(&fleet.url()?, token);
        fleet.settle(stage)?;
        Ok(fleet)
    }

    fn begin(stage: &Stage<'_>, arguments: &[&str]) -> anyhow::Result<Self> {
        let program = stage.surroundings().server.clone();
        let program = program.context("there is no bencher-server")?;
        let registry = Registry::start_in(&stage.folder().join("registry"), &Setup::default())?;
        Ok(Self {
            registry,
            image: String::new(),
            digest: String::new(),
            program,
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            server: None,
            address: None,
            second: None,
            line: Line::lay()?,
            api: Api::new("", ""),
            key: String::new(),
        })
    }

    /// Makes the project, the specs and the runner, and pushes the image to where its jobs look for it.
    fn settle(&mut self, stage: &Stage<'_>) -> anyhow::Result<()> {
        let project = self.api.post("/v0/projects", &json!({"slug": PROJECT}))?;
        let project = project["id"].as_str().context("it has an identifier")?;
        let name = format!("{project}:1");
        self.registry.push(&stage.image_for_skopeo(), &name, &[])?;
        self.digest = self.registry.digest(&name)?;
        self.image = format!("{}/{name}", self.registry.host());
        let sandbox = stage.backend.is_machine().then_some("firecracker");
        for (slug, sandbox) in [(SPEC, sandbox), (NO_SANDBOX, None)] {
            let spec = json!({
                "slug": slug, "os": "linux", "architecture": "x86_64", "sandbox": sandbox,
                "cpu": 1, "memory": 512 << 20, "disk": 1 << 30,
            });
            self.api.post("/v0/specs", &spec)?;
        }
        let runner = json!({"slug": RUNNER, "specs": [SPEC, NO_SANDBOX]});
        let created = self.api.post("/v0/runners", &runner)?;
        let key = created["key"].as_str().context("it has a key")?;
        key.clone_into(&mut self.key);
        Ok(())
    }

    /// Starts the server where it was, or for the first time; the line leads to it. Returns the first
    /// token, if it has just been made.
    pub(crate) fn serve(&mut self, stage: &mut Stage<'_>) -> anyhow::Result<Option<String>> {
        let (server, address, token) = self.start(stage, "server", self.address)?;
        self.address = Some(address);
        self.line.lead_to(address);
        self.server = Some(server);
        Ok(token)
    }

    /// Starts a second server beside the first one, with the same secrets and outputs, and returns
    /// where it listens.
    pub(crate) fn serve_second(&mut self, stage: &mut Stage<'_>) -> anyhow::Result<SocketAddr> {
        let (first, second) = (stage.folder().join("server"), stage.folder().join("second"));
        fs::create_dir(&second)?;
        fs::copy(first.join(SECRETS), second.join(SECRETS))?;
        symlink(first.join(OUTPUTS), second.join(OUTPUTS))?;
        let (server, address, _) = self.start(stage, "second", None)?;
        self.second = Some(server);
        Ok(address)
    }

    /// Starts a server with its data in the folder `name`, and returns where it listens and the token
    /// that it made, if any.
    fn start(
        &self,
        stage: &mut Stage<'_>,
        name: &str,
        address: Option<SocketAddr>,
    ) -> anyhow::Result<(Companion, SocketAddr, Option<String>)> {
        let mut server = server::serve(&self.program, &stage.folder().join(name), address);
        server.args(&self.arguments);
        let mut greeting = Greeting::default();
        let server = stage.companion(name, server, Some(&mut |line| greeting.hear(line)))?;
        let address = greeting.address.context("the server has no address")?;
        Ok((server, address, greeting.token))
    }

    /// The server's address.
    pub(crate) fn url(&self) -> anyhow::Result<String> {
        let address = self.address.context("no server was started")?;
        Ok(format!("http://{address}"))
    }

    /// The image of its jobs, as it is submitted.
    pub(crate) fn image(&self) -> &str {
        &self.image
    }

    /// The runner's key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Where the runner keeps what its server has not acknowledged, one file a job.
    pub(crate) fn outbox(stage: &Stage<'_>) -> PathBuf {
        stage.runner.state().join("up").join(RUNNER).join("outbox")
    }

    /// Lets the line lead to the server again.
    pub(crate) fn mend_line(&self) -> anyhow::Result<()> {
        let address = self.address.context("no server was started")?;
        self.line.lead_to(address);
        Ok(())
    }

    /// Ends the server as a crash would.
    pub(crate) fn kill_server(&mut self) -> anyhow::Result<()> {
        self.server.take().context("there is no server")?.kill()
    }

    /// `runner up` for this fleet, with what the backend needs.
    pub(crate) fn runner(&self, stage: &Stage<'_>) -> Command {
        self.runner_of(&stage.runner, stage)
    }

    /// The same with another program or other folders than the stage's.
    pub(crate) fn runner_of(&self, runner: &Runner, stage: &Stage<'_>) -> Command {
        let mut up = runner.command();
        up.args(["up", "--host", &self.line.url(), "--runner", RUNNER])
            .env("BENCHER_RUNNER_KEY", &self.key)
            .args(Self::machine_options(stage));
        up
    }

    /// What `runner up` is told of the stage's backend.
    pub(crate) fn machine_options(stage: &Stage<'_>) -> Vec<OsString> {
        match stage.backend {
            Backend::Firecracker => match &stage.surroundings().firecracker {
                Some(firecracker) => vec!["--firecracker".into(), firecracker.into()],
                None => Vec::new(),
            },
            Backend::QemuKvm | Backend::QemuTcg => vec!["--sandbox".into(), "qemu".into()],
            Backend::Host => vec!["--danger-allow-no-sandbox".into()],
        }
    }

    /// Starts `runner up`.
    pub(crate) fn up(&self, stage: &mut Stage<'_>) -> anyhow::Result<Companion> {
        let runner = self.runner(stage);
        stage.companion("runner", runner, None)
    }

    /// A job that runs a shell script.
    pub(crate) fn script(&self, text: &str) -> Value {
        self.job(SPEC, &["sh", "-c", text])
    }

    /// A job.
    pub(crate) fn job(&self, spec: &str, words: &[&str]) -> Value {
        json!({
            "project": PROJECT,
            "spec": spec,
            "timeout": 120,
            "config": {
                "registry": format!("http://{}/", self.registry.host()),
                "digest": self.digest,
                "entrypoint": [],
                "cmd": words,
            },
        })
    }

    /// Submits a job, and returns its identifier.
    pub(crate) fn submit(&self, job: &Value) -> anyhow::Result<String> {
        let submitted = self.api.post("/v0/jobs", job)?;
        let id = submitted["id"].as_str().context("it has an identifier")?;
        Ok(id.to_owned())
    }

    /// What came of a job: its state, why, and its results.
    pub(crate) fn outcome(&self, job: &str) -> anyhow::Result<Value> {
        let ended = ["processed", "failed", "canceled"];
        let state = self.api.wait_for(job, &ended)?;
        let shown = self.api.get(&format!("/v0/jobs/{job}"))?;
        let results = self.api.get_if_there(&format!("/v0/jobs/{job}/results"))?;
        Ok(json!({
            "state": state,
            "reason": shown["reason"],
            "error": shown["error"],
            "results": results,
        }))
    }
}

/// How a process ended, for a record.
pub(crate) fn exit(status: ExitStatus) -> Value {
    match status.code() {
        Some(code) => code.into(),
        None => status.to_string().into(),
    }
}
