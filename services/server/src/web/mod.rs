//! Pages for people: what the API has, rendered here, with styles and one small script of our own.
//!
//! A page shows what others wrote (names, commands, output of images), so nothing is put into it
//! but by templates that escape, and its policy lets no script run that is not a file of this
//! server. Whoever is signed in carries their token in a cookie that no script can read and no
//! other site can send; forms carry a proof beside it.

mod answers;
mod asset;
mod comparison;
mod deletion;
mod error;
mod job;
mod jobs;
mod layout;
mod measures;
mod names;
mod plot;
mod result;
mod runners;
mod scale;
mod session;
mod side_plot;
mod sides;
mod statistics;
mod taking;
mod trust;
mod when;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use crate::api::{ApiError, system};
use crate::app::App;
use error::PageError;

/// What a page may load: files of this server, and nothing that stands in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The longest form, in bytes: all that forms hold is short, and one of them is for those without a token.
const FORM: usize = 8 << 10;

/// The pages.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/jobs") }))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{job}", get(job::show))
        .route("/jobs/{job}/cancel", post(job::cancel))
        .route("/jobs/{job}/delete", post(deletion::job))
        .route("/jobs/{job}/events", get(job::events))
        .route("/jobs/{job}/results", get(result::all))
        .route("/jobs/{job}/evidence", get(result::evidence))
        .route("/jobs/{job}/results/{iteration}/file", get(result::file))
        .route(
            "/jobs/{job}/results/{iteration}/{stream}",
            get(result::stream),
        )
        .route("/comparisons/{comparison}", get(comparison::show))
        .route(
            "/comparisons/{comparison}/delete",
            post(deletion::comparison),
        )
        .route("/runners", get(runners::list))
        .route("/sign-in", get(session::form).post(session::sign_in))
        .route("/sign-out", post(session::sign_out))
        .route("/assets/style.css", get(asset::style))
        .route("/assets/live.js", get(asset::live))
        .route("/assets/icon.svg", get(asset::icon))
        .layer(DefaultBodyLimit::max(FORM))
        .layer(map_response(guard))
}

/// That there is nothing at this address.
pub(crate) async fn nothing(headers: HeaderMap, uri: Uri) -> Response {
    told(&headers, &uri, system::nothing(&uri)).await
}

/// That an address is not there for this method.
pub(crate) async fn other_method(headers: HeaderMap, uri: Uri) -> Response {
    told(&headers, &uri, system::other_method()).await
}

/// An error as a page for whoever reads pages, and as one of the API for everybody else.
async fn told(headers: &HeaderMap, uri: &Uri, error: ApiError) -> Response {
    let accepts = headers.get_all(header::ACCEPT).iter();
    let mut accepts = accepts.filter_map(|value| value.to_str().ok());
    let is_of_api = uri.path().starts_with("/v0/");
    if is_of_api || !accepts.any(|accept| accept.contains("text/html")) {
        return error.into_response();
    }
    guard(PageError::from(error).into_response()).await
}

/// Sets what keeps a page from being misused, where an answer has no stricter rule of its own.
async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer` forms would not say where they come from.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
