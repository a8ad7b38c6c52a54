//! `runner up` and its server are killed at any moment.

mod log;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bencher_statistics::Random;
use serde_json::{Value, json};

use log::Told;

use super::kills::seed;
use super::up::{NEEDS, NEXT, OUTCOME, STOPPED, completed, said, stopped};
use crate::companion::Companion;
use crate::scenarios::fleet::{Fleet, exit};
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;

/// How often something is killed.
const KILLS: usize = 12;
/// How many jobs wait from the beginning: more than are over before the last kill.
const JOBS: usize = 16;
/// How long all of it may take, on a machine that is busy with something else as well.
const PATIENCE: Duration = Duration::from_mins(10);
/// Jobs that did not begin as often as they may, or failed though their runner was not killed.
const NOT_ONCE: &str = "not begun once, or failed without a kill of the runner";
/// Reasons for which a job may fail whose runner was killed.
const REASONS: [&str; 2] = ["job_failed", "runner_lost_job"];

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::driven(
    "up_survives_kills",
    "of 12 kills of runner or server none makes a job begin twice, and a server's costs no job its output",
    |stage| {
        let mut fleet = Fleet::found(stage, &[])?;
        let runner = fleet.up(stage)?;
        let begin = Instant::now();
        let first = fleet.submit(&fleet.script("echo first"))?;
        stage.observe(OUTCOME, fleet.outcome(&first)?);
        let whole = begin.elapsed();

        let jobs: Vec<String> = (0..JOBS)
            .map(|number| fleet.submit(&fleet.script(&format!("echo {number}"))))
            .collect::<Result<_, _>>()?;
        let runner = kill_again_and_again(stage, &mut fleet, runner, whole)?;
        let next = fleet.submit(&fleet.script("echo next"))?;
        let mut ended = vec![(first, json!(null))];
        let mut wrong = Vec::new();
        for (number, job) in jobs.into_iter().enumerate() {
            let outcome = fleet.outcome(&job)?;
            if !is_right(number, &outcome) {
                wrong.push(json!({"job": number, "outcome": outcome}));
            }
            ended.push((job, outcome));
        }
        stage.observe("not as it should be", wrong);
        stage.observe(NEXT, fleet.outcome(&next)?);
        stage.observe(STOPPED, exit(runner.stop()?));
        ended.push((next, json!(null)));
        look_into_log(stage, &ended)?;
        stage.observe("letters", fs::read_dir(Fleet::outbox(stage))?.count());
        Ok(())
    },
    |record| {
        record.saw(OUTCOME, completed(&[said("first\n")]))?;
        record.saw("kills", KILLS)?;
        record.saw("not as it should be", json!([]))?;
        record.saw(NOT_ONCE, json!([]))?;
        record.saw(NEXT, completed(&[said("next\n")]))?;
        record.saw("letters", 0)?;
        stopped(record)
    },
)
.patience(PATIENCE)
.needs(NEEDS)];

/// Kills the server or `runner` after up to the time that a `whole` job takes, and starts it again. Returns
/// the runner that is there at the end.
fn kill_again_and_again(
    stage: &mut Stage<'_>,
    fleet: &mut Fleet,
    runner: Companion,
    whole: Duration,
) -> anyhow::Result<Companion> {
    let seed = seed();
    stage.remark(&format!(
        "kill -9 after up to {} ms each, from the seed {seed}",
        whole.as_millis(),
    ));
    let mut random = Random::new(seed);
    let mut runner = Some(runner);
    for _ in 0..KILLS {
        std::thread::sleep(whole.mul_f64(random.unit()));
        if random.below(2) == 0 {
            fleet.kill_server()?;
            fleet.serve(stage)?;
        } else {
            runner.take().context("there is a runner")?.kill()?;
            log::mark_kill(&runner_log(stage))?;
            runner = Some(fleet.up(stage)?);
        }
    }
    stage.observe("kills", KILLS);
    runner.context("there is a runner")
}

/// Observes which of the jobs that have `ended`, each with its outcome, did what the runner's log does not allow.
/// What the outcome of those is that are observed by themselves is left to that.
fn look_into_log(stage: &mut Stage<'_>, ended: &[(String, Value)]) -> anyhow::Result<()> {
    let path = runner_log(stage);
    let log = fs::read_to_string(&path);
    let log = log.with_context(|| format!("failed to read {}", path.display()))?;
    let told = Told::of(&log);
    let wrong: Vec<Value> = ended
        .iter()
        .filter(|(job, outcome)| !told.allows(job, outcome["state"] == "failed"))
        .map(|(job, outcome)| json!({"job": job, "begun": told.begun(job), "outcome": outcome}))
        .collect();
    stage.observe(NOT_ONCE, wrong);
    Ok(())
}

/// What all runners of the scenario say.
fn runner_log(stage: &Stage<'_>) -> PathBuf {
    stage.folder().join("runner.log")
}

/// Whether a job that prints its number ended in one of the ways that are left where things are killed.
fn is_right(number: usize, outcome: &Value) -> bool {
    if outcome["state"] == "failed" {
        return REASONS.iter().any(|reason| outcome["reason"] == *reason);
    }
    *outcome == completed(&[said(&format!("{number}\n"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_completes_with_its_own_output_or_says_why_not() {
        assert!(is_right(3, &completed(&[said("3\n")])));
        let failed = |reason| json!({"state": "failed", "reason": reason, "results": null});
        assert!(is_right(3, &failed("runner_lost_job")));
        assert!(!is_right(3, &failed("heartbeat_timeout")));
        assert!(!is_right(3, &completed(&[said("4\n")])));
        assert!(!is_right(3, &completed(&[])));
        assert!(!is_right(3, &json!({"state": "canceled"})));
    }
}
