//! `lab`: KVM on machines that have none.
//!
//! The lab is a virtual machine that QEMU emulates, an AMD processor with nested virtualization
//! included, so that `/dev/kvm` works in it. The real programs run there: the runner, Firecracker,
//! QEMU with KVM. What it shows is whether they work; times in it mean nothing. On a host whose
//! own KVM works the host is used instead.
//!
//! ```text
//!  this machine                               lab (Debian of the same release, systemd, cgroup v2)
//! ┌──────────────────────────────┐           ┌─────────────────────────────────────┐
//! │ cargo test-runner lab …      │           │ test_runner lab agent               │
//! │  place ─► session ─► machine ◄═══════════►  runs jobs, streams their output    │
//! │             │          │     │  virtio-  │                                     │
//! │  boots and  │  freeze  │     │  serial   │ runner ─► Firecracker, QEMU (KVM)   │
//! │  repeats ◄──┘ detector ◄     │           │                                     │
//! └──────────────────────────────┘           │ disks: root (packages), /lab (input)│
//!                                            └─────────────────────────────────────┘
//! ```

mod agent;
mod arguments;
mod backports;
mod disk;
mod emulator;
mod freeze;
mod initramfs;
mod input;
mod kernel;
mod kvm;
mod machine;
mod missing;
mod place;
mod plan;
mod processor_time;
mod protocol;
mod session;
mod shell;
mod tsc;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

pub(crate) use arguments::{LabAction, Tools};

use crate::images::{self, Image};
use crate::runner::Runner;
use crate::workspace::Workspace;
use machine::Finished;
use place::{Contents, Place};

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
            with,
            results,
            command,
        } => {
            let mut place = prepare(&Workspace::locate()?, &tools, with)?;
            let finished = place.run(&place.job(command))?;
            if let Some(folder) = results {
                unpack(&finished, &folder)?;
            }
            Ok(ExitCode::from(finished.ended.code()))
        }
        LabAction::Shell { tools, with } => {
            let mut place = prepare(&Workspace::locate()?, &tools, with)?;
            shell::run(&mut place)
        }
    }
}

/// A place with everything that a person may want to try there.
fn prepare(workspace: &Workspace, tools: &Tools, with: Vec<PathBuf>) -> anyhow::Result<Place> {
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
    })
}

/// Puts what a command left behind into `folder`.
fn unpack(finished: &Finished, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| tar::Archive::new(finished.results.as_slice()).unpack(folder))
        .with_context(|| format!("cannot unpack the results into {}", folder.display()))
}
