//! `bench`: speed and memory beside other tools, as ratios.
//!
//! Contestants take turns, so that what else happens on the machine hits all of them alike, and
//! each is represented by its median. No number here fails anything, for machines differ; but a server
//! that loses a job, or has one run twice, does.

mod answers;
mod bare;
mod clock;
mod cold;
pub(crate) mod ending;
mod idle;
mod in_force;
mod inflate;
mod peak;
mod pull;
pub(crate) mod rounds;
mod server;
mod spread;
pub(crate) mod statistics;
mod stdout;
mod tuning;
mod up;
mod wakeups;
mod warm;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use crate::console;
use crate::images::{self, Image, remove_if_there};
use crate::prerequisites;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// A group of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    /// An image that was never seen to a root filesystem
    Cold,
    /// `echo hello` with everything in the cache
    Warm,
    /// One GiB of standard output
    Stdout,
    /// An image out of a registry
    Pull,
    /// How much times under a virtual clock differ; not by default
    Clock,
    /// How much times scatter on a noisy host, tuned and pinned beside neither; not by default
    Tuning,
    /// How often the runner and the guest's init wake up while a guest sleeps; not by default
    Idle,
    /// A server with a thousand simulated runners; not by default
    Server,
    /// Jobs of `runner up` on loopback, beside `runner run`; not by default
    Up,
    /// What answers keep of what they promise, on made-up noise and on real runs; not by default
    Statistics,
}

impl Benchmark {
    /// Those that compare speed and memory.
    pub(crate) const SPEED: [Self; 4] = [Self::Cold, Self::Pull, Self::Warm, Self::Stdout];

    /// The image that it uses, if it uses a machine at all.
    fn image(self) -> Option<Image> {
        match self {
            Self::Cold | Self::Pull => Some(Image::Large),
            Self::Warm | Self::Stdout | Self::Clock | Self::Tuning | Self::Idle | Self::Up => {
                Some(Image::Busybox)
            }
            Self::Server | Self::Statistics => None,
        }
    }
}

impl Benchmark {
    /// Measures, and says what came of it as Markdown. What uses a machine has an `arena`.
    fn run(
        self,
        workspace: &Workspace,
        rounds: u32,
        arena: Option<&Arena<'_>>,
    ) -> anyhow::Result<String> {
        match (self, arena) {
            (Self::Server, _) => server::run(workspace),
            (Self::Statistics, _) => answers::run(workspace, rounds),
            (_, None) => bail!("no machine was prepared"),
            (Self::Cold, Some(arena)) => cold::run(arena),
            (Self::Pull, Some(arena)) => pull::run(arena),
            (Self::Warm, Some(arena)) => warm::run(arena),
            (Self::Stdout, Some(arena)) => stdout::run(arena),
            (Self::Clock, Some(arena)) => clock::run(arena),
            (Self::Tuning, Some(arena)) => tuning::run(arena),
            (Self::Idle, Some(arena)) => idle::run(arena),
            (Self::Up, Some(arena)) => up::run(arena),
        }
    }
}

/// What the benchmarks work with.
#[derive(Debug)]
struct Arena<'a> {
    workspace: &'a Workspace,
    runner: Runner,
    /// An empty folder; nothing in it is removed before the end, because ext4 is slow at making
    /// files where many were just removed.
    folder: PathBuf,
    rounds: u32,
}

/// Runs `benchmarks`, prints what they measured as Markdown and keeps it in `bench.md`.
///
/// # Errors
///
/// When a contestant fails.
pub(crate) fn run(
    workspace: &Workspace,
    benchmarks: &[Benchmark],
    rounds: u32,
) -> anyhow::Result<()> {
    let mut images: Vec<Image> = Vec::new();
    for image in benchmarks.iter().filter_map(|benchmark| benchmark.image()) {
        if !images.contains(&image) {
            images.push(image);
        }
    }
    let arena = if images.is_empty() {
        None
    } else {
        Some(prepare(workspace, benchmarks, &images, rounds)?)
    };
    let mut text = machine();
    for benchmark in benchmarks {
        text.push('\n');
        text.push_str(&benchmark.run(workspace, rounds, arena.as_ref())?);
    }
    if let Some(arena) = arena {
        remove_if_there(&arena.folder)?;
    }
    let artifacts = workspace.artifacts();
    fs::create_dir_all(artifacts)
        .with_context(|| format!("cannot make {}", artifacts.display()))?;
    let report = artifacts.join("bench.md");
    fs::write(&report, &text).with_context(|| format!("cannot write {}", report.display()))?;
    console::heading("Results");
    print!("{text}");
    Ok(())
}

/// Makes what machines need.
fn prepare<'a>(
    workspace: &'a Workspace,
    benchmarks: &[Benchmark],
    images: &[Image],
    rounds: u32,
) -> anyhow::Result<Arena<'a>> {
    console::heading("Preparations");
    let mut needed = prerequisites::for_machines();
    needed.extend(prerequisites::for_images(images));
    if benchmarks.contains(&Benchmark::Cold) {
        needed.extend(prerequisites::for_comparison());
    }
    if benchmarks.contains(&Benchmark::Pull) || benchmarks.contains(&Benchmark::Up) {
        needed.extend(prerequisites::for_registries());
    }
    prerequisites::ensure(&needed)?;
    let runner = Runner::build(workspace)?;
    runner.fetch_kernel()?;
    for &image in images {
        images::ensure(workspace, image)?;
    }
    remove_if_there(&workspace.artifacts().join("bench"))?;
    Ok(Arena {
        folder: workspace.folder("bench")?,
        workspace,
        runner,
        rounds,
    })
}

/// What the numbers were measured on.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = read("/proc/meminfo");
    let memory: f64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))
        .and_then(|kibibytes| kibibytes.parse().ok())
        .unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{cpus} × {cpu}, {:.0} GiB, Linux {}",
        memory / f64::from(1 << 20),
        kernel.trim()
    );
    text
}
