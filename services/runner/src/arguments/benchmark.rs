//! What is common to all commands that run images.

use std::num::NonZeroU32;
use std::time::Duration;

use bencher_output_protocol::LogLevel;
use bencher_runner::harness::AdapterChoice;
use bencher_runner::result::MetricName;
use bencher_runner::run::{Goal, OnSuspect};
use bencher_runner::units::{ByteSize, parse_duration, parse_percentage};
use bencher_statistics::StopRule;
use clap::{ArgAction, Args, ValueEnum};

use super::{Cpus, HostTuning, Isolation, Machine, PullOptions, WayOut, When};

/// How a command is run.
#[derive(Debug, Args)]
pub(crate) struct Benchmark {
    /// When a registry is asked for the image
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "missing",
        help_heading = "Registry"
    )]
    pub(crate) pull: When,
    #[command(flatten)]
    pub(crate) registry: PullOptions,

    /// Replace the image's entrypoint, one word each; "" removes it
    #[arg(
        long,
        value_name = "WORD",
        allow_hyphen_values = true,
        help_heading = "Command"
    )]
    pub(crate) entrypoint: Option<Vec<String>>,
    /// Replace the image's command, one word each
    #[arg(
        long,
        value_name = "WORD",
        allow_hyphen_values = true,
        help_heading = "Command"
    )]
    pub(crate) cmd: Option<Vec<String>>,
    /// Set a variable of the command's environment; NAME alone takes the value from here
    #[arg(long, short, value_name = "NAME[=VALUE]", help_heading = "Command")]
    pub(crate) env: Vec<String>,
    /// The working directory
    #[arg(long, short, value_name = "DIR", help_heading = "Command")]
    pub(crate) workdir: Option<String>,
    /// The user and group, by name or id
    #[arg(long, short, value_name = "USER[:GROUP]", help_heading = "Command")]
    pub(crate) user: Option<String>,

    #[command(flatten)]
    pub(crate) machine: Machine,
    #[command(flatten)]
    pub(crate) isolation: Isolation,
    #[command(flatten)]
    pub(crate) network: WayOut,
    #[command(flatten)]
    pub(crate) cpus: Cpus,
    #[command(flatten)]
    pub(crate) tuning: HostTuning,

    /// How long the command may take, by the host's clock
    #[arg(long, value_name = "TIME", default_value = "300", value_parser = parse_duration,
          help_heading = "Limits")]
    pub(crate) timeout: Duration,
    /// How long the machine may take to start the command [default: 60; 300 with --clock virtual]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Limits")]
    pub(crate) boot_timeout: Option<Duration>,
    /// The time between the image's stop signal and the kill
    #[arg(long, value_name = "TIME", default_value = "5", value_parser = parse_duration,
          help_heading = "Limits")]
    pub(crate) grace_period: Duration,
    /// How much of each of standard output and standard error is kept
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4GiB",
        help_heading = "Limits"
    )]
    pub(crate) max_output_size: ByteSize,
    /// How many files are collected
    #[arg(
        long,
        value_name = "N",
        default_value = "1000",
        help_heading = "Limits"
    )]
    pub(crate) max_file_count: u32,
    /// How much of each file is kept
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1GiB",
        help_heading = "Limits"
    )]
    pub(crate) max_file_size: ByteSize,
    /// How much of all files together is kept
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4GiB",
        help_heading = "Limits"
    )]
    pub(crate) max_total_file_size: ByteSize,

    #[command(flatten)]
    pub(crate) precision: Precision,
    /// Go on after an iteration that failed
    #[arg(long, action = ArgAction::SetTrue, help_heading = "Iterations")]
    pub(crate) allow_failure: bool,

    /// Let this host's processor and kernel count the command's instructions, cycles, branches, cache
    /// misses and CPU time, as far as they can
    #[arg(long, help_heading = "Iterations")]
    pub(crate) perf_counters: bool,
    /// What becomes of an iteration during which the host was not quiet: keep, fail, retry or
    /// retry:N
    #[arg(
        long,
        value_name = "WHAT",
        default_value_t,
        help_heading = "Iterations"
    )]
    pub(crate) on_suspect: OnSuspect,
    /// Before each iteration but the first, wait until the processor is as cool as it was before
    /// the first, but not longer than this
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Iterations")]
    pub(crate) cool_down: Option<Duration>,

    /// Collect a file or a folder once the command has ended
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    pub(crate) output: Vec<String>,
    #[arg(
        long,
        value_name = "NAME[=FILE]",
        help_heading = "Output",
        help = "Read metrics of a benchmark harness out of standard output, or out of a file or folder, which \
                is collected: auto, bencher, criterion, libtest, divan, gungraun, go, google-benchmark, \
                pytest-benchmark, hyperfine, jmh, catch2 or lines"
    )]
    pub(crate) adapter: Option<AdapterChoice>,
    /// The least important lines of the guest's own log that are shown
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) sandbox_log_level: SandboxLogLevel,
}

/// When enough was measured.
#[derive(Debug, Args)]
pub(crate) struct Precision {
    /// Iterations before those that count
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        help_heading = "Iterations"
    )]
    pub(crate) warmup: u32,
    /// Instead of --iter: go on until the 95 % interval is as narrow as this on either side
    #[arg(
        long,
        value_name = "PERCENT",
        value_parser = parse_percentage,
        conflicts_with = "iter",
        help_heading = "Iterations"
    )]
    pub(crate) until_ci: Option<f64>,
    /// The most iterations for --until-ci
    #[arg(
        long,
        value_name = "N",
        default_value = "100",
        requires = "until_ci",
        help_heading = "Iterations"
    )]
    pub(crate) max_iter: NonZeroU32,
    /// How long --until-ci may go on measuring
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10m",
        value_parser = parse_duration,
        requires = "until_ci",
        help_heading = "Iterations"
    )]
    pub(crate) max_time: Duration,
}

impl Precision {
    /// How often to run: `iterations` times unless there is a precision that `metric` is to have.
    pub(crate) fn goal(&self, iterations: NonZeroU32, metric: MetricName) -> Goal {
        match self.until_ci {
            None => Goal::Times(iterations),
            Some(half_width) => Goal::Narrow {
                metric,
                rule: StopRule {
                    half_width,
                    most: self.max_iter.get(),
                    longest: self.max_time,
                },
            },
        }
    }
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum SandboxLogLevel {
    /// What was left out or done otherwise
    #[default]
    Warning,
    /// Each step
    Info,
    /// Details
    Debug,
}

impl SandboxLogLevel {
    /// The same for the guest.
    pub(crate) fn level(self) -> LogLevel {
        match self {
            Self::Warning => LogLevel::Warning,
            Self::Info => LogLevel::Info,
            Self::Debug => LogLevel::Debug,
        }
    }
}
