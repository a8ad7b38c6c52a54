//! What claims, reports, time and users do to one job.
//!
//! | report | claimed | running | failed by silence | timed out, canceled | otherwise over |
//! |---|---|---|---|---|---|
//! | `heartbeat` | lives on | lives on | acknowledged | `cancel` | acknowledged |
//! | `running` | → running | lives on | acknowledged | `cancel` | acknowledged |
//! | `completed` | → completed | → completed | → completed | acknowledged | acknowledged |
//! | `failed` | → failed | → failed | → failed, by its runner | acknowledged | acknowledged |
//! | `canceled` | → canceled | → canceled | acknowledged | acknowledged | acknowledged |
//!
//! A report of a job that is not its sender's changes nothing and is acknowledged, so that the
//! sender stops repeating it. `completed` counts without a `running` before it: that message may
//! have been lost with a connection, and the result must not be lost after it.

use std::time::Duration;

use crate::{Reason, RunnerId, State, Timestamp};

/// What limits a job's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a runner may be silent.
    pub heartbeat: Duration,
    /// How long a runner may prepare: get the image and build its disk.
    pub setup: Duration,
    /// How long the command may run.
    pub timeout: Duration,
    /// How much later than `timeout` its end may be told.
    pub grace: Duration,
}

/// What a runner says of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// It is still at it.
    Heartbeat,
    /// The command begins.
    Running,
    /// Here are the results.
    Completed,
    /// It could not be done.
    Failed,
    /// It was stopped.
    Canceled,
}

/// What the runner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It was taken in.
    Ack,
    /// Stop the job.
    Cancel,
}

/// What comes of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the runner is told.
    pub reply: Reply,
    /// The job from now on, if it is another.
    pub next: Option<Life>,
    /// Whether the results that came with it are the job's.
    pub takes_results: bool,
}

impl Answer {
    fn unchanged(reply: Reply) -> Self {
        Self {
            reply,
            next: None,
            takes_results: false,
        }
    }
}

/// What becomes of a job whose runner connects anew and asks for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Return {
    /// The runner never heard of it: it gets it once more.
    Redeliver,
    /// The runner has lost it.
    Lost(Life),
    /// It needs no runner.
    Nothing,
}

/// One job's life so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Where it stands.
    pub state: State,
    /// Why it failed or was canceled.
    pub reason: Option<Reason>,
    /// Who has or had it.
    pub runner: Option<RunnerId>,
    /// Whether its runner has said anything of it.
    pub is_confirmed: bool,
    /// When silence ends it.
    pub lease: Option<Timestamp>,
    /// When its length ends it.
    pub deadline: Option<Timestamp>,
    /// When it was claimed.
    pub claimed: Option<Timestamp>,
    /// When its command began.
    pub started: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
}

impl Life {
    /// A job that was just submitted.
    pub const PENDING: Self = Self {
        state: State::Pending,
        reason: None,
        runner: None,
        is_confirmed: false,
        lease: None,
        deadline: None,
        claimed: None,
        started: None,
        ended: None,
    };

    /// What `runner` claims; `None` if it is not to be claimed.
    pub fn claim(&self, runner: RunnerId, now: Timestamp, limits: &Limits) -> Option<Self> {
        (self.state == State::Pending).then(|| Self {
            state: State::Claimed,
            runner: Some(runner),
            lease: Some(now.after(limits.heartbeat)),
            deadline: Some(
                now.after(limits.setup)
                    .after(limits.timeout)
                    .after(limits.grace),
            ),
            claimed: Some(now),
            ..Self::PENDING
        })
    }

    /// What comes of `sender`'s report.
    pub fn report(
        &self,
        sender: RunnerId,
        report: Report,
        now: Timestamp,
        limits: &Limits,
    ) -> Answer {
        if self.runner != Some(sender) {
            return Answer::unchanged(Reply::Ack);
        }
        match report {
            Report::Heartbeat | Report::Running => self.sign_of_life(report, now, limits),
            _ if !self.takes_results(sender) => Answer::unchanged(Reply::Ack),
            Report::Completed => self.with_results(State::Completed, None, now),
            Report::Failed => self.with_results(State::Failed, Some(Reason::RunnerFailed), now),
            Report::Canceled if !self.state.is_active() => Answer::unchanged(Reply::Ack),
            Report::Canceled => Answer {
                reply: Reply::Ack,
                next: Some(self.over(State::Canceled, Some(Reason::CanceledByRunner), now)),
                takes_results: false,
            },
        }
    }

