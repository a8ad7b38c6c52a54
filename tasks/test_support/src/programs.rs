//! Programs that tests run and not every machine has.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, ensure};

/// Where the program is: on `PATH`, or where only root looks.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Whether one of these programs is not on this machine, which is said.
pub fn missing(programs: &[&str]) -> bool {
    let Some(program) = first_missing(programs) else {
        return false;
    };
    println!("skipped: no {program} on this machine");
    true
}

fn first_missing<'a>(programs: &[&'a str]) -> Option<&'a str> {
    let mut programs = programs.iter().copied();
    programs.find(|program| find(program).is_none())
}

/// Runs a program in `folder`, and returns what it printed, however it ended.
///
/// # Errors
/// When there is no such program.
pub fn output(folder: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    let file = find(program).with_context(|| format!("no {program} on this machine"))?;
    let mut command = Command::new(file);
    command.args(arguments).current_dir(folder);
    // What it prints is read.
    let output = command.env("LC_ALL", "C").output();
    output.with_context(|| format!("{program} can not be started"))
}

/// Runs a program that has to succeed, and returns its standard output.
///
/// # Errors
/// When it fails: then with what it printed.
pub fn run(folder: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    succeeded(program, arguments, output(folder, program, arguments)?)
}

/// The standard output of a program that has succeeded.
pub(crate) fn succeeded(
    program: &str,
    arguments: &[&str],
    output: Output,
) -> anyhow::Result<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let is_done = output.status.success();
    ensure!(is_done, "{program} {arguments:?}: {text}{errors}");
    String::from_utf8(output.stdout).with_context(|| format!("{program} does not print text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_are_there_and_that_are_not() {
        let here = Path::new("/");
        assert!(!missing(&["sh"]));
        let missing = first_missing(&["sh", "no-such-program"]);
        assert_eq!(missing, Some("no-such-program"));
        let said = run(here, "sh", &["-c", "pwd"]).expect("it succeeds");
        assert_eq!(said, "/\n");
        let failed = run(here, "sh", &["-c", "echo why >&2; exit 3"]);
        let error = failed.expect_err("it fails").to_string();
        assert!(error.contains("why"), "{error}");
    }
}
