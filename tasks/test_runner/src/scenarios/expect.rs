//! What a run must have left, field by field, and the comparison with what it did leave.
//!
//! Beside what a scenario names, every run must be in agreement with itself and with its backend:
//! process, result document and metrics tell the same story, and nothing is left over.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use serde_json::Value;
use thiserror::Error;

use super::agreement;
use super::bytes::Bytes;
use super::record::{Exit, Record, Run};

/// The result of a check.
pub(crate) type Checked = Result<(), Mismatch>;

/// Something is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: expected {expected}, got {got}")]
pub(crate) struct Mismatch {
    what: String,
    expected: String,
    got: String,
}

/// How much of a value a message shows.
const SHOWN: usize = 600;

impl Mismatch {
    /// `what` is not as `expected`.
    pub(crate) fn new(what: impl Into<String>, expected: impl Display, got: impl Display) -> Self {
        let shorten = |text: String| match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        Self {
            what: what.into(),
            expected: shorten(expected.to_string()),
            got: shorten(got.to_string()),
        }
    }
}

/// Compares two values of which `Debug` shows the escapes.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, expected: &T, got: &T) -> Checked {
    if expected == got {
        return Ok(());
    }
    Err(Mismatch::new(
        what,
        format!("{expected:?}"),
        format!("{got:?}"),
    ))
}

/// How one iteration must have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    /// `ended_by` of the result.
    pub(crate) by: &'static str,
    /// `exit_code` of the result.
    pub(crate) code: i32,
    /// `signal` of the result.
    pub(crate) signal: Option<i32>,
}

/// A test of one value of the result document.
type Test = Box<dyn Fn(&Value) -> bool>;

