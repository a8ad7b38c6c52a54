//! The command line.

mod admin;
mod benchmark;
mod cache;
mod client;
mod compare;
mod comparisons;
mod cpus;
mod doctor;
mod history;
mod images;
mod install_service;
mod machine;
mod network;
mod registry;
mod reproduce;
mod run;
mod tuning;
mod up;

use std::ffi::OsString;
use std::path::PathBuf;

use bencher_runner::PinnedUrl;
use bencher_runner::units::ByteSize;
use clap::{Args, Parser, Subcommand};

pub(crate) use admin::{
    Admin, AdminCommand, CredentialsCommand, CredentialsRm, CredentialsSet, Ls,
    MachineArchitecture, MachineOs, One, ProjectsCommand, ProjectsCreate, ProjectsQuota,
    QuotaOptions, ReleasesCommand, ReleasesCreate, ReleasesRm, RunnersCommand, RunnersCreate,
    RunnersLink, Show, SpecSandbox, SpecsCommand, SpecsCreate, TokenRole, TokensCommand,
    TokensCreate, TokensRevoke,
};
pub(crate) use benchmark::{Benchmark, SandboxLogLevel};
pub(crate) use cache::{Cache, CacheCommand};
pub(crate) use client::{
    JobOptions, Jobs, JobsCommand, JobsLs, JobsOne, JobsRm, JobsShow, ServerOptions, Submit,
};
pub(crate) use compare::{Compare, ComparisonFormat, ComparisonOutput, Judgement, Levels};
pub(crate) use comparisons::{
    Comparisons, ComparisonsCommand, ComparisonsLs, ComparisonsOne, ComparisonsRm, ComparisonsShow,
    ComparisonsSubmit, Question,
};
pub(crate) use cpus::Cpus;
pub(crate) use doctor::Doctor;
pub(crate) use history::{Export, ExportFormat, History};
pub(crate) use images::{Inspect, Pull, Save};
pub(crate) use install_service::InstallService;
pub(crate) use machine::{Clock, Isolation, Machine, Sandbox};
pub(crate) use network::WayOut;
pub(crate) use registry::{PullOptions, When, read_secret};
pub(crate) use reproduce::Reproduce;
pub(crate) use run::{Format, Run};
pub(crate) use tuning::{HostTuning, Tune, TuneCommand};
pub(crate) use up::{JobSandbox, Up, UpdateChannel};

/// Run the command of an OCI image in a fresh microVM and get exactly what it produced.
#[derive(Debug, Parser)]
#[command(
    name = "runner",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Print nothing of the runner's own but errors and metrics
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print each step
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Where images, root filesystems and kernels are kept [default: $XDG_CACHE_HOME/bencher-runner]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "BENCHER_RUNNER_CACHE_DIR"
    )]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Where runs keep what they need while they run [default: $XDG_STATE_HOME/bencher-runner]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "BENCHER_RUNNER_STATE_DIR"
    )]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an image's command here, now
    Run(Box<Run>),
    /// Claim jobs from a server and run them one at a time, until told to stop
    Up(Box<Up>),
    /// Make `runner up` a service of systemd
    InstallService(Box<InstallService>),
    /// Say whether B is slower or faster than A, and how sure that is
    Compare(Box<Compare>),
    /// Run what a result says once more, and compare
    Reproduce(Box<Reproduce>),
    /// Find the results from which on a benchmark is slower or faster
    History(History),
    /// Write results in a format of other tools
    Export(Export),
    /// Fetch an image from its registry into the store
    Pull(Box<Pull>),
    /// Say what an image is
    Inspect(Inspect),
    /// Write an image to a file
    Save(Save),
    /// Look into the cache of images, root filesystems and kernels, and remove things
    Cache(Cache),
    /// Fetch what this host lacks, and say what it can do
    Setup(Setup),
    /// Find or fetch the guest's kernel
    Kernel(Kernel),
    /// Build root filesystem images
    Rootfs(Rootfs),
    /// Check whether this host is fit for benchmarks, and measure its noise
    Doctor(Doctor),
    /// Make this host quiet beyond one run, and put it back
    Tune(Box<Tune>),
    /// Ask a server to run an image
    Submit(Box<Submit>),
    /// Look at the jobs of a server, stop and delete them
    Jobs(Jobs),
    /// Compare images, or commands, on a runner of a server
    Comparisons(Box<Comparisons>),
    /// Administer a server: projects, specs, runners, tokens, releases, credentials
    Admin(Box<Admin>),
}

