//! What can be wrong with the database.

use std::time::Duration;

use bencher_channel_protocol::ConnectionNumberError;
use bencher_jobs::{ComparisonId, IdError, JobId, QuotaError, State, UnknownName};

use crate::telemetry::TraceError;

/// Why the database did not do what it was asked for: one line, complete in itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An address of no database that is known.
    #[error("the database's address begins with neither `sqlite:` nor `postgres:`")]
    Kind,
    /// It can not be opened.
    #[error("failed to open the database: {0}; check its address and that it may be used")]
    Open(#[source] sqlx::Error),
    /// Its tables can not be brought up to date.
    #[error(
        "failed to bring the database up to date: {0}; a newer server may have used it: restore a backup or use that version"
    )]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// Its tables are those of an older server, which may be at work.
    #[error(
        "the database is of an older version: start the new server first, which brings it up to date"
    )]
    Older,
    /// A query failed.
    #[error("failed to use the database: {0}")]
    Query(#[from] sqlx::Error),
    /// It does not answer.
    #[error(
        "the database did not answer within {} s: see whether it runs, and what it is busy with",
        .0.as_secs()
    )]
    Late(Duration),
    /// What was taken is not as it was when it was taken.
    #[error("jobs changed while they were given out: nothing was given out")]
    Torn,
    /// What it holds makes no sense.
    #[error("the database holds what it should not: {0}; restore a backup")]
    Id(#[from] IdError),
    /// What it holds makes no sense.
    #[error("the database holds what it should not: {0}")]
    Name(#[from] UnknownName),
    /// What it holds makes no sense.
    #[error("the database holds what it should not: {0}")]
    Connection(#[from] ConnectionNumberError),
    /// What it holds makes no sense.
    #[error("the database holds what it should not: {0}")]
    Trace(#[from] TraceError),
    /// What it holds makes no sense.
    #[error("column `{column}` of the database holds {value}, which is out of its bounds")]
    Number {
        /// Which column.
        column: &'static str,
        /// Its value.
        value: i64,
    },
    /// There is no such thing.
    #[error("there is no {what} `{name}`: list what there is, or check the name")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// How it was asked for.
        name: String,
    },
    /// A name that is taken.
    #[error("there is a {what} `{name}` already: choose another slug")]
    Taken {
        /// What kind of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A program that is published already.
    #[error(
        "the program {0} is published for this channel and this kind of machine already: remove that release first"
    )]
    Published(String),
    /// A job that is to be deleted, and has not ended.
    #[error("the job {job} is {state}: cancel it first, and delete it then")]
    NotOver {
        /// The job.
        job: JobId,
        /// Where it stands.
        state: State,
    },
    /// A job that is to be deleted, and is compared with others.
    #[error(
        "the job {job} is a part of the comparison {comparison}: delete that as a whole, with `runner \
         comparisons rm {comparison}` or `DELETE /v0/comparisons/{comparison}`, or on its page"
    )]
    OfComparison {
        /// The job.
        job: JobId,
        /// The comparison.
        comparison: ComparisonId,
    },
    /// A comparison that is to be deleted, and has not ended.
    #[error(
        "jobs of the comparison {comparison} that have not ended: {jobs}; cancel them first, and delete it then"
    )]
    ComparisonNotOver {
        /// The comparison.
        comparison: ComparisonId,
        /// How many of its jobs have not ended.
        jobs: usize,
    },
    /// Jobs beyond a quota.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The whole server has too many jobs.
    #[error("{0} jobs wait in this server, which is all that it takes: try again later")]
    Full(u32),
    /// More jobs than the whole server ever takes.
    #[error(
        "{more} jobs at once are more than the {limit} that may wait in this server: submit fewer, or let \
         it have more (--max-queued)"
    )]
    Beyond {
        /// What was to be added.
        more: u32,
        /// The limit.
        limit: u32,
    },
}

/// `deadlock_detected` and `serialization_failure` (PostgreSQL, appendix A).
const CONFLICTS: [&str; 2] = ["40P01", "40001"];

