//! Comparisons are looked at.

#![expect(unused_qualifications, reason = "what the macro for parameters writes")]

use axum::extract::State;
use bencher_jobs::{ComparisonId, State as JobState};
use bencher_server_api::{Comparison as ComparisonBody, ComparisonSide, Listed};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Json, Path, Query};
use super::page::{PageQuery, listed};
use crate::app::App;
use crate::store::Comparison;
use crate::time::rfc3339;

fn body(comparison: Comparison) -> ComparisonBody {
    let Comparison {
        id,
        first,
        slugs,
        sides,
        ended,
    } = comparison;
    let side = |states: Vec<(JobState, u32)>| ComparisonSide {
        jobs: states
            .into_iter()
            .map(|(state, jobs)| (state.name().to_owned(), jobs))
            .collect(),
    };
    ComparisonBody {
        id: id.to_string(),
        project: first.project.to_string(),
        project_slug: slugs.project,
        spec: first.spec.to_string(),
        spec_slug: slugs.spec,
        runner: first.life.runner.map(|runner| runner.to_string()),
        runner_slug: slugs.runner,
        created: rfc3339(first.created),
        ended: ended.map(rfc3339),
        sides: sides.into_values().map(side).collect(),
    }
}

/// Which comparisons are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterQuery {
    /// The slug or identifier of their project.
    project: Option<String>,
}

/// Comparisons.
#[utoipa::path(get, path = "/v0/comparisons", tag = "jobs", params(FilterQuery, PageQuery),
    security(("token" = [])),
    responses((status = 200, body = Listed<ComparisonBody>), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(filter): Query<FilterQuery>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Listed<ComparisonBody>>, ApiError> {
    let page = query.page()?;
    let project = match &filter.project {
        Some(project) => Some(caller.project(&app, project).await?.id),
        None => caller.token().project,
    };
    let comparisons = app.store.comparisons(project, &page).await?;
    let id = |comparison: &Comparison| comparison.id.to_string();
    Ok(Json(listed(&page, comparisons, id, body)))
}

/// A comparison. Its jobs are in the list of jobs, and what they measured in their results.
#[utoipa::path(get, path = "/v0/comparisons/{comparison}", tag = "jobs",
    security(("token" = [])),
    params(("comparison" = String, Path, description = "Its identifier")),
    responses((status = 200, body = ComparisonBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(comparison): Path<String>,
) -> Result<Json<ComparisonBody>, ApiError> {
    let unknown = || ApiError::not_found("comparison", &comparison);
    let id: ComparisonId = comparison.parse().map_err(|_| unknown())?;
    let found = app.store.comparison(id).await?;
    if caller.sees(found.first.project) {
        Ok(Json(body(found)))
    } else {
        Err(unknown())
    }
}
