//! How init tells that it can not go on, even when it panics, and how it ends.
//!
//! A panic hook sees nothing of the program's state, so the little that it needs is kept here.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
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
/// Only in a virtual machine.
static KERNEL_LOG: OnceLock<File> = OnceLock::new();
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
            // The console has it.
            let _ = cry(stream, &reason);
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
/// `None` when that did not work.
fn cry(stream: &OwnedFd, reason: &str) -> Option<()> {
    if !BETWEEN_FRAMES.load(Ordering::Relaxed) {
        return None;
    }
    let reason = clip(reason.to_owned(), TEXT_LIMIT);
    let message = GuestMessage::Failed {
        stage: "keep going",
        reason: &reason,
    };
    let frame = message.encode().ok()?;
    // From here on nobody polls: it may block.
    fcntl(stream, FcntlArg::F_SETFL(OFlag::empty())).ok()?;
    let mut stream = File::from(stream.try_clone().ok()?);
    stream.write_all(&frame).ok()?;
    if is_vm() {
        while matches!(stream.read(&mut [0; 512]), Ok(1..)) {}
    }
    Some(())
}

/// Keeps the kernel's log open, as the image's `/dev` has none.
pub(crate) fn use_kernel_log() {
    if let Ok(log) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // Only the first counts, and there is one.
        let _ = KERNEL_LOG.set(log);
    }
}

/// Writes "`bencher_init`: failed to …: …" to the console: by the kernel's log, which reaches every
/// console and is written out before the power goes, or to standard error where there is none.
pub(crate) fn console(stage: &str, reason: &str) {
    let line = format!("bencher_init: failed to {stage}: {reason}").replace('\n', " ");
    let line = clip(line, CONSOLE_LIMIT);
    let is_logged = KERNEL_LOG
        .get()
        .is_some_and(|mut log| log.write_all(format!("<2>{line}\n").as_bytes()).is_ok());
    if !is_logged {
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
