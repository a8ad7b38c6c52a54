//! What becomes of an iteration that is not to be trusted.

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

#[cfg(test)]
mod tests {
    use super::*;

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
