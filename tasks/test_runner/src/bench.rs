//! `bench`: speed and memory beside other tools, as ratios.
//!
//! Contestants take turns, so that what else happens on the machine hits all of them alike, and
//! each is represented by its median. No number here fails anything: machines differ.

mod bare;
mod clock;
mod cold;
pub(crate) mod ending;
mod idle;
mod in_force;
mod inflate;
mod peak;
mod pull;
mod registry;
pub(crate) mod rounds;
mod spread;
pub(crate) mod statistics;
mod stdout;
mod tuning;
mod wakeups;
mod warm;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
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
}

impl Benchmark {
    /// Those that compare speed and memory.
    pub(crate) const SPEED: [Self; 4] = [Self::Cold, Self::Pull, Self::Warm, Self::Stdout];

    /// The images that it uses.
    fn image(self) -> Image {
        match self {
            Self::Cold | Self::Pull => Image::Large,
            Self::Warm | Self::Stdout | Self::Clock | Self::Tuning | Self::Idle => Image::Busybox,
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
    console::heading("Preparations");
    let mut images: Vec<Image> = Vec::new();
    for image in benchmarks.iter().map(|benchmark| benchmark.image()) {
        if !images.contains(&image) {
            images.push(image);
        }
    }
    let mut needed = prerequisites::for_machines();
    needed.extend(prerequisites::for_images(&images));
    if benchmarks.contains(&Benchmark::Cold) {
        needed.extend(prerequisites::for_comparison());
    }
    if benchmarks.contains(&Benchmark::Pull) {
        needed.extend(prerequisites::for_registries());
    }
    prerequisites::ensure(&needed)?;
    let runner = Runner::build(workspace)?;
    runner.fetch_kernel()?;
    for image in images {
        images::ensure(workspace, image)?;
    }
    let folder = workspace.artifacts().join("bench");
    remove_if_there(&folder)?;
    let arena = Arena {
        folder: workspace.folder("bench")?,
        workspace,
        runner,
        rounds,
    };
    let mut text = machine();
    for benchmark in benchmarks {
        let section = match benchmark {
            Benchmark::Cold => cold::run(&arena),
            Benchmark::Pull => pull::run(&arena),
            Benchmark::Warm => warm::run(&arena),
            Benchmark::Stdout => stdout::run(&arena),
            Benchmark::Clock => clock::run(&arena),
            Benchmark::Tuning => tuning::run(&arena),
            Benchmark::Idle => idle::run(&arena),
        };
        text.push('\n');
        text.push_str(&section?);
    }
    remove_if_there(&arena.folder)?;
    let report = workspace.artifacts().join("bench.md");
    fs::write(&report, &text).with_context(|| format!("cannot write {}", report.display()))?;
    console::heading("Results");
    print!("{text}");
    Ok(())
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
