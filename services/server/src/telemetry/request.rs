//! One request: its span in the log, and in its trace.

use std::time::{Instant, SystemTime};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::context::Context;
use super::otlp::Span;
use crate::app::App;

/// Tells whoever asked which lines of the log are about it.
const TRACE: HeaderName = HeaderName::from_static("x-trace-id");

/// Gives a request a trace, and tells the collector of it once it is answered.
pub(crate) async fn trace(State(app): State<App>, request: Request, next: Next) -> Response {
    let parent = request.headers().get("traceparent");
    let context = Context::of(parent.and_then(|value| value.to_str().ok()));
    let is_read = request.method().is_safe();
    let method = request.method().to_string();
    // The pattern: a path may hold what is nobody else's business.
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(String::new, |path| path.as_str().to_owned());
    let (start, began) = (SystemTime::now(), Instant::now());
    let span = tracing::info_span!(
        "request", trace_id = %context.trace, span_id = %context.span, method, route
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = began.elapsed();
    let milliseconds = took.as_millis();
    // What changes something is worth a line.
    if is_read {
        tracing::debug!(parent: &span, status, milliseconds, "answered");
    } else {
        tracing::info!(parent: &span, status, milliseconds, "answered");
    }
    if let Ok(value) = HeaderValue::try_from(context.trace.to_string()) {
        response.headers_mut().insert(TRACE, value);
    }
    if let Some(exporter) = &app.exporter {
        exporter.export(Span {
            context,
            method,
            route,
            status,
            start,
            took,
        });
    }
    response
}
