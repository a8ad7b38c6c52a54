//! Work under a virtual clock: how much its times differ, on a quiet host and on a busy one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Context as _;

use super::Arena;
use super::statistics::Samples;
use crate::console;
use crate::images::{self, Image};
use crate::load;
use crate::process;
use crate::report::Report;

/// A benchmark: name, script, and the greatest coefficient of variation that is wanted, in percent.
const BENCHMARKS: [(&str, &str, f64); 3] = [
    (
        "CPU-bound: a shell that counts",
        "i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done",
        0.01,
    ),
    (
        "allocation-heavy: 20,000 strings in awk",
        "awk 'BEGIN { for (i = 0; i < 20000; i++) all[i] = sprintf(\"%0200d\", i); \
         for (i in all) sum += length(all[i]); print sum }'",
        0.1,
    ),
    (
        "file-heavy: 200 files made, synced, read, removed",
        "mkdir /files; i=0; while [ $i -lt 200 ]; do head -c 30000 /bin/busybox >/files/$i; \
         i=$((i + 1)); done; sync; cat /files/* | wc -c; rm -r /files; sync",
        0.1,
    ),
];

/// What was measured of one benchmark.
struct Measured {
    guest: Vec<f64>,
    host: Vec<f64>,
    instructions: BTreeSet<u64>,
}

pub(crate) fn run(arena: &Arena<'_>) -> anyhow::Result<String> {
    console::heading("Virtual clock");
    let loops = load::twice_the_cpus();
    let quiet = arena.rounds.div_ceil(2);
    let mut version = None;
    let mut all: Vec<Measured> = BENCHMARKS.iter().map(|_| Measured::new()).collect();
    for round in 0..arena.rounds {
        console::note(&format!("round {} of {}", round + 1, arena.rounds));
        let busy = if round < quiet { 0 } else { loops };
        load::beside(busy, || {
            for ((name, script, _), measured) in BENCHMARKS.iter().zip(&mut all) {
                let added = measured.add(arena, script);
                version = added.with_context(|| format!("{name} failed"))?;
            }
            anyhow::Ok(())
        })?;
    }
    let version = version.context("the emulator's version is not known")?;
    render(arena.rounds, loops, &version, &all)
}

impl Measured {
    fn new() -> Self {
        Self {
            guest: Vec::new(),
            host: Vec::new(),
            instructions: BTreeSet::new(),
        }
    }

    /// Adds a run of `script`, and returns the emulator's version.
    fn add(&mut self, arena: &Arena<'_>, script: &str) -> anyhow::Result<Option<String>> {
        let result = arena.folder.join("clock.json");
        let mut runner = arena.runner.command();
        runner
            .args(["--quiet", "run", "--clock", "virtual", "--timeout", "1800"])
            .args(["--boot-timeout", "1800", "--image"])
            .arg(images::path(arena.workspace, Image::Busybox))
            .arg("--result")
            .arg(&result)
            .args(["--", "sh", "-c", script]);
        process::capture(&mut runner)?;
        let report = Report::read(&result)?;
        let iteration = report.only()?;
        let resources = iteration.resources.as_ref();
        let nanoseconds = resources.context("the guest measured nothing")?.wall_ns;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 104 days")]
        self.guest.push(nanoseconds as f64 / 1e6);
        let host = iteration.spans.command;
        self.host.push(host.context("the command never began")?);
        let count = iteration.instructions;
        self.instructions
            .insert(count.context("instructions were not counted")?);
        Ok(report.machine.vmm_version)
    }
}

fn render(rounds: u32, loops: usize, version: &str, all: &[Measured]) -> anyhow::Result<String> {
    let mut text = format!(
        "### Virtual clock: {rounds} runs each, half of them beside {loops} busy loops\n\n\
         QEMU {version}. Guest and host are two clocks on the same runs.\n\n\
         | | guest (ms) | CV, guest (goal) | distinct instruction counts | \
         host (ms), least – greatest | CV, host |\n|---|---:|---:|---:|---:|---:|\n"
    );
    for ((name, _, goal), measured) in BENCHMARKS.iter().zip(all) {
        let samples =
            |values: &[f64]| Samples::new(values.to_vec()).context("nothing was measured");
        let (guest, host) = (samples(&measured.guest)?, samples(&measured.host)?);
        let _ = writeln!(
            text,
            "| {name} | {:.6} | {:.5} % (≤ {goal} %) | {} | {:.0} – {:.0} | {:.1} % |",
            guest.median(),
            guest.variation().unwrap_or_default() * 100.0,
            measured.instructions.len(),
            host.least(),
            host.greatest(),
            host.variation().unwrap_or_default() * 100.0,
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_both_clocks() {
        let all: Vec<_> = BENCHMARKS
            .iter()
            .map(|_| Measured {
                guest: vec![100.0, 100.0, 103.0],
                host: vec![200.0, 600.0, 400.0],
                instructions: [100, 103].into(),
            })
            .collect();
        insta::assert_snapshot!(render(3, 4, "7.2.22", &all).expect("there are measurements"));
        assert!(render(0, 4, "7.2.22", &[Measured::new()]).is_err());
    }
}
