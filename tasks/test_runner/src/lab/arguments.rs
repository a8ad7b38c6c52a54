//! The command line of `lab`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do in the lab.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum LabAction {
    /// Run a command as root in a fresh lab; its exit code is this command's
    Run {
        #[command(flatten)]
        tools: Tools,
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
        /// Put a file or folder into the lab, at /lab/with/NAME
        #[arg(long, value_name = "PATH")]
        with: Vec<PathBuf>,
    },
    /// Be the harness inside the lab
    #[command(hide = true)]
    Agent,
}

/// Programs that are not built here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct Tools {
    /// The Firecracker to test with [default: the one in the search path, if any]
    #[arg(long, value_name = "FILE", env = "FIRECRACKER_BIN")]
    pub(crate) firecracker: Option<PathBuf>,
}
