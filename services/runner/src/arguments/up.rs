//! `runner up`.

use std::path::PathBuf;
use std::time::Duration;

use bencher_channel_protocol::{PollTimeout, RunnerId};
use bencher_runner::network::AddressRange;
use bencher_runner::units::{ByteSize, parse_duration};
use clap::{Args, ValueEnum};

use super::{Cpus, HostTuning, Isolation, SandboxLogLevel};

/// Claims jobs from a server and runs them one at a time, each in fresh machines.
#[derive(Debug, Args)]
#[command(
    after_help = "The first SIGTERM or SIGINT lets the running job end within --drain-timeout, and takes no \
other; the second ends it at once. What the server has not acknowledged is kept on disk, and delivered \
after a restart. Exit codes: 0 stopped; 143 stopped at once; 125 the runner failed, or can run no \
jobs on this host; 78 another runner has this one's place at the server, or the key was rotated there, so it \
is of no use to start this one again.\n\n\
Sizes are in MiB unless they have a unit (64k, 2GiB), durations in seconds (90, 1.5, 500ms, 5m)."
)]
pub(crate) struct Up {
    #[arg(
        long,
        value_name = "URL",
        env = "BENCHER_HOST",
        help = "The server, as http://HOST[:PORT] or https://HOST[:PORT]",
        help_heading = "Server"
    )]
    pub(crate) host: String,
    /// The UUID or the slug that this runner has there
    #[arg(
        long,
        value_name = "NAME",
        env = "BENCHER_RUNNER",
        help_heading = "Server"
    )]
    pub(crate) runner: RunnerId,
    /// This runner's key; better given by the environment or a file, as other users of this host see
    /// command lines
    #[arg(
        long,
        value_name = "KEY",
        env = "BENCHER_RUNNER_KEY",
        hide_env_values = true,
        required_unless_present = "key_file",
        help_heading = "Server"
    )]
    pub(crate) key: Option<String>,
    /// A file that holds this runner's key, and is read in the place of --key
    #[arg(
        long,
        value_name = "FILE",
        env = "BENCHER_RUNNER_KEY_FILE",
        help_heading = "Server"
    )]
    pub(crate) key_file: Option<PathBuf>,
    /// A PEM file of certificates that the server and registries may have, beside those that this host
    /// trusts
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub(crate) ca: Option<PathBuf>,
    /// How many seconds the server may wait for a job before it says that there is none, 1 to 900
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "55",
        help_heading = "Server"
    )]
    pub(crate) poll_timeout: PollTimeout,
    /// How long a job may go on after a stop order
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = parse_duration,
          help_heading = "Server")]
    pub(crate) drain_timeout: Duration,

    /// Stay this program, whatever the server offers
    #[arg(long, help_heading = "Updates")]
    pub(crate) no_auto_update: bool,
    /// Which programs of the server's this one may become between two jobs
    #[arg(
        long,
        value_name = "CHANNEL",
        value_enum,
        default_value_t,
        help_heading = "Updates"
    )]
    pub(crate) update_channel: UpdateChannel,
    /// The largest program that is fetched
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256MiB",
        help_heading = "Updates"
    )]
    pub(crate) max_download_size: ByteSize,

    /// Run jobs without a sandbox, on this host's own kernel, if they ask for that: their images can
    /// attack this host
    #[arg(long, help_heading = "Machine")]
    pub(crate) danger_allow_no_sandbox: bool,
    /// What a job gets that asks for a microVM
    #[arg(long, value_enum, default_value_t, help_heading = "Machine")]
    pub(crate) sandbox: JobSandbox,
    /// The Firecracker program [default: the one on PATH, or what `runner setup` fetched]
    #[arg(
        long,
        value_name = "FILE",
        env = "FIRECRACKER_BIN",
        help_heading = "Machine"
    )]
    pub(crate) firecracker: Option<PathBuf>,
    /// The QEMU program [default: qemu-system-x86_64]
    #[arg(long, value_name = "FILE", help_heading = "Machine")]
    pub(crate) qemu: Option<PathBuf>,
    /// The guest's kernel, as for `runner run`
    #[arg(long, value_name = "FILE|URL", help_heading = "Machine")]
    pub(crate) kernel: Option<String>,
    /// The modules of --kernel, as for `runner run`
    #[arg(
        long,
        value_name = "DIR",
        requires = "kernel",
        help_heading = "Machine"
    )]
    pub(crate) kernel_modules: Option<PathBuf>,
    /// Addresses for the connections between this host and guests that may use the network
    #[arg(
        long,
        value_name = "CIDR",
        default_value_t,
        env = "BENCHER_RUNNER_NETWORK_RANGE",
        help_heading = "Machine"
    )]
    pub(crate) network_range: AddressRange,
    /// The least important lines of a guest's own log that are shown
    #[arg(long, value_enum, default_value_t, help_heading = "Machine")]
    pub(crate) sandbox_log_level: SandboxLogLevel,
    #[command(flatten)]
    pub(crate) isolation: Isolation,
    #[command(flatten)]
    pub(crate) cpus: Cpus,
    #[command(flatten)]
    pub(crate) tuning: HostTuning,

    /// How much of each output and of each file of an iteration is kept; all of its files together have four
    /// times that
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4MiB",
        help_heading = "Limits"
    )]
    pub(crate) max_output_size: ByteSize,
    /// How many files of an iteration are collected
    #[arg(long, value_name = "N", default_value = "255", help_heading = "Limits")]
    pub(crate) max_file_count: u32,
    /// The time between the image's stop signal and the kill, for a command that ran into its timeout
    #[arg(long, value_name = "TIME", default_value = "5", value_parser = parse_duration,
          help_heading = "Limits")]
    pub(crate) grace_period: Duration,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum JobSandbox {
    /// Firecracker; needs KVM
    #[default]
    Firecracker,
    /// QEMU, with KVM where it works
    Qemu,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum UpdateChannel {
    /// Releases
    #[default]
    Stable,
    /// What comes before a release
    Canary,
}
