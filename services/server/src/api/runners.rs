//! Runners, their keys, and what they can run.

use axum::extract::State;
use axum::http::StatusCode;
use bencher_channel_protocol::RunnerInfo;
use bencher_jobs::Timestamp;
use bencher_server_api::{Listed, NewRunner as NewRunnerBody, Runner as RunnerBody, RunnerWithKey};

use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Json, Path, Query};
use super::page::{PageQuery, listed};
use super::{ApiError, text};
use crate::app::App;
use crate::key::Key;
use crate::store::{Runner, Spec};
use crate::time::rfc3339;

fn body(app: &App, runner: Runner) -> RunnerBody {
    let since = Timestamp::now().before(app.settings.connected());
    RunnerBody {
        id: runner.id.to_string(),
        connected: runner.is_connected(since),
        slug: runner.slug,
        name: runner.name,
        created: rfc3339(runner.created),
        archived: runner.archived.map(rfc3339),
        seen: runner.seen.map(rfc3339),
        metadata: runner
            .metadata
            .and_then(|text| serde_json::from_str(&text).ok()),
        specs: None,
    }
}

async fn with_specs(app: &App, name: &str) -> Result<RunnerBody, ApiError> {
    let runner = app.store.runner(name).await?;
    let specs = app.store.specs_of(runner.id).await?;
    Ok(RunnerBody {
        specs: Some(specs.iter().map(ToString::to_string).collect()),
        ..body(app, runner)
    })
}

