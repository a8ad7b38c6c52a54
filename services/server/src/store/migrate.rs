//! Brings the tables up to date.

use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, Connection as _, SqlSafeStr as _};
use tokio::time::timeout;

use super::row::{all, number};
use super::{Dialect, Store, StoreError};

/// The tables, in the order in which they came.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tables", include_str!("migrations/0001_tables.sql")),
    (2, "apart", include_str!("migrations/0002_apart.sql")),
    (3, "releases", include_str!("migrations/0003_releases.sql")),
    (
        4,
        "connections",
        include_str!("migrations/0004_connections.sql"),
    ),
    (5, "deleted", include_str!("migrations/0005_deleted.sql")),
    (6, "served", include_str!("migrations/0006_served.sql")),
    (
        7,
        "variables",
        include_str!("migrations/0007_variables.sql"),
    ),
    (8, "evidence", include_str!("migrations/0008_evidence.sql")),
    (9, "traces", include_str!("migrations/0009_traces.sql")),
    (10, "unsealed", include_str!("migrations/0010_unsealed.sql")),
    (11, "held", include_str!("migrations/0011_held.sql")),
];
/// How long a connection may be waited for.
const CONNECTING: Duration = Duration::from_secs(10);

/// All that brings the tables up to version `until`.
pub(super) fn migrator(until: i64) -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .filter(|&&(version, ..)| version <= until)
        .map(|&(version, name, sql)| {
            let kind = MigrationType::Simple;
            Migration::new(version, name.into(), kind, sql.into_sql_str(), false)
        })
        .collect();
    Migrator::with_migrations(migrations)
}

/// As [`run`], but leaves tables of an older version as they are: servers of that version may be at work. Where
/// there are none, nobody is.
pub(super) async fn run_on_new(url: &str, store: &Store) -> Result<(), StoreError> {
    let applied = applied(store).await?;
    let is_applied = |version: i64| applied.contains(&version);
    if !applied.is_empty() && !MIGRATIONS.iter().all(|&(version, ..)| is_applied(version)) {
        return Err(StoreError::Older);
    }
    run(url, store).await
}

/// The versions that the tables were brought up to.
async fn applied(store: &Store) -> Result<Vec<i64>, StoreError> {
    let find = match store.dialect {
        Dialect::Sqlite => "SELECT 1 AS found FROM sqlite_master WHERE name = '_sqlx_migrations'",
        Dialect::Postgres => "SELECT 1 AS found WHERE to_regclass('_sqlx_migrations') IS NOT NULL",
    };
    if store.row(sqlx::query(find)).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = store.rows(sqlx::query("SELECT version FROM _sqlx_migrations"));
    all(&rows.await?, |row| number(row, "version"))
}

/// Brings the tables of `store`, which is at `url`, up to date. That may take longer than anything
/// else, so PostgreSQL gets a connection without limits for it.
pub(super) async fn run(url: &str, store: &Store) -> Result<(), StoreError> {
    let migrator = migrator(i64::MAX);
    match store.dialect {
        Dialect::Sqlite => migrator.run(&store.writers).await,
        Dialect::Postgres => {
            let mut connection = timeout(CONNECTING, AnyConnection::connect(url))
                .await
                .map_err(|_| StoreError::Late(CONNECTING))?
                .map_err(StoreError::Open)?;
            let done = migrator.run(&mut connection).await;
            // It is not used any more, however it ends.
            let _ended = connection.close().await;
            done
        }
    }
    .map_err(StoreError::Migrate)
}
