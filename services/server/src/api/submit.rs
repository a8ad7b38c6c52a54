//! Jobs come in.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use bencher_channel_protocol::JobConfig;
use bencher_jobs::{ComparisonId, JobId, ProjectId, interleave};
use bencher_server_api::{
    Config, Job as JobBody, NewComparison as NewComparisonBody, NewJob as NewJobBody, Submitted,
};

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::Json;
use super::jobs::body as job_body;
use crate::app::App;
use crate::store::{NewJob, Project, Role, Side, Spec};
use crate::telemetry::Context;
use crate::variables::Parted;

/// How long a job may take, in seconds, if it does not say it.
const TIMEOUT: u32 = 3600;
/// The longest that a job may ask for, in seconds: a day.
const MAX_TIMEOUT: u32 = 86_400;

/// What all jobs of one comparison may hold: each has a copy of its side.
const MAX_COMPARISON_BYTES: usize = 4 << 20;

/// A job's configuration as the runner gets it.
fn protocol(config: Config, project: ProjectId) -> Result<JobConfig, ApiError> {
    registry(&config.registry)?;
    let config = JobConfig {
        registry: config.registry,
        project: project.uuid(),
        digest: config.digest,
        image: config.image,
        entrypoint: config.entrypoint,
        cmd: config.cmd,
        env: config.env,
        timeout: config.timeout,
        file_paths: config.file_paths,
        build_time: config.build_time,
        file_size: config.file_size,
        average: None,
        iter: config.iter,
        fold: None,
        allow_failure: config.allow_failure,
        backdate: None,
    };
    config
        .check()
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    Ok(config)
}

/// Whether this is the address of a registry: `http` or `https`, a host, and no credentials.
pub(crate) fn registry(address: &str) -> Result<(), ApiError> {
    let rest = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"));
    let is_address = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.len() <= 2000
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._:/[]%~".contains(&byte))
    });
    if is_address {
        return Ok(());
    }
    Err(ApiError::invalid(
        "`registry` must be an address like https://registry.example.com, without credentials",
    ))
}

/// Where a job goes.
struct Place {
    project: Project,
    spec: Spec,
    timeout: u32,
}

async fn place(
    app: &App,
    caller: &Caller,
    project: &str,
    spec: &str,
    timeout: Option<u32>,
) -> Result<Place, ApiError> {
    caller.must_be(Role::Submitter)?;
    let project = caller.project(app, project).await?;
    let spec = app.store.spec(spec).await?;
    if spec.archived.is_some() {
        let message = "this spec is archived: choose another one".to_owned();
        return Err(ApiError::new(StatusCode::CONFLICT, "archived", message));
    }
    let timeout = timeout.unwrap_or(TIMEOUT);
    if timeout == 0 || timeout > MAX_TIMEOUT {
        let message = format!("`timeout` must be from 1 to {MAX_TIMEOUT} seconds");
        return Err(ApiError::invalid(message));
    }
    Ok(Place {
        project,
        spec,
        timeout,
    })
}

async fn submit(app: &App, project: ProjectId, jobs: &[NewJob]) -> Result<(), ApiError> {
    app.write(|mut transaction| async {
        let done = transaction.submit(project, jobs, app.settings.queue).await;
        (transaction, done)
    })
    .await?;
    Ok(())
}

/// Submits a job.
#[utoipa::path(post, path = "/v0/jobs", tag = "jobs", security(("token" = [])),
    request_body = NewJobBody,
    responses((status = 201, body = JobBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn job(
    State(app): State<App>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Json(body): Json<NewJobBody>,
) -> Result<(StatusCode, Json<JobBody>), ApiError> {
    let place = place(&app, &caller, &body.project, &body.spec, body.timeout).await?;
    let config = protocol(body.config, place.project.id)?;
    let id = JobId::generate();
    let new = NewJob {
        id,
        spec: place.spec.id,
        submitter: Some(caller.token().id),
        priority: body.priority,
        timeout: place.timeout,
        config: Parted::from(serde_json::to_value(&config)?).seal(&app.sealer, id)?,
        comparison: None,
        trace: Some(context.as_parent()),
    };
    submit(&app, place.project.id, &[new]).await?;
    let job = app.store.described_job(id).await?;
    Ok((
        StatusCode::CREATED,
        Json(job_body(job, &caller, &app.sealer)),
    ))
}

/// Submits a comparison.
#[utoipa::path(post, path = "/v0/comparisons", tag = "jobs", security(("token" = [])),
    request_body = NewComparisonBody,
    responses((status = 201, body = Submitted), (status = "default", body = ErrorBody)))]
pub(crate) async fn comparison(
    State(app): State<App>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Json(body): Json<NewComparisonBody>,
) -> Result<(StatusCode, Json<Submitted>), ApiError> {
    let place = place(&app, &caller, &body.project, &body.spec, body.timeout).await?;
    let order = interleave(body.sides.len(), body.rounds)
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    let mut configs = Vec::with_capacity(body.sides.len());
    for side in body.sides {
        let config = protocol(side, place.project.id)?;
        configs.push(Parted::from(serde_json::to_value(&config)?));
    }
    let bytes: usize = order.iter().map(|&side| configs[side].bytes()).sum();
    if bytes > MAX_COMPARISON_BYTES {
        let message = "this comparison is too large: ask for fewer rounds, or for less in `config`";
        return Err(ApiError::invalid(message));
    }
    let comparison = ComparisonId::generate();
    let mut jobs = Vec::with_capacity(order.len());
    for (position, side) in (0..).zip(order) {
        let id = JobId::generate();
        jobs.push(NewJob {
            id,
            spec: place.spec.id,
            submitter: Some(caller.token().id),
            priority: body.priority,
            timeout: place.timeout,
            config: configs[side].seal(&app.sealer, id)?,
            comparison: Some(Side {
                comparison,
                side: u32::try_from(side).unwrap_or(u32::MAX),
                position,
            }),
            trace: Some(context.as_parent()),
        });
    }
    submit(&app, place.project.id, &jobs).await?;
    let submitted = Submitted {
        comparison: comparison.to_string(),
        jobs: jobs.iter().map(|job| job.id.to_string()).collect(),
    };
    Ok((StatusCode::CREATED, Json(submitted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries() {
        for fine in [
            "https://r.example",
            "http://127.0.0.1:5000/",
            "https://[::1]:5000",
        ] {
            assert!(registry(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "",
            "r.example",
            "ftp://r",
            "https://",
            "https:///x",
            "https://user:secret@r.example",
            "https://r.example?q",
            "https://r.example/#f",
            "https://r example",
            "https://r\0",
            "file:///etc/passwd",
        ] {
            assert!(registry(wrong).is_err(), "{wrong}");
        }
    }
}
