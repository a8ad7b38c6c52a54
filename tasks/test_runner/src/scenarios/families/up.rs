//! `runner up`: jobs of a server, through everything that may happen to both.

use std::fs;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde_json::{Value, json};
use test_support::Postgres;

use crate::scenarios::backend::On;
use crate::scenarios::expect::Checked;
use crate::scenarios::fleet::{Fleet, NO_SANDBOX, exit};
use crate::scenarios::record::Record;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::{LEFT_OVER, Stage};
use crate::scenarios::surroundings::Need;
use crate::watchdog::PATIENCE;

pub(super) const NEEDS: &[Need] = &[
    Need::Server,
    Need::Program("docker-registry"),
    Need::Program("skopeo"),
    // Without root there is but one user, and images of others can not be unpacked.
    Need::RootOnHost,
];

const TWO_SERVERS: &[Need] = &[
    Need::Server,
    Need::Program("docker-registry"),
    Need::Program("skopeo"),
    Need::RootOnHost,
    Need::Postgres,
];

/// What a runner is to do that is stopped in an orderly way.
pub(super) const STOPPED: &str = "the runner's exit";
/// What came of the job.
pub(super) const OUTCOME: &str = "the job";
/// What came of another job after it.
pub(super) const NEXT: &str = "the next job";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "up_claims_and_completes",
        "a job of the server runs here, and the server has every byte of each iteration",
        |stage| {
            let fleet = Fleet::found(stage, &[])?;
            let runner = fleet.up(stage)?;
            let mut job = fleet.script("echo out; echo err >&2; printf data >/results/file");
            job["config"]["iter"] = 2.into();
            job["config"]["file_paths"] = json!(["/results/file"]);
            let job = fleet.submit(&job)?;
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            stage.observe(STOPPED, exit(runner.stop()?));
            Ok(())
        },
        |record| {
            let iteration = json!({
                "exit_code": 0, "stdout": "out\n", "stderr": "err\n",
                "output": {"/results/file": "data"},
            });
            record.saw(OUTCOME, completed(&[iteration.clone(), iteration]))?;
            stopped(record)
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "up_cancel",
        "a job that is canceled ends at once, and the runner takes the next one",
        |stage| {
            let fleet = Fleet::found(stage, &[])?;
            let runner = fleet.up(stage)?;
            let job = fleet.submit(&fleet.script("echo ready; exec sleep 1000"))?;
            let next = fleet.submit(&fleet.script("echo next"))?;
            fleet.api.wait_for(&job, &["running"])?;
            fleet.api.post(&format!("/v0/jobs/{job}/cancel"), &json!({}))?;
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            stage.observe(NEXT, fleet.outcome(&next)?);
            stage.observe(STOPPED, exit(runner.stop()?));
            Ok(())
        },
        |record| {
            let canceled = json!({
                "state": "canceled", "reason": "job_canceled", "error": null, "results": null,
            });
            record.saw(OUTCOME, canceled)?;
            record.saw(NEXT, completed(&[said("next\n")]))?;
            stopped(record)
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "up_timeout",
        "a job that takes too long has failed, and the server has what it wrote until then",
        |stage| {
            let fleet = Fleet::found(stage, &[])?;
            let runner = fleet.up(stage)?;
            let mut job = fleet.script("echo before; exec sleep 1000");
            job["config"]["timeout"] = 1.into();
            let job = fleet.submit(&job)?;
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            stage.observe(STOPPED, exit(runner.stop()?));
            Ok(())
        },
        |record| {
            record.saw(
                OUTCOME,
                json!({
                    "state": "failed", "reason": "job_failed",
                    "error": "iteration 1 took longer than its timeout",
                    "results": [{"exit_code": 124, "stdout": "before\n"}],
                }),
            )?;
            stopped(record)
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "up_reconnect_mid_job",
        "a lost connection does not end the job, and the server has its result",
        |stage| {
            let fleet = Fleet::found(stage, &[])?;
            let runner = fleet.up(stage)?;
            let job = fleet.submit(&fleet.script("sleep 10; echo survived"))?;
            fleet.api.wait_for(&job, &["running"])?;
            fleet.line.cut();
            fleet.mend_line()?;
            stage.observe("connections", fleet.line.wait_for(2));
            let during = fleet.api.get(&format!("/v0/jobs/{job}"))?;
            stage.observe("state after the second connection", during["state"].clone());
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            stage.observe(STOPPED, exit(runner.stop()?));
            Ok(())
        },
        |record| {
            record.saw("connections", 2)?;
            record.saw("state after the second connection", "running")?;
            record.saw(OUTCOME, completed(&[said("survived\n")]))?;
            stopped(record)
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "up_result_survives_restart",
        "a result that the server never got is delivered by a runner that was killed since",
        |stage| {
            let mut fleet = Fleet::found(stage, &[])?;
            let runner = fleet.up(stage)?;
            let job = fleet.submit(&fleet.script("sleep 3; echo kept"))?;
            fleet.api.wait_for(&job, &["running"])?;
            fleet.line.cut();
            fleet.kill_server()?;
            wait_for_letter(stage)?;
            runner.kill()?;
            fleet.serve(stage)?;
            let state = fleet.api.get(&format!("/v0/jobs/{job}"))?["state"].clone();
            stage.observe("state before the runner is back", state);
            let runner = fleet.up(stage)?;
            let next = fleet.submit(&fleet.script("echo next"))?;
            stage.observe(NEXT, fleet.outcome(&next)?);
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            stage.observe(STOPPED, exit(runner.stop()?));
            stage.observe("letters", fs::read_dir(Fleet::outbox(stage))?.count());
            Ok(())
        },
        |record| {
            record.saw("state before the runner is back", "running")?;
            record.saw(OUTCOME, completed(&[said("kept\n")]))?;
            record.saw(NEXT, completed(&[said("next\n")]))?;
            record.saw("letters", 0)?;
            stopped(record)
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "up_refuses_unsandboxed",
        "a job without a sandbox is refused where nobody allowed it, and the next one runs",
        |stage| {
            let fleet = Fleet::found(stage, &[])?;
            let runner = fleet.up(stage)?;
            let job = fleet.submit(&fleet.job(NO_SANDBOX, &["true"]))?;
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            let next = fleet.submit(&fleet.script("echo next"))?;
            stage.observe(NEXT, fleet.outcome(&next)?);
            stage.observe(STOPPED, exit(runner.stop()?));
            Ok(())
        },
        |record| {
            record.saw(
                OUTCOME,
                json!({
                    "state": "failed", "reason": "job_failed",
                    "error": "the job's spec has no sandbox, and this runner runs nothing without one: \
                              use a spec with a sandbox, or start the runner with \
                              --danger-allow-no-sandbox",
                    "results": [],
                }),
            )?;
            record.saw(NEXT, completed(&[said("next\n")]))?;
            stopped(record)
        },
    )
    .on(On::Machines)
    .needs(NEEDS),
    Scenario::driven(
        "server_restart_mid_job",
        "a server that is killed while a job runs has its result once it is back",
        |stage| {
            let mut fleet = Fleet::found(stage, &[])?;
            let runner = fleet.up(stage)?;
            let job = fleet.submit(&fleet.script("sleep 10; echo survived"))?;
            fleet.api.wait_for(&job, &["running"])?;
            fleet.kill_server()?;
            fleet.serve(stage)?;
            stage.observe("connections", fleet.line.wait_for(2));
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            let next = fleet.submit(&fleet.script("echo next"))?;
            stage.observe(NEXT, fleet.outcome(&next)?);
            stage.observe(STOPPED, exit(runner.stop()?));
            Ok(())
        },
        |record| {
            record.saw("connections", 2)?;
            record.saw(OUTCOME, completed(&[said("survived\n")]))?;
            record.saw(NEXT, completed(&[said("next\n")]))?;
            stopped(record)
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "two_servers_one_database",
        "a job outlives the one of two servers that its runner was at, and either one gives it the next",
        |stage| {
            let postgres = Postgres::start()?.context("there is no PostgreSQL")?;
            let mut fleet = Fleet::found(stage, &["--database", &postgres.url()])?;
            let second = fleet.serve_second(stage)?;
            let first = fleet.api.clone();
            let runner = fleet.up(stage)?;
            let job = fleet.submit(&fleet.script("sleep 10; echo survived"))?;
            fleet.api.wait_for(&job, &["running"])?;
            fleet.kill_server()?;
            fleet.line.cut();
            fleet.line.lead_to(second);
            fleet.api = first.at(second);
            stage.observe("connections", fleet.line.wait_for(2));
            stage.observe(OUTCOME, fleet.outcome(&job)?);
            // The runner waits at the second server, and hears of what the first one is told.
            fleet.serve(stage)?;
            fleet.line.lead_to(second);
            fleet.api = first;
            let next = fleet.submit(&fleet.script("echo next"))?;
            stage.observe(NEXT, fleet.outcome(&next)?);
            stage.observe(STOPPED, exit(runner.stop()?));
            Ok(())
        },
        |record| {
            record.saw("connections", 2)?;
            record.saw(OUTCOME, completed(&[said("survived\n")]))?;
            record.saw(NEXT, completed(&[said("next\n")]))?;
            stopped(record)
        },
    )
    .needs(TWO_SERVERS),
];

/// Waits until the runner has written down that the job is completed. While a job runs it keeps there
/// what to say if it is killed.
fn wait_for_letter(stage: &Stage<'_>) -> anyhow::Result<()> {
    let outbox = Fleet::outbox(stage);
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(&outbox, AddWatchFlags::IN_MOVED_TO)?;
    let patience = PollTimeout::try_from(PATIENCE)?;
    loop {
        for entry in fs::read_dir(&outbox).context("the runner has no outbox")? {
            let path = entry?.path();
            // One that is half written has another name until it is whole.
            let is_whole = path.extension().is_some_and(|it| it == "json");
            let text = fs::read_to_string(path).unwrap_or_default();
            if is_whole && text.contains("completed") {
                return Ok(());
            }
        }
        let ready = poll(
            &mut [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)],
            patience,
        )?;
        ensure!(ready > 0, "the runner has written nothing down");
        inotify.read_events()?;
    }
}

pub(super) fn said(stdout: &str) -> Value {
    json!({"exit_code": 0, "stdout": stdout})
}

pub(super) fn completed(results: &[Value]) -> Value {
    json!({"state": "processed", "reason": null, "error": null, "results": results})
}

/// The runner ended as it should, and left nothing.
pub(super) fn stopped(record: &Record) -> Checked {
    record.saw(STOPPED, 0)?;
    record.saw(LEFT_OVER, json!([]))?;
    record.are(&[])
}
