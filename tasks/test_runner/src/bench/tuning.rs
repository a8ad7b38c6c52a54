//! The wall clock on a noisy host: tuned and pinned beside neither.
//!
//! ```text
//! round 1   untuned   affinity   tuned      one run of the command each, beside the same bursts of
//! round 2   tuned   affinity   untuned      load, which no two rounds have in common
//! …
//! ```

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};

use super::Arena;
use super::in_force;
use super::spread::Spread;
use super::statistics::Samples;
use crate::console;
use crate::images::{self, Image};
use crate::load;
use crate::process;
use crate::report::{Host, Report};

/// What is run: name and script. Each takes a few tenths of a second.
const COMMANDS: [(&str, &str); 3] = [
    (
        "CPU-bound",
        "i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done",
    ),
    (
        "allocation-heavy",
        "awk 'BEGIN { for (i = 0; i < 200000; i++) all[i] = sprintf(\"%0200d\", i); \
         for (i in all) sum += length(all[i]); print sum }'",
    ),
    (
        "file-heavy",
        "mkdir /files; i=0; while [ $i -lt 8000 ]; do echo $i >/files/$i; i=$((i + 1)); done; \
         ls /files | wc -l; rm -r /files",
    ),
];

/// A way to run them.
#[derive(Debug)]
struct Side {
    name: &'static str,
    is_tuned: bool,
    /// Whether other programs have to make room for it.
    comes_first: bool,
    options: &'static [&'static str],
}

/// The first is what the others are compared with.
const SIDES: [Side; 3] = [
    Side {
        name: "untuned, unpinned",
        is_tuned: false,
        comes_first: false,
        options: &["--aslr"],
    },
    Side {
        name: "tuned, pinned by affinity alone",
        is_tuned: true,
        comes_first: false,
        options: &["--no-cpuset-partition"],
    },
    Side {
        name: "tuned, pinned",
        is_tuned: true,
        comes_first: true,
        options: &[],
    },
];

/// What the runner reads to leave the host alone.
const NO_TUNING: &str = "BENCHER_RUNNER_NO_TUNING";

/// Milliseconds of each side in one round.
type Round = [f64; SIDES.len()];

pub(crate) fn run(arena: &Arena<'_>) -> anyhow::Result<String> {
    console::heading("Wall clock on a noisy host");
    let threads = load::twice_the_cpus();
    let mut measured = vec![Vec::new(); COMMANDS.len()];
    let mut host = None;
    for round in 0..arena.rounds {
        console::note(&format!("round {} of {}", round + 1, arena.rounds));
        for (index, ((name, script), rounds)) in COMMANDS.iter().zip(&mut measured).enumerate() {
            let seed = u64::from(round) * 100 + index as u64;
            let mut milliseconds = Round::default();
            for side in order(round) {
                let once = || once(arena, script, &SIDES[side]);
                let (took, around) = load::beside_bursts(threads, seed, once)
                    .with_context(|| format!("{name}, {}, failed", SIDES[side].name))?;
                milliseconds[side] = took;
                if side == SIDES.len() - 1 {
                    host = Some(around);
                }
            }
            rounds.push(milliseconds);
        }
    }
    let host = host.context("nothing was measured")?;
    render(arena.rounds, threads, &measured, &host)
}

/// The order of a round's sides: the other way round each time, so that what changes slowly comes
/// out even.
fn order(round: u32) -> impl Iterator<Item = usize> {
    let last = SIDES.len() - 1;
    (0..=last).map(move |index| {
        if round.is_multiple_of(2) {
            index
        } else {
            last - index
        }
    })
}

/// Runs `script` on this host, and returns how long it took, in milliseconds.
fn once(arena: &Arena<'_>, script: &str, side: &Side) -> anyhow::Result<(f64, Host)> {
    let result = arena.folder.join("tuning.json");
    let mut runner = arena.runner.command();
    if side.is_tuned {
        runner.env_remove(NO_TUNING);
    } else {
        runner.env(NO_TUNING, "1");
    }
    runner
        .args(["--quiet", "run", "--sandbox", "none"])
        .args(side.options)
        .arg("--image")
        .arg(images::path(arena.workspace, Image::Busybox))
        .arg("--result")
        .arg(&result)
        .args(["--", "sh", "-c", script]);
    process::capture(&mut runner)?;
    let report = Report::read(&result)?;
    side.check(&report.host)?;
    let resources = report.only()?.resources.as_ref();
    let nanoseconds = resources.context("nothing was measured")?.wall_ns;
    #[expect(clippy::cast_precision_loss, reason = "exact up to 104 days")]
    let milliseconds = nanoseconds as f64 / 1e6;
    Ok((milliseconds, report.host))
}

