//! Runners, their keys, their connections, and what they can run.

use std::collections::HashMap;

use bencher_jobs::{ConnectionId, RunnerId, SpecId, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::greetings::{Greeting, Opened};
use super::row::{all, maybe_parsed, maybe_text, maybe_time, parsed, places, sought, text, time};
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
    /// Its newest connection; none if that has ended.
    pub connection: Option<ConnectionId>,
}

impl Runner {
    /// Whether it is connected, as far as servers know: its newest connection has not ended, and something
    /// was heard of it since `since`. A server that is killed writes down no connection's end.
    pub fn is_connected(&self, since: Timestamp) -> bool {
        self.connection.is_some() && self.seen.is_some_and(|seen| seen >= since)
    }

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
        let query = sqlx::query("SELECT * FROM runners WHERE id = $1 OR slug = $1")
            .bind(sought("runner", name)?.to_owned());
        let row = self
            .row(query)
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
        let query = sqlx::query("SELECT * FROM runners WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(page.below().to_owned())
            .bind(page.limit());
        all(&self.rows(query).await?, Runner::read)
    }

    /// What a runner can run, archived specs among it: jobs that wait for these are still run.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn specs_of(&self, runner: RunnerId) -> Result<Vec<SpecId>, StoreError> {
        let mut specs = self.specs_of_all(&[runner]).await?;
        Ok(specs.remove(&runner).unwrap_or_default())
    }

    /// What each of `runners` can run; nothing is said of those that can run nothing.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn specs_of_all(
        &self,
        runners: &[RunnerId],
    ) -> Result<HashMap<RunnerId, Vec<SpecId>>, StoreError> {
        let mut specs: HashMap<RunnerId, Vec<SpecId>> = HashMap::new();
        if runners.is_empty() {
            return Ok(specs);
        }
        let query = format!(
            "SELECT runner, spec FROM runner_specs WHERE runner IN ({}) ORDER BY runner, spec",
            places(1, runners.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for runner in runners {
            query = query.bind(runner.to_string());
        }
        for row in self.rows(query).await? {
            let runner = parsed(&row, "runner")?;
            specs.entry(runner).or_default().push(parsed(&row, "spec")?);
        }
        Ok(specs)
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
        // One that the old key opened elsewhere is not the newest any more, whatever it says of itself.
        let id = ConnectionId::generate();
        let greeting = Greeting {
            runner,
            connection: Some(Opened {
                id,
                number: None,
                key_hash: None,
            }),
            left: None,
            metadata: None,
        };
        self.greet(std::slice::from_ref(&greeting)).await?;
        // Nobody is behind that one.
        self.greet(&[Greeting {
            connection: None,
            left: Some(id),
            ..greeting
        }])
        .await?;
        Ok(())
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
}
