//! The command line.

use std::ffi::OsString;
use std::num::{NonZeroU8, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use bencher_runner::units::{ByteSize, parse_duration};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

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
    /// Find or fetch the guest's kernel
    Kernel(Kernel),
    /// Build root filesystem images
    Rootfs(Rootfs),
}

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
        help = "The image: an OCI layout folder (oci:DIR[:TAG] or a path), an OCI layout tar, or a \
                `docker save` tar"
    )]
    pub(crate) image: OsString,

    /// Replace the image's command, as the arguments after `docker run IMAGE` do
    #[arg(last = true, value_name = "CMD", conflicts_with = "cmd")]
    pub(crate) trailing: Vec<String>,

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

    /// The kind of machine: a microVM, or `none` for this host's own kernel
    #[arg(long, value_enum, default_value_t, help_heading = "Machine")]
    pub(crate) sandbox: Sandbox,
    /// Virtual CPUs
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Machine")]
    pub(crate) vcpus: NonZeroU8,
    /// The guest's memory
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "512",
        help_heading = "Machine"
    )]
    pub(crate) memory: ByteSize,
    /// The size of the root filesystem
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1GiB",
        help_heading = "Machine"
    )]
    pub(crate) disk: ByteSize,
    /// The guest's kernel: a bzImage or vmlinux file, or URL#sha256:HEX
    /// [default: Debian's cloud kernel, out of the cache or fetched once]
    #[arg(long, value_name = "FILE|URL", help_heading = "Machine")]
    pub(crate) kernel: Option<String>,
    /// The modules of --kernel, as /lib/modules/RELEASE; none when everything is built in
    #[arg(
        long,
        value_name = "DIR",
        requires = "kernel",
        help_heading = "Machine"
    )]
    pub(crate) kernel_modules: Option<PathBuf>,
    /// The QEMU program [default: qemu-system-x86_64]
    #[arg(long, value_name = "FILE", help_heading = "Machine")]
    pub(crate) qemu: Option<PathBuf>,
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t, help_heading = "Machine")]
    pub(crate) accelerator: Accelerator,
    /// How the root filesystem is attached: a copy on virtio-blk boots fastest, an NVDIMM needs no
    /// copy
    #[arg(long, value_enum, default_value_t, help_heading = "Machine")]
    pub(crate) root_device: RootDevice,

    /// How long the command may take
    #[arg(long, value_name = "TIME", default_value = "300", value_parser = parse_duration,
          help_heading = "Limits")]
    pub(crate) timeout: Duration,
    /// How long the machine may take to start the command
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = parse_duration,
          help_heading = "Limits")]
    pub(crate) boot_timeout: Duration,
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

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Sandbox {
    /// The best that this host has
    #[default]
    Auto,
    /// QEMU, with KVM where it works
    Qemu,
    /// No VM: namespaces on this host's own kernel
    None,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Accelerator {
    /// KVM where it is usable, else TCG
    #[default]
    Auto,
    /// The processor
    Kvm,
    /// QEMU's emulator
    Tcg,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum RootDevice {
    /// A virtio block device on a copy
    #[default]
    VirtioBlk,
    /// An NVDIMM that maps the image privately
    Nvdimm,
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
