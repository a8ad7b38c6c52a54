//! PID 1 of the command's pid namespace: it starts the command, reaps what it leaves behind, and
//! ends everything when the command has ended.
//!
//! ```text
//!  fork --- own mounts, /proc --- fork ------------------ wait ... wait --- kill all --- wait* --- Ended
//!                                  |  \-- Forked(pidfd)    ^                              ^
//!                                  v                       | the command's end            | ECHILD
//!                          PID 2 --- prepare --- execve ---+
//! ```
//!
//! It holds neither end of the command's pipes nor of the stream, so it keeps nothing open. When
//! init dies, it is killed by the kernel, and with it its whole namespace.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use bencher_output_protocol::LogLevel;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid};

use super::child::{self, Ends, StepError, Surroundings};
use super::spec::Command;
use crate::clock;
use crate::image::{self, Setting};
use crate::report::{Ended, Report, Reporter, Usage};
use crate::sys::{self, Ending, SharedNumber};
use crate::{alarm, confine};

/// Lives the reaper's life. To be called in the process that was forked for it.
///
/// `gate` closes when the command has been executed, or when nobody is left who would.
pub(crate) fn run(
    command: &Command,
    surroundings: &Surroundings,
    ends: Ends,
    gate: OwnedFd,
    reporter: Reporter,
) -> ! {
    let reporter = alarm::report_to(reporter);
    sys::stop_giving_way();
    let mut keep = vec![
        ends.stdin.as_raw_fd(),
        ends.stdout.as_raw_fd(),
        ends.stderr.as_raw_fd(),
        gate.as_raw_fd(),
        reporter.as_fd().as_raw_fd(),
    ];
    if let Some(door) = &surroundings.cgroup {
        keep.extend([door.folder.as_raw_fd(), door.processes.as_raw_fd()]);
    }
    sys::close_all_but(&keep);
    let report = match live(command, surroundings, ends, gate, reporter) {
        Ok(ended) => Report::Ended(ended),
        Err((stage, error)) => Report::failed(stage, error.to_string()),
    };
    // If init is gone there is nobody to tell.
    let _ = reporter.send(&report);
    sys::exit_now(0)
}

fn live(
    command: &Command,
    surroundings: &Surroundings,
    ends: Ends,
    gate: OwnedFd,
    reporter: &Reporter,
) -> Result<Ended, StepError> {
    let failed = |stage: &'static str| move |error: Errno| (stage.to_owned(), error);
    set_pdeathsig(Signal::SIGKILL).map_err(failed("tie the reaper's life to init's"))?;
    // Fails if init died before the line above.
    reporter
        .send(&Report::Note {
            level: LogLevel::Debug,
            text: "the reaper is up".to_owned(),
        })
        .map_err(failed("report to init"))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed("make a mount namespace"))?;
    if !image::mount_proc(surroundings.setting).map_err(failed("mount /proc"))? {
        let text = "/proc shows the host's processes: a part of it is hidden on this host, so \
                    users may not mount one of their own";
        reporter
            .send(&Report::warning(text))
            .map_err(failed("report to init"))?;
    }
    if surroundings.setting == Setting::HostRoot {
        confine::protect_proc().map_err(failed("protect the host's settings in /proc"))?;
    }
    let started = SharedNumber::new().map_err(failed("share memory with the command's process"))?;
    let (fork, is_inside) =
        fork_command(surroundings).map_err(failed("make the command's process"))?;
    let pid = match fork {
        ForkResult::Child => child::run(command, surroundings, is_inside, &ends, started, reporter),
        ForkResult::Parent { child } => child,
    };
    drop((ends, gate));
    let handle = sys::pidfd_open(pid).map_err(failed("open a handle of the command's process"))?;
    reporter
        .send_with(&Report::Forked, Some(handle.as_fd()))
        .map_err(failed("report to init"))?;
    drop(handle);
    reap_all(pid, started).map_err(failed("wait for the command"))
}

/// Makes the process that becomes the command, and says whether it was born in its cgroup.
fn fork_command(surroundings: &Surroundings) -> nix::Result<(ForkResult, bool)> {
    if let Some(door) = &surroundings.cgroup {
        match sys::fork_into(door.folder.as_fd()) {
            // Before Linux 5.7, or hidden by the rules of a container.
            Err(Errno::ENOSYS | Errno::EINVAL | Errno::E2BIG) => {}
            result => return result.map(|fork| (fork, true)),
        }
    }
    sys::fork().map(|fork| (fork, false))
}

/// Waits for the command, ends all others, and waits until none is left.
fn reap_all(command: Pid, started: SharedNumber) -> nix::Result<Ended> {
    let mut end = None;
    loop {
        match sys::wait(None) {
            Ok((pid, ending)) if pid == command => {
                end = Some((ending, clock::monotonic()));
                // Every process of the namespace but this one. A fork that is under way fails, for
                // its parent has a signal pending. ESRCH: there is none.
                match kill(Pid::from_raw(-1), Signal::SIGKILL) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(_) => {}
            Err(Errno::ECHILD) => break,
            Err(error) => return Err(error),
        }
    }
    let (ending, end) = end.ok_or(Errno::ECHILD)?;
    let (code, signal) = match ending {
        Ending::Code(code) => (code, None),
        Ending::Signal(signal) => (0, Some(signal)),
    };
    let started = started.get();
    Ok(Ended {
        code,
        signal,
        // 0: it never came to the command's execve.
        wall_nanoseconds: if started == 0 {
            0
        } else {
            end.saturating_sub(started)
        },
        usage: usage()?,
    })
}

fn usage() -> nix::Result<Usage> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    let microseconds = |time: nix::sys::time::TimeVal| {
        count(time.tv_sec())
            .saturating_mul(1_000_000)
            .saturating_add(count(time.tv_usec()))
    };
    Ok(Usage {
        user_microseconds: microseconds(usage.user_time()),
        system_microseconds: microseconds(usage.system_time()),
        max_rss_kibibytes: count(usage.max_rss()),
        minor_faults: count(usage.minor_page_faults()),
        major_faults: count(usage.major_page_faults()),
        voluntary_switches: count(usage.voluntary_context_switches()),
        involuntary_switches: count(usage.involuntary_context_switches()),
        read_blocks: count(usage.block_reads()),
        written_blocks: count(usage.block_writes()),
    })
}
