//! How often the command is run, and what becomes of an iteration that is not to be trusted.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// What becomes of an iteration that is suspect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnSuspect {
    /// It is kept, and marked.
    #[default]
    Keep,
    /// It is kept and marked, and another one takes its place, at most so many times.
    Retry(NonZeroU32),
    /// The run fails.
    Fail,
}

/// Retries of an iteration where no number is given.
const RETRIES: NonZeroU32 = NonZeroU32::new(3).expect("it is not zero");

impl FromStr for OnSuspect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "keep" => Ok(Self::Keep),
            "fail" => Ok(Self::Fail),
            "retry" => Ok(Self::Retry(RETRIES)),
            _ => text
                .strip_prefix("retry:")
                .and_then(|count| count.parse().ok())
                .map(Self::Retry)
                .ok_or_else(|| "expected keep, fail, retry, or retry:N with N from 1".to_owned()),
        }
    }
}

impl fmt::Display for OnSuspect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => formatter.write_str("keep"),
            Self::Retry(count) => write!(formatter, "retry:{count}"),
            Self::Fail => formatter.write_str("fail"),
        }
    }
}

/// Counts iterations.
#[derive(Debug)]
pub(crate) struct Repetition {
    on_suspect: OnSuspect,
    /// Iterations that are still to come, retries left out.
    left: u32,
    /// The last iteration's number.
    index: u32,
    /// Iterations that took the place of one.
    retries: u32,
}

/// What comes after an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It counts.
    Counted,
    /// Another one takes its place.
    Retried,
    /// The run fails because of it.
    Failed,
}

impl Repetition {
    pub(crate) fn new(iterations: NonZeroU32, on_suspect: OnSuspect) -> Self {
        Self {
            on_suspect,
            left: iterations.get(),
            index: 0,
            retries: 0,
        }
    }

    /// The number of the next iteration, from 1, if there is to be one.
    pub(crate) fn begin(&mut self) -> Option<u32> {
        if self.left == 0 {
            return None;
        }
        self.index += 1;
        Some(self.index)
    }

    /// What becomes of the iteration that was begun.
    pub(crate) fn end(&mut self, is_suspect: bool) -> Next {
        match self.on_suspect {
            OnSuspect::Fail if is_suspect => return Next::Failed,
            OnSuspect::Retry(most) if is_suspect && self.retries < most.get() => {
                self.retries += 1;
                return Next::Retried;
            }
            _ => {}
        }
        self.left -= 1;
        self.retries = 0;
        Next::Counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of iterations of which these are suspect: `c`ounted, `r`etried, `f`ailed.
    fn course(iterations: u32, on_suspect: &str, suspect: &[u32]) -> String {
        let iterations = NonZeroU32::new(iterations).unwrap();
        let mut repetition = Repetition::new(iterations, on_suspect.parse().unwrap());
        let mut course = String::new();
        while let Some(index) = repetition.begin() {
            course.push(match repetition.end(suspect.contains(&index)) {
                Next::Counted => 'c',
                Next::Retried => 'r',
                Next::Failed => return course + "f",
            });
        }
        course
    }

    #[test]
    fn suspect_iterations_are_kept_replaced_or_the_end() {
        for (iterations, on_suspect, suspect, expected) in [
            (3, "keep", &[1, 3][..], "ccc"),
            (3, "fail", &[], "ccc"),
            (3, "fail", &[2], "cf"),
            (2, "retry", &[1], "rcc"),
            // Not for ever: the last attempt counts, suspect as it is.
            (2, "retry:2", &[1, 2, 3], "rrcc"),
            // Each iteration has its own retries.
            (2, "retry:1", &[1, 3], "rcrc"),
        ] {
            let course = course(iterations, on_suspect, suspect);
            assert_eq!(course, expected, "{on_suspect} {suspect:?}");
        }
    }

    #[test]
    fn choices_are_words() {
        for text in ["keep", "fail", "retry:3", "retry:1"] {
            assert_eq!(text.parse::<OnSuspect>().unwrap().to_string(), text);
        }
        for text in ["", "retry:0", "retry:", "retry:x", "retry(3)", "Keep"] {
            let error = text.parse::<OnSuspect>().unwrap_err();
            assert!(error.contains("retry:N"), "{text}");
        }
    }
}
