//! What went wrong, as a page.

use axum::response::{IntoResponse, Response};
use maud::html;

use super::layout;
use crate::api::ApiError;
use crate::outputs::OutputError;
use crate::store::StoreError;

/// Why there is no page.
#[derive(Debug)]
pub(super) struct PageError(ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

// What handlers meet becomes an error of the API first.
const _: fn(StoreError) -> PageError = PageError::from;
const _: fn(OutputError) -> PageError = PageError::from;

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = self.0.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let body = html! {
            h1 { (title) }
            p { (self.0.message()) }
            p { a href="/jobs" { "All jobs" } }
        };
        let mut response = self.0.into_response();
        let page = layout::bare(title, &body).into_response();
        // The status stays, and how long to wait; the body and its type are the page's.
        *response.body_mut() = axum::body::Body::empty();
        let (mut parts, _) = response.into_parts();
        let (page, body) = page.into_parts();
        parts.headers.extend(page.headers);
        parts.headers.remove(axum::http::header::CONTENT_LENGTH);
        Response::from_parts(parts, body)
    }
}
