//! Tells other servers on the same PostgreSQL.

use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::{mpsc, oneshot};

use super::OUTPUT;
use super::news::News;

/// Notifications that may wait: what does not find room is lost. Some megabytes.
const BACKLOG: usize = 2048;
/// Notifications of one round trip.
const BATCH: usize = 64;
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an end of a job waits for what was written before it.
const TOLD: Duration = Duration::from_secs(1);

/// Where what other servers are told goes.
#[derive(Debug)]
pub(crate) struct Relay(mpsc::Sender<Item>);

#[derive(Debug)]
enum Item {
    Text(String),
    /// Somebody waits until all before it was told.
    Mark(oneshot::Sender<()>),
}

impl Relay {
    /// Starts it, for the PostgreSQL at `url`. It ends with this value.
    ///
    /// # Errors
    ///
    /// When that is no address of one.
    pub(crate) fn start(url: &str) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_lazy(url)?;
        let (sender, items) = mpsc::channel(BACKLOG);
        tokio::spawn(run(pool, items));
        Ok(Self(sender))
    }

    /// Tells something soon, if there is room.
    pub(super) fn tell(&self, news: &News) {
        // Live output may miss something, and a question is asked again.
        let _full = self.0.try_send(Item::Text(news.to_string()));
    }

    /// Waits until everything was told that came before, but not for long.
    pub(super) async fn told(&self) {
        let (mark, reached) = oneshot::channel();
        let told = async {
            if self.0.send(Item::Mark(mark)).await.is_ok() {
                // It is dropped where the database fails: nothing more comes of waiting then.
                let _reached = reached.await;
            }
        };
        let _late = tokio::time::timeout(TOLD, told).await;
    }
}

async fn run(pool: PgPool, mut items: mpsc::Receiver<Item>) {
    let mut batch = Vec::with_capacity(BATCH);
    while items.recv_many(&mut batch, BATCH).await > 0 {
        let mut texts = Vec::with_capacity(batch.len());
        let mut marks = Vec::new();
        for item in batch.drain(..) {
            match item {
                Item::Text(text) => texts.push(text),
                Item::Mark(mark) => marks.push(mark),
            }
        }
        if !texts.is_empty()
            && let Err(error) = notify(&pool, &texts).await
        {
            tracing::warn!(%error, "other servers miss some live output");
        }
        for mark in marks {
            // Whoever waited may be gone.
            let _gone = mark.send(());
        }
    }
    pool.close().await;
}

async fn notify(pool: &PgPool, texts: &[String]) -> Result<(), sqlx::Error> {
    let query = sqlx::query("SELECT pg_notify($1, news) FROM unnest($2) AS news")
        .bind(OUTPUT)
        .bind(texts)
        .execute(pool);
    match tokio::time::timeout(PATIENCE, query).await {
        Ok(done) => done.map(drop),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
