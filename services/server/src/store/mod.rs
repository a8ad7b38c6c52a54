//! The database: SQLite or PostgreSQL, with the same tables and the same queries.
//!
//! Both go through one driver ([`sqlx::Any`]) instead of a trait with two implementations: what
//! differs between them is a lock on rows (SQLite has one writer, PostgreSQL locks rows) and how
//! servers wake each other (PostgreSQL has `NOTIFY`; with SQLite there is only one server). The
//! queries, which are what could go wrong, are there once.

mod credentials;
mod error;
mod jobs;
mod page;
mod projects;
mod releases;
mod row;
mod runners;
mod specs;
mod tokens;
mod transaction;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr as _};

pub use error::StoreError;
pub use jobs::{Active, Attached, Changed, Claims, Filter, Handed, Job, NewJob, Side, Waiting};
pub use page::{MAX_PAGE, Page};
pub use projects::{NewProject, Project};
pub use releases::{Kind, NewRelease, Release};
pub use runners::Runner;
pub use specs::{NewSpec, Spec};
pub use tokens::{Role, Token};
pub(crate) use transaction::NOTIFICATIONS;
pub use transaction::{Signal, Transaction};

/// Its tables, in the order in which they came.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tables", include_str!("migrations/0001_tables.sql")),
    (10, "releases", include_str!("migrations/0010_releases.sql")),
];

/// Connections that read: enough for two processors, few enough for their caches.
const READERS: u32 = 4;
/// Connections to PostgreSQL of one server.
const CONNECTIONS: u32 = 10;
/// How long a connection may be waited for.
const PATIENCE: Duration = Duration::from_secs(30);

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
}

impl Store {
    /// Opens the database at `url`, and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// When there is none, or it is newer than this program.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = match url.split_once(':') {
            Some(("sqlite", _)) => Dialect::Sqlite,
            Some(("postgres" | "postgresql", _)) => Dialect::Postgres,
            _ => return Err(StoreError::Kind),
        };
        let options: AnyConnectOptions = url.parse().map_err(StoreError::Open)?;
        let (readers, writers) = match dialect {
            Dialect::Sqlite => {
                // The first connection makes the file and turns the write-ahead log on.
                let writers = sqlite(1, options.clone()).await?;
                (sqlite(READERS, options).await?, writers)
            }
            Dialect::Postgres => {
                let pool = AnyPoolOptions::new()
                    .max_connections(CONNECTIONS)
                    .acquire_timeout(PATIENCE)
                    .connect_with(options)
                    .await
                    .map_err(StoreError::Open)?;
                (pool.clone(), pool)
            }
        };
        let migrations = MIGRATIONS
            .iter()
            .map(|&(version, name, sql)| {
                let kind = MigrationType::Simple;
                Migration::new(version, name.into(), kind, sql.into_sql_str(), false)
            })
            .collect();
        Migrator::with_migrations(migrations)
            .run(&writers)
            .await
            .map_err(StoreError::Migrate)?;
        Ok(Self {
            dialect,
            readers,
            writers,
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

    /// What kind it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Begins to write. Nothing is changed before [`Transaction::commit`].
    ///
    /// # Errors
    ///
    /// When the database can not be reached.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        let inner = match self.dialect {
            // Otherwise two that have read could both want to write, and one would have to fail.
            Dialect::Sqlite => self.writers.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => self.writers.begin().await?,
        };
        Ok(Transaction::new(inner, self.dialect))
    }

    /// Whether it answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }

    /// Closes all connections; SQLite's log goes into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }

    pub(crate) fn readers(&self) -> &AnyPool {
        &self.readers
    }
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

async fn sqlite(connections: u32, options: AnyConnectOptions) -> Result<AnyPool, StoreError> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        // Opening a connection reads the schema anew.
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // What was acknowledged must outlive a loss of power, so every commit is synced.
                for pragma in [
                    "PRAGMA journal_mode = WAL",
                    "PRAGMA synchronous = FULL",
                    "PRAGMA foreign_keys = ON",
                    "PRAGMA busy_timeout = 10000",
                ] {
                    sqlx::query(pragma).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(StoreError::Open)
}