impl Side {
    /// Whether the host was what the side is called.
    fn check(&self, host: &Host) -> anyhow::Result<()> {
        let (tuning, layout) = (&host.tuning, &host.cpu_layout);
        let tuned_by = if self.is_tuned { "run" } else { "nobody" };
        ensure!(
            tuning.tuned_by == tuned_by,
            "the host was to be tuned by {tuned_by}, and was by {}: {}",
            tuning.tuned_by,
            tuning.reason.as_deref().unwrap_or("no reason was given")
        );
        ensure!(
            layout.pinned == self.is_tuned,
            "the CPUs are not as they should be: {}",
            layout.reason.as_deref().unwrap_or("it was pinned")
        );
        let comes_first = layout.partition.is_some() || layout.precedence.is_some();
        ensure!(
            comes_first == self.comes_first,
            "the command {} come before other programs: {}",
            if comes_first { "did" } else { "did not" },
            layout
                .precedence_reason
                .as_ref()
                .or(layout.partition_reason.as_ref())
                .map_or("no reason was given", String::as_str)
        );
        Ok(())
    }
}

fn render(
    rounds: u32,
    threads: usize,
    measured: &[Vec<Round>],
    host: &Host,
) -> anyhow::Result<String> {
    let mut text = format!(
        "### Wall clock: {rounds} rounds, each run beside bursts of load on {threads} threads\n\n\
         | | median (ms) | CV | ratio | IQR / median | ratio |\n\
         |---|---:|---:|---:|---:|---:|\n"
    );
    for ((name, _), rounds) in COMMANDS.iter().zip(measured) {
        for (index, side) in SIDES.iter().enumerate() {
            let times = rounds.iter().map(|round| round[index]).collect();
            let samples = Samples::new(times).context("nothing was measured")?;
            let beside: Vec<_> = rounds
                .iter()
                .map(|round| (round[index], round[0]))
                .collect();
            let ratio = |spread: Spread| match index {
                0 => "1".to_owned(),
                _ => spread
                    .ratio(&beside)
                    .map_or_else(|| "–".to_owned(), |ratio| ratio.to_string()),
            };
            let _ = writeln!(
                text,
                "| {name}: {} | {:.1} | {:.2} % | {} | {:.2} % | {} |",
                side.name,
                samples.median(),
                Spread::Variation.of(&samples) * 100.0,
                ratio(Spread::Variation),
                Spread::Quartiles.of(&samples) * 100.0,
                ratio(Spread::Quartiles),
            );
        }
    }
    text.push_str(
        "\nA ratio is that of a spread to the untuned one of the same command; in parentheses its \
         interval of 95 %, by a bootstrap over rounds. In force, tuned and pinned:\n\n",
    );
    text.push_str(&in_force::describe(host));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_round_goes_the_other_way() {
        let of = |round| order(round).collect::<Vec<_>>();
        assert_eq!((of(0), of(1), of(2)), (vec![0, 1, 2], vec![2, 1, 0], of(0)));
    }

    #[test]
    fn a_side_that_is_not_what_it_is_called_is_not_measured() {
        let mut host = in_force::tests::host();
        let [untuned, affinity, first] = &SIDES;
        assert!(first.check(&host).is_ok());
        let error = affinity.check(&host).expect_err("it has precedence");
        assert!(error.to_string().contains("did come before"), "{error}");
        let error = untuned.check(&host).expect_err("it is tuned");
        assert!(error.to_string().contains("by run"), "{error}");
        host.cpu_layout.precedence = None;
        assert!(affinity.check(&host).is_ok());
        let error = first.check(&host).expect_err("it has no precedence");
        assert!(
            error.to_string().contains("no cpuset controller"),
            "{error}"
        );
        host.cpu_layout.pinned = false;
        assert!(affinity.check(&host).is_err());
    }

    #[test]
    fn one_round_has_no_ratio() {
        let measured = vec![vec![[3.0, 2.0, 1.0]]; COMMANDS.len()];
        let text = render(1, 4, &measured, &in_force::tests::host()).expect("complete");
        assert!(
            text.contains("| CPU-bound: untuned, unpinned | 3.0 | 0.00 % | 1 |"),
            "{text}"
        );
        assert!(
            text.contains("| CPU-bound: tuned, pinned | 1.0 | 0.00 % | – |"),
            "{text}"
        );
    }

    #[test]
    fn the_sides_stand_beside_each_other() {
        let rounds: Vec<Round> = (0..20)
            .map(|round| {
                let off = f64::from(round % 5);
                [420.0 + 10.0 * off, 410.0 + 10.0 * off, 400.0 + off]
            })
            .collect();
        let measured = vec![rounds; COMMANDS.len()];
        let host = in_force::tests::host();
        insta::assert_snapshot!(render(20, 4, &measured, &host).expect("complete"));
        let nothing = vec![Vec::new(); COMMANDS.len()];
        assert!(render(0, 4, &nothing, &host).is_err());
    }
}
