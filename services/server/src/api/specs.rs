//! Specs.

use axum::extract::State;
use axum::http::StatusCode;
use bencher_channel_protocol::SandboxKind;
use bencher_server_api::{Listed, NewSpec as NewSpecBody, Spec as SpecBody};

use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::{Json, Path, Query};
use super::page::{PageQuery, listed};
use super::{ApiError, text};
use crate::app::App;
use crate::store::{NewSpec, Spec};
use crate::time::rfc3339;

/// The most bytes of memory or of disk: what a JSON number holds exactly.
const MAX_BYTES: u64 = 1 << 53;

impl From<Spec> for SpecBody {
    fn from(spec: Spec) -> Self {
        let asks = spec.asks;
        Self {
            id: spec.id.to_string(),
            slug: asks.slug,
            name: asks.name,
            os: asks.os,
            architecture: asks.architecture,
            sandbox: asks.sandbox,
            cpu: asks.cpu,
            memory: asks.memory,
            disk: asks.disk,
            network: asks.network,
            created: rfc3339(spec.created),
            modified: rfc3339(spec.modified),
            archived: spec.archived.map(rfc3339),
        }
    }
}

/// Specs.
#[utoipa::path(get, path = "/v0/specs", tag = "fleet", params(PageQuery),
    security(("token" = [])),
    responses((status = 200, body = Listed<SpecBody>), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    _caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<Listed<SpecBody>>, ApiError> {
    let page = query.page()?;
    let specs = app.store.specs(&page).await?;
    let id = |spec: &Spec| spec.id.to_string();
    Ok(Json(listed(&page, specs, id, SpecBody::from)))
}

/// Makes a spec.
#[utoipa::path(post, path = "/v0/specs", tag = "fleet", security(("token" = [])),
    request_body = NewSpecBody,
    responses((status = 201, body = SpecBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewSpecBody>,
) -> Result<(StatusCode, Json<SpecBody>), ApiError> {
    caller.must_be_admin()?;
    text::slug(&body.slug)?;
    let name = body.name.unwrap_or_else(|| body.slug.clone());
    text::name(&name)?;
    let bytes = 1..=MAX_BYTES;
    if body.cpu == 0 || !bytes.contains(&body.memory) || !bytes.contains(&body.disk) {
        let message = "`cpu`, `memory` and `disk` must be more than 0, and bytes at most 2^53";
        return Err(ApiError::invalid(message));
    }
    let asks = NewSpec {
        slug: body.slug,
        name,
        os: body.os.name().to_owned(),
        architecture: body.architecture.name().to_owned(),
        sandbox: body
            .sandbox
            .map(|SandboxKind::Firecracker| "firecracker".to_owned()),
        cpu: body.cpu,
        memory: body.memory,
        disk: body.disk,
        network: body.network,
    };
    let spec = app
        .write(|mut transaction| async {
            let done = transaction.create_spec(&asks).await;
            (transaction, done)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(spec.into())))
}

/// A spec.
#[utoipa::path(get, path = "/v0/specs/{spec}", tag = "fleet", security(("token" = [])),
    params(("spec" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = SpecBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn show(
    State(app): State<App>,
    _caller: Caller,
    Path(spec): Path<String>,
) -> Result<Json<SpecBody>, ApiError> {
    Ok(Json(app.store.spec(&spec).await?.into()))
}

/// Lets a spec take no more jobs. Those that wait for it are still run.
#[utoipa::path(post, path = "/v0/specs/{spec}/archive", tag = "fleet", security(("token" = [])),
    params(("spec" = String, Path, description = "Its slug or identifier")),
    responses((status = 200, body = SpecBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn archive(
    State(app): State<App>,
    caller: Caller,
    Path(spec): Path<String>,
) -> Result<Json<SpecBody>, ApiError> {
    caller.must_be_admin()?;
    let found = app.store.spec(&spec).await?;
    app.write(|mut transaction| async {
        let done = transaction.archive_spec(found.id).await;
        (transaction, done)
    })
    .await?;
    Ok(Json(app.store.spec(&spec).await?.into()))
}
