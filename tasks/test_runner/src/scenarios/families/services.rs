//! The server and `runner up` as services of a real systemd: they are installed by themselves, started,
//! restarted, killed, stopped still and drained.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::up::{NEXT, OUTCOME, completed, said};
use crate::process::capture;
use crate::scenarios::backend::On;
use crate::scenarios::expect::Checked;
use crate::scenarios::fleet::{Fleet, RUNNER, SPEC, Service};
use crate::scenarios::record::Record;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::{LEFT_OVER, Stage};
use crate::scenarios::surroundings::Need;

/// How long one may take, on a machine that is busy with something else as well: services are silent until
/// they are missed, and all of it is emulated.
const PATIENCE: Duration = Duration::from_mins(6);
/// Where the server keeps everything.
const DATA: &str = "/var/lib/bencher-server";
/// What the first start leaves for the administrator.
const TOKEN: &str = "admin.token";
/// What the server encrypts with.
const SECRETS: &str = "secrets.key";
/// Where a server listens that is told nothing else.
const ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 61016);
/// Where the runner of a service has what it fetches.
const CACHE: &str = "/var/cache/bencher-runner";

const NEEDS: &[Need] = &[
    Need::Server,
    Need::Program("docker-registry"),
    Need::Program("skopeo"),
    Need::Services,
];

/// Ends of services, as systemd tells of them: how, with what.
const IN_ORDER: &str = "ended success exited 0";
const KILLED: &str = "ended signal killed KILL";
const SILENT: &str = "ended watchdog killed ABRT";
const REFUSED: &str = "ended exit-code exited 78";
const STARTED: &str = "started";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "services_under_systemd",
        "server and runner are services that survive restarts, kills and silence, drain, and are not restarted in vain",
        |stage| {
            let mut server = install_server(stage)?;
            let fleet = first_start(stage, &mut server)?;
            let mut runner = install_runner(stage, &fleet)?;
            submit_and_wait(stage, &fleet)?;
            restart_mid_job(stage, &fleet, &mut server)?;
            kill_both(stage, &fleet, &mut server, &mut runner)?;
            stop_both_still(stage, &fleet, &mut server, &mut runner)?;
            drain(stage, &fleet, &mut runner)?;
            replace(stage, &fleet, &mut runner)?;
            end_and_spoil(stage, &mut server)
        },
        |record| {
            first_start_was_right(record)?;
            record.saw("what submit --wait printed", "submitted\n")?;
            record.saw("the server when restarted", json!([IN_ORDER, STARTED]))?;
            record.saw(OUTCOME, completed(&[said("survived\n")]))?;
            record.saw("the server when killed", json!([KILLED, STARTED]))?;
            record.saw("the job when the server was killed", completed(&[said("survived\n")]))?;
            record.saw("the runner when killed", json!([KILLED, STARTED]))?;
            record.saw("the state of the job whose runner was killed", "failed")?;
            record.saw(NEXT, completed(&[said("next\n")]))?;
            record.saw("the server when silent", json!([SILENT, STARTED]))?;
            record.saw("the runner when silent", json!([SILENT, STARTED]))?;
            record.saw("restarts", json!(["2", "2"]))?;
            record.saw("the job after silence", completed(&[said("awake\n")]))?;
            record.saw("the runner when stopped", IN_ORDER)?;
            record.saw("the job that was drained", completed(&[said("drained\n")]))?;
            record.saw("the runner when replaced", json!([STARTED, REFUSED]))?;
            record.saw("the replaced runner", json!(["failed", "0"]))?;
            record.saw("the job after the replacement", completed(&[said("replaced\n")]))?;
            record.saw("the server when stopped", IN_ORDER)?;
            record.saw("the server with an open key", json!([REFUSED, "failed", "0"]))?;
            record.saw(LEFT_OVER, json!([]))
        },
    )
    .on(On::Host)
    .patience(PATIENCE)
    .needs(NEEDS),
    Scenario::driven(
        "runner_service_of_machines",
        "what the unit of a runner takes from it is nothing that jobs in machines need, and it drains",
        |stage| {
            let fleet = Fleet::found(stage, &[])?;
            // As `runner setup` would, which needs a network.
            let kernels = stage.runner.cache().join("kernels");
            fs::create_dir_all(CACHE)?;
            capture(Command::new("cp").arg("-a").arg(kernels).arg(CACHE))?;
            let mut runner = install_runner(stage, &fleet)?;
            let job = fleet.submit(&fleet.script("echo out; echo err >&2"))?;
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            let job = fleet.submit(&fleet.script("echo ready; sleep 3; echo drained"))?;
            fleet.api.wait_for(&job, &["running"])?;
            runner.ctl("stop")?;
            stage.observe("the runner when stopped", runner.next()?);
            stage.observe(NEXT, fleet.outcome(&job)?);
            Ok(())
        },
        |record| {
            let result = json!({"exit_code": 0, "stdout": "out\n", "stderr": "err\n"});
            record.saw(OUTCOME, completed(&[result]))?;
            record.saw("the runner when stopped", IN_ORDER)?;
            record.saw(NEXT, completed(&[said("ready\ndrained\n")]))?;
            record.saw(LEFT_OVER, json!([]))
        },
    )
    .on(On::Machines)
    .patience(PATIENCE)
    .needs(NEEDS),
];

