//! What runners say of their jobs: all that is said at one moment is taken in at once.

use std::collections::BTreeMap;

use bencher_jobs::{
    ConnectionId, JobId, Life, Limits, Reason, Reply, Report, Return, RunnerId, State, Timestamp,
};
use sqlx::AssertSqlSafe;

use super::super::row::{all, places, table};
use super::super::{StoreError, Transaction};
use super::claim::Handed;
use super::{COLUMNS, Job};
use crate::outputs::Kept;
use crate::telemetry::TraceParent;

/// Jobs that one statement changes: SQLite takes 32,766 values in one, and each job has 15.
const AT_ONCE: usize = 1000;

/// What a report did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What the runner is told.
    pub reply: Reply,
    /// Where the job stands; nothing: there is no such job, or none any more.
    pub state: Option<State>,
    /// Why it failed or was canceled.
    pub reason: Option<Reason>,
    /// The request that submitted it.
    pub trace: Option<TraceParent>,
}

/// What comes with a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attached {
    /// Where the results are.
    pub results: Option<Kept>,
    /// Where it is told how they were measured.
    pub evidence: Option<Kept>,
    /// That at a glance: JSON.
    pub measured: Option<String>,
    /// What the runner says went wrong.
    pub error: Option<String>,
}

/// Something that a runner says of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// The runner.
    pub runner: RunnerId,
    /// The job.
    pub job: JobId,
    /// What it says.
    pub what: What<'a>,
}

/// What a runner says of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'a> {
    /// How it stands.
    Report(Report, &'a Attached),
    /// It asks for a job on this new connection though it had this one: it gets it once more if it never
    /// heard of it, else the job has failed. On a connection that is not its newest it says nothing: what it
    /// knows of the job now, it says on the newer one.
    Return(ConnectionId),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Of a report.
    Changed(Changed),
    /// Of a return: the job that it gets once more.
    Returned(Option<Box<Handed>>),
}

/// A job whose row is taken, and what becomes of it.
#[derive(Debug)]
struct Draft<'a> {
    job: Job,
    next: Option<Life>,
    attached: Option<&'a Attached>,
}

impl Draft<'_> {
    fn life(&self) -> &Life {
        self.next.as_ref().unwrap_or(&self.job.life)
    }

    /// Whether only its lease is another.
    fn is_renewal(&self) -> bool {
        let (old, new) = (&self.job.life, self.life());
        let renewed = Life {
            lease: new.lease,
            is_confirmed: new.is_confirmed,
            ..old.clone()
        };
        renewed == *new
    }
}

