//! The options that are passed on to `bencher-server serve`.

use std::path::PathBuf;

use bencher_server::OutputPlace;
use bencher_unit::passed_on;
use clap::CommandFactory as _;
use clap::parser::ValueSource;

use super::unit::DATA;
use crate::arguments::Arguments;

/// Ports below this one are for those who may do more than a service may.
const UNPRIVILEGED: u16 = 1024;

/// Checks options, and gives the folder for outputs that they name.
///
/// # Errors
///
/// When `serve` does not take them, or a service can not do what they say; `has_user` says that it has a user
/// that is there when it does not run.
pub(super) fn check(options: &[String], has_user: bool) -> Result<Option<PathBuf>, String> {
    // What the unit or its environment has already: a second one of these is refused.
    let base = [
        "bencher-server",
        "serve",
        "--data-dir",
        DATA,
        "--first-token-file",
        DATA,
        "--database",
        "sqlite:",
    ];
    let given = "--data-dir, --first-token-file and --database";
    let matches = passed_on(Arguments::command(), &base, given, options)
        .map_err(|error| error.to_string())?;
    let Some((_, serve)) = matches.subcommand() else {
        return Ok(None);
    };
    let listen = serve.get_one::<String>("listen");
    let port = listen.and_then(|address| address.rsplit_once(':')?.1.parse().ok());
    if port.is_some_and(|port| (1..UNPRIVILEGED).contains(&port)) {
        return Err(format!(
            "--listen {}: the service may not listen on ports below {UNPRIVILEGED}: leave them to the proxy in \
             front",
            listen.map_or("", String::as_str)
        ));
    }
    let outputs = serve.get_one::<OutputPlace>("place");
    let Some(OutputPlace::Folder(folder)) =
        outputs.filter(|_| serve.value_source("place") == Some(ValueSource::CommandLine))
    else {
        return Ok(None);
    };
    let folder_is = |what: &str| Err(format!("--outputs {}: {what}", folder.display()));
    if !folder.is_absolute() {
        return folder_is("a service does not begin in this folder: give an absolute path");
    }
    if !has_user {
        return folder_is(
            "a folder outside of the data folder needs an owner: say with --user who runs the service",
        );
    }
    Ok(Some(folder.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(options: &[&str], has_user: bool) -> Result<Option<PathBuf>, String> {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        check(&options, has_user)
    }

    #[test]
    fn what_a_service_can_have() {
        for options in [
            &["--listen", "0.0.0.0:61016", "--keep-jobs", "90"][..],
            &["--listen", "[::1]:0"],
            &["--outputs", "s3://results/prefix"],
            &["--first-runner", "local", "--log-format", "json"],
        ] {
            assert_eq!(checked(options, false), Ok(None), "{options:?}");
        }
        let folder = checked(&["--outputs=/srv/outputs"], true);
        assert_eq!(folder, Ok(Some("/srv/outputs".into())));
    }

    #[test]
    fn what_a_service_can_not_have_is_refused() {
        for (options, has_user, expected) in [
            (&["--lisen", "x"][..], true, "--lisen"),
            (&["--keep-jobs", "0"], true, "--keep-jobs"),
            (&["--data-dir", "/srv"], true, "--data-dir"),
            (
                &["--first-token-file", "/srv/t"],
                true,
                "--first-token-file",
            ),
            // The unit is for everybody to read.
            (
                &["--database", "postgres://u:s3cret@h/d"],
                true,
                "--database",
            ),
            (&["--listen", "0.0.0.0:80"], true, "below 1024"),
            (&["--outputs", "outputs"], true, "an absolute path"),
            (&["--outputs", "/srv/outputs"], false, "--user"),
        ] {
            let error = checked(options, has_user).expect_err("it is refused");
            assert!(error.contains(expected), "{options:?}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
