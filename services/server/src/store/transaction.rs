//! Changes that become true together.
//!
//! # The order of locks
//!
//! SQLite has one writer. PostgreSQL locks rows, and two servers that wait for each other's would
//! both stand still. So every transaction takes rows in this order, and each kind of them once:
//!
//! 1. runners, by identifier: those that connect, say something of themselves, or are archived;
//! 2. jobs, by identifier: those that are reported, canceled, abandoned, deleted, or whose results were read;
//! 3. projects, by identifier: those whose jobs are counted or given out.
//!
//! Whatever it takes out of this order, or after the projects, it takes with `SKIP LOCKED` and does
//! without what another has: jobs that expire or are given out, the rest of a comparison, the runners
//! that get jobs, when a runner was last seen, jobs that are deleted because they are old, and what is
//! known of those that were deleted. So nobody waits for a row who has one that comes
//! later. The order of identifiers is the database's, which need not be ours.
//!
//! A job that is new is nobody else's yet, so those who submit take only its project. What refers to
//! a row (`REFERENCES`) shares it with those who change it, as long as nobody takes it `FOR UPDATE`. Who
//! deletes a job does, and only what the job runs refers to it, which comes and goes with it.
//!
//! PostgreSQL ends one of two that wait for each other all the same, if this is wrong or somebody else
//! is in the database: [`Store::write`](super::Store::write) then begins anew, some times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bencher_jobs::{ProjectId, RunnerId, Share, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::connection::Lent;
use super::observer::{Observer, Turn};
use super::row::places;
use super::signal::{NOTIFICATIONS, Signal};
use super::{Dialect, StoreError};

/// How a project's counts change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) queued: i64,
    pub(super) active: i64,
    /// When it got a machine, if it got one.
    pub(super) served: Option<Timestamp>,
}

/// Changes that are not yet made.
#[derive(Debug)]
pub struct Transaction {
    inner: Lent,
    dialect: Dialect,
    /// How projects' counts change: written last, see above.
    counts: BTreeMap<ProjectId, Counts>,
    /// Projects whose rows are taken.
    taken: BTreeSet<ProjectId>,
    /// Of whom something was heard: written after that.
    seen: BTreeSet<RunnerId>,
    signals: Vec<Signal>,
    /// What became of jobs, for whoever observes it.
    turns: Vec<Turn>,
    observer: Option<Arc<dyn Observer>>,
}

