//! The jailer: a process of the runner's own program that turns itself into a jailed VMM.
//!
//! It is a program of its own, started anew, because none of this can be done between the `fork`
//! and the `exec` of a process with threads.
//!
//! ```text
//! jailer:  close the rest ─► hold signals back ─► namespaces ─► fork into the cgroup ─► watch the VMM
//!                                                                │
//! VMM:     cgroup namespace ─► CPUs ─► private mounts ─► new root ─► pivot ─► seal ─► limits ─► no keys
//!            ─► no capabilities ─► no groups ─► user ─► no new privileges ─► end with the jailer ─► execute
//! ```

use std::env;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

use nix::unistd::{ForkResult, execve, sethostname};

use super::descriptors::{close_on_execution, inherited};
use super::plan::Plan;
use super::report::tell;
use super::step::StepError;
use super::{birth, identity, keyring, life, limits, namespaces, probe, root};
use crate::cpus::{CpuSet, bind_this_thread, set_this_thread};

/// The first argument of a jailer. No command of a user is called so.
pub(super) const MARK: &str = "--jailer";

/// The argument after it of a process that only finds out whether there can be a jail.
pub(super) const PROBE: &str = "probe";

/// The exit code of a jailer that could not make its jail.
const FAILED: u8 = 125;

/// Does the work of a jailer if this process was started as one, and then returns its exit code.
///
/// Every program that uses the jail must call this first: before it starts a thread, and before it
/// looks at its arguments.
pub fn take_over() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != MARK {
        return None;
    }
    let first = arguments.next().unwrap_or_default();
    if first == PROBE {
        return Some(ExitCode::from(probe::answer()));
    }
    let number = |text: &OsStr| text.to_str()?.parse::<RawFd>().ok();
    let second = arguments.next().unwrap_or_default();
    let (Some(plan), Some(report)) = (number(&first), number(&second)) else {
        eprintln!("{MARK} is for the runner's own use");
        return Some(ExitCode::from(FAILED));
    };
    let report = inherited(report);
    // The plan and the report come behind everything that is meant for the VMM.
    let code = close_on_execution(plan)
        .and_then(|()| read(inherited(plan)))
        .and_then(|plan| enter(&plan, &report));
    Some(ExitCode::from(code.unwrap_or_else(|error| {
        tell(&report, &error);
        FAILED
    })))
}

fn read(plan: OwnedFd) -> Result<Plan, StepError> {
    let mut text = Vec::new();
    File::from(plan)
        .read_to_end(&mut text)
        .map_err(|error| StepError::Plan(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| StepError::Plan(error.to_string()))
}

fn enter(plan: &Plan, report: &OwnedFd) -> Result<u8, StepError> {
    let signals = life::Signals::hold_back()?;
    let Some(isolation) = &plan.isolation else {
        if let Some(cgroup) = &plan.cgroup {
            birth::enter(cgroup)?;
        }
        signals.let_through()?;
        take_place(plan)?;
        limits::limit(&plan.limits)?;
        keyring::leave_session_keyring()?;
        identity::give_up_new_privileges()?;
        return execute(plan);
    };
    namespaces::leave_host(isolation.by, plan.network.map(inherited))?;
    let jailer = life::own_handle()?;
    match birth::bear(plan.cgroup.as_deref())? {
        ForkResult::Parent { child } => life::watch(child, &signals),
        ForkResult::Child => {
            let Err(error) = become_vmm(plan, isolation, &signals, &jailer);
            tell(report, &error);
            Ok(FAILED)
        }
    }
}

fn become_vmm(
    plan: &Plan,
    isolation: &super::plan::Isolation,
    signals: &life::Signals,
    jailer: &OwnedFd,
) -> Result<std::convert::Infallible, StepError> {
    namespaces::leave_cgroups()?;
    take_place(plan)?;
    root::make_mounts_private()?;
    root::mount_new_root(&isolation.place)?;
    root::fill(isolation, plan.ids)?;
    root::pivot(&isolation.place)?;
    root::seal()?;
    // The host's name is not the guest's business.
    sethostname("jail").map_err(StepError::HostName)?;
    limits::limit(&plan.limits)?;
    keyring::leave_session_keyring()?;
    identity::empty_bounding_set()?;
    identity::drop_ambient()?;
    if let Some(ids) = plan.ids {
        identity::leave_groups()?;
        identity::become_user(ids)?;
    }
    identity::drop_capabilities()?;
    identity::give_up_new_privileges()?;
    life::end_with(jailer)?;
    signals.let_through()?;
    execute(plan)
}

/// Leaves the runner's CPUs for the machine's, and takes memory that is near them. On those of its
/// vCPUs too it boots sooner.
fn take_place(plan: &Plan) -> Result<(), StepError> {
    if let Some(text) = &plan.cpus {
        let failed = |reason: String| StepError::Cpus {
            cpus: text.clone(),
            reason,
        };
        let cpus = text.parse::<CpuSet>();
        let cpus = cpus.map_err(|error| failed(error.to_string()))?;
        set_this_thread(&cpus).map_err(|error| failed(error.to_string()))?;
    }
    match plan.memory_node {
        Some(node) => {
            bind_this_thread(node).map_err(|source| StepError::MemoryNode { node, source })
        }
        None => Ok(()),
    }
}

/// Becomes the VMM, with nothing in its environment.
fn execute<T>(plan: &Plan) -> Result<T, StepError> {
    let text = |bytes: &OsStr| CString::new(bytes.as_bytes()).map_err(|_| StepError::Nul);
    let program = text(plan.program.as_os_str())?;
    let mut arguments = vec![program.clone()];
    for argument in &plan.arguments {
        arguments.push(text(argument)?);
    }
    let Err(source) = execve(&program, &arguments, &[] as &[CString]);
    Err(StepError::Execute {
        path: plan.program.clone(),
        source,
    })
}
