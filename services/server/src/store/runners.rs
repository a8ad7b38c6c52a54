//! Runners, their keys, their connections, and what they can run.

use bencher_jobs::{ConnectionId, JobId, RunnerId, SpecId, Timestamp};
use sqlx::any::AnyRow;

use super::row::{all, maybe_parsed, maybe_text, maybe_time, parsed, sought, text, time};
use super::{Page, Signal, Store, StoreError, Transaction};

/// A machine that runs jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// Its identifier.
    pub id: RunnerId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The SHA-256 of its key, in hexadecimal.
    pub key_hash: String,
    /// When it was made.
    pub created: Timestamp,
    /// Since when it gets no more jobs.
    pub archived: Option<Timestamp>,
    /// When something was last heard of it.
    pub seen: Option<Timestamp>,
    /// What it last said of itself: JSON.
    pub metadata: Option<String>,
    /// Its newest connection.
    pub connection: Option<ConnectionId>,
}

impl Runner {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(row, "id")?,
            slug: text(row, "slug")?,
            name: text(row, "name")?,
            key_hash: text(row, "key_hash")?,
            created: time(row, "created")?,
            archived: maybe_time(row, "archived")?,
            seen: maybe_time(row, "seen")?,
            metadata: maybe_text(row, "metadata")?,
            connection: maybe_parsed(row, "connection")?,
        })
    }
}

impl Store {
    /// The runner with this identifier or slug.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn runner(&self, name: &str) -> Result<Runner, StoreError> {
        let row = sqlx::query("SELECT * FROM runners WHERE id = $1 OR slug = $1")
            .bind(sought("runner", name)?)
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| StoreError::not_found("runner", name))?;
        Runner::read(&row)
    }

    /// Runners, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn runners(&self, page: &Page) -> Result<Vec<Runner>, StoreError> {
        let rows = sqlx::query("SELECT * FROM runners WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(page.below())
            .bind(page.limit())
            .fetch_all(self.readers())
            .await?;
        all(&rows, Runner::read)
    }

    /// What a runner can run; archived specs are not among it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn specs_of(&self, runner: RunnerId) -> Result<Vec<SpecId>, StoreError> {
        let rows = sqlx::query("SELECT spec FROM runner_specs WHERE runner = $1 ORDER BY spec")
            .bind(runner.to_string())
            .fetch_all(self.readers())
            .await?;
        all(&rows, |row| parsed(row, "spec"))
    }
}

impl Transaction {
    /// Makes a runner, of whose key only `key_hash` is kept.
    ///
    /// # Errors
    ///
    /// When its slug is taken.
    pub async fn create_runner(
        &mut self,
        slug: &str,
        name: &str,
        key_hash: &str,
    ) -> Result<Runner, StoreError> {
        let runner = Runner {
            id: RunnerId::generate(),
            slug: slug.to_owned(),
            name: name.to_owned(),
            key_hash: key_hash.to_owned(),
            created: Timestamp::now(),
            archived: None,
            seen: None,
            metadata: None,
            connection: None,
        };
        sqlx::query(
            "INSERT INTO runners (id, slug, name, key_hash, created) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(runner.id.to_string())
        .bind(slug)
        .bind(name)
        .bind(key_hash)
        .bind(runner.created.milliseconds())
        .execute(self.connection())
        .await
        .map_err(|error| StoreError::on_insert(error, "runner", slug))?;
        Ok(runner)
    }

    /// Gives a runner another key, and ends the connections that the old one opened.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rotate_key(&mut self, runner: RunnerId, hash: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE runners SET key_hash = $1 WHERE id = $2")
            .bind(hash)
            .bind(runner.to_string())
            .execute(self.connection())
            .await?;
        self.replace_connection(runner, ConnectionId::generate())
            .await
    }

    /// Lets a runner have no more jobs. What it is at may be finished; jobs of comparisons that are
    /// bound to it fail.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn archive_runner(&mut self, runner: RunnerId) -> Result<(), StoreError> {
        let now = Timestamp::now();
        sqlx::query("UPDATE runners SET archived = $1 WHERE id = $2 AND archived IS NULL")
            .bind(now.milliseconds())
            .bind(runner.to_string())
            .execute(self.connection())
            .await?;
        self.abandon_bound(runner, now).await?;
        self.signal(Signal::Fleet);
        Ok(())
    }

    /// Lets a runner run a spec's jobs, or not.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn link(
        &mut self,
        runner: RunnerId,
        spec: SpecId,
        is_linked: bool,
    ) -> Result<(), StoreError> {
        let query = if is_linked {
            "INSERT INTO runner_specs (runner, spec) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM runner_specs WHERE runner = $1 AND spec = $2"
        };
        sqlx::query(query)
            .bind(runner.to_string())
            .bind(spec.to_string())
            .execute(self.connection())
            .await?;
        self.signal(Signal::Fleet);
        Ok(())
    }

    /// Makes `connection` the one that the runner gets jobs on, and says which job it had last.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn connect(
        &mut self,
        runner: RunnerId,
        connection: ConnectionId,
    ) -> Result<Option<JobId>, StoreError> {
        self.replace_connection(runner, connection).await?;
        let row = sqlx::query(
            "SELECT id FROM jobs WHERE runner = $1 ORDER BY claimed DESC, id DESC LIMIT 1",
        )
        .bind(runner.to_string())
        .fetch_optional(self.connection())
        .await?;
        row.map(|row| parsed(&row, "id")).transpose()
    }

    async fn replace_connection(
        &mut self,
        runner: RunnerId,
        connection: ConnectionId,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE runners SET connection = $1, seen = $2 WHERE id = $3")
            .bind(connection.to_string())
            .bind(Timestamp::now().milliseconds())
            .bind(runner.to_string())
            .execute(self.connection())
            .await?;
        self.signal(Signal::Connected(runner, connection));
        Ok(())
    }

    /// Writes down that something was heard of a runner, and what it says of itself if it says it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn see(
        &mut self,
        runner: RunnerId,
        metadata: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE runners SET metadata = COALESCE($1, metadata), seen = $2 WHERE id = $3",
        )
        .bind(metadata)
        .bind(Timestamp::now().milliseconds())
        .bind(runner.to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
