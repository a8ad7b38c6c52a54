//! How init tells that it can not go on, even when it panics, and how it ends.
//!
//! A panic hook sees nothing of the program's state, so the little that it needs is kept here.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bencher_output_protocol::GuestMessage;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::reboot::{RebootMode, reboot};
use nix::unistd::{Pid, getpid};

use crate::report::{Report, Reporter};
use crate::sys;
use crate::text::{TEXT_LIMIT, clip};

/// Which of its two lives init leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// PID 1 of a virtual machine: its end is the machine's.
    Vm,
    /// A process of the host.
    Host,
}

static LIFE: OnceLock<(Life, Pid)> = OnceLock::new();
/// A second handle of the stream, for the panic hook only.
static STREAM: OnceLock<OwnedFd> = OnceLock::new();
static BETWEEN_FRAMES: AtomicBool = AtomicBool::new(true);
/// Set in processes that were forked from init.
static REPORTER: OnceLock<Reporter> = OnceLock::new();

/// The longest record that `/dev/kmsg` takes is 1024 bytes with what the kernel adds in front.
const CONSOLE_LIMIT: usize = 900;

/// To be called first: makes panics end the way other failures do.
pub(crate) fn arm(life: Life) {
    // Only the first call counts, and there is one.
    let _ = LIFE.set((life, getpid()));
    std::panic::set_hook(Box::new(|panic| {
        let reason = panic.to_string();
        if let Some(reporter) = REPORTER.get() {
            let report = Report::failed("keep going", reason);
            // Without the socket the exit code is all there is to tell.
            let _ = reporter.send(&report);
            sys::exit_now(1);
        }
        console("keep going", &reason);
        if let Some(stream) = STREAM.get() {
            cry(stream, &reason);
        }
        end(1);
    }));
}

/// Remembers the stream.
pub(crate) fn use_stream(stream: &OwnedFd) {
    if let Ok(stream) = stream.try_clone() {
        // Only the first stream counts, and there is one.
        let _ = STREAM.set(stream);
    }
}

/// Says whether the host could understand a new frame now.
pub(crate) fn stream_is_between_frames(yes: bool) {
    BETWEEN_FRAMES.store(yes, Ordering::Relaxed);
}

/// Says that this process is a fork of init, which tells init itself of its failures.
pub(crate) fn report_to(reporter: Reporter) -> &'static Reporter {
    REPORTER.get_or_init(|| reporter)
}

fn is_vm() -> bool {
    matches!(LIFE.get(), Some((Life::Vm, _)))
}

/// Tells the host of a panic, and waits until it hangs up where the news could be lost otherwise.
fn cry(stream: &OwnedFd, reason: &str) {
    let reason = clip(reason.to_owned(), TEXT_LIMIT);
    let message = GuestMessage::Failed {
        stage: "keep going",
        reason: &reason,
    };
    let blocking = fcntl(stream, FcntlArg::F_SETFL(OFlag::O_RDWR)).is_ok();
    if let Ok(frame) = message.encode()
        && blocking
        && BETWEEN_FRAMES.load(Ordering::Relaxed)
        && std::fs::File::from(match stream.try_clone() {
            Ok(stream) => stream,
            Err(_) => return,
        })
        .write_all(&frame)
        .is_ok()
        && is_vm()
    {
        while matches!(nix::unistd::read(stream, &mut [0; 512]), Ok(1..)) {}
    }
}

/// Writes "`bencher_init`: failed to …: …" to the console: the kernel's in a virtual machine,
/// standard error on a host.
pub(crate) fn console(stage: &str, reason: &str) {
    let line = format!("bencher_init: failed to {stage}: {reason}").replace('\n', " ");
    let line = clip(line, CONSOLE_LIMIT);
    let kernel_log = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/kmsg")
            .and_then(|mut log| log.write_all(format!("<2>{line}\n").as_bytes()))
    };
    // The kernel's log reaches every console and is written out before the power goes; the
    // image's /dev has none, so after the switch of roots the standard error of PID 1, which is
    // the console, has to do.
    if !is_vm() || kernel_log().is_err() {
        // There is no further place to complain at.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

/// Powers the machine off, or exits with `code` where there is none.
pub(crate) fn end(code: i32) -> ! {
    if matches!(LIFE.get(), Some((Life::Vm, pid)) if *pid == getpid()) {
        // Nothing is synced: the disk is thrown away. On success this does not return; without
        // CAP_SYS_BOOT this is no machine of ours, and exiting ends it.
        let _ = reboot(RebootMode::RB_POWER_OFF);
    }
    sys::exit_now(code)
}