impl Transaction {
    pub(super) async fn begin(
        mut inner: Lent,
        dialect: Dialect,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self, StoreError> {
        let begin = match dialect {
            // Otherwise two that have read could both want to write, and one would have to fail.
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        sqlx::query(begin).execute(&mut *inner).await?;
        Ok(Self {
            inner,
            dialect,
            counts: BTreeMap::new(),
            taken: BTreeSet::new(),
            seen: BTreeSet::new(),
            signals: Vec::new(),
            turns: Vec::new(),
            observer,
        })
    }

    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// Whether rows can be taken one by one.
    pub(super) fn has_rows(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// `query`, which also takes the rows that it finds, where rows can be taken: others may go on
    /// referring to them.
    pub(super) fn locking(&self, query: impl Into<String>) -> SqlStr {
        self.with(query, " FOR NO KEY UPDATE")
    }

    /// As [`Transaction::locking`], without those that another server has taken.
    pub(super) fn skipping(&self, query: impl Into<String>) -> SqlStr {
        self.with(query, " FOR NO KEY UPDATE SKIP LOCKED")
    }

    /// As [`Transaction::skipping`], for rows that are to stay as they are.
    pub(super) fn sharing(&self, query: impl Into<String>) -> SqlStr {
        self.with(query, " FOR SHARE SKIP LOCKED")
    }

    fn with(&self, query: impl Into<String>, lock: &str) -> SqlStr {
        let mut query = query.into();
        if self.has_rows() {
            query += lock;
        }
        // Put together of constants only.
        AssertSqlSafe(query).into_sql_str()
    }

    pub(super) fn count(&mut self, project: ProjectId, change: Counts) {
        let counts = self.counts.entry(project).or_default();
        counts.queued += change.queued;
        counts.active += change.active;
        counts.served = counts.served.max(change.served);
    }

    /// What a project has, with what is not written down yet.
    pub(super) fn current(&self, project: ProjectId, mut share: Share) -> Share {
        if let Some(counts) = self.counts.get(&project) {
            let active = i64::from(share.active) + counts.active;
            share.active = u32::try_from(active).unwrap_or_default();
            share.served = share.served.max(counts.served.unwrap_or_default());
        }
        share
    }

    /// Notes that projects' rows are taken.
    pub(super) fn note_taken(&mut self, projects: &[ProjectId]) {
        self.taken.extend(projects);
    }

    /// Notes that something was heard of a runner: it is written down at the end.
    pub fn note_seen(&mut self, runner: RunnerId) {
        self.seen.insert(runner);
    }

    /// Tells others once this is true.
    pub fn signal(&mut self, signal: Signal) {
        if !self.signals.contains(&signal) {
            self.signals.push(signal);
        }
    }

    /// Tells whoever observes jobs, once this is true.
    pub(super) fn note(&mut self, turn: Turn) {
        if self.observer.is_some() {
            self.turns.push(turn);
        }
    }

    /// Projects whose counts change.
    pub(super) fn counted(&self) -> Vec<ProjectId> {
        let is_changed = |(project, change): (&ProjectId, &Counts)| {
            (*change != Counts::default()).then_some(*project)
        };
        self.counts.iter().filter_map(is_changed).collect()
    }

    /// Writes down how many jobs projects have: their rows are taken already.
    pub(super) async fn apply_counts(&mut self) -> Result<(), StoreError> {
        for (project, change) in std::mem::take(&mut self.counts) {
            if change == Counts::default() {
                continue;
            }
            sqlx::query(
                "UPDATE projects SET queued = queued + $1, active = active + $2, \
                 served = CASE WHEN served < $3 THEN $3 ELSE served END WHERE id = $4",
            )
            .bind(change.queued)
            .bind(change.active)
            .bind(change.served.unwrap_or_default().milliseconds())
            .bind(project.to_string())
            .execute(self.connection())
            .await?;
        }
        Ok(())
    }

    /// Writes down of whom something was heard. Another server that has a runner's row hears of it
    /// itself.
    async fn apply_seen(&mut self) -> Result<(), StoreError> {
        let seen = std::mem::take(&mut self.seen);
        if seen.is_empty() {
            return Ok(());
        }
        let free = self.skipping(format!(
            "SELECT id FROM runners WHERE id IN ({})",
            places(2, seen.len())
        ));
        let query = format!(
            "UPDATE runners SET seen = $1 WHERE id IN ({})",
            free.as_str()
        );
        let mut query = sqlx::query(AssertSqlSafe(query))
            .persistent(false)
            .bind(Timestamp::now().milliseconds());
        for runner in seen {
            query = query.bind(runner.to_string());
        }
        query.execute(self.connection()).await?;
        Ok(())
    }

    /// Makes the changes true, and tells the observer of them.
    ///
    /// # Errors
    ///
    /// When that fails; it is then unknown whether they are.
    pub(super) async fn commit(mut self) -> Result<Vec<Signal>, StoreError> {
        let mut counted = self.counted();
        counted.retain(|project| !self.taken.contains(project));
        self.take_projects(&counted).await?;
        self.apply_counts().await?;
        self.apply_seen().await?;
        if self.has_rows() && !self.signals.is_empty() {
            let texts: Vec<String> = self.signals.iter().map(|signal| signal.text()).collect();
            let rows: Vec<String> = (2..2 + texts.len())
                .map(|place| format!("(${place})"))
                .collect();
            let query = format!(
                "SELECT pg_notify($1, column1) FROM (VALUES {}) AS signals",
                rows.join(", ")
            );
            let mut query = sqlx::query(AssertSqlSafe(query))
                .persistent(false)
                .bind(NOTIFICATIONS);
            for text in texts {
                query = query.bind(text);
            }
            query.execute(self.connection()).await?;
        }
        sqlx::query("COMMIT").execute(self.connection()).await?;
        self.inner.give_back();
        if let Some(observer) = &self.observer
            && !self.turns.is_empty()
        {
            observer.turned(&self.turns);
        }
        if let Some(observer) = &self.observer {
            observer.signaled(&self.signals);
        }
        Ok(self.signals)
    }

    /// Takes all changes back. Dropping a transaction does it too, but closes its connection.
    pub(super) async fn roll_back(mut self) {
        // One that fails is closed.
        if sqlx::query("ROLLBACK")
            .execute(self.connection())
            .await
            .is_ok()
        {
            self.inner.give_back();
        }
    }
}
