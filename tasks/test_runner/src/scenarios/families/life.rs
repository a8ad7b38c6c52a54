//! A run leaves nothing behind, however it ends, and does not get in another's way.

use std::time::{Duration, Instant};

use anyhow::bail;
use nix::sys::signal::Signal;

use crate::scenarios::backend::On;
use crate::scenarios::expect::Expect;
use crate::scenarios::invocation::Invocation;
use crate::scenarios::processes::is_alive;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;

/// How long the kernel may take to end what depends on a killed process. It is a bound for a
/// failure: the end is looked for all the time.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "vmm_dies_with_runner",
        "kill -9 of the runner takes the machine with it",
        |stage| {
            killed_with_its_machine(stage)?;
            stage.observe("run folders after the kill", stage.run_folders().len());
            stage.run(Invocation::new().command(["true"])).map(|_| ())
        },
        |record| {
            record.saw("the machine is alive before", true)?;
            record.saw("the machine is alive after", false)?;
            record.saw("run folders after the kill", 1)?;
            record.are(&[killed(), Expect::exit(0)])
        },
    )
    .on(On::Machines),
    Scenario::driven(
        "leftovers_cleaned_at_next_start",
        "the next runner removes what a killed one left",
        |stage| {
            let invocation = sleeper();
            let running = stage.start(&invocation)?;
            running.wait_for("ready\n")?;
            running.signal(Signal::SIGKILL)?;
            stage.finish(running)?;
            let before = stage.run_folders();
            stage.observe("left by the killed runner", before.len());
            let next = stage.start(&invocation)?;
            next.wait_for("ready\n")?;
            let now = stage.run_folders();
            let left = now.iter().filter(|name| before.contains(name)).count();
            stage.observe("left once the next one runs", left);
            next.signal(Signal::SIGTERM)?;
            stage.finish(next).map(|_| ())
        },
        |record| {
            record.saw("left by the killed runner", 1)?;
            record.saw("left once the next one runs", 0)?;
            record.are(&[killed(), Expect::interrupt(15, Some(15)).stdout("ready\n")])
        },
    ),
    Scenario::driven(
        "concurrent_runs",
        "two runs at the same time do not get in each other's way",
        |stage| {
            let first = stage.start(&named("first"))?;
            let second = stage.start(&named("second"))?;
            first.wait_for("first\n")?;
            second.wait_for("second\n")?;
            stage.observe("run folders meanwhile", stage.run_folders().len());
            first.signal(Signal::SIGTERM)?;
            stage.finish(first)?;
            let mut second = second;
            let survives = second.is_running()?;
            stage.observe("the second survives the first", survives);
            second.signal(Signal::SIGTERM)?;
            stage.finish(second).map(|_| ())
        },
        |record| {
            record.saw("run folders meanwhile", 2)?;
            record.saw("the second survives the first", true)?;
            let ended = || Expect::interrupt(15, Some(15));
            record.are(&[
                ended().stdout("found nothing\nfirst\n"),
                ended().stdout("found nothing\nsecond\n"),
            ])
        },
    ),
];

fn sleeper() -> Invocation {
    let mut invocation = Invocation::new();
    invocation.script("echo ready; exec sleep 1000");
    invocation
}

/// Says whether it finds anything of another, then its name.
fn named(name: &str) -> Invocation {
    let mut invocation = Invocation::new();
    invocation.script(&format!(
        "cat /results/* 2>/dev/null || echo found nothing; echo {name} >/results/{name}; \
         echo {name}; exec sleep 1000"
    ));
    invocation
}

/// A runner that was killed after its command had said `ready`.
fn killed() -> Expect {
    Expect::killed(9).stdout("ready\n")
}

fn killed_with_its_machine(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let running = stage.start(&sleeper())?;
    running.wait_for("ready\n")?;
    let machine = stage.vmm(&running)?.id;
    stage.observe("the machine is alive before", is_alive(machine));
    running.signal(Signal::SIGKILL)?;
    stage.finish(running)?;
    let started = Instant::now();
    while is_alive(machine) {
        if started.elapsed() > PATIENCE {
            bail!(
                "the machine outlives the runner by {} s",
                PATIENCE.as_secs()
            );
        }
        std::thread::yield_now();
    }
    stage.observe("the machine is alive after", is_alive(machine));
    Ok(())
}
