//! Children that do not outlive the runner, and do not know what it knows.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::Signal;

/// Leaves `command` nothing of this process's environment but where programs are, and `kept`: the runner's key
/// and others' secrets may be in it.
pub(crate) fn forget_environment(command: &mut Command, kept: &[&str]) {
    command.env_clear();
    for name in [&["PATH"], kept].concat() {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// Kills what `command` starts when the calling thread ends, however it ends.
#[expect(
    unsafe_code,
    reason = "only code between fork and exec can ask for a parent's death signal"
)]
pub(crate) fn die_with_this_thread(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let ask = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the line above: then no signal comes.
        if nix::unistd::getppid() == parent {
            Ok(())
        } else {
            Err(nix::errno::Errno::ESRCH.into())
        }
    };
    // SAFETY: prctl and getppid are async-signal-safe, and the closure allocates nothing: an error
    // is a plain error number.
    unsafe { command.pre_exec(ask) };
}
