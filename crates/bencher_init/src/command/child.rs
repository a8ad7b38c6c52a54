//! The process that becomes the command.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Pid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fchown, setgroups, setresgid,
    setresuid, setsid,
};

use super::exec::execute;
use super::spec::Command;
use crate::cgroup::Door;
use crate::confine;
use crate::error::errno;
use crate::image::Setting;
use crate::report::{Report, Reporter};
use crate::sys::{self, SharedNumber};
use crate::text::display;

/// What is around the command.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The way into the command's cgroup, if there is one.
    pub(crate) cgroup: Option<Door>,
    /// Where this is.
    pub(crate) setting: Setting,
    /// Whether the out-of-memory killer spares init, which is inherited.
    pub(crate) is_spared: bool,
    /// The CPUs for the command; `None` for init's own.
    pub(crate) cpus: Option<CpuSet>,
}

/// The command's ends of what connects it to init.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// What failed before the command's `execve`, and why.
pub(super) type StepError = (String, nix::Error);

fn step<T>(stage: &'static str, result: nix::Result<T>) -> Result<T, StepError> {
    result.map_err(|error| (stage.to_owned(), error))
}

/// Becomes the command, or reports why not and exits. `is_inside` says whether this process was
/// born in the command's cgroup.
pub(super) fn run(
    command: &Command,
    surroundings: &Surroundings,
    is_inside: bool,
    ends: &Ends,
    started: SharedNumber,
    reporter: &Reporter,
) -> ! {
    let report = match enter(surroundings, is_inside)
        .and_then(|()| prepare(command, surroundings, ends, reporter))
    {
        Ok(()) => match execute(command, started) {
            Err(failure) => {
                started.set(0);
                Report::from(failure)
            }
        },
        Err((stage, error)) => Report::failed(stage, error.to_string()),
    };
    // If init is gone there is nobody to tell.
    let _ = reporter.send(&report);
    sys::exit_now(127)
}

/// Enters the command's cgroup.
fn enter(surroundings: &Surroundings, is_inside: bool) -> Result<(), StepError> {
    match &surroundings.cgroup {
        Some(door) if !is_inside => step(
            "enter the command's cgroup",
            nix::unistd::write(&door.processes, b"0").map(drop),
        ),
        _ => Ok(()),
    }
}

/// Everything else but `execve`.
fn prepare(
    command: &Command,
    surroundings: &Surroundings,
    ends: &Ends,
    reporter: &Reporter,
) -> Result<(), StepError> {
    step("begin a session", setsid())?;
    if let Some(cpus) = &surroundings.cpus {
        // Init and its reaper stay elsewhere.
        let this = Pid::from_raw(0);
        step("run on its own CPUs", sched_setaffinity(this, cpus))?;
    }
    sys::reset_signal_actions();
    step(
        "unblock signals",
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None),
    )?;
    step("connect standard input", dup2_stdin(&ends.stdin))?;
    step("connect standard output", dup2_stdout(&ends.stdout))?;
    step("connect standard error", dup2_stderr(&ends.stderr))?;
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    enter_working_directory(&command.working_directory)?;
    if surroundings.is_spared {
        // Init must survive a lack of memory; the command is what may have caused it.
        step(
            "make the command a candidate for the out-of-memory killer",
            std::fs::write("/proc/self/oom_score_adj", "0").map_err(|error| errno(&error)),
        )?;
    }
    if surroundings.setting == Setting::HostRoot {
        step("drop capabilities", confine::drop_capabilities())?;
    }
    step(
        "make a cgroup namespace",
        unshare(CloneFlags::CLONE_NEWCGROUP),
    )?;
    if surroundings.cgroup.is_some()
        && let Err(error) = mount_cgroup(surroundings.setting)
    {
        let text = format!("/sys/fs/cgroup stays empty: failed to mount cgroup2 there: {error}");
        step("report", reporter.send(&Report::warning(text)))?;
    }
    if surroundings.setting != Setting::HostUser {
        let account = &command.account;
        let groups: Vec<Gid> = account.groups.iter().copied().map(Gid::from_raw).collect();
        let gid = Gid::from_raw(account.gid);
        let uid = Uid::from_raw(account.uid);
        // Who opens /dev/stdout opens the pipe anew, which only its owner may do.
        for end in [&ends.stdout, &ends.stderr] {
            step(
                "give the output pipes to the user",
                fchown(end, Some(uid), Some(gid)),
            )?;
        }
        step("set supplementary groups", setgroups(&groups))?;
        step("set the group", setresgid(gid, gid, gid))?;
        step("set the user", setresuid(uid, uid, uid))?;
    }
    Ok(())
}

/// Goes to the working directory, which is made if it is missing, by root as container engines
/// do, and before the user is changed, so that the user needs no right to look for it.
fn enter_working_directory(path: &[u8]) -> Result<(), StepError> {
    let folder = Path::new(OsStr::from_bytes(path));
    let failed = |action: &str| format!("{action} the working directory \"{}\"", display(path));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(|error| (failed("make"), errno(&error)))?;
    chdir(folder).map_err(|error| (failed("enter"), error))
}

/// Mounts the command's cgroup, as the root of the hierarchy that it sees.
fn mount_cgroup(setting: Setting) -> nix::Result<()> {
    let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    flags.set(MsFlags::MS_RDONLY, setting != Setting::Vm);
    mount(
        Some("cgroup2"),
        "/sys/fs/cgroup",
        Some("cgroup2"),
        flags,
        None::<&str>,
    )
}
