//! Projects and what they may have.

use axum::extract::State;
use axum::http::StatusCode;
use bencher_jobs::Quota;
use bencher_server_api::{
    Listed, NewProject as NewProjectBody, Project as ProjectBody, Quota as QuotaBody,
};

use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Json, Path, Query};
use super::page::{PageQuery, listed};
use super::{ApiError, text};
use crate::app::App;
use crate::store::{NewProject, Project};
use crate::time::rfc3339;

/// A quota as the store has it.
pub(crate) fn quota(body: QuotaBody) -> Quota {
    Quota {
        queued: body.queued,
        active: body.active,
        priority: body.priority,
    }
}

impl From<Project> for ProjectBody {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.to_string(),
            slug: project.slug,
            name: project.name,
            quota: QuotaBody {
                queued: project.quota.queued,
                active: project.quota.active,
                priority: project.quota.priority,
            },
            queued: project.queued,
            active: project.active,
            created: rfc3339(project.created),
        }
    }
}

/// Projects.
#[utoipa::path(get, path = "/v0/projects", tag = "access", params(PageQuery),
    security(("token" = [])),
    responses((status = 200, body = Listed<ProjectBody>), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<Listed<ProjectBody>>, ApiError> {
    let page = query.page()?;
    let mut projects = app.store.projects(&page).await?;
    if let Some(own) = caller.token().project {
        projects = match page.after {
            None => vec![app.store.project(&own.to_string()).await?],
            Some(_) => Vec::new(),
        };
    }
    let id = |project: &Project| project.id.to_string();
    Ok(Json(listed(&page, projects, id, ProjectBody::from)))
}

/// Makes a project.
#[utoipa::path(post, path = "/v0/projects", tag = "access", security(("token" = [])),
    request_body = NewProjectBody,
    responses((status = 201, body = ProjectBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewProjectBody>,
) -> Result<(StatusCode, Json<ProjectBody>), ApiError> {
    caller.must_be_admin()?;
    text::slug(&body.slug)?;
    let name = body.name.unwrap_or_else(|| body.slug.clone());
    text::name(&name)?;
    let new = NewProject {
        slug: body.slug,
        name,
        quota: quota(body.quota),
    };
    let project = app
        .write(|mut transaction| async {
            let done = transaction.create_project(&new).await;
            (transaction, done)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(project.into())))
}

/// A project.
#[utoipa::path(get, path = "/v0/projects/{project}", tag = "access", security(("token" = [])),
    params(("project" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = ProjectBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<ProjectBody>, ApiError> {
    Ok(Json(caller.project(&app, &project).await?.into()))
}

/// Changes what a project may have.
#[utoipa::path(put, path = "/v0/projects/{project}/quota", tag = "access",
    security(("token" = [])), request_body = QuotaBody,
    params(("project" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = ProjectBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn set_quota(
    State(app): State<App>,
    caller: Caller,
    Path(project): Path<String>,
    Json(body): Json<QuotaBody>,
) -> Result<Json<ProjectBody>, ApiError> {
    caller.must_be_admin()?;
    let found = caller.project(&app, &project).await?;
    let quota = quota(body);
    app.write(|mut transaction| async {
        let done = transaction.set_quota(found.id, &quota).await;
        (transaction, done)
    })
    .await?;
    Ok(Json(caller.project(&app, &project).await?.into()))
}
