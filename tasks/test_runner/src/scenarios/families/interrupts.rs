//! The user stops a run.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::scenarios::expect::Expect;
use crate::scenarios::invocation::Invocation;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;

/// Within what time a run that is told to stop has ended, when its command obeys.
const PROMPTLY: Duration = Duration::from_secs(2);

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "job_cancelled",
        "SIGTERM ends a run within two seconds and keeps what was produced",
        |stage| stopped_by(stage, Signal::SIGTERM),
        |record| {
            record.saw("ended within two seconds", true)?;
            record.is(Expect::interrupt(15, Some(15))
                .stdout("partial")
                .stderr("error")
                .file("1/files/results/part", "part\n"))
        },
    ),
    Scenario::driven(
        "job_interrupted",
        "SIGINT ends a run as Ctrl-C does, and gives 130",
        |stage| stopped_by(stage, Signal::SIGINT),
        |record| {
            record.saw("ended within two seconds", true)?;
            record.is(Expect::interrupt(2, Some(15))
                .stdout("partial")
                .stderr("error")
                .file("1/files/results/part", "part\n"))
        },
    ),
    Scenario::driven(
        "second_signal_kills",
        "a second signal ends a command that refuses the first, at once",
        |stage| {
            let mut invocation = Invocation::new();
            invocation
                .options(["--grace-period", "1000"])
                .script("trap 'echo refused' TERM INT; echo ready; while :; do sleep 0.1; done");
            let running = stage.start(&invocation)?;
            running.wait_for("ready\n")?;
            running.signal(Signal::SIGTERM)?;
            running.wait_for("refused\n")?;
            running.signal(Signal::SIGTERM)?;
            let second = Instant::now();
            stage.finish(running)?;
            stage.observe("ended within two seconds", second.elapsed() < PROMPTLY);
            Ok(())
        },
        |record| {
            record.saw("ended within two seconds", true)?;
            record.is(Expect::interrupt(15, None).stdout("ready\nrefused\n"))
        },
    ),
    Scenario::driven(
        "cancelled_command_cleans_up",
        "a command that is told to stop may still say something and choose its exit code",
        |stage| {
            let mut invocation = Invocation::new();
            invocation
                .script("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.1; done");
            let running = stage.start(&invocation)?;
            running.wait_for("ready\n")?;
            running.signal(Signal::SIGTERM)?;
            stage.finish(running).map(|_| ())
        },
        |record| record.is(Expect::interrupt(15, None).stdout("ready\nbye\n")),
    ),
];

fn stopped_by(stage: &mut Stage<'_>, signal: Signal) -> anyhow::Result<()> {
    let mut invocation = Invocation::new();
    invocation
        .outputs(&["/results/part"])
        .script("echo part >/results/part; printf error >&2; printf partial; exec sleep 1000");
    let running = stage.start(&invocation)?;
    running.wait_for("partial")?;
    running.signal(signal)?;
    let told = Instant::now();
    stage.finish(running)?;
    stage.observe("ended within two seconds", told.elapsed() < PROMPTLY);
    Ok(())
}
