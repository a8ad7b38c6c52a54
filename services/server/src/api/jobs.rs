//! Jobs are looked at and stopped.

#![expect(unused_qualifications, reason = "what the macro for parameters writes")]

use axum::extract::State;
use bencher_jobs::{ComparisonId, JobId, State as JobState, Timestamp};
use bencher_server_api::{Job as JobBody, Listed, Side, Waiting};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Json, Path, Query};
use super::page::{PageQuery, listed};
use crate::app::App;
use crate::seal::Sealer;
use crate::store::{Described, Filter, Job, KeptConfig, Role};
use crate::time::rfc3339;
use crate::variables;

/// What stands for the value of a variable that is not shown.
const HIDDEN: &str = "(hidden)";
/// What stands for one that was encrypted with a key that was given up.
const UNREADABLE: &str = "(unreadable)";

/// A job as `caller` sees it.
pub(super) fn body(described: Described, caller: &Caller, sealer: &Sealer) -> JobBody {
    let Described {
        job,
        slugs,
        config,
        error,
        summary,
        measured,
    } = described;
    let config = config.map(|config| shown(&job, &config, caller, sealer));
    JobBody {
        id: job.id.to_string(),
        project: job.project.to_string(),
        project_slug: slugs.project,
        spec: job.spec.to_string(),
        spec_slug: slugs.spec,
        state: job.life.state.name().to_owned(),
        reason: job.life.reason.map(|reason| reason.name().to_owned()),
        error,
        priority: job.priority,
        timeout: job.timeout,
        config: config.unwrap_or_default(),
        comparison: job.comparison.map(|side| Side {
            comparison: side.comparison.to_string(),
            side: side.side,
            position: side.position,
        }),
        runner: job.life.runner.map(|runner| runner.to_string()),
        runner_slug: slugs.runner,
        created: rfc3339(job.created),
        claimed: job.life.claimed.map(rfc3339),
        started: job.life.started.map(rfc3339),
        ended: job.life.ended.map(rfc3339),
        trace: job.trace.map(|parent| parent.trace.to_string()),
        waiting: None,
        summary: summary.and_then(|text| serde_json::from_str(&text).ok()),
        measured: measured.and_then(|text| serde_json::from_str(&text).ok()),
    }
}

/// Why the job waits, if it does.
pub(crate) async fn waiting(app: &App, job: &Job) -> Result<Option<Waiting>, ApiError> {
    if job.life.state != JobState::Pending {
        return Ok(None);
    }
    let since = Timestamp::now().before(app.settings.connected());
    Ok(Some(app.store.prospects(job, since).await?))
}

/// What a job runs as `caller` sees it: the values of its variables may be secrets, and those who only
/// read do not see them.
fn shown(job: &Job, kept: &KeptConfig, caller: &Caller, sealer: &Sealer) -> Value {
    let mut config: Value = serde_json::from_str(&kept.text).unwrap_or_default();
    let Some(variables) = config.get_mut("env").and_then(Value::as_object_mut) else {
        return config;
    };
    let instead = if caller.must_be(Role::Submitter).is_err() {
        Some(HIDDEN)
    } else {
        match variables::open(sealer, job.id, kept) {
            Ok(None) => None,
            Ok(Some(opened)) => {
                variables.extend(opened.into_iter().map(|(name, value)| (name, value.into())));
                None
            }
            Err(error) => {
                let trace_id = job.trace_id();
                tracing::debug!(
                    job = %job.id, trace_id, %error, "its variables are shown without their values"
                );
                Some(UNREADABLE)
            }
        }
    };
    if let Some(text) = instead {
        for value in variables.values_mut() {
            *value = text.into();
        }
    }
    config
}

/// Which jobs are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterQuery {
    /// The slug or identifier of their project.
    pub(crate) project: Option<String>,
    /// Their state.
    pub(crate) state: Option<String>,
    /// The slug or identifier of their runner.
    pub(crate) runner: Option<String>,
    /// Their comparison.
    pub(crate) comparison: Option<String>,
}

impl FilterQuery {
    /// What it asks for, as far as whoever asks may see it.
    pub(crate) async fn filter(self, app: &App, caller: &Caller) -> Result<Filter, ApiError> {
        let project = match &self.project {
            Some(project) => Some(caller.project(app, project).await?.id),
            None => caller.token().project,
        };
        let state = self.state.map(|state| state.parse::<JobState>());
        let comparison = self.comparison.map(|id| id.parse::<ComparisonId>());
        Ok(Filter {
            project,
            state: state.transpose().map_err(|_| {
                let names: Vec<_> = JobState::ALL.iter().map(|state| state.name()).collect();
                ApiError::invalid(format!("`state` must be one of {}", names.join(", ")))
            })?,
            runner: match &self.runner {
                Some(runner) => Some(app.store.runner(runner).await?.id),
                None => None,
            },
            comparison: comparison
                .transpose()
                .map_err(|error| ApiError::invalid(error.to_string()))?,
        })
    }
}

/// The job, if whoever asks may see it.
pub(crate) async fn find(app: &App, caller: &Caller, id: &str) -> Result<Job, ApiError> {
    let parsed: JobId = id.parse().map_err(|_| ApiError::not_found("job", id))?;
    let job = app.store.job(parsed).await?;
    if caller.sees(job.project) {
        Ok(job)
    } else {
        Err(ApiError::not_found("job", id))
    }
}

/// Jobs.
#[utoipa::path(get, path = "/v0/jobs", tag = "jobs", params(FilterQuery, PageQuery),
    security(("token" = [])),
    responses((status = 200, body = Listed<JobBody>), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(filter): Query<FilterQuery>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Listed<JobBody>>, ApiError> {
    let page = query.page()?;
    let filter = filter.filter(&app, &caller).await?;
    let jobs = app.store.jobs(&filter, &page).await?;
    let id = |described: &Described| described.job.id.to_string();
    let body = |described| body(described, &caller, &app.sealer);
    Ok(Json(listed(&page, jobs, id, body)))
}

/// A job.
#[utoipa::path(get, path = "/v0/jobs/{job}", tag = "jobs", security(("token" = [])),
    params(("job" = String, Path, description = "Its identifier")),
    responses((status = 200, body = JobBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<Json<JobBody>, ApiError> {
    let found = find(&app, &caller, &job).await?;
    let described = app.store.described_job(found.id).await?;
    let waiting = waiting(&app, &described.job).await?;
    Ok(Json(JobBody {
        waiting,
        ..body(described, &caller, &app.sealer)
    }))
}

/// Stops a job that is not over, with all that waits of its comparison. One that is over stays as
/// it is. Its runner is told at its next heartbeat.
#[utoipa::path(post, path = "/v0/jobs/{job}/cancel", tag = "jobs", security(("token" = [])),
    params(("job" = String, Path, description = "Its identifier")),
    responses((status = 200, body = JobBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<Json<JobBody>, ApiError> {
    caller.must_be(Role::Submitter)?;
    let found = find(&app, &caller, &job).await?;
    app.write(|mut transaction| async {
        let done = transaction.cancel(found.id).await;
        (transaction, done)
    })
    .await?;
    let described = app.store.described_job(found.id).await?;
    Ok(Json(body(described, &caller, &app.sealer)))
}
