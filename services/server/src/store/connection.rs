//! Connections to the database, and how long it may take.
//!
//! A database that hangs says nothing, so every wait for it ends: for a connection, for an answer,
//! and for all of a transaction. PostgreSQL is told to give up as well, so that a server that hangs
//! does not keep its locks.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _};
use tokio::time::timeout;

use super::{Operation, Store, StoreError};

/// Connections that read SQLite: enough for two processors, few enough for their caches.
const READERS: u32 = 4;
/// Connections to PostgreSQL of one server that read, and that write: those who write do not wait
/// behind the many who read.
const POSTGRES_READERS: u32 = 6;
const POSTGRES_WRITERS: u32 = 4;
/// How long a connection may be waited for.
const ACQUIRING: Duration = Duration::from_secs(10);
/// How long an answer may be waited for.
const READING: Duration = Duration::from_secs(10);
/// How long a transaction may take with all that is in it.
pub(super) const WRITING: Duration = Duration::from_secs(20);
/// How long it may be waited for a sign of life.
const PINGING: Duration = Duration::from_secs(2);

/// How long a connection to SQLite waits for others.
pub(super) const BUSY: &str = "PRAGMA busy_timeout = 10000";
/// What each connection to SQLite begins with. What was acknowledged must outlive a loss of power,
/// so every commit is synced.
const SQLITE: &[&str] = &[
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    BUSY,
    // What is deleted is overwritten, and not only left out.
    "PRAGMA secure_delete = ON",
    // Pages: what changes again and again is written back seldom, for all wait meanwhile.
    "PRAGMA wal_autocheckpoint = 8000",
];

/// What each connection to PostgreSQL begins with, as long as those who ask wait.
const POSTGRES: &[&str] = &[
    "SET statement_timeout = '15s'",
    "SET lock_timeout = '10s'",
    "SET idle_in_transaction_session_timeout = '20s'",
];

/// Some connections to SQLite.
async fn sqlite_pool(connections: u32, options: AnyConnectOptions) -> Result<AnyPool, StoreError> {
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        // Opening a connection reads the schema anew, and a file does not go away.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    open(pool, options, SQLITE).await
}

/// Connections for those who read and for the one who writes.
pub(super) async fn sqlite(options: AnyConnectOptions) -> Result<(AnyPool, AnyPool), StoreError> {
    // The first connection makes the file and turns the write-ahead log on.
    let writers = sqlite_pool(1, options.clone()).await?;
    Ok((sqlite_pool(READERS, options).await?, writers))
}

/// The same for PostgreSQL.
pub(super) async fn postgres(options: AnyConnectOptions) -> Result<(AnyPool, AnyPool), StoreError> {
    let pool = |connections| AnyPoolOptions::new().max_connections(connections);
    let writers = open(pool(POSTGRES_WRITERS), options.clone(), POSTGRES).await?;
    let readers = open(pool(POSTGRES_READERS), options, POSTGRES).await?;
    Ok((readers, writers))
}

async fn open(
    pool: AnyPoolOptions,
    options: AnyConnectOptions,
    beginning: &'static [&'static str],
) -> Result<AnyPool, StoreError> {
    pool.acquire_timeout(ACQUIRING)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                for statement in beginning {
                    sqlx::query(*statement).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(StoreError::Open)
}

/// A connection that goes back to the others only after its use came to an orderly end. Otherwise it
/// is closed: whoever would use it next would wait for what it is still at.
#[derive(Debug)]
pub(super) struct Lent {
    connection: PoolConnection<Any>,
    is_over: bool,
}

impl Lent {
    pub(super) async fn from(pool: &AnyPool) -> Result<Self, StoreError> {
        let connection = pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => StoreError::Late(ACQUIRING),
            other => other.into(),
        })?;
        Ok(Self {
            connection,
            is_over: false,
        })
    }

    pub(super) fn give_back(mut self) {
        self.is_over = true;
    }
}

impl Deref for Lent {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.close_on_drop();
        }
    }
}

impl Store {
    /// The rows that are read by `query`.
    pub(super) async fn rows(
        &self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let rows = self.read(query).await;
        self.note_failure(Operation::Read, &rows);
        rows
    }

    async fn read(&self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, StoreError> {
        let mut connection = Lent::from(&self.readers).await?;
        let rows = timeout(READING, query.fetch_all(&mut *connection))
            .await
            .map_err(|_| StoreError::Late(READING))?;
        connection.give_back();
        Ok(rows?)
    }

    /// The row that is read by `query`, if there is one.
    pub(super) async fn row(
        &self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Option<AnyRow>, StoreError> {
        Ok(self.rows(query).await?.into_iter().next())
    }

    /// Whether it answers.
    ///
    /// # Errors
    ///
    /// When it does not, or not at once.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let rows = timeout(PINGING, self.read(sqlx::query("SELECT 1"))).await;
        let rows = rows.unwrap_or(Err(StoreError::Late(PINGING)));
        self.note_failure(Operation::Read, &rows);
        rows.map(drop)
    }

    /// Whether it does not answer somebody who comes anew either. Where it does, and not to those who are
    /// connected, something is wrong on this side.
    pub(crate) async fn is_away(&self) -> bool {
        let options = self.readers.connect_options();
        let ask = async {
            let mut connection = AnyConnection::connect_with(&options).await?;
            sqlx::query("SELECT 1").execute(&mut connection).await?;
            connection.close().await
        };
        !matches!(timeout(PINGING, ask).await, Ok(Ok(())))
    }
}
