//! `lab`: KVM on machines that have none.
//!
//! The lab is a virtual machine that QEMU emulates, an AMD processor with nested virtualization
//! included, so that `/dev/kvm` works in it. The real programs run there: the runner, Firecracker,
//! QEMU with KVM. What it shows is whether they work; times in it mean nothing. On a host whose
//! own KVM works the host is used instead.
//!
//! ```text
//!  this machine                             lab: Debian of the same release, systemd, cgroup v2
//! ┌──────────────────────────────┐         ┌──────────────────────────────────────┐
//! │ place ─► session ─► machine ═╪═════════╪═► agent: runs jobs, streams output   │
//! │             ▲          │     │ virtio- │     │                                │
//! │ boots it    │       freeze   │ serial  │     ▼                                │
//! │ again and ──┘◄──── detector  │         │   runner ─► Firecracker, QEMU (KVM)  │
//! │ repeats                      │         │                                      │
//! └──────────────────────────────┘         │ disks: / (packages), /lab (input)    │
//!                                          └──────────────────────────────────────┘
//! ```

mod agent;
mod arguments;
mod backports;
mod child;
mod compare;
mod disk;
mod emulator;
mod freeze;
mod initramfs;
mod input;
mod interruption;
mod kernel;
mod kvm;
mod last_words;
mod machine;
mod missing;
mod outcomes;
mod place;
mod plan;
mod processor_time;
mod protocol;
mod scenarios;
mod session;
mod shell;
mod tasks;
mod tsc;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

pub(crate) use arguments::{LabAction, Tools};

use crate::bench::ending::{NAME, Program};
use crate::console;
use crate::images::{self, Image};
use crate::runner::Runner;
use crate::workspace::Workspace;
use machine::{Finished, Output};
use missing::Missing;
use outcomes::Outcomes;
use place::{Contents, Place};
use scenarios::{Request, SELECTED};

/// Does what the command line asks for.
///
/// # Errors
///
/// When the lab can not be prepared or gets stuck.
pub(crate) fn perform(action: LabAction) -> anyhow::Result<ExitCode> {
    match action {
        LabAction::Agent => agent::serve().map(|()| ExitCode::SUCCESS),
        LabAction::Run {
            tools,
            cpus,
            with,
            results,
            command,
        } => {
            let mut place = prepare(&Workspace::locate()?, &tools, with, cpus)?;
            let finished = place.run(&place.job(command), Output::Shown)?;
            if let Some(folder) = results {
                unpack(&finished, &folder)?;
            }
            Ok(ExitCode::from(finished.ended.code()))
        }
        LabAction::Shell { tools, cpus, with } => {
            let mut place = prepare(&Workspace::locate()?, &tools, with, cpus)?;
            shell::run(&mut place)
        }
        LabAction::Scenarios {
            tools,
            server,
            backends,
            scenarios,
            report,
            junit,
            record,
        } => {
            let workspace = Workspace::locate()?;
            let runner = Runner::build(&workspace)?;
            runner.fetch_kernel()?;
            let request = Request {
                tools,
                server,
                backends,
                scenarios,
                report,
                junit,
                record,
            };
            let outcomes = scenarios::run(&workspace, &runner, &request)?;
            Ok(if outcomes.counts().failed == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        LabAction::Bench { tools, rounds } => bench(&Workspace::locate()?, &tools, rounds),
        LabAction::Compare(contest) => {
            print!("{}", compare::run(&contest)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A place with everything that a person may want to try there.
fn prepare(
    workspace: &Workspace,
    tools: &Tools,
    with: Vec<PathBuf>,
    cpus: usize,
) -> anyhow::Result<Place> {
    console::leave_stdout_free();
    let firecracker = place::firecracker(tools)?;
    let runner = Runner::build(workspace)?;
    runner.fetch_kernel()?;
    images::ensure(workspace, Image::Busybox)?;
    let mut more = vec![place::image(workspace, Image::Busybox)];
    for path in with {
        let name = path
            .file_name()
            .with_context(|| format!("{} has no name", path.display()))?;
        let place = Path::new("with").join(name).display().to_string();
        more.push((path, place));
    }
    Place::prepare(&Contents {
        workspace,
        runner: &runner,
        firecracker,
        more,
        cpus,
    })
}

/// Runs [`SELECTED`] scenarios on every backend that needs KVM.
///
/// # Errors
///
/// As [`scenarios::run`]; a missing prerequisite is recognized by [`missing_prerequisite`].
pub(crate) fn check(workspace: &Workspace, runner: &Runner) -> anyhow::Result<Outcomes> {
    let request = Request {
        tools: Tools::from_environment(),
        scenarios: SELECTED.map(str::to_owned).to_vec(),
        ..Request::default()
    };
    scenarios::run(workspace, runner, &request)
}

/// Why there can be no lab on this machine, when `error` says so.
pub(crate) fn missing_prerequisite(error: &anyhow::Error) -> Option<String> {
    Missing::reason(error)
}

fn bench(workspace: &Workspace, tools: &Tools, rounds: u32) -> anyhow::Result<ExitCode> {
    let firecracker = place::firecracker(tools)?.context(
        "no firecracker binary: give one with --firecracker FILE or FIRECRACKER_BIN, or put it \
         into the search path",
    )?;
    let runner = Runner::build(workspace)?;
    runner.fetch_kernel()?;
    images::ensure(workspace, Image::Busybox)?;
    let ending = Program::Restart.compile(&workspace.folder("lab")?)?;
    let (image, at) = place::image(workspace, Image::Busybox);
    let mut place = Place::prepare(&Contents {
        workspace,
        runner: &runner,
        firecracker: Some(firecracker),
        more: vec![(image, at.clone()), (ending, NAME.to_owned())],
        cpus: 0,
    })?;
    let paths = place.paths();
    let mut words = vec![paths.harness.display().to_string()];
    words.extend(["lab", "compare"].map(str::to_owned));
    let firecracker = paths.firecracker.clone().context("it was placed")?;
    for (option, path) in [
        ("--runner", paths.runner.clone()),
        ("--firecracker", firecracker),
        ("--image", paths.of(&at)),
        ("--ending", paths.of(NAME)),
        ("--cache", paths.cache.clone()),
        ("--work", paths.of("compare")),
    ] {
        words.extend([option.to_owned(), path.display().to_string()]);
    }
    words.extend(["--rounds".to_owned(), rounds.to_string()]);
    let finished = place.run(&place.job(words), Output::Shown)?;
    Ok(ExitCode::from(finished.ended.code()))
}

/// Puts what a command left behind into `folder`.
fn unpack(finished: &Finished, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| tar::Archive::new(finished.results.as_slice()).unpack(folder))
        .with_context(|| format!("cannot unpack the results into {}", folder.display()))
}
