//! The job.

use std::time::Duration;

use uuid::Uuid;

use super::link::Expected;
use super::{
    DEADLINE_MARGIN, Effect, Failure, Fault, HEARTBEAT_EVERY, Level, MOST_LETTERS, Machine,
    SET_UP_WITHIN, SILENCE, Timer,
};
use crate::{Evidence, IterationOutput, Job, LiveOutput, OutputStream, RunnerMessage, Terminal};

/// The job that runs.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is a fact of its own"
)]
pub(super) struct Work {
    pub(super) job: Uuid,
    timeout: Duration,
    /// Whether the benchmark has started.
    is_set_up: bool,
    /// Whether the server has acknowledged that.
    pub(super) is_running_known: bool,
    wants_output: bool,
    wants_evidence: bool,
    /// Why it is being killed.
    fate: Option<Fate>,
}

/// Why a job is being killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The server wants it.
    Canceled,
    /// It takes too long.
    OverTime,
    /// The runner is to stop.
    Stopped,
    /// Another one has this runner's place at the server, and the job with it.
    Replaced,
}

/// What an iteration ends with that [`Effect::Kill`] has ended, by SIGTERM.
const KILLED: i32 = 128 + 15;

impl Fate {
    /// What an iteration ends with that was ended for this, as `runner run` would: that it was by a signal of the
    /// runner's own says nothing.
    fn exit_code(self) -> Option<i32> {
        match self {
            Self::OverTime => Some(124),
            Self::Stopped => Some(125),
            Self::Canceled | Self::Replaced => None,
        }
    }
}

impl Machine {
    /// The server has given this runner a job.
    pub(super) fn claimed(&mut self, job: Box<Job>) {
        let uuid = job.uuid;
        match &self.work {
            Some(work) if work.job == uuid => {
                self.say(Level::Debug, format!("the job {uuid} is running already"));
                return;
            }
            Some(work) => {
                let error = format!("the runner is busy with the job {}", work.job);
                self.refuse(uuid, error);
                return;
            }
            None => {}
        }
        if self.has_ended(uuid) {
            return;
        }
        if self.stopping.is_ordered() {
            self.refuse(uuid, "the runner is stopping".to_owned());
            return;
        }
        if let Some(obstacle) = self.obstacle() {
            self.refuse(uuid, obstacle);
            return;
        }
        self.say(Level::Info, format!("the job {uuid} is claimed"));
        self.work = Some(Work {
            job: uuid,
            timeout: Duration::from_secs(job.timeout.into()),
            is_set_up: false,
            is_running_known: false,
            wants_output: job.live_output,
            wants_evidence: job.evidence,
            fate: None,
        });
        self.effect(Effect::Start(job));
        self.arm(Timer::Deadline, SET_UP_WITHIN);
        self.resume_work();
    }

    /// Whether the job that the server gives out has run, without the server having heard of its end:
    /// it hears of it once more.
    fn has_ended(&mut self, job: Uuid) -> bool {
        let Some(envelope) = self.outbox.of(job) else {
            return false;
        };
        envelope.is_claimed_again();
        if let Some(link) = &mut self.link {
            link.running = link.running.filter(|running| *running != job);
            link.on_its_way = link.on_its_way.filter(|on_its_way| on_its_way.job != job);
        }
        self.send(job);
        true
    }

    /// Ends a job that was never started.
    pub(super) fn refuse(&mut self, job: Uuid, error: String) {
        let is_running = self.work.as_ref().is_some_and(|work| work.job == job);
        if is_running || self.has_ended(job) {
            return;
        }
        // The place of the running job's end is not given away.
        if self.outbox.len() + usize::from(self.work.is_some()) >= MOST_LETTERS {
            self.say(
                Level::Warning,
                format!(
                    "the job {job}, which was not asked for, is passed over: the server has not taken the \
                     ends of {MOST_LETTERS} other ones"
                ),
            );
            self.go_on();
            return;
        }
        self.say(Level::Warning, format!("the job {job} is refused: {error}"));
        let failed = Terminal::Failed {
            job,
            results: Vec::new(),
            error,
            evidence: None,
        };
        self.post(failed, false);
    }

    /// Tells the server, on a connection that has nothing of it, how far the job is.
    pub(super) fn resume_work(&mut self) {
        let Some(work) = &self.work else {
            return;
        };
        if self.link.is_none() {
            return;
        }
        if work.is_set_up {
            self.say_running(work.job);
        } else {
            self.send_expecting(RunnerMessage::Heartbeat, Expected::Heartbeat);
        }
        self.arm(Timer::Heartbeat, HEARTBEAT_EVERY);
        self.arm(Timer::Silence, SILENCE);
    }

    pub(super) fn heartbeat(&mut self) {
        if self.work.is_some() && self.link.is_some() {
            self.send_expecting(RunnerMessage::Heartbeat, Expected::Heartbeat);
            self.arm(Timer::Heartbeat, HEARTBEAT_EVERY);
        }
    }

