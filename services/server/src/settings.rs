//! What the server goes by while it runs.

use std::time::Duration;

use bencher_jobs::{Limits, Rate};

/// How often those who watch a job look at it at least.
const LOOK: Duration = Duration::from_secs(15);

/// How long a registry may take to give a token, at most. Nothing is said to the runner meanwhile, which may have
/// asked for a job for as long as it wanted to: it waits a while longer
/// ([`POLL_MARGIN`](bencher_channel_protocol::runner::POLL_MARGIN)) before it gives up its connection.
const EXCHANGE: Duration = Duration::from_secs(8);

/// How often a runner that waits for a job is asked whether it is there.
pub(crate) const PING: Duration = Duration::from_secs(20);

/// Limits of time and of number.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How long a runner may be silent.
    pub heartbeat: Duration,
    /// How long a runner may prepare a job.
    pub setup: Duration,
    /// How much later than its time-out a job's end may be told.
    pub grace: Duration,
    /// The longest message of a runner, in bytes.
    pub message: usize,
    /// The longest body of a request, in bytes.
    pub body: usize,
    /// How long the body of a request may take to come, as a whole: the longest one ([`Settings::body`]) is to
    /// come over a slow link, too, and nobody is to hold a connection for ever.
    pub body_time: Duration,
    /// Jobs that may wait in all projects together.
    pub queue: u32,
    /// How often each token may ask.
    pub requests: Rate,
    /// How often each address may use a key or a token that is not good.
    pub refusals: Rate,
    /// Those who watch jobs, at a time; a quarter of them with one token.
    pub watchers: usize,
    /// How old results that no job has are when they are removed: far older than any that is on its
    /// way into the database.
    pub orphans: Duration,
    /// How long jobs are kept after their end; nothing: for ever.
    pub keep: Option<Duration>,
    /// How long time must have gone without a leap before a job is deleted for its age.
    pub believed: Duration,
    /// How long a client may take to send the headers of a request, and how long it may take nothing of what it is
    /// sent, or fall behind the least rate of doing so.
    pub client: Duration,
    /// The OpenTelemetry collector that is told of requests and of jobs: its address.
    pub otlp_endpoint: Option<String>,
}

impl Settings {
    /// What limits a job that may run for `timeout` seconds.
    pub fn limits(&self, timeout: u32) -> Limits {
        Limits {
            heartbeat: self.heartbeat,
            setup: self.setup,
            timeout: Duration::from_secs(timeout.into()),
            grace: self.grace,
        }
    }

    /// How old a lease in the database may be before a heartbeat is written down again: as long as
    /// the database is not asked, a job that was stopped elsewhere goes on.
    pub fn lease_renewal(&self) -> Duration {
        self.heartbeat / 6
    }

    /// How long a registry may take to give a token for a job that was claimed: the job is not to time out
    /// meanwhile.
    pub fn exchange(&self) -> Duration {
        (self.heartbeat / 2).min(EXCHANGE)
    }

    /// How long ago something may have been heard of a runner that counts as connected: of one that is, it is
    /// written down after each ping or renewal of its lease, when the dispatcher looks at time the
    /// next time. One of both may be missed.
    pub fn connected(&self) -> Duration {
        2 * (PING + self.lease_renewal())
    }

    /// How often those who watch a job look at it although they heard of no change: they may have
    /// missed it.
    pub fn look(&self) -> Duration {
        (self.heartbeat / 2).min(LOOK)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(30),
            setup: Duration::from_hours(1),
            grace: Duration::from_mins(1),
            message: 16 << 20,
            body: 1 << 20,
            // At 70 kbit/s.
            body_time: Duration::from_mins(2),
            queue: 100_000,
            requests: Rate {
                per_second: 50.0,
                burst: 200.0,
            },
            refusals: Rate {
                per_second: 1.0,
                burst: 20.0,
            },
            watchers: 1000,
            orphans: Duration::from_hours(24),
            keep: None,
            believed: Duration::from_hours(1),
            client: Duration::from_secs(30),
            otlp_endpoint: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bencher_channel_protocol::runner::POLL_MARGIN;

    use super::*;

    #[test]
    fn a_registry_is_given_up_before_the_runner_gives_up_the_server() {
        for heartbeat in [1, 6, 30, 3600] {
            let settings = Settings {
                heartbeat: Duration::from_secs(heartbeat),
                ..Settings::default()
            };
            let exchange = settings.exchange();
            // With some time for the job to be sent, or put back.
            assert!(exchange + Duration::from_secs(2) <= POLL_MARGIN);
            assert!(exchange <= settings.heartbeat / 2);
        }
    }
}
