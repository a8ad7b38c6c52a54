//! The command line of `scenarios`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::backend::Choice;

/// What to run, where, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Options {
    /// Print each scenario with its backends instead of running it
    #[arg(long)]
    pub(crate) list: bool,
    /// Run only this scenario; may be given several times [default: all]
    #[arg(long = "scenario", value_name = "NAME")]
    pub(crate) scenarios: Vec<String>,
    /// Run them here; may be given several times
    #[arg(long = "backend", value_enum, value_name = "BACKEND", default_values = ["auto", "host"])]
    pub(crate) backends: Vec<Choice>,
    /// How many run at the same time [default: one for each CPU]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Write every outcome to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write every outcome to this file, as the XML that continuous integration reads
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// The runner [default: the workspace's own, built as it is released]
    #[arg(long, value_name = "FILE")]
    pub(crate) runner: Option<PathBuf>,
    /// Firecracker [default: firecracker in the search path]
    #[arg(
        long,
        value_name = "FILE",
        env = "FIRECRACKER_BIN",
        hide_env_values = true
    )]
    pub(crate) firecracker: Option<PathBuf>,
    /// The server [default: the workspace's own]
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// The images, as --build-only made them [default: built where they are not]
    #[arg(long, value_name = "DIR", conflicts_with = "build_only")]
    pub(crate) images: Option<PathBuf>,
    /// The runner's cache [default: that of the test-runner's other runs]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Where the scenarios take place [default: below the other artifacts]
    ///
    /// With --runner, --images, --cache and --work neither cargo nor the workspace is needed.
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
    /// Let scenarios turn this host's knobs, as root; they put them back
    ///
    /// Such scenarios run one at a time after all others. For hosts that are there for it: everything
    /// else on this host runs with these values meanwhile, and a scenario that fails may leave some.
    #[arg(long)]
    pub(crate) may_tune: bool,
    /// Let scenarios install services on this host, as root, where systemd is its init
    ///
    /// Such scenarios run one at a time after all others. For hosts that are thrown away: units of
    /// `bencher-server` and `runner`, and what these keep, are replaced and removed.
    #[arg(long)]
    pub(crate) may_install: bool,
    /// Build the images and print their folder instead of running anything
    #[arg(long)]
    pub(crate) build_only: bool,
    /// Keep the record of each scenario that passed in this folder, for the suite's own tests
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
}

impl Default for Options {
    /// Everything where it has a meaning on this host.
    fn default() -> Self {
        Self {
            list: false,
            scenarios: Vec::new(),
            backends: vec![Choice::Auto, Choice::Host],
            jobs: None,
            report: None,
            junit: None,
            runner: None,
            firecracker: None,
            server: None,
            images: None,
            cache: None,
            work: None,
            may_tune: false,
            may_install: false,
            build_only: false,
            record: None,
        }
    }
}
