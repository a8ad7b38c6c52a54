//! Which adapter reads what.

use std::fmt;
use std::str::FromStr;

use bencher_adapters::Adapter;

use crate::run::{absolute, text};

/// An adapter and what it reads: `NAME` standard output, `NAME=FILE` a file that is collected, or the
/// files of a folder. With the name `auto` the format is found by its marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterChoice {
    /// `None` for the one whose format it is.
    pub(crate) adapter: Option<Adapter>,
    file: Option<String>,
}

const AUTO: &str = "auto";

impl AdapterChoice {
    /// The file or folder, as it was given: relative to the working directory unless absolute.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// What is read of a command that ran in `working_directory`.
    pub(crate) fn source(&self, working_directory: &str) -> Source {
        match &self.file {
            None => Source::Stdout,
            Some(file) => Source::File(text::path(absolute(file, working_directory).as_bytes())),
        }
    }

    /// All names, as a list to read.
    pub(crate) fn names() -> String {
        Adapter::ALL.map(Adapter::name).join(", ")
    }
}

/// What an adapter reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard output.
    Stdout,
    /// A file, or the files below a folder, by its absolute path as results show it.
    File(String),
}

impl Source {
    /// As the result has it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Stdout => "stdout",
            Self::File(path) => path,
        }
    }

    /// Whether the file `path` of a result is read by `adapter`. Of a folder of Criterion.rs these are
    /// the samples of the newest run: the other files say the same, or are of earlier ones.
    pub(crate) fn takes(&self, path: &str, adapter: Option<Adapter>) -> bool {
        let Self::File(wanted) = self else {
            return false;
        };
        let Some(below) = path.strip_prefix(wanted.as_str()) else {
            return false;
        };
        let is_below = below.starts_with('/') || wanted == "/";
        below.is_empty()
            || is_below
                && (adapter != Some(Adapter::Criterion) || below.ends_with("/new/sample.json"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Stdout => "standard output",
            Self::File(path) => path,
        })
    }
}

impl FromStr for AdapterChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err(format!("{text} names no file: write NAME=FILE or NAME")),
            Some((name, file)) => (name, Some(file.to_owned())),
            None => (text, None),
        };
        let adapter = match name {
            AUTO => None,
            _ => Some(name.parse().map_err(|_| {
                format!(
                    "{name:?} is no adapter: it is {AUTO} or one of {}",
                    Self::names()
                )
            })?),
        };
        Ok(Self { adapter, file })
    }
}

impl fmt::Display for AdapterChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.adapter.map_or(AUTO, Adapter::name))?;
        match &self.file {
            None => Ok(()),
            Some(file) => write!(formatter, "={file}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_words() {
        for text in ["auto", "criterion", "hyperfine=out.json", "auto=/a=b"] {
            assert_eq!(text.parse::<AdapterChoice>().unwrap().to_string(), text);
        }
        let error = "speed".parse::<AdapterChoice>().unwrap_err();
        assert!(
            error.starts_with("\"speed\" is no adapter: it is auto or one of bencher, criterion,"),
            "{error}"
        );
        for text in ["", "Auto", "lines=", "=file"] {
            assert!(text.parse::<AdapterChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_or_what_is_below_a_folder_is_read() {
        for (choice, path, expected) in [
            ("auto", "/w/out.json", false),
            ("auto=out.json", "/w/out.json", true),
            ("auto=./x/../out.json", "/w/out.json", true),
            ("auto=/out.json", "/w/out.json", false),
            ("auto=out", "/w/out.json", false),
            ("auto=out", "/w/out/b.json", true),
            ("auto=/", "/w", true),
            (
                "criterion=target",
                "/w/target/criterion/a/new/sample.json",
                true,
            ),
            (
                "criterion=target",
                "/w/target/criterion/a/base/sample.json",
                false,
            ),
            (
                "criterion=target",
                "/w/target/criterion/a/new/tukey.json",
                false,
            ),
            (
                "criterion=a/new/estimates.json",
                "/w/a/new/estimates.json",
                true,
            ),
        ] {
            let choice: AdapterChoice = choice.parse().unwrap();
            let source = choice.source("/w");
            assert_eq!(
                source.takes(path, choice.adapter),
                expected,
                "{choice} {path}"
            );
        }
    }
}