/// What one run must have left.
pub(crate) struct Expect {
    pub(crate) exit: Exit,
    /// Of each iteration; `None` where the runner does not live to write a result, or does not take
    /// its command line.
    pub(crate) endings: Option<Vec<Ending>>,
    pub(crate) stdout: Bytes,
    pub(crate) stderr: Bytes,
    /// The runner's own error; "…" stands for anything.
    error: Option<String>,
    /// A word, and the lines with it in what a talking runner says.
    log: Option<(&'static str, Vec<String>)>,
    files: BTreeMap<String, Bytes>,
    /// Guest path and reason.
    missing: Vec<(String, String)>,
    warnings: Vec<String>,
    /// Bytes of standard output that were cut.
    pub(crate) cut: u64,
    fields: Vec<(&'static str, String, Test)>,
}

impl Expect {
    /// The command exits with `code`.
    pub(crate) fn exit(code: i32) -> Self {
        Self::ended(code, "exit", None)
    }

    /// A signal that the runner did not send ends the command.
    pub(crate) fn signal(signal: i32) -> Self {
        Self::ended(128 + signal, "signal", Some(signal))
    }

    /// The command takes too long, and `signal` ends it, or it obeys by itself.
    pub(crate) fn timeout(signal: Option<i32>) -> Self {
        Self::ended(124, "timeout", signal)
    }

    /// There is no such command, or it can not be executed.
    pub(crate) fn not_started(code: i32) -> Self {
        Self::ended(code, "not_started", None)
    }

    /// The runner itself is killed by `signal`: it leaves no result and no metrics.
    pub(crate) fn killed(signal: i32) -> Self {
        let mut expect = Self::usage("");
        expect.exit = Exit::Signal(signal);
        expect
    }

    /// The runner is told to stop by the signal `told`, and `signal` ends the command.
    pub(crate) fn interrupt(told: i32, signal: Option<i32>) -> Self {
        Self::ended(128 + told, "interrupt", signal)
    }

    /// The runner gives up before there is an iteration, with this error, in which "…" stands for
    /// anything; its result says so.
    pub(crate) fn refused(error: &str) -> Self {
        let mut expect = Self::ended(125, "failure", None);
        expect.endings = Some(Vec::new());
        expect.error = Some(error.to_owned());
        expect
    }

    /// An iteration fails for another reason than the command, with this error, in which "…" stands for
    /// anything.
    pub(crate) fn failure(error: &str) -> Self {
        let mut expect = Self::ended(125, "failure", None);
        expect.error = Some(error.to_owned());
        expect
    }

    /// The runner does not take its command line, and says `usage`.
    pub(crate) fn usage(usage: &str) -> Self {
        let mut expect = Self::refused("").stderr(usage);
        expect.endings = None;
        expect.error = None;
        expect
    }

    fn ended(code: i32, by: &'static str, signal: Option<i32>) -> Self {
        Self {
            exit: Exit::Code(code),
            endings: Some(vec![Ending { by, code, signal }]),
            stdout: Bytes::default(),
            stderr: Bytes::default(),
            error: None,
            log: None,
            files: BTreeMap::new(),
            missing: Vec::new(),
            warnings: Vec::new(),
            cut: 0,
            fields: Vec::new(),
        }
    }

    /// The command's standard output; without this it must be empty.
    pub(crate) fn stdout(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdout = Bytes::of(bytes);
        self
    }

    /// The command's standard error; without this it must be empty.
    pub(crate) fn stderr(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stderr = Bytes::of(bytes);
        self
    }

    /// Of a runner that talks: the lines in which `word` is, and no others; what it says beside is
    /// not looked at.
    pub(crate) fn says(mut self, word: &'static str, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|&line| line.to_owned());
        self.log = Some((word, lines.collect()));
        self
    }

    /// That many iterations that all end the same way.
    pub(crate) fn times(mut self, count: usize) -> Self {
        let ending = self.endings.as_ref().and_then(|all| all.first().copied());
        self.endings = ending.map(|ending| vec![ending; count]);
        self
    }

    /// The exit code of the whole run, where it is not that of its last iteration.
    pub(crate) fn whole(mut self, code: i32) -> Self {
        self.exit = Exit::Code(code);
        self
    }

    /// The runner's own error, in which "…" stands for anything.
    pub(crate) fn error(mut self, error: &str) -> Self {
        self.error = Some(error.to_owned());
        self
    }

    /// A file of the output folder; without this there must be none but the two outputs.
    pub(crate) fn file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.to_owned(), Bytes::of(bytes));
        self
    }

    /// An output that must be reported as missing, and why.
    pub(crate) fn missing(mut self, path: &str, reason: &str) -> Self {
        self.missing.push((path.to_owned(), reason.to_owned()));
        self
    }

    /// A warning of the iteration.
    pub(crate) fn warning(mut self, text: &str) -> Self {
        self.warnings.push(text.to_owned());
        self
    }

    /// That many bytes of standard output that were produced but not kept.
    pub(crate) fn cut(mut self, bytes: u64) -> Self {
        self.cut = bytes;
        self
    }

    /// The exact value at a JSON pointer of the result document.
    pub(crate) fn field(self, pointer: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let expected = value.to_string();
        self.field_that(pointer, &expected, move |got| *got == value)
    }

    /// A value of the result document that is not known beforehand: `expected` says in words what
    /// `test` decides.
    pub(crate) fn field_that(
        mut self,
        pointer: &'static str,
        expected: &str,
        test: impl Fn(&Value) -> bool + 'static,
    ) -> Self {
        self.fields
            .push((pointer, expected.to_owned(), Box::new(test)));
        self
    }