/// Installs the server as its documentation says.
fn install_server(stage: &mut Stage<'_>) -> anyhow::Result<Service> {
    let program = stage.surroundings().server.clone();
    let mut install = Command::new(program.context("there is no bencher-server")?);
    install.arg("install-service");
    Service::install(stage, "bencher-server", install)
}

/// Starts it for the first time, and makes a fleet of it with the token that it left.
fn first_start(stage: &mut Stage<'_>, server: &mut Service) -> anyhow::Result<Fleet> {
    server.enable()?;
    stage.observe("the server's first start", server.next()?);
    stage.observe("the server's state", server.property("ActiveState")?);
    server.status_with("runners connected here: 0")?;
    let file = Path::new(DATA).join(TOKEN);
    let (folder, token_file) = (fs::metadata(DATA)?, fs::metadata(&file)?);
    let mode = |metadata: &fs::Metadata| format!("{:o}", metadata.permissions().mode() & 0o777);
    stage.observe(
        "who may use the data folder and the token",
        json!([mode(&folder), mode(&token_file)]),
    );
    stage.observe(
        "they are root's",
        json!([folder.uid() == 0, token_file.uid() == 0]),
    );
    let token = fs::read_to_string(&file)?;
    let token = token.trim_end();
    stage.observe("the token is in the log", server.journal()?.contains(token));
    let fleet = Fleet::found_at(stage, SocketAddr::from(ADDRESS), token)?;
    make_token(stage)?;
    Ok(fleet)
}

/// What root makes in the data folder is not to be in the service's way.
fn make_token(stage: &Stage<'_>) -> anyhow::Result<()> {
    let program = stage.surroundings().server.clone();
    let mut token = Command::new(program.context("there is no bencher-server")?);
    token.args(["token", "create", "--name", "looker", "--role", "viewer"]);
    capture(&mut token).map(drop)
}

fn first_start_was_right(record: &Record) -> Checked {
    record.saw("the server's first start", STARTED)?;
    record.saw("the server's state", "active")?;
    record.saw(
        "who may use the data folder and the token",
        json!(["700", "600"]),
    )?;
    record.saw("they are root's", json!([false, false]))?;
    record.saw("the token is in the log", false)
}

/// Installs the runner as its documentation says, and starts it.
fn install_runner(stage: &mut Stage<'_>, fleet: &Fleet) -> anyhow::Result<Service> {
    let key = stage.folder().join("runner.key");
    fs::write(&key, fleet.key())?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    let mut install = Command::new(stage.runner.binary());
    install
        .args(["install-service", "--host", &fleet.url()?])
        .args(["--runner", RUNNER, "--key-file"])
        .arg(&key)
        .arg("--")
        .args(Fleet::machine_options(stage));
    let mut runner = Service::install(stage, "bencher-runner", install)?;
    runner.enable()?;
    ensure!(runner.next()? == STARTED, "{}", runner.journal()?);
    Ok(runner)
}

fn submit_and_wait(stage: &mut Stage<'_>, fleet: &Fleet) -> anyhow::Result<()> {
    let token = Path::new(DATA).join(TOKEN);
    let mut submit = Command::new(stage.runner.binary());
    submit
        .args(["submit", fleet.image(), "--spec", SPEC, "--wait"])
        .args(["--host", &fleet.url()?, "--token-file"])
        .arg(token)
        .args(["--", "echo", "submitted"]);
    let printed = capture(&mut submit)?;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    stage.observe("what submit --wait printed", printed);
    Ok(())
}