/// Classes of PostgreSQL's errors (appendix A): no connection, conflicts, no room, rows and tables that others have,
/// whoever ends it, and its system.
const PASSING_CLASSES: [&str; 6] = ["08", "40", "53", "55", "57", "58"];
/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>): `BUSY`, `LOCKED`, `IOERR`, `FULL`,
/// `CANTOPEN`.
const PASSING_CODES: [u32; 5] = [5, 6, 10, 13, 14];

/// Whether a database that says this may do the same at another time.
fn is_passing(code: &str) -> bool {
    if code.len() == 5 {
        return PASSING_CLASSES.iter().any(|class| code.starts_with(class));
    }
    code.parse()
        .is_ok_and(|code: u32| PASSING_CODES.contains(&(code & 0xff)))
}

impl StoreError {
    /// Whether the same would probably be done if it were tried again.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Query(sqlx::Error::Database(cause)) => {
                cause.code().is_some_and(|code| CONFLICTS.contains(&&*code))
            }
            Self::Torn => true,
            _ => false,
        }
    }

    /// Whether the database itself is at fault, and not what it was asked for.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Open(_) | Self::Migrate(_) | Self::Query(_) | Self::Late(_) | Self::Torn
        )
    }

    /// Whether the database can not be used for the moment, whatever it is asked for: it is not there, ends, or has
    /// no room.
    pub(crate) fn is_away(&self) -> bool {
        use sqlx::Error;
        match self {
            Self::Late(_) | Self::Torn | Self::Open(_) => true,
            Self::Query(Error::Database(cause)) => {
                cause.code().is_some_and(|code| is_passing(&code))
            }
            Self::Query(cause) => matches!(
                cause,
                Error::Io(_)
                    | Error::Tls(_)
                    | Error::Protocol(_)
                    | Error::PoolTimedOut
                    | Error::PoolClosed
                    | Error::WorkerCrashed
            ),
            _ => false,
        }
    }

    /// Whether the database can not be used until a person does something: its address is none, or it is
    /// another version's.
    pub(crate) fn is_lasting(&self) -> bool {
        use sqlx::migrate::MigrateError;
        match self {
            Self::Kind | Self::Older | Self::Open(sqlx::Error::Configuration(_)) => true,
            Self::Migrate(cause) => matches!(
                cause,
                MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)
            ),
            _ => false,
        }
    }

    pub(crate) fn not_found(what: &'static str, name: &str) -> Self {
        Self::NotFound {
            what,
            name: name.chars().take(100).collect(),
        }
    }

    /// `error`, or that the slug `name` is taken if that is what it says.
    pub(crate) fn on_insert(error: sqlx::Error, what: &'static str, name: &str) -> Self {
        match &error {
            sqlx::Error::Database(cause) if cause.is_unique_violation() => Self::Taken {
                what,
                name: name.to_owned(),
            },
            _ => Self::Query(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[test]
    fn what_passes_and_what_does_not() {
        for (code, expected) in [
            ("57P01", true),
            ("55P03", true),
            ("53100", true),
            ("42P01", false),
            ("23505", false),
            // SQLITE_IOERR_FSYNC, SQLITE_BUSY_SNAPSHOT, SQLITE_ERROR, SQLITE_CONSTRAINT_TRIGGER
            ("1034", true),
            ("517", true),
            ("1", false),
            ("1811", false),
        ] {
            assert_eq!(is_passing(code), expected, "{code}");
        }
    }

    #[tokio::test]
    async fn a_database_without_room_is_away() {
        let (_folder, store) = testing::database().await;
        let project = testing::project(&store, "p").await;
        let spec = testing::spec(&store, "s").await;
        // As many as there are.
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(&store.writers)
            .await
            .expect("set");
        let jobs: Vec<_> = (0..1000).map(|_| testing::new_job(spec)).collect();
        let submitted = store
            .write(|mut transaction| async {
                let done = transaction.submit(project, &jobs, 1_000_000).await;
                (transaction, done)
            })
            .await;
        let error = submitted.expect_err("there is no room");
        assert!(error.is_away(), "{error}");
    }
}