    fn compare(&self, run: &Run, record: &Record, index: usize) -> Checked {
        same("exit of the runner", &self.exit, &run.exit)?;
        same("standard output", &self.stdout, &run.stdout)?;
        let mut said = run.said();
        if let Some((word, expected)) = &self.log {
            let mut log = said.take_log();
            log.retain(|line| line.contains(word));
            same(&format!("what the runner says of {word}"), expected, &log)?;
        }
        let mut stderr = self.stderr.short().unwrap_or_default();
        if !said.metrics.is_empty() && !stderr.is_empty() && !stderr.ends_with(b"\n") {
            // The runner's metrics begin on a line of their own.
            stderr.push(b'\n');
        }
        same(
            "the command's standard error",
            &Bytes::of(stderr),
            &Bytes::of(&said.command),
        )?;
        self.compare_error(said.error.as_deref())?;
        same("what is left over", &Vec::new(), &run.left_over)?;
        same("files of the output folder", &self.files, &run.files)?;
        agreement::check(self, run, record.backend)?;
        if self.endings.is_some() {
            self.compare_iterations(run)?;
        }
        for (pointer, expected, test) in &self.fields {
            record
                .looked
                .borrow_mut()
                .push((index, (*pointer).to_owned()));
            let got = run.at(pointer).unwrap_or(&Value::Null);
            if !test(got) {
                return Err(Mismatch::new(
                    format!("the result's {pointer}"),
                    expected,
                    got,
                ));
            }
        }
        Ok(())
    }

    fn compare_error(&self, got: Option<&str>) -> Checked {
        // What a console says belongs to the machine, not to the promise.
        let got = got.map(|error| error.lines().next().unwrap_or_default());
        let fits = match (&self.error, got) {
            (None, None) => true,
            (Some(expected), Some(got)) => match expected.split_once('…') {
                Some((begin, end)) => got.starts_with(begin) && got.ends_with(end),
                None => got == expected,
            },
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(Mismatch::new(
            "the runner's error",
            format!("{:?}", self.error),
            format!("{got:?}"),
        ))
    }

    fn compare_iterations(&self, run: &Run) -> Checked {
        for iteration in run.iterations() {
            let list = |name: &str, fields: &[&str]| -> Vec<Vec<String>> {
                let items = iteration[name].as_array().map_or(&[][..], Vec::as_slice);
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                items
                    .iter()
                    .map(|item| match fields {
                        [] => vec![text(item)],
                        fields => fields.iter().map(|&field| text(&item[field])).collect(),
                    })
                    .collect()
            };
            let missing: Vec<_> = self
                .missing
                .iter()
                .map(|(path, reason)| vec![path.clone(), reason.clone()])
                .collect();
            let got = list("missing", &["guest_path", "reason"]);
            same("missing outputs", &missing, &got)?;
            let warnings: Vec<_> = self
                .warnings
                .iter()
                .map(|text| vec![text.clone()])
                .collect();
            same("warnings", &warnings, &list("warnings", &[]))?;
        }
        Ok(())
    }
}

impl Record {
    /// Checks the only run.
    pub(crate) fn is(&self, expect: Expect) -> Checked {
        self.are(&[expect])
    }

    /// Checks all runs, in the order of their starts.
    pub(crate) fn are(&self, expects: &[Expect]) -> Checked {
        same("number of runs", &expects.len(), &self.runs.len())?;
        for (index, (expect, run)) in expects.iter().zip(&self.runs).enumerate() {
            expect.compare(run, self, index)?;
        }
        Ok(())
    }

    /// Checks what was seen while the runs ran.
    pub(crate) fn saw(&self, name: &str, expected: impl Into<Value>) -> Checked {
        let expected = expected.into();
        let got = self.observed.get(name).unwrap_or(&Value::Null);
        if *got == expected {
            return Ok(());
        }
        Err(Mismatch::new(name, expected, got))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_is_one_short_line() {
        let long = "x".repeat(5000);
        let mismatch = Mismatch::new("standard output", Bytes::of("a\n"), &long).to_string();
        assert!(mismatch.starts_with("standard output: expected \"a\\n\", got xxx"));
        assert!(mismatch.len() < 700);
    }

    #[test]
    fn equal_values_are_the_same() {
        assert_eq!(same("it", &1, &1), Ok(()));
        let error = same("it", &"a\n", &"b").expect_err("they differ");
        assert_eq!(error.to_string(), r#"it: expected "a\n", got "b""#);
    }
}