impl Transaction {
    /// Takes jobs, in their order, so that nobody else changes them until the end.
    pub(in crate::store) async fn take_jobs(
        &mut self,
        ids: &[JobId],
    ) -> Result<Vec<Job>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = self.locking(format!(
            "SELECT {COLUMNS} FROM jobs WHERE id IN ({}) ORDER BY id",
            places(1, ids.len())
        ));
        let mut query = sqlx::query(query).persistent(false);
        for id in ids {
            query = query.bind(id.to_string());
        }
        all(&query.fetch_all(self.connection()).await?, Job::read)
    }

    /// Takes in what runners say, in this order. `limits` are for a job with so many seconds.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn hear(
        &mut self,
        said: &[Said<'_>],
        limits: impl Fn(u32) -> Limits,
    ) -> Result<Vec<Heard>, StoreError> {
        let mut ids: Vec<JobId> = said.iter().map(|said| said.job).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut drafts: BTreeMap<JobId, Draft<'_>> = self
            .take_jobs(&ids)
            .await?
            .into_iter()
            .map(|job| {
                let draft = Draft {
                    job,
                    next: None,
                    attached: None,
                };
                (draft.job.id, draft)
            })
            .collect();
        let now = Timestamp::now();
        let mut heard = Vec::with_capacity(said.len());
        for one in said {
            let draft = drafts.get_mut(&one.job);
            heard.push(match (one.what, draft) {
                (What::Report(report, _), None) => Heard::Changed(Changed {
                    reply: of_deleted(report),
                    state: None,
                    reason: None,
                    trace: None,
                }),
                (What::Return(_), None) => Heard::Returned(None),
                (What::Report(report, attached), Some(draft)) => {
                    let limits = limits(draft.job.timeout);
                    let answer = draft.life().report(one.runner, report, now, &limits);
                    if let Some(next) = answer.next {
                        if next.state.is_active() {
                            self.note_seen(one.runner);
                        }
                        draft.next = Some(next);
                        if answer.takes_results {
                            draft.attached = Some(attached);
                        }
                    }
                    let life = draft.life();
                    Heard::Changed(Changed {
                        reply: answer.reply,
                        state: Some(life.state),
                        reason: life.reason,
                        trace: draft.job.trace,
                    })
                }
                (What::Return(connection), Some(draft)) => {
                    let returned = self.returns(one.runner, connection, draft, now).await?;
                    Heard::Returned(returned)
                }
            });
        }
        let (renewed, changed): (Vec<_>, Vec<_>) = drafts
            .values()
            .filter(|draft| draft.next.is_some())
            .partition(|draft| draft.is_renewal());
        self.renew(&renewed).await?;
        self.save(&changed).await?;
        Ok(heard)
    }

    async fn returns(
        &mut self,
        runner: RunnerId,
        connection: ConnectionId,
        draft: &mut Draft<'_>,
        now: Timestamp,
    ) -> Result<Option<Box<Handed>>, StoreError> {
        if draft.life().runner != Some(runner) || !self.is_newest(runner, connection).await? {
            return Ok(None);
        }
        match draft.life().runner_returns(now) {
            Return::Nothing => Ok(None),
            Return::Lost(next) => {
                draft.next = Some(next);
                Ok(None)
            }
            Return::Redeliver => {
                let job = draft.job.clone();
                Ok(Some(Box::new(Handed {
                    runner,
                    connection,
                    spec: self.spec_by_id(job.spec).await?,
                    job,
                    config: None,
                })))
            }
        }
    }

    /// Writes down new leases, and nothing else.
    async fn renew(&mut self, drafts: &[&Draft<'_>]) -> Result<(), StoreError> {
        if drafts.is_empty() {
            return Ok(());
        }
        let query = format!(
            "UPDATE jobs SET lease = news.column2, is_confirmed = news.column3 \
             FROM {} AS news WHERE jobs.id = news.column1",
            table(1, drafts.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for draft in drafts {
            let next = draft.life();
            query = query
                .bind(draft.job.id.to_string())
                .bind(next.lease.map(Timestamp::milliseconds))
                .bind(i64::from(next.is_confirmed));
        }
        query.execute(self.connection()).await?;
        Ok(())
    }

    /// Writes down how jobs go on. All of a job in one: PostgreSQL takes a row that is changed twice in
    /// one transaction for new, and locks what it refers to.
    async fn save(&mut self, drafts: &[&Draft<'_>]) -> Result<(), StoreError> {
        let changes: Vec<Change<'_>> = drafts
            .iter()
            .map(|draft| match draft.attached {
                Some(attached) => Change {
                    results: attached.results.as_ref().map(Kept::column),
                    evidence: attached.evidence.as_ref().map(Kept::column),
                    measured: attached.measured.as_deref(),
                    error: attached.error.as_deref(),
                    ..Change::of_life(&draft.job, draft.life())
                },
                None => Change::of_life(&draft.job, draft.life()),
            })
            .collect();
        self.save_all(&changes).await
    }
}

/// What the runner of a job that was deleted is told: nobody wants what it is still at, and what it has
/// ended it may forget.
fn of_deleted(report: Report) -> Reply {
    match report {
        Report::Heartbeat | Report::Running => Reply::Cancel,
        Report::Completed | Report::Failed | Report::Canceled => Reply::Ack,
    }
}

/// How a job goes on; texts that are none stay as they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) job: &'a Job,
    pub(super) next: &'a Life,
    pub(super) results: Option<&'a str>,
    pub(super) evidence: Option<&'a str>,
    pub(super) measured: Option<&'a str>,
    pub(super) error: Option<&'a str>,
    pub(super) summary: Option<&'a str>,
}

impl<'a> Change<'a> {
    pub(super) fn of_life(job: &'a Job, next: &'a Life) -> Self {
        Self {
            job,
            next,
            results: None,
            evidence: None,
            measured: None,
            error: None,
            summary: None,
        }
    }
}

impl Transaction {
    /// Writes down `changes` of different jobs, counts them, and tells of them.
    pub(super) async fn save_all(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        for some in changes.chunks(AT_ONCE) {
            self.save_some(some).await?;
        }
        Ok(())
    }

    async fn save_some(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        let query = format!(
            "UPDATE jobs SET state = news.column2, reason = news.column3, runner = news.column4, \
             is_confirmed = news.column5, lease = news.column6, deadline = news.column7, \
             claimed = news.column8, started = news.column9, ended = news.column10, \
             results = COALESCE(news.column11, results), \
             error = COALESCE(news.column12, error), \
             summary = COALESCE(news.column13, summary), \
             evidence = COALESCE(news.column14, evidence), \
             measured = COALESCE(news.column15, measured) \
             FROM {} AS news WHERE jobs.id = news.column1",
            table(1, changes.len(), 15)
        );
        let milliseconds = |time: Option<Timestamp>| time.map(Timestamp::milliseconds);
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for change in changes {
            let next = change.next;
            query = query
                .bind(change.job.id.to_string())
                .bind(next.state.name())
                .bind(next.reason.map(Reason::name))
                .bind(next.runner.map(|runner| runner.to_string()))
                .bind(i64::from(next.is_confirmed))
                .bind(milliseconds(next.lease))
                .bind(milliseconds(next.deadline))
                .bind(milliseconds(next.claimed))
                .bind(milliseconds(next.started))
                .bind(milliseconds(next.ended))
                .bind(change.results.map(str::to_owned))
                .bind(change.error.map(str::to_owned))
                .bind(change.summary.map(str::to_owned))
                .bind(change.evidence.map(str::to_owned))
                .bind(change.measured.map(str::to_owned));
        }
        query.execute(self.connection()).await?;
        for change in changes {
            self.note_change(change.job, change.next);
        }
        Ok(())
    }
}
