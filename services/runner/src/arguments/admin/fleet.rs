//! What `runner admin` is told of specs, runners and releases.

use std::path::PathBuf;

use bencher_runner::units::ByteSize;
use clap::{Args, Subcommand, ValueEnum};

use super::{Ls, One, Show};
use crate::arguments::{ServerOptions, UpdateChannel};

#[derive(Debug, Args)]
pub(crate) struct Specs {
    #[command(subcommand)]
    pub(crate) command: SpecsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpecsCommand {
    /// List specs, the newest first
    Ls(Ls),
    /// Print what is known of a spec
    Show(Show),
    /// Make a spec, and print its identifier
    Create(SpecsCreate),
    /// Let a spec take no more jobs; those that wait for it are still run
    Archive(One),
}

/// Makes a spec, and prints its identifier. Runners run its jobs once they are linked to it.
#[derive(Debug, Args)]
#[command(after_help = "Sizes are in MiB unless they have a unit (64k, 2GiB).")]
pub(crate) struct SpecsCreate {
    /// What it is to be called (slug): lower-case letters, digits and single hyphens
    #[arg(value_name = "NAME")]
    pub(crate) slug: String,
    /// What people read instead of its slug
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// The operating system
    #[arg(long, value_enum, default_value_t)]
    pub(crate) os: MachineOs,
    /// The processor's architecture
    #[arg(long, value_enum)]
    pub(crate) architecture: MachineArchitecture,
    /// What keeps its jobs apart from their host
    #[arg(long, value_enum, default_value_t)]
    pub(crate) sandbox: SpecSandbox,
    /// Processors of a job
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) cpus: u32,
    /// Memory of a job
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    pub(crate) memory: ByteSize,
    /// Disk of a job
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub(crate) disk: ByteSize,
    /// Give its jobs a network
    #[arg(long)]
    pub(crate) network: bool,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum MachineOs {
    #[default]
    Linux,
    #[value(name = "macos")]
    MacOs,
    Windows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MachineArchitecture {
    #[value(name = "x86_64")]
    X86_64,
    Aarch64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpecSandbox {
    /// A microVM
    #[default]
    Firecracker,
    /// Nothing: the runner's host itself
    None,
}

#[derive(Debug, Args)]
pub(crate) struct Runners {
    #[command(subcommand)]
    pub(crate) command: RunnersCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunnersCommand {
    /// List runners, the newest first, with whether they are connected
    Ls(Ls),
    /// Print what is known of a runner, and what it can run
    Show(Show),
    /// Make a runner, and print its key: it is shown this once
    Create(RunnersCreate),
    /// Give a runner another key, and print it: it is shown this once. The old one is worthless at once
    RotateKey(One),
    /// Let a runner have no more jobs; what it is at may be finished
    Archive(One),
    /// Let a runner run jobs of specs
    Link(RunnersLink),
    /// Let a runner run jobs of specs no more
    Unlink(RunnersLink),
}

/// Makes a runner, and prints its key, which is shown this once: put it into a file for `runner up
/// --key-file`, as in `runner admin runners create NAME --spec SPEC > NAME.key`.
#[derive(Debug, Args)]
pub(crate) struct RunnersCreate {
    /// What it is to be called (slug): lower-case letters, digits and single hyphens
    #[arg(value_name = "NAME")]
    pub(crate) slug: String,
    /// What people read instead of its slug
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// A spec whose jobs it can run: a slug or identifier. May be given several times
    #[arg(long = "spec", value_name = "NAME")]
    pub(crate) specs: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct RunnersLink {
    /// The runner: its slug or identifier
    #[arg(value_name = "RUNNER")]
    pub(crate) runner: String,
    /// The specs: their slugs or identifiers
    #[arg(value_name = "SPEC", required = true)]
    pub(crate) specs: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Releases {
    #[command(subcommand)]
    pub(crate) command: ReleasesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReleasesCommand {
    /// List what was published, the newest first
    Ls(Ls),
    /// Publish a program, which runners then become between two jobs, and print its identifier
    Create(ReleasesCreate),
    /// Offer programs to no more runners; those that have become them stay so
    Rm(ReleasesRm),
}

#[derive(Debug, Args)]
pub(crate) struct ReleasesCreate {
    /// Its semantic version: runners with a later one do not go back
    #[arg(value_name = "VERSION")]
    pub(crate) version: String,
    /// Where runners fetch it, without credentials
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,
    /// The program itself, to take its checksum
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "checksum",
        conflicts_with = "checksum"
    )]
    pub(crate) program: Option<PathBuf>,
    /// The program's SHA-256, instead of --program
    #[arg(long, value_name = "HEX")]
    pub(crate) checksum: Option<String>,
    /// Whose runners it is for
    #[arg(long, value_enum, default_value_t)]
    pub(crate) channel: UpdateChannel,
    /// The operating system
    #[arg(long, value_enum, default_value_t)]
    pub(crate) os: MachineOs,
    /// The processor's architecture
    #[arg(long, value_enum)]
    pub(crate) architecture: MachineArchitecture,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ReleasesRm {
    /// The releases' identifiers, as `ls` lists them
    #[arg(value_name = "RELEASE-ID", required = true)]
    pub(crate) releases: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}
