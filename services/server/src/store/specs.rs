//! Specs: what a machine must be.

use bencher_jobs::{SpecId, Timestamp};
use sqlx::any::AnyRow;

use super::row::{all, maybe_text, maybe_time, number, parsed, sought, text, time, truth};
use super::{Page, Store, StoreError, Transaction};

/// What a machine must be to run a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its identifier.
    pub id: SpecId,
    /// What it asks for.
    pub asks: NewSpec,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Since when it takes no more jobs.
    pub archived: Option<Timestamp>,
}

/// What a spec asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSpec {
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The operating system.
    pub os: String,
    /// The processor's architecture.
    pub architecture: String,
    /// The machine's kind; nothing: the runner's host itself.
    pub sandbox: Option<String>,
    /// Processors.
    pub cpu: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of disk.
    pub disk: u64,
    /// Whether it has a network.
    pub network: bool,
}

impl Spec {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(row, "id")?,
            asks: NewSpec {
                slug: text(row, "slug")?,
                name: text(row, "name")?,
                os: text(row, "os")?,
                architecture: text(row, "architecture")?,
                sandbox: maybe_text(row, "sandbox")?,
                cpu: number(row, "cpu")?,
                memory: number(row, "memory")?,
                disk: number(row, "disk")?,
                network: truth(row, "network")?,
            },
            created: time(row, "created")?,
            modified: time(row, "modified")?,
            archived: maybe_time(row, "archived")?,
        })
    }
}

impl Store {
    /// The spec with this identifier or slug.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn spec(&self, name: &str) -> Result<Spec, StoreError> {
        let query = sqlx::query("SELECT * FROM specs WHERE id = $1 OR slug = $1")
            .bind(sought("spec", name)?.to_owned());
        let row = self
            .row(query)
            .await?
            .ok_or_else(|| StoreError::not_found("spec", name))?;
        Spec::read(&row)
    }

    /// Specs, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn specs(&self, page: &Page) -> Result<Vec<Spec>, StoreError> {
        let query = sqlx::query("SELECT * FROM specs WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(page.below().to_owned())
            .bind(page.limit());
        all(&self.rows(query).await?, Spec::read)
    }
}

impl Transaction {
    /// Makes a spec.
    ///
    /// # Errors
    ///
    /// When its slug is taken.
    pub async fn create_spec(&mut self, asks: &NewSpec) -> Result<Spec, StoreError> {
        let now = Timestamp::now();
        let spec = Spec {
            id: SpecId::generate(),
            asks: asks.clone(),
            created: now,
            modified: now,
            archived: None,
        };
        let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        sqlx::query(
            "INSERT INTO specs (id, slug, name, os, architecture, sandbox, cpu, memory, disk, \
             network, created, modified) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        )
        .bind(spec.id.to_string())
        .bind(&asks.slug)
        .bind(&asks.name)
        .bind(&asks.os)
        .bind(&asks.architecture)
        .bind(asks.sandbox.as_deref())
        .bind(i64::from(asks.cpu))
        .bind(number(asks.memory))
        .bind(number(asks.disk))
        .bind(i64::from(asks.network))
        .bind(now.milliseconds())
        .execute(self.connection())
        .await
        .map_err(|error| StoreError::on_insert(error, "spec", &asks.slug))?;
        Ok(spec)
    }

    /// Lets a spec take no more jobs; those that wait for it stay.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn archive_spec(&mut self, id: SpecId) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE specs SET archived = $1, modified = $1 WHERE id = $2 AND archived IS NULL",
        )
        .bind(Timestamp::now().milliseconds())
        .bind(id.to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    pub(super) async fn spec_by_id(&mut self, id: SpecId) -> Result<Spec, StoreError> {
        let row = sqlx::query("SELECT * FROM specs WHERE id = $1")
            .bind(id.to_string())
            .fetch_one(self.connection())
            .await?;
        Spec::read(&row)
    }
}
