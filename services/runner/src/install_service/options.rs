//! The options that are passed on to `runner up`, and the places that they name.

use std::path::{Path, PathBuf};

use bencher_runner::PinnedUrl;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};

use crate::arguments::Arguments;

/// Options of a program's name, which is looked for on PATH where it is no path.
const PROGRAMS: [&str; 2] = ["firecracker", "qemu"];

/// Checks options, and gives the files and folders that they name.
///
/// # Errors
///
/// When `runner up` does not take them, or a path does not mean the same to a service.
pub(super) fn check(options: &[String]) -> Result<Vec<PathBuf>, String> {
    // What the unit has already: a second one of these is refused.
    let base = [
        "runner",
        "up",
        "--host",
        "http://localhost",
        "--runner",
        "r",
        "--key",
        "bencher_runner_x",
        "--drain-timeout",
        "1",
    ];
    let given = "--host, --runner, --key and --drain-timeout";
    let matches = bencher_unit::passed_on(Arguments::command(), &base, given, options)
        .map_err(|error| error.to_string())?;
    let Some((_, up)) = matches.subcommand() else {
        return Ok(Vec::new());
    };
    let mut places = Vec::new();
    for id in up.ids() {
        let id = id.as_str();
        if up.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let Some(path) = path(up, id) else {
            continue;
        };
        if path.is_absolute() {
            places.push(path);
        } else if !PROGRAMS.contains(&id) || path.components().count() > 1 {
            return Err(format!(
                "--{} {}: a service does not begin in this folder: give an absolute path",
                id.replace('_', "-"),
                path.display()
            ));
        }
    }
    Ok(places)
}

/// The path that an option names, if it names one.
fn path(matches: &ArgMatches, id: &str) -> Option<PathBuf> {
    if let Ok(path) = matches.try_get_one::<PathBuf>(id) {
        return path.cloned();
    }
    // A kernel is a path, or comes from somewhere.
    let text = matches
        .try_get_one::<String>(id)
        .ok()?
        .filter(|_| id == "kernel")?;
    (!PinnedUrl::looks_like(text)).then(|| Path::new(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(options: &[&str]) -> Result<Vec<PathBuf>, String> {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        check(&options)
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        let places = checked(&[
            "--ca=/root/ca.pem",
            "--state-dir",
            "/home/me/state",
            "--kernel",
            "/tmp/vmlinux",
            "--sandbox",
            "qemu",
            "--qemu",
            "qemu-system-x86_64",
        ]);
        let mut places = places.unwrap();
        places.sort();
        let expected = ["/home/me/state", "/root/ca.pem", "/tmp/vmlinux"];
        assert_eq!(places, expected.map(PathBuf::from));
        let url = format!("https://host/vmlinux#sha256:{}", "0".repeat(64));
        assert_eq!(checked(&["--kernel", &url]), Ok(Vec::new()));
    }

    #[test]
    fn what_a_service_can_not_have_is_refused() {
        for (options, expected) in [
            (&["--sandbx", "qemu"][..], "--sandbx"),
            (&["--poll-timeout", "0"], "from 1 to 900"),
            // The unit is for everybody to read.
            (&["--key", "bencher_runner_s3cret"], "--key"),
            (&["--drain-timeout", "5"], "--drain-timeout"),
            (&["--host", "http://x"], "--host"),
            (&["--ca", "ca.pem"], "give an absolute path"),
            (&["--qemu", "./qemu"], "give an absolute path"),
            (&["--state-dir", "state"], "--state-dir state"),
        ] {
            let error = checked(options).unwrap_err();
            assert!(error.contains(expected), "{options:?}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
