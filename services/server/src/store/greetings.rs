//! Runners come, and say something of themselves.
//!
//! Of two connections of a runner the newer wins. Which one that is says the runner, of the connections
//! of one process; else it is the one that is written down later, since the clocks of several servers do not
//! agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bencher_channel_protocol::ConnectionNumber;
use bencher_jobs::{ConnectionId, JobId, RunnerId};
use sqlx::AssertSqlSafe;

use super::row::{all, maybe_parsed, parsed, places, table, text};
use super::{Signal, StoreError, Transaction};

/// What is new of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Which.
    pub runner: RunnerId,
    /// The connection that it gets jobs on from now on, unless it was overtaken by a newer one.
    pub connection: Option<Opened>,
    /// A connection that it has no more.
    pub left: Option<ConnectionId>,
    /// What it says of itself, if it says it: JSON.
    pub metadata: Option<String>,
}

/// A connection that a runner has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Which.
    pub id: ConnectionId,
    /// Which of its process's connections it is, if the runner says it.
    pub number: Option<ConnectionNumber>,
    /// The SHA-256 of the key that it was opened with: one that was rotated meanwhile opens nothing. None
    /// where no key is asked for.
    pub key_hash: Option<String>,
}

/// A runner's newest connection after a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Which; none if there never was one.
    pub connection: Option<ConnectionId>,
    /// The job that the runner had last.
    pub job: Option<JobId>,
}

/// What is known of a runner while greetings are taken in.
#[derive(Debug)]
struct Known {
    key_hash: String,
    connection: Option<ConnectionId>,
    number: Option<ConnectionNumber>,
    metadata: Option<String>,
    is_connected_anew: bool,
}

impl Known {
    /// What was said later counts, except of a connection that says itself that it is older.
    fn add(&mut self, greeting: &Greeting) {
        if let Some(opened) = &greeting.connection
            && self.is_newer(opened)
        {
            self.connection = Some(opened.id);
            self.number = opened.number;
            self.is_connected_anew = true;
        }
        if greeting.left.is_some() && greeting.left == self.connection {
            self.connection = None;
        }
        if greeting.metadata.is_some() {
            self.metadata.clone_from(&greeting.metadata);
        }
    }

    /// Whether `opened`, which comes now, is newer than the connection that is known.
    fn is_newer(&self, opened: &Opened) -> bool {
        let has_key = opened
            .key_hash
            .as_ref()
            .is_none_or(|hash| *hash == self.key_hash);
        let is_overtaken = match (opened.number, self.number) {
            (Some(number), Some(known)) => number.is_overtaken_by(known),
            _ => false,
        };
        has_key && !is_overtaken
    }
}

impl Transaction {
    /// Writes down new connections, those that ended, and what runners say of themselves. Says of each runner
    /// that has opened one which is its newest: another one than it has opened if it was overtaken, or its key
    /// was rotated.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn greet(
        &mut self,
        greetings: &[Greeting],
    ) -> Result<HashMap<RunnerId, Newest>, StoreError> {
        if greetings.is_empty() {
            return Ok(HashMap::new());
        }
        let runners: BTreeSet<RunnerId> = greetings.iter().map(|one| one.runner).collect();
        let mut known = self.take_runners(&runners).await?;
        for greeting in greetings {
            if let Some(known) = known.get_mut(&greeting.runner) {
                known.add(greeting);
            }
        }
        self.save_known(&known).await?;
        for (runner, known) in &known {
            if let Some(connection) = known.connection.filter(|_| known.is_connected_anew) {
                self.signal(Signal::Connected(*runner, connection));
            }
        }
        let have_opened: BTreeSet<RunnerId> = greetings
            .iter()
            .filter(|one| one.connection.is_some())
            .map(|one| one.runner)
            .collect();
        let mut jobs = self.last_jobs(&have_opened).await?;
        let newest = known
            .into_iter()
            .filter(|(runner, _)| have_opened.contains(runner))
            .map(|(runner, known)| {
                let newest = Newest {
                    connection: known.connection,
                    job: jobs.remove(&runner),
                };
                (runner, newest)
            });
        Ok(newest.collect())
    }

    /// Takes runners, in their order, so that nobody else changes them until the end.
    async fn take_runners(
        &mut self,
        runners: &BTreeSet<RunnerId>,
    ) -> Result<BTreeMap<RunnerId, Known>, StoreError> {
        let query = self.locking(format!(
            "SELECT id, key_hash, connection, connection_number FROM runners WHERE id IN ({}) \
             ORDER BY id",
            places(1, runners.len())
        ));
        let mut query = sqlx::query(query).persistent(false);
        for runner in runners {
            query = query.bind(runner.to_string());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let known = all(&rows, |row| {
            let known = Known {
                key_hash: text(row, "key_hash")?,
                connection: maybe_parsed(row, "connection")?,
                number: maybe_parsed(row, "connection_number")?,
                metadata: None,
                is_connected_anew: false,
            };
            Ok((parsed(row, "id")?, known))
        })?;
        Ok(known.into_iter().collect())
    }

    /// Writes down what is known of runners; what they say of themselves stays where they said nothing.
    async fn save_known(&mut self, known: &BTreeMap<RunnerId, Known>) -> Result<(), StoreError> {
        if known.is_empty() {
            return Ok(());
        }
        let query = format!(
            "UPDATE runners SET connection = news.column2, connection_number = news.column3, \
             metadata = COALESCE(news.column4, metadata) \
             FROM {} AS news WHERE runners.id = news.column1",
            table(1, known.len(), 4)
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for (runner, known) in known {
            query = query
                .bind(runner.to_string())
                .bind(known.connection.map(|connection| connection.to_string()))
                .bind(known.number.map(|number| number.to_string()))
                .bind(known.metadata.clone());
        }
        query.execute(self.connection()).await?;
        Ok(())
    }

    /// Whether `connection` is the newest of `runner`.
    pub(super) async fn is_newest(
        &mut self,
        runner: RunnerId,
        connection: ConnectionId,
    ) -> Result<bool, StoreError> {
        let newest = sqlx::query("SELECT id FROM runners WHERE id = $1 AND connection = $2")
            .bind(runner.to_string())
            .bind(connection.to_string())
            .fetch_optional(self.connection())
            .await?;
        Ok(newest.is_some())
    }

    /// The job that each of `runners` had last.
    async fn last_jobs(
        &mut self,
        runners: &BTreeSet<RunnerId>,
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
}