fn restart_mid_job(
    stage: &mut Stage<'_>,
    fleet: &Fleet,
    server: &mut Service,
) -> anyhow::Result<()> {
    let job = fleet.submit(&fleet.script("sleep 5; echo survived"))?;
    fleet.api.wait_for(&job, &["running"])?;
    server.ctl("restart")?;
    stage.observe(
        "the server when restarted",
        json!([server.next()?, server.next()?]),
    );
    stage.observe(OUTCOME, fleet.outcome(&job)?);
    Ok(())
}

/// Kills each while a job runs.
fn kill_both(
    stage: &mut Stage<'_>,
    fleet: &Fleet,
    server: &mut Service,
    runner: &mut Service,
) -> anyhow::Result<()> {
    let job = fleet.submit(&fleet.script("sleep 5; echo survived"))?;
    fleet.api.wait_for(&job, &["running"])?;
    server.signal("KILL")?;
    stage.observe(
        "the server when killed",
        json!([server.next()?, server.next()?]),
    );
    stage.observe("the job when the server was killed", fleet.outcome(&job)?);
    let lost = fleet.submit(&fleet.script("exec sleep 1000"))?;
    fleet.api.wait_for(&lost, &["running"])?;
    runner.signal("KILL")?;
    stage.observe(
        "the runner when killed",
        json!([runner.next()?, runner.next()?]),
    );
    let next = fleet.submit(&fleet.script("echo next"))?;
    let outcome = fleet.outcome(&lost)?["state"].take();
    stage.observe("the state of the job whose runner was killed", outcome);
    stage.observe(NEXT, fleet.outcome(&next)?);
    Ok(())
}

/// Both stand still until their systemd has had enough of it.
fn stop_both_still(
    stage: &mut Stage<'_>,
    fleet: &Fleet,
    server: &mut Service,
    runner: &mut Service,
) -> anyhow::Result<()> {
    server.signal("STOP")?;
    runner.signal("STOP")?;
    stage.observe(
        "the server when silent",
        json!([server.next()?, server.next()?]),
    );
    stage.observe(
        "the runner when silent",
        json!([runner.next()?, runner.next()?]),
    );
    let restarts = json!([server.property("NRestarts")?, runner.property("NRestarts")?]);
    stage.observe("restarts", restarts);
    let job = fleet.submit(&fleet.script("echo awake"))?;
    stage.observe("the job after silence", fleet.outcome(&job)?);
    Ok(())
}

fn drain(stage: &mut Stage<'_>, fleet: &Fleet, runner: &mut Service) -> anyhow::Result<()> {
    let job = fleet.submit(&fleet.script("sleep 3; echo drained"))?;
    fleet.api.wait_for(&job, &["running"])?;
    runner.ctl("stop")?;
    stage.observe("the runner when stopped", runner.next()?);
    stage.observe("the job that was drained", fleet.outcome(&job)?);
    Ok(())
}

/// Another runner takes the service's place at the server.
fn replace(stage: &mut Stage<'_>, fleet: &Fleet, runner: &mut Service) -> anyhow::Result<()> {
    runner.ctl("start")?;
    let started = runner.next()?;
    // It has a place that can be taken once it is connected.
    runner_is_connected(fleet)?;
    let other = fleet.up(stage)?;
    stage.observe("the runner when replaced", json!([started, runner.next()?]));
    let (active, restarts) = (
        runner.property("ActiveState")?,
        runner.property("NRestarts")?,
    );
    stage.observe("the replaced runner", json!([active, restarts]));
    let job = fleet.submit(&fleet.script("echo replaced"))?;
    stage.observe("the job after the replacement", fleet.outcome(&job)?);
    other.stop()?;
    Ok(())
}

/// Waits until the server says so.
fn runner_is_connected(fleet: &Fleet) -> anyhow::Result<()> {
    let job = fleet.submit(&fleet.script("true"))?;
    fleet.outcome(&job).map(drop)
}

/// Ends the server in order, and starts it with a key that others can read.
fn end_and_spoil(stage: &mut Stage<'_>, server: &mut Service) -> anyhow::Result<()> {
    server.ctl("stop")?;
    stage.observe("the server when stopped", server.next()?);
    let key = Path::new(DATA).join(SECRETS);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    ensure!(server.ctl("start").is_err(), "it starts with an open key");
    let end = server.next()?;
    let (active, restarts) = (
        server.property("ActiveState")?,
        server.property("NRestarts")?,
    );
    stage.observe(
        "the server with an open key",
        json!([end, active, restarts]),
    );
    Ok(())
}
