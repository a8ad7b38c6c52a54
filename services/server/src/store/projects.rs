//! Projects.

use std::collections::{BTreeMap, BTreeSet};

use bencher_jobs::{ProjectId, Quota, Share, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::row::{all, number, parsed, places, sought, text, time};
use super::{Page, Store, StoreError, Transaction};

/// Whose jobs they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its identifier, which is also its images' repository.
    pub id: ProjectId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// What it may have.
    pub quota: Quota,
    /// Its jobs that wait.
    pub queued: u32,
    /// Its jobs at work.
    pub active: u32,
    /// When it last got a machine, or was made.
    pub served: Timestamp,
    /// When it was made.
    pub created: Timestamp,
}

/// A project to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// What it may have.
    pub quota: Quota,
}

impl Project {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(row, "id")?,
            slug: text(row, "slug")?,
            name: text(row, "name")?,
            quota: Quota {
                queued: number(row, "max_queued")?,
                active: number(row, "max_active")?,
                priority: number(row, "max_priority")?,
            },
            queued: number(row, "queued")?,
            active: number(row, "active")?,
            served: time(row, "served")?,
            created: time(row, "created")?,
        })
    }

    pub(super) fn share(&self) -> Share {
        Share {
            active: self.active,
            limit: self.quota.active,
            served: self.served,
        }
    }
}

impl Store {
    /// The project with this identifier or slug.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn project(&self, name: &str) -> Result<Project, StoreError> {
        let query = sqlx::query("SELECT * FROM projects WHERE id = $1 OR slug = $1")
            .bind(sought("project", name)?.to_owned());
        let row = self
            .row(query)
            .await?
            .ok_or_else(|| StoreError::not_found("project", name))?;
        Project::read(&row)
    }

    /// Projects, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn projects(&self, page: &Page) -> Result<Vec<Project>, StoreError> {
        let query = sqlx::query("SELECT * FROM projects WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(page.below().to_owned())
            .bind(page.limit());
        all(&self.rows(query).await?, Project::read)
    }
}

impl Transaction {
    /// Makes a project.
    ///
    /// # Errors
    ///
    /// When its slug is taken.
    pub async fn create_project(&mut self, new: &NewProject) -> Result<Project, StoreError> {
        let created = Timestamp::now();
        let project = Project {
            id: ProjectId::generate(),
            slug: new.slug.clone(),
            name: new.name.clone(),
            quota: new.quota,
            queued: 0,
            active: 0,
            served: created,
            created,
        };
        sqlx::query(
            "INSERT INTO projects (id, slug, name, max_queued, max_active, max_priority, created, \
             served) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(project.id.to_string())
        .bind(&project.slug)
        .bind(&project.name)
        .bind(i64::from(new.quota.queued))
        .bind(i64::from(new.quota.active))
        .bind(i64::from(new.quota.priority))
        .bind(project.created.milliseconds())
        .execute(self.connection())
        .await
        .map_err(|error| StoreError::on_insert(error, "project", &project.slug))?;
        Ok(project)
    }

    /// Changes what a project may have.
    ///
    /// # Errors
    ///
    /// When there is no such project.
    pub async fn set_quota(&mut self, project: ProjectId, quota: &Quota) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE projects SET max_queued = $1, max_active = $2, max_priority = $3 WHERE id = $4",
        )
        .bind(i64::from(quota.queued))
        .bind(i64::from(quota.active))
        .bind(i64::from(quota.priority))
        .bind(project.to_string())
        .execute(self.connection())
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found("project", &project.to_string()));
        }
        // There may be room for more.
        self.signal(super::Signal::Queued);
        Ok(())
    }

    /// Takes a project, so that nobody else counts its jobs until the end.
    pub(super) async fn take_project(&mut self, id: ProjectId) -> Result<Project, StoreError> {
        let query = self.locking("SELECT * FROM projects WHERE id = $1");
        let row = sqlx::query(query)
            .bind(id.to_string())
            .fetch_optional(self.connection())
            .await?
            .ok_or_else(|| StoreError::not_found("project", &id.to_string()))?;
        self.note_taken(&[id]);
        Project::read(&row)
    }

    /// Takes projects that are not taken yet, in the order in which all take them.
    pub(super) async fn take_projects(&mut self, ids: &[ProjectId]) -> Result<(), StoreError> {
        if ids.is_empty() || !self.has_rows() {
            return Ok(());
        }
        let query = self.locking(format!(
            "SELECT id FROM projects WHERE id IN ({}) ORDER BY id",
            places(1, ids.len())
        ));
        let mut query = sqlx::query(query).persistent(false);
        for id in ids {
            query = query.bind(id.to_string());
        }
        query.fetch_all(self.connection()).await?;
        self.note_taken(ids);
        Ok(())
    }

    /// Takes these projects, and with them those whose jobs have changed in this transaction, which
    /// counts; and says what part of the fleet each of these has.
    pub(super) async fn take_shares(
        &mut self,
        projects: &BTreeSet<ProjectId>,
    ) -> Result<BTreeMap<ProjectId, Share>, StoreError> {
        let mut all_of_them = projects.clone();
        all_of_them.extend(self.counted());
        self.take_projects(&Vec::from_iter(all_of_them)).await?;
        self.apply_counts().await?;
        if projects.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = format!(
            "SELECT * FROM projects WHERE id IN ({})",
            places(1, projects.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for id in projects {
            query = query.bind(id.to_string());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let projects = all(&rows, Project::read)?;
        Ok(projects
            .iter()
            .map(|project| (project.id, project.share()))
            .collect())
    }
}
