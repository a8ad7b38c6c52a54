//! The server itself.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bencher_jobs::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;
use super::error::Body as ErrorBody;
use super::extract::Json;
use crate::app::App;
use crate::metrics::Seen;

/// The server is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Well {
    status: &'static str,
    version: &'static str,
}

const WELL: Well = Well {
    status: "ok",
    version: env!("CARGO_PKG_VERSION"),
};

/// Whether the server runs.
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, body = Well)))]
pub(crate) async fn healthz() -> Json<Well> {
    Json(WELL)
}

/// Whether the server can do its work: its database and the storage of outputs answered a second ago at most, and it
/// is not about to end.
#[utoipa::path(get, path = "/readyz", tag = "system",
    responses((status = 200, body = Well), (status = 503, body = ErrorBody)))]
pub(crate) async fn readyz(State(app): State<App>) -> Result<Json<Well>, ApiError> {
    let not_ready = |what: &str| ApiError::away("not_ready", format!("not ready: {what}"));
    if *app.shutdown.borrow() {
        return Err(not_ready("the server is about to end"));
    }
    let ready = app.readiness.check(&app.store, &app.outputs).await;
    ready.map_err(|unready| not_ready(&unready.to_string()))?;
    Ok(Json(WELL))
}

/// Numbers for Prometheus. They name nobody and nothing, and those of the database are some seconds old at
/// most, or not there while it does not answer.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let connected = app.settings.connected();
    let seen = Seen {
        connected: app.bus.connected(),
        watchers: app.watchers.count(),
        database: app.counted.numbers(&app.store, connected).await,
    };
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, app.metrics.text(&seen, Timestamp::now())).into_response()
}

/// This document.
#[utoipa::path(get, path = "/v0/openapi.json", tag = "system",
    responses((status = 200, content_type = "application/json", body = serde_json::Value)))]
pub(crate) async fn openapi() -> Response {
    // It is long, and always the same.
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| {
        serde_json::to_vec(&super::document())
            .unwrap_or_default()
            .into()
    });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, TEXT.clone()).into_response()
}

pub(crate) fn nothing(uri: &Uri) -> ApiError {
    ApiError::not_found("page", uri.path())
}

pub(crate) fn other_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this is not done with this method: see /v0/openapi.json".to_owned(),
    )
}
