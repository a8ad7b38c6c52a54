//! Programs that runners may become, and which runner was offered which of them.

use std::time::Duration;

use bencher_jobs::{ReleaseId, RunnerId, Timestamp};
use sqlx::any::AnyRow;

use super::row::{all, parsed, text, time};
use super::{Page, Store, StoreError, Transaction};

/// The most programs that are looked through for the best one of a kind of machine: the newest.
const MOST_LOOKED_AT: i64 = 200;

/// A program that runners may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its identifier.
    pub id: ReleaseId,
    /// What it is.
    pub program: NewRelease,
    /// When it was published.
    pub created: Timestamp,
}

/// A program to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRelease {
    /// Its version.
    pub version: String,
    /// Where it is.
    pub url: String,
    /// Its SHA-256, in hexadecimal.
    pub checksum: String,
    /// Who may become it.
    pub kind: Kind,
}

/// What runners have in common that may become the same programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Which updates they want.
    pub channel: String,
    /// Their operating system.
    pub os: String,
    /// Their processors' architecture.
    pub architecture: String,
}

impl Release {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(row, "id")?,
            program: NewRelease {
                version: text(row, "version")?,
                url: text(row, "url")?,
                checksum: text(row, "checksum")?,
                kind: Kind {
                    channel: text(row, "channel")?,
                    os: text(row, "os")?,
                    architecture: text(row, "architecture")?,
                },
            },
            created: time(row, "created")?,
        })
    }
}

impl Store {
    /// All programs, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn releases(&self, page: &Page) -> Result<Vec<Release>, StoreError> {
        let query = sqlx::query("SELECT * FROM releases WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(page.below().to_owned())
            .bind(page.limit());
        all(&self.rows(query).await?, Release::read)
    }

    /// The programs for runners of this kind, the newest first: the last 200 of them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn releases_for(&self, kind: &Kind) -> Result<Vec<Release>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM releases WHERE channel = $1 AND os = $2 AND architecture = $3 \
             ORDER BY id DESC LIMIT $4",
        )
        .bind(kind.channel.clone())
        .bind(kind.os.clone())
        .bind(kind.architecture.clone())
        .bind(MOST_LOOKED_AT);
        all(&self.rows(query).await?, Release::read)
    }
}

impl Transaction {
    /// Publishes a program.
    ///
    /// # Errors
    ///
    /// When the same program is there for the same kind of runner.
    pub async fn create_release(&mut self, program: &NewRelease) -> Result<Release, StoreError> {
        let release = Release {
            id: ReleaseId::generate(),
            program: program.clone(),
            created: Timestamp::now(),
        };
        sqlx::query(
            "INSERT INTO releases (id, version, channel, os, architecture, url, checksum, created) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(release.id.to_string())
        .bind(&program.version)
        .bind(&program.kind.channel)
        .bind(&program.kind.os)
        .bind(&program.kind.architecture)
        .bind(&program.url)
        .bind(&program.checksum)
        .bind(release.created.milliseconds())
        .execute(self.connection())
        .await
        .map_err(|error| match &error {
            sqlx::Error::Database(cause) if cause.is_unique_violation() => {
                StoreError::Published(program.checksum.clone())
            }
            _ => StoreError::Query(error),
        })?;
        Ok(release)
    }

    /// Offers a program to nobody any more.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn remove_release(&mut self, id: ReleaseId) -> Result<(), StoreError> {
        let done = sqlx::query("DELETE FROM releases WHERE id = $1")
            .bind(id.to_string())
            .execute(self.connection())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found("release", &id.to_string()));
        }
        Ok(())
    }

    /// Writes down that `runner` is offered the program with this checksum now, and says whether it
    /// may be: not where it was offered the same one within `pace`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn offer(
        &mut self,
        runner: RunnerId,
        checksum: &str,
        now: Timestamp,
        pace: Duration,
    ) -> Result<bool, StoreError> {
        let pace = i64::try_from(pace.as_millis()).unwrap_or(i64::MAX);
        let done = sqlx::query(
            "INSERT INTO offers (runner, checksum, offered) VALUES ($1, $2, $3) \
             ON CONFLICT (runner) DO UPDATE SET checksum = $2, offered = $3 \
             WHERE offers.checksum <> $2 OR offers.offered <= $4",
        )
        .bind(runner.to_string())
        .bind(checksum)
        .bind(now.milliseconds())
        .bind(now.milliseconds().saturating_sub(pace))
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
