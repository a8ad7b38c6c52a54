//! `cargo test-runner`: proves the whole runner on this machine.
//!
//! Nothing here is linked to the runner's crates. The harness builds the real `runner` binary and
//! real OCI images and uses them as a user would.
//!
//! ```text
//! prerequisites ──> images ──┐
//!                            ├──> microVM benchmarks ──> table        (test)
//! runner binary ──> kernel ──┘
//! ```
//!
//! Everything it makes is below `target/test-runner`:
//!
//! | path | what |
//! |---|---|
//! | `images/NAME` | link to the newest OCI image layout of that name |
//! | `images/NAME-KEY` | the layout built from the recipe whose digest begins with KEY |
//! | `cache`, `state` | what `XDG_CACHE_HOME` and `XDG_STATE_HOME` would be for the runner |
//! | `scenarios/images` | the images of the scenarios, as `images` has the others |
//! | `scenarios/work` | what scenarios that failed left |
//! | `results` | result documents and collected files of the newest run |
//! | `bench`, `bench.md` | what the newest benchmarks used and printed |
//! | `lab` | the lab's disk, its QEMU where the machine's is too old, what running labs use |
//! | `packages` | packages that were unpacked but not installed |
//! | `tools` | tools installed for the checks alone |

mod arguments;
mod bench;
mod binaries;
mod check;
mod companion;
mod console;
mod cpio;
mod fuzz;
mod images;
mod lab;
mod load;
mod machines;
mod prerequisites;
mod process;
mod report;
mod runner;
mod scenarios;
mod server;
mod table;
mod tools;
mod watchdog;
mod workspace;

use std::process::ExitCode;

use arguments::{Action, Arguments};
use clap::Parser as _;
use images::Image;
use runner::Runner;
use workspace::Workspace;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.action.unwrap_or_default() {
        // Its inside is no workspace, and its exit code is that of what it runs.
        Action::Lab(action) => lab::perform(action),
        action => perform(action).map(|holds| {
            if holds {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            console::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Returns whether everything that was checked holds.
fn perform(action: Action) -> anyhow::Result<bool> {
    match action {
        Action::Test { images } => test(&Workspace::locate()?, &images),
        Action::All => Ok(check::all(Workspace::locate()?)),
        // They run on machines without cargo too.
        Action::Scenarios(options) => scenarios::run(&options),
        Action::Bench { names, rounds } => {
            bench::run(&Workspace::locate()?, &names, rounds)?;
            Ok(true)
        }
        Action::Fuzz { seconds, targets } => {
            let workspace = Workspace::locate()?;
            let targets = fuzz::choose(&workspace, &targets)?;
            let cargo_fuzz = fuzz::prepare(&workspace)?;
            let counts = fuzz::run(&workspace, &cargo_fuzz, &targets, seconds)?;
            Ok(counts.failed == 0)
        }
        Action::Kernel => {
            let workspace = Workspace::locate()?;
            prerequisites::ensure(&prerequisites::for_kernel())?;
            Runner::build(&workspace)?.fetch_kernel()?;
            Ok(true)
        }
        Action::Oci { images } => {
            build(&Workspace::locate()?, &images)?;
            Ok(true)
        }
        Action::Lab(action) => lab::perform(action).map(|code| code == ExitCode::SUCCESS),
        Action::Clean => Workspace::locate()?.clean().map(|()| true),
    }
}

fn test(workspace: &Workspace, images: &[Image]) -> anyhow::Result<bool> {
    console::heading("Programs of other packages");
    let mut needed = prerequisites::for_machines();
    needed.extend(prerequisites::for_images(images));
    prerequisites::ensure(&needed)?;
    console::note("everything is there");
    console::heading("The runner and its guest kernel");
    let runner = Runner::build(workspace)?;
    runner.fetch_kernel()?;
    console::heading("OCI images");
    build(workspace, images)?;
    console::heading("Benchmarks in microVMs");
    let counts = machines::run(workspace, &runner, images)?;
    Ok(counts.failed == 0)
}

fn build(workspace: &Workspace, images: &[Image]) -> anyhow::Result<()> {
    prerequisites::ensure(&prerequisites::for_images(images))?;
    for image in images {
        let layout = images::ensure(workspace, *image)?;
        console::note(&layout.display().to_string());
    }
    Ok(())
}
