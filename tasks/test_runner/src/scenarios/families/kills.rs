//! A runner that tunes the host is killed at any moment.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use bencher_statistics::Random;
use serde_json::json;

use super::tuning::tuned;
use crate::scenarios::backend::On;
use crate::scenarios::expect::Expect;
use crate::scenarios::invocation::Invocation;
use crate::scenarios::knobs::{HostState, Unusual};
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;
use crate::scenarios::surroundings::Need;

/// How often a runner is killed.
const MOMENTS: usize = 50;

/// How long all of it may take. In a machine that is emulated by an idle one it is under a minute.
const PATIENCE: Duration = Duration::from_mins(10);

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::driven(
    "tuning_survives_kills",
    "whenever a runner is killed, 50 times, the next start puts every knob of the host back",
    |stage| {
        let _unusual = Unusual::set()?;
        kill_again_and_again(stage)?;
        stage
            .run(Invocation::new().tuned().command(["true"]))
            .map(|_| ())
    },
    |record| {
        record.saw("kills", MOMENTS)?;
        record.saw("some found the host tuned, some not yet or no more", true)?;
        record.saw("not as before the kill", json!([]))?;
        record.is(tuned(Expect::exit(0)))
    },
)
.on(On::Host)
.patience(PATIENCE)
.needs(&[Need::TunableHost, Need::Cpus(2)])];

fn kill_again_and_again(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let before = HostState::here();
    ensure!(!before.journal && !before.partition, "this host is tuned");
    let mut invocation = Invocation::new();
    invocation.tuned().script("sleep 0.2");
    // The first one prepares the image for all others.
    let first = stage.carry_out(stage.apart(&invocation), None)?;
    ensure!(first.success(), "a run that nobody kills ends with {first}");
    let begin = Instant::now();
    stage.carry_out(stage.apart(&invocation), None)?;
    let whole = begin.elapsed();
    let seed = seed();
    stage.remark(&format!(
        "kill -9 after up to {} ms, from the seed {seed}",
        whole.as_millis(),
    ));
    let mut random = Random::new(seed);
    let (mut kills, mut tuned, mut wrong) = (0, 0, Vec::new());
    for moment in 0..MOMENTS {
        let delay = whole.mul_f64(random.unit());
        stage.carry_out(stage.apart(&invocation), Some(delay))?;
        kills += 1;
        tuned += usize::from(HostState::here().values != before.values);
        let (name, next) = next_start(stage, moment);
        let status = stage.carry_out(next, None)?;
        let after = HostState::here();
        let differences = before.differences(&after);
        if !status.success() || !differences.is_empty() {
            wrong.push(format!(
                "killed after {} ms, then {name} ({status}): {differences:?}",
                delay.as_millis(),
            ));
        }
    }
    stage.remark(&format!("{tuned} of {kills} left a tuned host"));
    stage.observe("kills", kills);
    stage.observe(
        "some found the host tuned, some not yet or no more",
        (1..kills).contains(&tuned),
    );
    stage.observe("not as before the kill", wrong);
    Ok(())
}

/// What puts the host back: each way in turn.
fn next_start(stage: &Stage<'_>, moment: usize) -> (&'static str, Command) {
    let mut run = Invocation::new();
    run.command(["true"]);
    match moment % 3 {
        0 => {
            run.tuned();
            ("a run", stage.apart(&run))
        }
        // The variable that keeps this host untuned is set.
        1 => ("a run without tuning", stage.apart(&run)),
        _ => {
            let mut restore = stage.runner.command();
            restore.args(["tune", "restore"]);
            ("tune restore", restore)
        }
    }
}

/// Another one each time: what it was is in the report.
pub(super) fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = now.unwrap_or_default().as_nanos() & u128::from(u64::MAX);
    u64::try_from(nanoseconds).unwrap_or_default()
}
