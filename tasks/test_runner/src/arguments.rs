//! The command line.

use clap::{Parser, Subcommand};

use crate::bench::Benchmark;
use crate::images::Image;

/// Proves the runner on this machine: builds real images, boots real microVMs, measures them.
///
/// What it needs is looked for first; as root, missing Debian packages are installed, otherwise
/// the one command that installs them is printed. Everything it makes is below
/// target/test-runner.
#[derive(Debug, Parser)]
#[command(
    name = "cargo test-runner",
    bin_name = "cargo test-runner",
    max_term_width = 100
)]
pub(crate) struct Arguments {
    /// What to do [default: test]
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Action {
    /// Run a real benchmark of each test image in a microVM and show what was measured (the default)
    Test {
        /// The images to run
        #[arg(value_enum, default_values_t = Image::TESTED)]
        images: Vec<Image>,
    },
    /// Run every check: formatting, lints, dependencies, documentation, tests, fuzzing, microVMs
    ///
    /// Ends with a table of the steps and, as the last line, the sum of all checks. Tests count
    /// one by one, any other step is one check.
    All,
    /// Compare speed and memory with other tools and print the ratios as Markdown
    Bench {
        /// What to measure
        #[arg(value_enum, default_values_t = Benchmark::ALL)]
        names: Vec<Benchmark>,
        /// How often each contestant runs; they take turns
        #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
    },
    /// Feed random input to the parsers of untrusted bytes
    ///
    /// Needs cargo-fuzz and a nightly toolchain.
    Fuzz {
        /// How long each target runs
        #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
        /// The targets to run [default: all]
        targets: Vec<String>,
    },
    /// Fetch the guest kernel and print its path
    Kernel,
    /// Build OCI images and print their paths
    Oci {
        /// The images to build
        #[arg(value_enum, default_values_t = Image::TESTED)]
        images: Vec<Image>,
    },
    /// Remove everything that was built, fetched and measured
    Clean,
}

impl Default for Action {
    fn default() -> Self {
        Self::Test {
            images: Image::TESTED.to_vec(),
        }
    }
}
