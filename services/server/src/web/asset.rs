//! Files that pages load.

use axum::http::header;
use axum::response::IntoResponse;

/// They change with the server's version only; an hour bounds how long an old one is used.
const KEPT: &str = "public, max-age=3600";

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, KEPT)],
        text,
    )
}

pub(super) async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("style.css"))
}

pub(super) async fn live() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("live.js"))
}

pub(super) async fn icon() -> impl IntoResponse {
    asset("image/svg+xml", include_str!("icon.svg"))
}
