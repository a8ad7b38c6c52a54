//! Runners, their keys, their connections, and what they can run.

use std::collections::{BTreeMap, HashMap};

use bencher_jobs::{ConnectionId, JobId, RunnerId, SpecId, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::row::{
    all, maybe_parsed, maybe_text, maybe_time, parsed, places, sought, table, text, time,
};
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

/// What is new of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Which.
    pub runner: RunnerId,
    /// The connection that it gets jobs on from now on, if it is another.
    pub connection: Option<ConnectionId>,
    /// What it says of itself, if it says it: JSON.
    pub metadata: Option<String>,
}

impl Greeting {
    /// What was said later counts; of two connections, the newer one.
    fn add(&mut self, later: &Self) {
        self.connection = self.connection.max(later.connection);
        if later.metadata.is_some() {
            self.metadata.clone_from(&later.metadata);
        }
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

    /// What a runner can run; archived specs are not among it.
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

    /// Writes down new connections and what runners say of themselves, and says which job each that
    /// is connected anew had last.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn greet(
        &mut self,
        greetings: &[Greeting],
    ) -> Result<HashMap<RunnerId, JobId>, StoreError> {
        let mut news: BTreeMap<RunnerId, Greeting> = BTreeMap::new();
        for greeting in greetings {
            news.entry(greeting.runner)
                .and_modify(|known| known.add(greeting))
                .or_insert_with(|| greeting.clone());
        }
        if news.is_empty() {
            return Ok(HashMap::new());
        }
        let runners: Vec<RunnerId> = news.keys().copied().collect();
        self.take_runners(&runners).await?;
        let query = format!(
            "UPDATE runners SET connection = COALESCE(news.column2, connection), \
             metadata = COALESCE(news.column3, metadata), seen = $1 \
             FROM {} AS news WHERE runners.id = news.column1",
            table(2, news.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(query))
            .persistent(false)
            .bind(Timestamp::now().milliseconds());
        for greeting in news.values() {
            query = query
                .bind(greeting.runner.to_string())
                .bind(greeting.connection.map(|connection| connection.to_string()))
                .bind(greeting.metadata.clone());
        }
        query.execute(self.connection()).await?;
        let mut connected = Vec::new();
        for greeting in news.values() {
            if let Some(connection) = greeting.connection {
                self.signal(Signal::Connected(greeting.runner, connection));
                connected.push(greeting.runner);
            }
        }
        self.last_jobs(&connected).await
    }

    /// Takes runners, in their order, so that nobody else changes them until the end.
    async fn take_runners(&mut self, runners: &[RunnerId]) -> Result<(), StoreError> {
        if !self.has_rows() {
            return Ok(());
        }
        let query = self.locking(format!(
            "SELECT id FROM runners WHERE id IN ({}) ORDER BY id",
            places(1, runners.len())
        ));
        let mut query = sqlx::query(query).persistent(false);
        for runner in runners {
            query = query.bind(runner.to_string());
        }
        query.fetch_all(self.connection()).await?;
        Ok(())
    }

    /// The job that each of `runners` had last.
    async fn last_jobs(
        &mut self,
        runners: &[RunnerId],
    ) -> Result<HashMap<RunnerId, JobId>, StoreError> {
        if runners.is_empty() {
            return Ok(HashMap::new());
        }
        let query = format!(
            "SELECT runners.id AS runner, (SELECT jobs.id FROM jobs WHERE jobs.runner = runners.id \
             ORDER BY jobs.claimed DESC, jobs.id DESC LIMIT 1) AS job \
             FROM runners WHERE runners.id IN ({})",
            places(1, runners.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for runner in runners {
            query = query.bind(runner.to_string());
        }
        let mut jobs = HashMap::new();
        for row in query.fetch_all(self.connection()).await? {
            if let Some(job) = maybe_parsed(&row, "job")? {
                jobs.insert(parsed(&row, "runner")?, job);
            }
        }
        Ok(jobs)
    }

    async fn replace_connection(
        &mut self,
        runner: RunnerId,
        connection: ConnectionId,
    ) -> Result<(), StoreError> {
        self.greet(&[Greeting {
            runner,
            connection: Some(connection),
            metadata: None,
        }])
        .await?;
        Ok(())
    }
}
