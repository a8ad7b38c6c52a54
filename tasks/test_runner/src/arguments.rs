//! The command line.

use clap::{Parser, Subcommand};

use crate::bench::Benchmark;
use crate::images::Image;
use crate::lab::LabAction;
use crate::scenarios::Options;

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
    /// Run each test image's benchmark in a microVM and show what it took (the default)
    Test {
        /// The images to run
        #[arg(value_enum, default_values_t = Image::TESTED)]
        images: Vec<Image>,
    },
    /// Run every check: formatting, lints, dependencies, documentation, tests, fuzzing, microVMs,
    /// scenarios
    ///
    /// Ends with a table of the steps and, as the last line, the sum of all checks. Tests and
    /// scenarios count one by one, any other step is one check.
    All,
    /// Run scenarios: the real runner on real images, and exactly what must come of it
    ///
    /// Each scenario passes, fails, or is skipped with the reason; docs/scenarios.md says more.
    Scenarios(Box<Options>),
    /// Compare speed and memory with other tools and print the ratios as Markdown
    Bench {
        /// What to measure
        #[arg(value_enum, default_values_t = Benchmark::SPEED)]
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
    /// Run what needs KVM: on this host where its KVM works, else in an emulated machine
    #[command(subcommand)]
    Lab(LabAction),
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(words: &[&str]) -> Result<Option<Action>, clap::Error> {
        let program = "cargo test-runner";
        Arguments::try_parse_from([&[program], words].concat()).map(|arguments| arguments.action)
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_command() {
        insta::assert_snapshot!(Arguments::command().term_width(100).render_long_help());
    }

    #[test]
    fn without_a_command_it_tests() {
        let default = parse(&[]).expect("nothing is needed").unwrap_or_default();
        assert_eq!(Some(default), parse(&["test"]).expect("it is a command"));
    }

    #[test]
    fn the_lab_runs_whatever_follows() {
        let run = |words: &[&str]| match parse(&[&["lab", "run"], words].concat()) {
            Ok(Some(Action::Lab(LabAction::Run { command, with, .. }))) => Some((command, with)),
            _ => None,
        };
        let (command, with) = run(&["--with", "x", "ls", "-l", "--with"]).expect("it is right");
        assert_eq!(command, ["ls", "-l", "--with"]);
        assert_eq!(with, ["x"].map(std::path::PathBuf::from));
        let (command, _) = run(&["--", "sh", "-c", "exit 3"]).expect("it is right");
        assert_eq!(command, ["sh", "-c", "exit 3"]);
        assert!(run(&[]).is_none());
        assert!(parse(&["lab", "scenarios", "--backend", "qemu-tcg"]).is_err());
    }

    #[test]
    fn numbers_and_names_are_checked() {
        for wrong in [
            &["fuzz", "--seconds", "0"][..],
            &["bench", "--rounds", "0"],
            &["bench", "nothing"],
            &["oci", "alpine"],
            &["scenario"],
            &["scenarios", "--jobs", "0"],
            &["scenarios", "--backend", "xen"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            parse(&["fuzz", "--seconds", "3", "tar"]).expect("it is right"),
            Some(Action::Fuzz {
                seconds: 3,
                targets: vec!["tar".to_owned()]
            })
        );
    }
}