/// Fetches a guest kernel, and Firecracker unless it is on PATH; then says which machines this host
/// can run.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// The release archive of Firecracker, as URL#sha256:HEX [default: one that is built in]
    #[arg(long, value_name = "URL")]
    pub(crate) firecracker_url: Option<PinnedUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct Kernel {
    #[command(subcommand)]
    pub(crate) command: KernelCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KernelCommand {
    /// Fetch the guest's kernel unless the cache has it, and print its path
    Fetch,
}

#[derive(Debug, Args)]
pub(crate) struct Rootfs {
    #[command(subcommand)]
    pub(crate) command: RootfsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RootfsCommand {
    /// Build the root filesystem image of an image into a file, past the cache
    Build {
        /// The image, as for `runner run`
        #[arg(long, value_name = "IMAGE")]
        image: OsString,
        /// When a registry is asked for the image
        #[arg(
            long,
            value_name = "WHEN",
            default_value = "missing",
            help_heading = "Registry"
        )]
        pull: When,
        #[command(flatten)]
        registry: Box<PullOptions>,
        /// The size of the filesystem
        #[arg(long, value_name = "SIZE", default_value = "1GiB")]
        disk: ByteSize,
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_for_run() {
        let mut command = Arguments::command().term_width(100);
        let run = command.find_subcommand_mut("run").unwrap();
        insta::assert_snapshot!(run.render_help());
    }

    #[test]
    fn help_for_up() {
        let mut command = Arguments::command().term_width(100);
        let up = command.find_subcommand_mut("up").unwrap();
        let up = up.render_help();
        let install = command.find_subcommand_mut("install-service").unwrap();
        insta::assert_snapshot!(format!("{up}\n{}", install.render_help()));
    }

    #[test]
    fn help_for_what_compares_and_reads_results() {
        let mut command = Arguments::command().term_width(100);
        command.build();
        let texts = ["compare", "reproduce", "history", "export"].map(|name| {
            let found = command.find_subcommand_mut(name).unwrap();
            found.render_help().to_string()
        });
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn help_for_cache_inspect_and_save() {
        let mut command = Arguments::command().term_width(100);
        command.build();
        let help = |command: &mut clap::Command, name: &str| {
            let found = command.find_subcommand_mut(name).unwrap();
            found.render_help().to_string()
        };
        let mut texts = ["inspect", "save", "cache"]
            .map(|name| help(&mut command, name))
            .to_vec();
        let cache = command.find_subcommand_mut("cache").unwrap();
        texts.extend(["ls", "add", "rm", "prune", "verify", "df"].map(|name| help(cache, name)));
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn help_for_submit_and_jobs() {
        let mut command = Arguments::command().term_width(100);
        command.build();
        let submit = command.find_subcommand_mut("submit").unwrap();
        let mut texts = vec![submit.render_help().to_string()];
        let jobs = command.find_subcommand_mut("jobs").unwrap();
        for name in ["ls", "show", "logs", "cancel", "rm"] {
            let found = jobs.find_subcommand_mut(name).unwrap();
            texts.push(found.render_help().to_string());
        }
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn help_for_comparisons() {
        let mut command = Arguments::command().term_width(100);
        command.build();
        let comparisons = command.find_subcommand_mut("comparisons").unwrap();
        let mut texts = vec![comparisons.render_help().to_string()];
        let commands = comparisons.get_subcommands_mut();
        let commands = commands.filter(|one| one.get_name() != "help");
        texts.extend(commands.map(|one| one.render_help().to_string()));
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn help_for_admin() {
        let mut command = Arguments::command().term_width(100);
        command.build();
        let admin = command.find_subcommand_mut("admin").unwrap();
        let mut texts = vec![admin.render_help().to_string()];
        for of in admin.get_subcommands_mut() {
            texts.push(of.render_help().to_string());
            let commands = of
                .get_subcommands_mut()
                .filter(|one| one.get_name() != "help");
            texts.extend(commands.map(|one| one.render_help().to_string()));
        }
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn a_command_may_look_like_options() {
        let arguments =
            Arguments::try_parse_from(["runner", "run", "--image", "x", "--", "ls", "--all"]);
        let Command::Run(run) = arguments.unwrap().command else {
            panic!("it is a run");
        };
        assert_eq!(run.trailing, ["ls", "--all"]);
    }

    #[test]
    fn two_commands_are_refused() {
        let words = ["runner", "run", "--image", "x", "--cmd", "a", "--", "b"];
        assert!(Arguments::try_parse_from(words).is_err());
        let none = ["runner", "run", "--image", "x", "--iter", "0"];
        assert!(Arguments::try_parse_from(none).is_err());
    }
}
