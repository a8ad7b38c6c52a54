//! Changes that become true together.

use std::collections::BTreeMap;

use bencher_jobs::{ConnectionId, JobId, ProjectId, RunnerId};
use sqlx::{AnyConnection, AssertSqlSafe, SqlSafeStr, SqlStr};

use super::{Dialect, StoreError};

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

/// How a project's counts change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) queued: i64,
    pub(super) active: i64,
}

/// Changes that are not yet made.
#[derive(Debug)]
pub struct Transaction {
    inner: sqlx::Transaction<'static, sqlx::Any>,
    dialect: Dialect,
    /// Projects are changed last and in the order of their identifiers: two servers that wait for
    /// each other's rows would both have to fail.
    counts: BTreeMap<ProjectId, Counts>,
    signals: Vec<Signal>,
}

impl Transaction {
    pub(super) fn new(inner: sqlx::Transaction<'static, sqlx::Any>, dialect: Dialect) -> Self {
        Self {
            inner,
            dialect,
            counts: BTreeMap::new(),
            signals: Vec::new(),
        }
    }

    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// `query`, which also takes the rows that it finds, where rows can be taken.
    pub(super) fn locking(&self, query: &'static str) -> SqlStr {
        self.with(query, " FOR UPDATE")
    }

    /// As [`Transaction::locking`], for rows that others refer to: they may go on doing so.
    pub(super) fn locking_referred(&self, query: &'static str) -> SqlStr {
        self.with(query, " FOR NO KEY UPDATE")
    }

    /// As [`Transaction::locking`], without those that another server has taken.
    pub(super) fn skipping(&self, query: &'static str) -> SqlStr {
        self.with(query, " FOR UPDATE SKIP LOCKED")
    }

    fn with(&self, query: &'static str, lock: &str) -> SqlStr {
        match self.dialect {
            // Its transactions lock everything.
            Dialect::Sqlite => query.into_sql_str(),
            Dialect::Postgres => AssertSqlSafe(format!("{query}{lock}")).into_sql_str(),
        }
    }

    pub(super) fn count(&mut self, project: ProjectId, change: Counts) {
        let counts = self.counts.entry(project).or_default();
        counts.queued += change.queued;
        counts.active += change.active;
    }

    /// Tells others once this is true.
    pub fn signal(&mut self, signal: Signal) {
        if !self.signals.contains(&signal) {
            self.signals.push(signal);
        }
    }

    /// Writes down how many jobs projects have.
    pub(super) async fn apply_counts(&mut self) -> Result<(), StoreError> {
        for (project, change) in std::mem::take(&mut self.counts) {
            if change == Counts::default() {
                continue;
            }
            sqlx::query(
                "UPDATE projects SET queued = queued + $1, active = active + $2 WHERE id = $3",
            )
            .bind(change.queued)
            .bind(change.active)
            .bind(project.to_string())
            .execute(self.connection())
            .await?;
        }
        Ok(())
    }

    /// Makes the changes true, and says whom to tell on this server.
    ///
    /// # Errors
    ///
    /// When that fails; it is then unknown whether they are.
    pub async fn commit(mut self) -> Result<Vec<Signal>, StoreError> {
        self.apply_counts().await?;
        if self.dialect == Dialect::Postgres {
            for signal in &self.signals {
                sqlx::query("SELECT pg_notify($1, $2)")
                    .bind(NOTIFICATIONS)
                    .bind(signal.text())
                    .execute(&mut *self.inner)
                    .await?;
            }
        }
        self.inner.commit().await?;
        Ok(self.signals)
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
