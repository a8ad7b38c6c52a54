//! The command line of `lab`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::tasks::BACKENDS;

/// What to do in the lab.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum LabAction {
    /// Run a command as root in a fresh lab; its exit code is this command's
    Run {
        #[command(flatten)]
        tools: Tools,
        /// How many processors the lab has [default: this machine's, 2 to 4]
        #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
        cpus: usize,
        /// Put a file or folder into the lab, at /lab/with/NAME
        #[arg(long, value_name = "PATH")]
        with: Vec<PathBuf>,
        /// Where to put what the command leaves in the lab's folder /lab/results
        #[arg(long, value_name = "DIR")]
        results: Option<PathBuf>,
        /// The command; `runner`, `firecracker` and `test_runner` are in its search path
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Look around in a fresh lab
    Shell {
        #[command(flatten)]
        tools: Tools,
        /// How many processors the lab has [default: this machine's, 2 to 4]
        #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
        cpus: usize,
        /// Put a file or folder into the lab, at /lab/with/NAME
        #[arg(long, value_name = "PATH")]
        with: Vec<PathBuf>,
    },
    /// Run scenarios on the backends that need KVM, and those that turn the host's knobs
    Scenarios {
        #[command(flatten)]
        tools: Tools,
        /// The server of the scenarios of `runner up` [default: the workspace's own, where one of them
        /// is to run]
        #[arg(long, value_name = "FILE")]
        server: Option<PathBuf>,
        /// Run them here; may be given several times [default: all]
        ///
        /// On the host, which is the lab itself, only scenarios run that turn its knobs.
        #[arg(long = "backend", value_name = "BACKEND", value_parser = BACKENDS)]
        backends: Vec<String>,
        /// Run only this scenario; may be given several times [default: all]
        #[arg(long = "scenario", value_name = "NAME")]
        scenarios: Vec<String>,
        /// Write every outcome to this file, as JSON
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        #[arg(
            long,
            value_name = "FILE",
            help = "Write every outcome to this file, as JUnit has it"
        )]
        junit: Option<PathBuf>,
        /// Keep the record of each scenario that passed in this folder, for the suite's own tests
        #[arg(long, value_name = "DIR")]
        record: Option<PathBuf>,
    },
    /// Compare a run in Firecracker with a bare Firecracker and print the ratio as Markdown
    ///
    /// In the lab only the ratio means something: its times are those of an emulated machine.
    Bench {
        #[command(flatten)]
        tools: Tools,
        /// How often each contestant runs; they take turns
        #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
    },
    /// Be the harness inside the lab
    #[command(hide = true)]
    Agent,
    /// Carry out `bench` where KVM is
    #[command(hide = true)]
    Compare(Contest),
}

/// What is compared, by what is there.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Contest {
    #[arg(long)]
    pub(crate) runner: PathBuf,
    #[arg(long)]
    pub(crate) firecracker: PathBuf,
    #[arg(long)]
    pub(crate) image: PathBuf,
    /// The compiled program that restarts the machine
    #[arg(long)]
    pub(crate) ending: PathBuf,
    /// A cache with the kernel
    #[arg(long)]
    pub(crate) cache: PathBuf,
    /// A new folder
    #[arg(long)]
    pub(crate) work: PathBuf,
    #[arg(long)]
    pub(crate) rounds: u32,
}

/// Programs that are not built here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct Tools {
    /// The Firecracker to test with [default: the one in the search path, if any]
    #[arg(long, value_name = "FILE", env = "FIRECRACKER_BIN")]
    pub(crate) firecracker: Option<PathBuf>,
}

impl Tools {
    /// What the environment says.
    pub(crate) fn from_environment() -> Self {
        Self {
            firecracker: std::env::var_os("FIRECRACKER_BIN")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
        }
    }
}
