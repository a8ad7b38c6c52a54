//! `runner run`.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use bencher_output_protocol::LogLevel;
use bencher_runner::run::OnSuspect;
use bencher_runner::units::{ByteSize, parse_duration};
use clap::{ArgAction, Args, ValueEnum};

use super::{Cpus, HostTuning, Isolation, Machine, PullOptions, WayOut, When};

/// Exit codes: the command's own; 128+n when signal n ended it; 124 timeout; 125 the runner
/// failed; 126 the command can not be executed; 127 it is not in the image; 130 or 143 the run
/// was interrupted.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: the command's own; 128+n when signal n ended it; 124 timeout; \
125 the runner failed; 126 the command can not be executed; 127 it is not in the image; 130 or 143 \
the run was interrupted. With --allow-failure 0 once every iteration was carried out.\n\n\
Sizes are in MiB unless they have a unit (64k, 2GiB), durations in seconds (90, 1.5, 500ms, 5m)."
)]
pub(crate) struct Run {
    #[arg(
        long,
        value_name = "IMAGE",
        help = "The image: an OCI layout folder (oci:DIR[:TAG] or a path), an OCI layout tar, a \
                `docker save` tar, a name in a registry such as debian:12 or ghcr.io/o/r:1, or a \
                digest of the store"
    )]
    pub(crate) image: OsString,

    /// Replace the image's command, as the arguments after `docker run IMAGE` do
    #[arg(last = true, value_name = "CMD", conflicts_with = "cmd")]
    pub(crate) trailing: Vec<String>,

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

    /// How often to run the command, each time in a fresh machine
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        help_heading = "Iterations"
    )]
    pub(crate) iter: NonZeroU32,
    /// Go on after an iteration that failed, and exit with 0
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
    /// Put outputs, collected files and the result into a new or empty folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) output_dir: Option<PathBuf>,
    /// What standard output is: the command's own (human), or the result document (json)
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) format: Format,
    /// Write the result document to a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) result: Option<PathBuf>,
    /// The least important lines of the guest's own log that are shown
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) sandbox_log_level: SandboxLogLevel,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The command's own output
    #[default]
    Human,
    /// The result document
    Json,
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
