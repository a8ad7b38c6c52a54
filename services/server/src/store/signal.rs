//! What has become true, for those who wait for it.

use bencher_jobs::{ConnectionId, JobId, RunnerId};

/// The channel on which servers tell each other.
pub(crate) const NOTIFICATIONS: &str = "bencher";

/// What others want to know once it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// There may be a job for somebody, or room for one.
    Queued,
    /// A job has changed.
    Job(JobId),
    /// What runners can run has changed.
    Fleet,
    /// A token is worth nothing any more.
    Tokens,
    /// A runner has a new connection.
    Connected(RunnerId, ConnectionId),
}

impl Signal {
    /// As a notification.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Queued => "queued".to_owned(),
            Self::Fleet => "fleet".to_owned(),
            Self::Tokens => "tokens".to_owned(),
            Self::Job(job) => format!("job {job}"),
            Self::Connected(runner, connection) => format!("connected {runner} {connection}"),
        }
    }

    /// What a notification says; `None` if it is of another version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<_> = text.split(' ').collect();
        match words[..] {
            ["queued"] => Some(Self::Queued),
            ["fleet"] => Some(Self::Fleet),
            ["tokens"] => Some(Self::Tokens),
            ["job", job] => Some(Self::Job(job.parse().ok()?)),
            ["connected", runner, connection] => Some(Self::Connected(
                runner.parse().ok()?,
                connection.parse().ok()?,
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_as_they_are_written() {
        for signal in [
            Signal::Queued,
            Signal::Fleet,
            Signal::Tokens,
            Signal::Job(JobId::generate()),
            Signal::Connected(RunnerId::generate(), ConnectionId::generate()),
        ] {
            assert_eq!(Signal::parse(&signal.text()), Some(signal));
        }
        for strange in ["", "job", "job 1", "later", "connected a b"] {
            assert_eq!(Signal::parse(strange), None);
        }
    }
}
