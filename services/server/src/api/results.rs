//! What jobs produced.

#![expect(unused_qualifications, reason = "what the macro for parameters writes")]

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bencher_channel_protocol::IterationOutput;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Path, Query};
use super::jobs::find;
use crate::app::App;
use crate::outputs::{Kept, Reading};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileQuery {
    /// The file's path, as the job's summary has it.
    path: String,
}

async fn results(app: &App, caller: &Caller, job: &str) -> Result<Vec<u8>, ApiError> {
    let found = find(app, caller, job).await?;
    match app.store.results(found.id).await? {
        Some(kept) => Ok(app.outputs.get(&kept).await?),
        None => Err(ApiError::not_found("result of the job", job)),
    }
}

async fn iteration(
    app: &App,
    caller: &Caller,
    job: &str,
    number: usize,
) -> Result<IterationOutput, ApiError> {
    let bytes = results(app, caller, job).await?;
    let results: Vec<IterationOutput> = serde_json::from_slice(&bytes)?;
    results
        .into_iter()
        .nth(number)
        .ok_or_else(|| ApiError::not_found("iteration", &number.to_string()))
}

/// What came out of an image is to be saved or shown as text, and never as a page of this server.
fn harmless(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = body.into().into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// All that a job produced: a list of iterations, as its runner sent it.
#[utoipa::path(get, path = "/v0/jobs/{job}/results", tag = "jobs", security(("token" = [])),
    params(("job" = String, Path, description = "Its identifier")),
    responses((status = 200, content_type = "application/json", body = Vec<serde_json::Value>),
        (status = "default", body = ErrorBody)))]
pub(crate) async fn all(
    State(app): State<App>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<Response, ApiError> {
    let found = find(&app, &caller, &job).await?;
    let Some(kept) = app.store.results(found.id).await? else {
        return Err(ApiError::not_found("result of the job", &job));
    };
    json(&app, &kept).await
}

/// What is kept there, as it is.
async fn json(app: &App, kept: &Kept) -> Result<Response, ApiError> {
    let Reading { length, pieces } = app.outputs.read(kept).await?;
    let mut response = harmless("application/json", Body::from_stream(pieces));
    // So that whoever reads it sees where the storage broke off.
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    Ok(response)
}

/// How a job was measured: the result document of its runner, as that sent it, without what the command
/// wrote. `runner compare` and `runner reproduce` read it.
#[utoipa::path(get, path = "/v0/jobs/{job}/evidence", tag = "jobs", security(("token" = [])),
    params(("job" = String, Path, description = "Its identifier")),
    responses((status = 200, content_type = "application/json", body = serde_json::Value),
        (status = "default", body = ErrorBody)))]
pub(crate) async fn evidence(
    State(app): State<App>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<Response, ApiError> {
    let found = find(&app, &caller, &job).await?;
    let Some(kept) = app.store.evidence(found.id).await? else {
        return Err(ApiError::not_found("evidence of the job", &job));
    };
    json(&app, &kept).await
}

/// What an iteration wrote to a stream.
#[utoipa::path(get, path = "/v0/jobs/{job}/results/{iteration}/{stream}", tag = "jobs",
    security(("token" = [])),
    params(("job" = String, Path, description = "Its identifier"),
        ("iteration" = usize, Path, description = "From 0"),
        ("stream" = String, Path, description = "`stdout` or `stderr`")),
    responses((status = 200, content_type = "text/plain", body = String),
        (status = "default", body = ErrorBody)))]
pub(crate) async fn stream(
    State(app): State<App>,
    caller: Caller,
    Path((job, number, stream)): Path<(String, usize, String)>,
) -> Result<Response, ApiError> {
    let output = iteration(&app, &caller, &job, number).await?;
    let text = match stream.as_str() {
        "stdout" => output.stdout,
        "stderr" => output.stderr,
        other => return Err(ApiError::not_found("stream", other)),
    };
    Ok(harmless(
        "text/plain; charset=utf-8",
        text.unwrap_or_default(),
    ))
}

/// A file that an iteration left.
#[utoipa::path(get, path = "/v0/jobs/{job}/results/{iteration}/file", tag = "jobs",
    security(("token" = [])),
    params(("job" = String, Path, description = "Its identifier"),
        ("iteration" = usize, Path, description = "From 0"), FileQuery),
    responses((status = 200, content_type = "application/octet-stream", body = String),
        (status = "default", body = ErrorBody)))]
pub(crate) async fn file(
    State(app): State<App>,
    caller: Caller,
    Path((job, number)): Path<(String, usize)>,
    Query(query): Query<FileQuery>,
) -> Result<Response, ApiError> {
    let output = iteration(&app, &caller, &job, number).await?;
    let content = output
        .output
        .and_then(|mut files| files.remove(&query.path))
        .ok_or_else(|| ApiError::not_found("file", &query.path))?;
    Ok(harmless("application/octet-stream", content))
}
