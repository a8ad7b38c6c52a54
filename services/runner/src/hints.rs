//! What to do about a command line that can not be understood, beyond what its parser says.

use clap::Error;
use clap::error::{ContextKind, ContextValue};

/// What to do where one of these options has no value. `--help` says it too, among much else.
const HINTS: [(&str, &str); 3] = [
    (
        "--spec",
        "a spec says what kind of machine a job is for: `runner admin specs ls` lists those of the server",
    ),
    (
        "--host",
        "name the server with --host http://HOST[:PORT], or in the variable BENCHER_HOST",
    ),
    (
        "--token-file",
        "name the file that holds the token, with --token-file or in the variable BENCHER_TOKEN_FILE; or \
         leave both out, even an empty variable, and put the token itself into the variable BENCHER_TOKEN",
    ),
];

/// What to do about `error`, a line for each option that it is about.
pub(crate) fn hints(error: &Error) -> Vec<&'static str> {
    let names: &[String] = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names,
        Some(ContextValue::String(name)) => std::slice::from_ref(name),
        _ => return Vec::new(),
    };
    let is_about = |option: &str| {
        let mut names = names.iter();
        names.any(|name| name.split_whitespace().next() == Some(option))
    };
    let hints = HINTS.iter().filter(|(option, _)| is_about(option));
    hints.map(|(_, hint)| *hint).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn what_is_missing_is_explained() {
        for (line, about) in [
            ("runner submit r/p --host http://h", &["--spec"][..]),
            ("runner submit r/p", &["--host", "--spec"]),
            ("runner jobs ls", &["--host"]),
            (
                "runner jobs ls --host http://h --token-file",
                &["--token-file"],
            ),
            (
                "runner jobs ls --host http://h --token-file=",
                &["--token-file"],
            ),
            ("runner jobs ls --host http://h --limit x", &[]),
            ("runner run", &[]),
        ] {
            let error = Arguments::try_parse_from(line.split(' ')).expect_err(line);
            let expected: Vec<_> = HINTS
                .iter()
                .filter(|(option, _)| about.contains(option))
                .map(|(_, hint)| *hint)
                .collect();
            assert_eq!(hints(&error), expected, "{line}: {error}");
            assert_eq!(expected.len(), about.len());
        }
    }
}
