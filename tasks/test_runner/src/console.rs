//! What the harness says about itself: headings, notes, errors.

use std::io::{IsTerminal as _, stderr, stdout};

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
        println!("    {line}");
    }
}

/// Says what is being done while the standard output is somebody else's.
pub(crate) fn progress(text: &str) {
    for line in text.lines() {
        eprintln!("    {line}");
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
