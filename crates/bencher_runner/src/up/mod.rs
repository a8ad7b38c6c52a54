//! `runner up`: claims jobs from a server, runs them one at a time, reports.
//!
//! ```text
//!  server ◄─ WebSocket ─► connection ─┐ inputs   ┌─────────┐ effects
//!  signals ───────────────────────────┼────────► │ machine │ ───────► connection, job, outbox
//!  job's thread ──────────────────────┘          └─────────┘
//! ```
//!
//! What is to be done is decided by [`bencher_channel_protocol::runner::Machine`], which does no I/O;
//! `driver` does what it says. A job is one run ([`crate::run`]) on a thread of its own, whose CPUs are
//! not the driver's: once the benchmark has the host's CPUs, the whole process is confined to the
//! others, heartbeats included.

mod admission;
mod connection;
mod driver;
mod error;
mod fairness;
mod fitness;
mod job;
mod listener;
mod lock;
mod outbox;
mod output;
mod registry;
mod serve;
mod service;
mod trust;
mod tunnel;
mod turn;
mod update;

use std::path::PathBuf;
use std::time::Duration;

use bencher_channel_protocol::{PollTimeout, RunnerId, RunnerKey, UpdateChannel};
use bencher_output_protocol::LogLevel;

pub use error::UpError;
pub use fitness::Unfit;
pub use serve::{End, serve};
pub use update::{TRIAL, checksum};

use crate::Directories;
use crate::cpus::CpuChoice;
use crate::jail::JailPolicy;
use crate::kernel::KernelSource;
use crate::network::AddressRange;
use crate::run::{FirecrackerChoice, QemuChoice};
use crate::tuning::TuningPolicy;
use crate::units::ByteSize;

/// The exit code of a runner in whose place at the server there is another one: that of a wrong
/// configuration in sysexits.h(3head), which service managers show as such. It is not 125, since to start
/// again would do harm.
pub const REPLACED: u8 = 78;

/// Everything that the user may choose of `runner up`.
#[derive(Debug, Clone)]
pub struct UpSpec {
    /// The address of the server: `http://…` or `https://…`.
    pub host: String,
    /// What the runner is called there.
    pub runner: RunnerId,
    /// Its key.
    pub key: RunnerKey,
    /// A PEM file of certificates that the server and registries may have, beside those that this host
    /// trusts.
    pub ca_file: Option<PathBuf>,
    /// How long the server may wait for a job.
    pub poll_timeout: PollTimeout,
    /// How long a job may go on after a stop order.
    pub drain_timeout: Duration,
    /// Which updates are wanted; `None` for none.
    pub updates: Option<Updates>,
    /// Whether this program is only tried, by one that may become it.
    pub is_trial: bool,
    /// How jobs are run.
    pub jobs: JobPolicy,
    /// Where things are kept.
    pub directories: Directories,
}

/// Which updates are wanted.
#[derive(Debug, Clone)]
pub struct Updates {
    /// Which kind.
    pub channel: UpdateChannel,
    /// The largest program that is fetched.
    pub most: ByteSize,
    /// This program's file, in whose place a new one is put.
    pub program: PathBuf,
}

/// How jobs are run on this host.
#[derive(Debug, Clone)]
pub struct JobPolicy {
    /// Whether a job may ask to be run without a sandbox.
    pub allow_no_sandbox: bool,
    /// What a job gets that asks for a microVM.
    pub sandbox: JobSandbox,
    /// Choices for Firecracker.
    pub firecracker: FirecrackerChoice,
    /// Choices for QEMU.
    pub qemu: QemuChoice,
    /// Where the guest's kernel comes from.
    pub kernel: KernelSource,
    /// The jail of a VMM.
    pub jail: JailPolicy,
    /// Addresses for guests that may use the network.
    pub network_range: AddressRange,
    /// What is wanted of the host's CPUs.
    pub cpus: CpuChoice,
    /// What is wanted of the host's tuning.
    pub tuning: TuningPolicy,
    /// Bytes kept of each output and of each file.
    pub output: ByteSize,
    /// Files collected.
    pub file_count: u32,
    /// Time between the stop signal and the kill, once a command has run into its timeout.
    pub grace_period: Duration,
    /// The least important log lines of a guest that are shown.
    pub guest_log_level: LogLevel,
}

/// What a job gets that asks for a microVM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobSandbox {
    /// Firecracker, as it asks for.
    Firecracker,
    /// QEMU in its place.
    Qemu,
}
