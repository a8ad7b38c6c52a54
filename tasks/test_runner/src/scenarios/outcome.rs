//! How a scenario ended on a backend.

use std::time::Duration;

use super::backend::Backend;

/// The three ways. A skipped scenario has proved nothing, and is never counted as passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What was promised is what came.
    Passed,
    /// It is not, or it could not be tried although it should have been.
    Failed(String),
    /// It could not be tried here.
    Skipped(String),
}

/// A scenario that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    /// The scenario's name.
    pub(crate) name: &'static str,
    /// Where it ran.
    pub(crate) backend: Backend,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// How long it took.
    pub(crate) took: Duration,
    /// The command lines of its runs.
    pub(crate) commands: Vec<String>,
}

impl Outcome {
    /// The word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "skipped",
        }
    }

    /// Why it did not pass.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed(reason) | Self::Skipped(reason) => Some(reason),
        }
    }
}

impl Finished {
    /// One line: name, backend, outcome, seconds, and why it was skipped.
    pub(crate) fn line(&self) -> String {
        let mut line = format!(
            "{:<34} {:<11} {:<7} {:>6.1} s",
            self.name,
            self.backend.name(),
            self.outcome.word(),
            self.took.as_secs_f64()
        );
        if let Outcome::Skipped(reason) = &self.outcome {
            line.push_str("  ");
            line.push_str(reason);
        }
        line
    }

    /// The lines below that, for a failure: what was expected and what came, and of what.
    pub(crate) fn details(&self) -> Vec<String> {
        let Outcome::Failed(reason) = &self.outcome else {
            return Vec::new();
        };
        let mut lines: Vec<String> = reason.lines().map(str::to_owned).collect();
        lines.extend(self.commands.iter().map(|command| format!("$ {command}")));
        lines
    }
}
