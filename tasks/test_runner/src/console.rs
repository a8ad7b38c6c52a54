//! What the harness says about itself: headings, notes, errors.

use std::io::{IsTerminal as _, stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the standard output is somebody else's.
static STDOUT_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// From now on notes go to the standard error: the standard output is that of a command.
pub(crate) fn leave_stdout_free() {
    STDOUT_IS_TAKEN.store(true, Ordering::Relaxed);
}

/// Marks the beginning of a step.
pub(crate) fn heading(text: &str) {
    if is_terminal() {
        println!("\n\x1b[1;34m==>\x1b[0;1m {text}\x1b[0m");
    } else {
        println!("\n==> {text}");
    }
}

/// Says what is being done.
pub(crate) fn note(text: &str) {
    for line in text.lines() {
        if STDOUT_IS_TAKEN.load(Ordering::Relaxed) {
            eprintln!("    {line}");
        } else {
            println!("    {line}");
        }
    }
}

/// Says what went otherwise than it should and what is done about it.
pub(crate) fn warning(text: &str) {
    let label = if stderr().is_terminal() {
        "\x1b[1;33mwarning:\x1b[0m"
    } else {
        "warning:"
    };
    eprintln!("{label} {text}");
}

/// Prints an error with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let label = if stderr().is_terminal() {
        "\x1b[1;31merror:\x1b[0m"
    } else {
        "error:"
    };
    eprintln!("{label} {error:#}");
}

/// Whether a person reads the standard output.
pub(crate) fn is_terminal() -> bool {
    stdout().is_terminal()
}
