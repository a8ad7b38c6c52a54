//! What jobs produced.

#![expect(unused_qualifications, reason = "what the macro for parameters writes")]

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bencher_channel_protocol::IterationOutput;
use futures_util::StreamExt as _;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Path, Query};
use super::jobs::find;
use super::reading::{self, Whole, full, garbled};
use crate::app::App;
use crate::beside::beside;
use crate::iterations;
use crate::outputs::{Kept, Reading};
use crate::room::Held;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileQuery {
    /// The file's path, as the job's summary has it.
    path: String,
}

/// What is held of a result that is passed on piece by piece: what a connection and the storage buffer.
const PASSED_ON: usize = 512 << 10;

/// A part of an iteration; nothing if it has no such one. Its room is free once it was sent.
async fn part(
    app: &App,
    caller: &Caller,
    job: &str,
    number: usize,
    part: impl FnOnce(IterationOutput) -> Option<String> + Send + 'static,
) -> Result<Option<Bytes>, ApiError> {
    let found = find(app, caller, job).await?;
    let Some(kept) = app.store.results(found.id).await? else {
        return Err(ApiError::not_found("result of the job", job));
    };
    let Whole { bytes, held } = reading::whole(app, caller.token().id, &kept).await?;
    let found = beside(move || {
        let found = iterations::one(&bytes, number);
        drop(bytes);
        found.map(|found| found.map(|it| part(it).map(|text| OnItsWay::bytes(text, held))))
    });
    found
        .await
        .map_err(|error| garbled(&error))?
        .ok_or_else(|| ApiError::not_found("iteration", &number.to_string()))
}

/// A text, until all of it was sent.
struct OnItsWay {
    text: String,
    /// Held as long as the text.
    _held: Held,
}

impl OnItsWay {
    fn bytes(text: String, mut held: Held) -> Bytes {
        held.shrink(text.capacity());
        Bytes::from_owner(Self { text, _held: held })
    }
}

impl AsRef<[u8]> for OnItsWay {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
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
    json(&app, &caller, &kept).await
}

/// What is kept there, as it is.
async fn json(app: &App, caller: &Caller, kept: &Kept) -> Result<Response, ApiError> {
    let held = app.room.take(caller.token().id, PASSED_ON).await;
    let held = held.map_err(full)?;
    let Reading { length, pieces, .. } = app.outputs.read(kept).await?;
    let pieces = pieces.inspect(move |_| {
        // Held as long as they come.
        let _held = &held;
    });
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
    json(&app, &caller, &kept).await
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
    let of: fn(IterationOutput) -> Option<String> = match stream.as_str() {
        "stdout" => |output| output.stdout,
        "stderr" => |output| output.stderr,
        other => return Err(ApiError::not_found("stream", other)),
    };
    let text = part(&app, &caller, &job, number, of).await?;
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
    let path = query.path.clone();
    let of = move |output: IterationOutput| output.output?.remove(&path);
    let content = part(&app, &caller, &job, number, of).await?;
    let content = content.ok_or_else(|| ApiError::not_found("file", &query.path))?;
    Ok(harmless("application/octet-stream", content))
}
