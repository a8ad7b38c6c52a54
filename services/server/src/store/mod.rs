//! The database: SQLite or PostgreSQL, with the same tables and the same queries.
//!
//! Both go through one driver ([`sqlx::Any`]) instead of a trait with two implementations: what
//! differs between them is a lock on rows (SQLite has one writer, PostgreSQL locks rows) and how
//! servers wake each other (PostgreSQL has `NOTIFY`; with SQLite there is only one server). The
//! queries, which are what could go wrong, are there once.

mod connection;
mod credentials;
mod error;
mod greetings;
mod jobs;
mod migrate;
mod observer;
mod page;
mod projects;
mod releases;
mod row;
mod runners;
mod seals;
mod signal;
mod specs;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokens;
mod transaction;

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::AnyPool;
use sqlx::any::AnyConnectOptions;
use tokio::time::timeout;

use crate::beside::to_the_end;
use connection::Lent;
pub use error::StoreError;
pub use greetings::{Greeting, Newest, Opened};
pub use jobs::{
    Active, Attached, Changed, Claims, Comparison, Described, Filter, Handed, Heard, Hold, Job,
    KeptConfig, NewJob, Said, Side, Slugs, Unprocessed, Waiting, What,
};
pub(crate) use jobs::{LONGEST_HOLD, Oldest};
pub(crate) use observer::{Observer, Operation, Turn};
pub use page::{MAX_PAGE, Page};
pub use projects::{NewProject, Project};
pub use releases::{Kind, NewRelease, Release};
pub use runners::Runner;
pub use seals::{SEAL, Sealed};
pub(crate) use signal::NOTIFICATIONS;
pub use signal::Signal;
pub use specs::{NewSpec, Spec};
pub use tokens::{Role, Token};
pub use transaction::Transaction;

/// How often a change is made at most that PostgreSQL ends for another one's sake.
const ATTEMPTS: u32 = 5;
/// How many milliseconds lie between two attempts, so that the same two do not meet again.
const PAUSE: Range<u64> = 1..50;

/// What kind of database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A file, of one server alone.
    Sqlite,
    /// A service, for any number of servers.
    Postgres,
}

/// An open database.
#[derive(Debug, Clone)]
pub struct Store {
    dialect: Dialect,
    readers: AnyPool,
    /// One connection for SQLite, so that writers queue up in order instead of trying again.
    writers: AnyPool,
    observer: Option<Arc<dyn Observer>>,
}

impl Store {
    /// Opens the database at `url`, and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// When there is none, or it is newer than this program.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        migrate::run(url, &store).await?;
        Ok(store)
    }

    /// Opens the database at `url` beside servers that may be at work: it has to be of this version, or new.
    ///
    /// # Errors
    ///
    /// As [`Store::open`], and when it is older than this program.
    pub async fn open_beside(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        migrate::run_on_new(url, &store).await?;
        Ok(store)
    }

    async fn connect(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = match url.split_once(':') {
            Some(("sqlite", _)) => Dialect::Sqlite,
            Some(("postgres" | "postgresql", _)) => Dialect::Postgres,
            _ => return Err(StoreError::Kind),
        };
        let options: AnyConnectOptions = url.parse().map_err(StoreError::Open)?;
        let (readers, writers) = match dialect {
            Dialect::Sqlite => connection::sqlite(options).await?,
            Dialect::Postgres => connection::postgres(options).await?,
        };
        Ok(Self {
            dialect,
            readers,
            writers,
            observer: None,
        })
    }

    /// Opens the SQLite file `path`, which need not exist.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub async fn open_file(path: &Path) -> Result<Self, StoreError> {
        Self::open(&file_url(path)).await
    }

    /// The same, of whose changes and failures `observer` is told.
    pub(crate) fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// The same, of which nobody is told.
    pub(crate) fn unobserved(&self) -> Self {
        Self {
            observer: None,
            ..self.clone()
        }
    }

    /// Tells of what went wrong, if the database is at fault.
    fn note_failure<T>(&self, operation: Operation, done: &Result<T, StoreError>) {
        if let (Err(error), Some(observer)) = (done, &self.observer)
            && error.is_fault()
        {
            observer.failed(operation);
        }
    }

    /// What kind it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Makes a change, and says of whom the observer was told. `change` gives the transaction back with
    /// what came of it, and is asked again if PostgreSQL ended it for another one's sake.
    ///
    /// # Errors
    ///
    /// When the database can not be reached, or takes too long; and with what `change` fails with.
    /// Nothing is changed then, unless the database failed just at the end.
    pub async fn write<T, F>(
        &self,
        change: impl Fn(Transaction) -> F,
    ) -> Result<(T, Vec<Signal>), StoreError>
    where
        F: Future<Output = (Transaction, Result<T, StoreError>)>,
    {
        let mut attempt = 1;
        let done = loop {
            match self.attempt(&change).await {
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => {
                    tracing::warn!(%error, "two changes met: this one is made anew");
                    if let Some(observer) = &self.observer {
                        observer.met();
                    }
                    attempt += 1;
                    let pause = fastrand::u64(PAUSE);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                done => break done,
            }
        };
        self.note_failure(Operation::Write, &done);
        done
    }

    async fn attempt<T, F>(
        &self,
        change: &impl Fn(Transaction) -> F,
    ) -> Result<(T, Vec<Signal>), StoreError>
    where
        F: Future<Output = (Transaction, Result<T, StoreError>)>,
    {
        let attempt = async {
            let (transaction, done) = change(self.begin().await?).await;
            match done {
                Ok(value) => Ok((value, finish(transaction).await?)),
                Err(error) => {
                    transaction.roll_back().await;
                    Err(error)
                }
            }
        };
        timeout(connection::WRITING, attempt)
            .await
            .unwrap_or(Err(StoreError::Late(connection::WRITING)))
    }

    /// Begins to write. Nothing is changed before [`Transaction::commit`]. Whoever writes goes through
    /// [`Store::write`], which begins anew where PostgreSQL ends it.
    async fn begin(&self) -> Result<Transaction, StoreError> {
        let connection = Lent::from(&self.writers).await?;
        Transaction::begin(connection, self.dialect, self.observer.clone()).await
    }

    /// Closes all connections; SQLite's log goes into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

/// Commits, whether or not somebody still waits for it: a client that hangs up drops whoever asked for a change, and
/// what the database makes true then is told all the same.
async fn finish(transaction: Transaction) -> Result<Vec<Signal>, StoreError> {
    let committing = timeout(connection::WRITING, transaction.commit());
    let done = to_the_end(committing).await;
    done.unwrap_or(Err(StoreError::Late(connection::WRITING)))
}

/// The URL of an SQLite file.
pub fn file_url(path: &Path) -> String {
    // What has a meaning in a URL is written in hexadecimal.
    let mut url = "sqlite://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => url.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
            byte => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url + "?mode=rwc"
}