    /// Whether results that `sender` tells of now are the job's: while it is at work on it, and after
    /// silence has ended the job.
    pub fn takes_results(&self, sender: RunnerId) -> bool {
        let is_silenced =
            self.state == State::Failed && self.reason.is_some_and(Reason::is_silence);
        self.runner == Some(sender) && (self.state.is_active() || is_silenced)
    }

    fn sign_of_life(&self, report: Report, now: Timestamp, limits: &Limits) -> Answer {
        if !self.state.is_active() {
            let is_stopped = self.state == State::Canceled
                || self.reason == Some(Reason::TimeoutExceeded)
                // Nobody else watches the clock of a job that silence has ended.
                || self.state == State::Failed && self.deadline.is_some_and(|end| end < now);
            return Answer::unchanged(if is_stopped {
                Reply::Cancel
            } else {
                Reply::Ack
            });
        }
        let mut next = Self {
            is_confirmed: true,
            lease: Some(now.after(limits.heartbeat)),
            ..self.clone()
        };
        if report == Report::Running && self.state == State::Claimed {
            next.state = State::Running;
            next.started = Some(now);
            next.deadline = Some(now.after(limits.timeout).after(limits.grace));
        }
        Answer {
            reply: Reply::Ack,
            next: Some(next),
            takes_results: false,
        }
    }

    fn with_results(&self, state: State, reason: Option<Reason>, now: Timestamp) -> Answer {
        Answer {
            reply: Reply::Ack,
            next: Some(self.over(state, reason, now)),
            takes_results: true,
        }
    }

    /// The job after a user stopped it; `None` if it is over.
    pub fn cancel(&self, now: Timestamp) -> Option<Self> {
        (!self.state.is_over())
            .then(|| self.over(State::Canceled, Some(Reason::CanceledByUser), now))
    }

    /// The job after the machine that it is bound to went away; `None` if it does not wait for it.
    pub fn abandon(&self, now: Timestamp) -> Option<Self> {
        (self.state == State::Pending)
            .then(|| self.over(State::Failed, Some(Reason::RunnerArchived), now))
    }

    /// The job after its time ran out; `None` if it has not.
    pub fn expire(&self, now: Timestamp) -> Option<Self> {
        if !self.state.is_active() {
            return None;
        }
        let lease = self.lease.filter(|&end| end < now);
        let deadline = self.deadline.filter(|&end| end < now);
        let reason = match (lease, deadline) {
            (None, None) => return None,
            (Some(lease), Some(deadline)) if deadline < lease => Reason::TimeoutExceeded,
            (Some(_), _) => Reason::HeartbeatTimeout,
            (None, Some(_)) => Reason::TimeoutExceeded,
        };
        Some(self.over(State::Failed, Some(reason), now))
    }

    /// What becomes of it when its runner asks for a job on a new connection. A result that is still
    /// to be told comes before that question, so a job that the runner knew is lost.
    pub fn runner_returns(&self, now: Timestamp) -> Return {
        match self.state {
            State::Claimed if !self.is_confirmed && self.expire(now).is_none() => Return::Redeliver,
            State::Claimed | State::Running => {
                Return::Lost(self.over(State::Failed, Some(Reason::RunnerLostJob), now))
            }
            _ => Return::Nothing,
        }
    }

    /// The job as if it had never been claimed; `None` unless `runner` has claimed it and said nothing of it
    /// since: it may be at work otherwise.
    pub fn put_back(&self, runner: RunnerId) -> Option<Self> {
        let is_unheard =
            self.state == State::Claimed && !self.is_confirmed && self.runner == Some(runner);
        is_unheard.then_some(Self::PENDING)
    }

    /// The job after its results were read; `None` if there are none to read.
    pub fn process(&self) -> Option<Self> {
        (self.state == State::Completed).then(|| Self {
            state: State::Processed,
            ..self.clone()
        })
    }

    fn over(&self, state: State, reason: Option<Reason>, now: Timestamp) -> Self {
        Self {
            state,
            reason,
            lease: None,
            ended: Some(now),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests;
