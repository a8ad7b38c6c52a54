//! The `runner` command.

mod admin;
mod arguments;
mod cache;
mod client;
mod compare;
mod comparisons;
mod doctor;
mod export;
mod hints;
mod history;
mod inspect;
mod install_service;
mod jobs;
mod kernel;
mod listing;
mod many;
mod output;
mod pull;
mod reproduce;
mod rootfs;
mod run;
mod save;
mod setup;
mod spec;
mod submit;
mod terminal;
mod tune;
mod up;
mod work;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use arguments::{Arguments, Command};
use bencher_runner::machine::TscAnchor;
use clap::Parser as _;

/// The exit code of everything that is the runner's own failure, a wrong command line included,
/// as container engines have it: codes below are the command's.
const FAILED: u8 = 125;

/// When the process began, in the clocks that are needed.
#[derive(Debug, Clone, Copy)]
struct Start {
    instant: Instant,
    tsc: TscAnchor,
}

fn main() -> ExitCode {
    // A process that the runner started to become a VMM never gets further than this.
    if let Some(code) = bencher_runner::jail::take_over() {
        return code;
    }
    let start = Start {
        instant: Instant::now(),
        tsc: TscAnchor::now(),
    };
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let is_failure = error.use_stderr();
            // Help that nobody reads (`| head`) is no failure.
            let _closed = error.print();
            for hint in hints::hints(&error) {
                let _closed = writeln!(std::io::stderr(), "\n{hint}");
            }
            return if is_failure {
                ExitCode::from(FAILED)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let terminal = terminal::Terminal::new(&arguments.global);
    let code = match arguments.command {
        Command::Run(run) => run::run(&run, &arguments.global, start, terminal),
        Command::Up(command) => up::run(*command, &arguments.global, terminal),
        Command::InstallService(command) => install_service::run(*command, &terminal),
        Command::Compare(compare) => compare::run(&compare, &arguments.global, start, terminal),
        Command::Reproduce(command) => reproduce::run(&command, &arguments.global, start, terminal),
        Command::History(command) => history::run(&command, &terminal),
        Command::Export(command) => export::run(&command, &terminal),
        Command::Pull(command) => pull::run(&command, &arguments.global, terminal),
        Command::Inspect(command) => inspect::run(&command, &arguments.global, &terminal),
        Command::Save(command) => save::run(command, &arguments.global, terminal),
        Command::Cache(command) => cache::run(command, &arguments.global, terminal),
        Command::Setup(command) => setup::run(command, &arguments.global, terminal),
        Command::Kernel(command) => kernel::run(&command, &arguments.global, terminal),
        Command::Rootfs(command) => rootfs::run(command, &arguments.global, terminal),
        Command::Doctor(command) => doctor::run(&command, &arguments.global, &terminal),
        Command::Tune(command) => tune::run(*command, &terminal),
        Command::Submit(command) => submit::run(*command, terminal),
        Command::Jobs(command) => jobs::run(command, terminal),
        Command::Comparisons(command) => comparisons::run(*command, terminal),
        Command::Admin(command) => admin::run(*command, terminal),
    };
    ExitCode::from(code)
}