/// Runners.
#[utoipa::path(get, path = "/v0/runners", tag = "fleet", params(PageQuery),
    security(("token" = [])),
    responses((status = 200, body = Listed<RunnerBody>), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    _caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<Listed<RunnerBody>>, ApiError> {
    let page = query.page()?;
    let runners = app.store.runners(&page).await?;
    let id = |runner: &Runner| runner.id.to_string();
    let body = |runner| body(&app, runner);
    Ok(Json(listed(&page, runners, id, body)))
}

/// Makes a runner. Its key is shown this once.
#[utoipa::path(post, path = "/v0/runners", tag = "fleet", security(("token" = [])),
    request_body = NewRunnerBody,
    responses((status = 201, body = RunnerWithKey), (status = "default", body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewRunnerBody>,
) -> Result<(StatusCode, Json<RunnerWithKey>), ApiError> {
    caller.must_be_admin()?;
    text::slug(&body.slug)?;
    let name = body.name.unwrap_or_else(|| body.slug.clone());
    text::name(&name)?;
    let mut specs = Vec::new();
    for spec in &body.specs {
        specs.push(app.store.spec(spec).await?.id);
    }
    let key = Key::runner()?;
    let runner = app
        .write(|mut transaction| async {
            let done = async {
                let runner = transaction
                    .create_runner(&body.slug, &name, &key.hash())
                    .await?;
                for spec in &specs {
                    transaction.link(runner.id, *spec, true).await?;
                }
                Ok(runner)
            }
            .await;
            (transaction, done)
        })
        .await?;
    let runner = with_specs(&app, &runner.id.to_string()).await?;
    let key = key.expose().to_owned();
    Ok((StatusCode::CREATED, Json(RunnerWithKey { runner, key })))
}

/// A runner.
#[utoipa::path(get, path = "/v0/runners/{runner}", tag = "fleet", security(("token" = [])),
    params(("runner" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = RunnerBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn show(
    State(app): State<App>,
    _caller: Caller,
    Path(runner): Path<String>,
) -> Result<Json<RunnerBody>, ApiError> {
    Ok(Json(with_specs(&app, &runner).await?))
}

/// Gives a runner another key, shown this once. The old one is worth nothing at once, and the
/// connection that it opened ends.
#[utoipa::path(post, path = "/v0/runners/{runner}/key", tag = "fleet", security(("token" = [])),
    params(("runner" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = RunnerWithKey), (status = "default", body = ErrorBody)))]
pub(crate) async fn rotate_key(
    State(app): State<App>,
    caller: Caller,
    Path(runner): Path<String>,
) -> Result<Json<RunnerWithKey>, ApiError> {
    caller.must_be_admin()?;
    let found = app.store.runner(&runner).await?;
    let key = Key::runner()?;
    app.write(|mut transaction| async {
        let done = transaction.rotate_key(found.id, &key.hash()).await;
        (transaction, done)
    })
    .await?;
    let runner = with_specs(&app, &runner).await?;
    let key = key.expose().to_owned();
    Ok(Json(RunnerWithKey { runner, key }))
}

/// Lets a runner have no more jobs. What it is at may be finished; what waits for it as the machine
/// of a comparison fails.
#[utoipa::path(post, path = "/v0/runners/{runner}/archive", tag = "fleet",
    security(("token" = [])),
    params(("runner" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = RunnerBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn archive(
    State(app): State<App>,
    caller: Caller,
    Path(runner): Path<String>,
) -> Result<Json<RunnerBody>, ApiError> {
    caller.must_be_admin()?;
    let found = app.store.runner(&runner).await?;
    app.write(|mut transaction| async {
        let done = transaction.archive_runner(found.id).await;
        (transaction, done)
    })
    .await?;
    Ok(Json(with_specs(&app, &runner).await?))
}

/// Lets a runner run a spec's jobs. One that said, when it was last connected, that it is of another operating
/// system or architecture is not linked: it would refuse each of them.
#[utoipa::path(put, path = "/v0/runners/{runner}/specs/{spec}", tag = "fleet",
    security(("token" = [])),
    params(("runner" = String, Path, description = "Its slug or identifier"),
        ("spec" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = RunnerBody),
        (status = 409, body = ErrorBody, description = "It is another kind of machine"),
        (status = "default", body = ErrorBody)))]
pub(crate) async fn link(
    state: State<App>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<Json<RunnerBody>, ApiError> {
    set_link(state, caller, path, true).await
}

/// Lets a runner run a spec's jobs no more.
#[utoipa::path(delete, path = "/v0/runners/{runner}/specs/{spec}", tag = "fleet",
    security(("token" = [])),
    params(("runner" = String, Path, description = "Its slug or identifier"),
        ("spec" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = RunnerBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn unlink(
    state: State<App>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<Json<RunnerBody>, ApiError> {
    set_link(state, caller, path, false).await
}

/// Refuses a runner that has said that it is another kind of machine than the spec's. What it will be once
/// it has connected nobody knows.
fn must_fit(runner: &Runner, spec: &Spec) -> Result<(), ApiError> {
    let metadata = runner.metadata.as_deref();
    let said: Option<RunnerInfo> = metadata.and_then(|text| serde_json::from_str(text).ok());
    let Some(said) = said else {
        return Ok(());
    };
    let is = [said.os.name(), said.arch.name()];
    let must_be = [spec.asks.os.as_str(), spec.asks.architecture.as_str()];
    if is == must_be {
        return Ok(());
    }
    let message = format!(
        "the runner `{}` says that it is {}, and the spec `{}` is for {}: link another spec, or start the \
         runner on such a machine first",
        runner.slug,
        is.join(" "),
        spec.asks.slug,
        must_be.join(" "),
    );
    Err(ApiError::new(StatusCode::CONFLICT, "unfit", message))
}

async fn set_link(
    State(app): State<App>,
    caller: Caller,
    Path((runner, spec)): Path<(String, String)>,
    is_linked: bool,
) -> Result<Json<RunnerBody>, ApiError> {
    caller.must_be_admin()?;
    let found = app.store.runner(&runner).await?;
    let spec = app.store.spec(&spec).await?;
    if is_linked {
        must_fit(&found, &spec)?;
    }
    app.write(|mut transaction| async {
        let done = transaction.link(found.id, spec.id, is_linked).await;
        (transaction, done)
    })
    .await?;
    Ok(Json(with_specs(&app, &runner).await?))
}
