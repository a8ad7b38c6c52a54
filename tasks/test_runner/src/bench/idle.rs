//! What a guest that is idle costs: wakeups a second while the command sleeps.
//!
//! ```text
//! guest     echo ─── sleep ──────────────────────────────────────────── exit
//! init      begins to count its own switches                            tells them
//! host           └─ settle ─┴─ counts ──────────────── counts ─┘
//! ```

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Arena;
use super::statistics::Samples;
use super::wakeups::{self, Whose};
use crate::console;
use crate::images::{self, Image};
use crate::process::describe;
use crate::report::Report;

/// Seconds that the command sleeps.
const SLEEPS: u32 = 20;

/// From the command's word to the first count: whatever its start has set going has ended then.
const SETTLE: Duration = Duration::from_secs(2);

/// From the first count to the second.
const WATCHED: Duration = Duration::from_secs(15);

/// The line of init's log, with the number of times that it waited in between.
const WAITED: (&str, &str) = ("guest: init waited ", " times");

/// What is wanted of whatever is the runner's.
const GOAL: &str = "0 to 1";

/// Wakeups a second of each round.
#[derive(Debug, Default)]
struct Wakeups {
    runner: Vec<f64>,
    init: Vec<f64>,
    other: Vec<f64>,
}

/// A kind of machine.
struct Kind {
    options: &'static [&'static str],
    /// What it was, as the result says it.
    name: String,
    wakeups: Wakeups,
}

impl Kind {
    fn new(options: &'static [&'static str]) -> Self {
        Self {
            options,
            name: String::new(),
            wakeups: Wakeups::default(),
        }
    }
}

pub(crate) fn run(arena: &Arena<'_>) -> anyhow::Result<String> {
    console::heading("Idle guests");
    let mut kinds = [Kind::new(&[]), Kind::new(&["--sandbox", "none"])];
    for round in 0..arena.rounds {
        console::note(&format!("round {} of {}", round + 1, arena.rounds));
        for kind in &mut kinds {
            once(arena, kind)?;
        }
    }
    render(arena.rounds, &kinds)
}

/// Runs a command that sleeps.
fn once(arena: &Arena<'_>, kind: &mut Kind) -> anyhow::Result<()> {
    let result = arena.folder.join("idle.json");
    let mut runner = arena.runner.command();
    runner
        .args(["run", "--sandbox-log-level", "debug"])
        .args(kind.options)
        .arg("--image")
        .arg(images::path(arena.workspace, Image::Busybox))
        .arg("--result")
        .arg(&result)
        .args(["--", "sh", "-c", &format!("echo; sleep {SLEEPS}")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let name = describe(&runner);
    let mut child = runner
        .spawn()
        .with_context(|| format!("cannot start `{name}`"))?;
    let watched = watch(arena, &mut child);
    if watched.is_err() {
        // It has ended already, or has nobody to work for.
        let _ended = child.kill();
    }
    let output = child.wait_with_output()?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let watched = watched.with_context(|| format!("`{name}` failed:\n{log}"))?;
    ensure!(output.status.success(), "`{name}` failed:\n{log}");
    let report = Report::read(&result)?;
    let resources = report.only()?.resources.as_ref();
    let seconds = resources.context("the command was not measured")?.wall_ns / 1_000_000_000;
    let waited = init_waited(&log).with_context(|| format!("init did not tell:\n{log}"))?;
    kind.name = match report.machine.accelerator.as_str() {
        "none" => format!("sandbox {}", report.machine.sandbox),
        accelerator => format!("{} ({accelerator})", report.machine.sandbox),
    };
    kind.wakeups
        .init
        .push(rate(waited, Duration::from_secs(seconds)));
    kind.wakeups.runner.push(watched.0);
    kind.wakeups.other.push(watched.1);
    Ok(())
}

/// Wakeups a second of the runner, and of what is not its own program, while the command sleeps.
fn watch(arena: &Arena<'_>, runner: &mut Child) -> anyhow::Result<(f64, f64)> {
    let stdout = runner.stdout.take().context("its output is not a pipe")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(line == "\n", "the command did not begin");
    sleep(SETTLE);
    let count = || wakeups::count(runner.id(), arena.runner.binary());
    let (begun, before) = (Instant::now(), count()?);
    sleep(WATCHED);
    let (after, span) = (count()?, begun.elapsed());
    let of = |whose| rate(wakeups::between(&before, &after, whose), span);
    Ok((of(Whose::Runner), of(Whose::Other)))
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn rate(count: u64, span: Duration) -> f64 {
    count as f64 / span.as_secs_f64()
}

/// How often init waited, by its own count.
fn init_waited(log: &str) -> Option<u64> {
    let (before, after) = WAITED;
    let (_, rest) = log.split_once(before)?;
    rest.split_once(after)?.0.parse().ok()
}

fn render(rounds: u32, kinds: &[Kind]) -> anyhow::Result<String> {
    let mut text = format!(
        "### Idle: wakeups a second while the command sleeps, {rounds} rounds\n\n\
         | | median | least – greatest | goal |\n|---|---:|---:|---:|\n"
    );
    for kind in kinds {
        let wakeups = &kind.wakeups;
        for (whose, values, goal) in [
            ("the runner, its jailer included", &wakeups.runner, GOAL),
            ("init, by its own count", &wakeups.init, GOAL),
            ("everything else below the runner", &wakeups.other, "–"),
        ] {
            let samples = Samples::new(values.clone()).context("nothing was measured")?;
            let _ = writeln!(
                text,
                "| {}: {whose} | {:.2} | {:.2} – {:.2} | {goal} |",
                kind.name,
                samples.median(),
                samples.least(),
                samples.greatest(),
            );
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_tells_how_often_it_waited() {
        let log = "runner: booting\nrunner: guest: init waited 4 times and was preempted 1 times \
                   while the command ran\nrunner: iteration 1: exit code 0\n";
        assert_eq!(init_waited(log), Some(4));
        assert_eq!(init_waited("runner: booting\n"), None);
        assert!((rate(3, Duration::from_millis(1500)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_runners_own_stand_beside_their_goal() {
        let kind = |name: &str, other| Kind {
            options: &[],
            name: name.to_owned(),
            wakeups: Wakeups {
                runner: vec![0.0, 0.2, 0.1],
                init: vec![0.15, 0.15, 0.2],
                other: vec![other],
            },
        };
        let kinds = [kind("qemu (tcg)", 120.5), kind("sandbox none", 0.0)];
        insta::assert_snapshot!(render(3, &kinds).expect("complete"), @r"
        ### Idle: wakeups a second while the command sleeps, 3 rounds

        | | median | least – greatest | goal |
        |---|---:|---:|---:|
        | qemu (tcg): the runner, its jailer included | 0.10 | 0.00 – 0.20 | 0 to 1 |
        | qemu (tcg): init, by its own count | 0.15 | 0.15 – 0.20 | 0 to 1 |
        | qemu (tcg): everything else below the runner | 120.50 | 120.50 – 120.50 | – |
        | sandbox none: the runner, its jailer included | 0.10 | 0.00 – 0.20 | 0 to 1 |
        | sandbox none: init, by its own count | 0.15 | 0.15 – 0.20 | 0 to 1 |
        | sandbox none: everything else below the runner | 0.00 | 0.00 – 0.00 | – |
        ");
        assert!(render(0, &[Kind::new(&[])]).is_err());
    }
}