    /// While a job runs each message of the server shows that the connection is alive.
    pub(super) fn server_has_spoken(&mut self) {
        if self.work.is_some() {
            self.arm(Timer::Silence, SILENCE);
        }
    }

    pub(super) fn server_is_silent(&mut self) {
        if self.work.is_some() && self.link.is_some() {
            self.say(
                Level::Warning,
                "the server does not answer heartbeats: connecting again",
            );
            self.hang_up();
        }
    }

    pub(super) fn set_up(&mut self) {
        let Some(work) = &mut self.work else {
            return;
        };
        if std::mem::replace(&mut work.is_set_up, true) {
            return;
        }
        let (job, deadline) = (work.job, work.timeout + DEADLINE_MARGIN);
        self.arm(Timer::Deadline, deadline);
        self.say_running(job);
    }

    pub(super) fn output(&mut self, iteration: u32, stream: OutputStream, text: String) {
        let Some(work) = self.work.as_ref().filter(|work| work.wants_output) else {
            return;
        };
        let output = LiveOutput {
            job: work.job,
            iteration,
            stream,
            text,
        };
        if self.link.is_some() {
            self.effect(Effect::Send(RunnerMessage::Output(output)));
        }
    }

    /// The server does not want the job any more. It answers a heartbeat in that way.
    pub(super) fn canceled(&mut self) {
        if let Some(link) = &mut self.link
            && let Some(Expected::Heartbeat | Expected::Running(_)) = link.expected.front()
        {
            link.expected.pop_front();
        }
        self.kill(Fate::Canceled);
    }

    pub(super) fn job_is_over_time(&mut self) {
        self.kill(Fate::OverTime);
    }

    /// Kills the job, if there is one and it is not being killed already. That it was canceled counts
    /// more than any other reason.
    pub(super) fn kill(&mut self, fate: Fate) {
        let Some(work) = &mut self.work else {
            return;
        };
        let is_first = work.fate.is_none();
        if is_first || matches!(fate, Fate::Canceled | Fate::Replaced) {
            work.fate = Some(fate);
        }
        if is_first {
            self.effect(Effect::Kill);
        }
    }

    /// The job has ended.
    pub(super) fn ended(
        &mut self,
        mut results: Vec<IterationOutput>,
        evidence: Option<Evidence>,
        failure: Option<Failure>,
    ) {
        let Some(work) = self.work.take() else {
            return;
        };
        for timer in [Timer::Heartbeat, Timer::Silence, Timer::Deadline] {
            self.disarm(timer);
        }
        let job = work.job;
        if work.fate == Some(Fate::Replaced) {
            // What is said of it is the other one's.
            self.effect(Effect::Forget(job));
            self.work_is_over();
            return;
        }
        // What a job says of the host that is being killed is nothing.
        let hosts_reason = failure
            .as_ref()
            .filter(|failure| work.fate.is_none() && failure.fault == Fault::Host)
            .map(|failure| failure.error.clone());
        if work.is_set_up && hosts_reason.is_none() {
            self.host.has_run_a_job();
        }
        if let Some(last) = results.last_mut().filter(|it| it.exit_code == KILLED)
            && let Some(exit_code) = work.fate.and_then(Fate::exit_code)
        {
            last.exit_code = exit_code;
        }
        let error = failure.map(|failure| failure.error);
        let error = match work.fate {
            Some(Fate::Canceled | Fate::Replaced) => None,
            Some(Fate::OverTime) if !work.is_set_up => {
                let within = SET_UP_WITHIN.as_secs();
                let why = error.unwrap_or_else(|| {
                    "its image was not fetched, or its machine not made".to_owned()
                });
                Some(format!("the job was not set up within {within} s: {why}"))
            }
            Some(Fate::OverTime) => Some(format!(
                "the job took longer than its timeout of {} s",
                work.timeout.as_secs()
            )),
            Some(Fate::Stopped) => Some(error.map_or_else(
                || "the runner was stopped before the job had ended".to_owned(),
                |error| format!("the runner was stopped before the job had ended ({error})"),
            )),
            None => error,
        };
        let evidence = evidence.filter(|_| work.wants_evidence);
        let terminal = match (work.fate, error) {
            (Some(Fate::Canceled), _) => Terminal::Canceled { job },
            (_, Some(error)) => Terminal::Failed {
                job,
                results,
                error,
                evidence,
            },
            (_, None) => Terminal::Completed {
                job,
                results,
                evidence,
            },
        };
        self.say(
            Level::Info,
            match &terminal {
                Terminal::Failed { error, .. } => format!("the job {job} failed: {error}"),
                other => format!("the job {job} is {}", other.event()),
            },
        );
        if let Some(reason) = hosts_reason {
            self.host_has_failed(reason);
        }
        self.post(terminal, !work.is_running_known);
        self.work_is_over();
    }
}
