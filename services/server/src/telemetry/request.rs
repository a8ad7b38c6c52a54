//! One request: its span in the log, in its trace, and in the numbers.

use std::time::{Instant, SystemTime};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use bencher_jobs::JobId;
use tracing::Instrument as _;

use super::context::Context;
use super::otlp::{Attribute, Kind, Outcome, Span};
use crate::app::App;

/// Tells whoever asked which lines of the log are about it.
const TRACE: HeaderName = HeaderName::from_static("x-trace-id");
/// The part of a route that stands for a job.
const JOB: &str = "{job}";

/// Gives a request a trace, counts it, and tells the collector of it once it is answered. Handlers find the
/// [`Context`] among the request's extensions.
pub(crate) async fn trace(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let parent = request.headers().get("traceparent");
    let context = Context::of(parent.and_then(|value| value.to_str().ok()));
    request.extensions_mut().insert(context);
    let is_read = request.method().is_safe();
    let method = request.method().clone();
    // The pattern: a path may hold what is nobody else's business.
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(String::new, |path| path.as_str().to_owned());
    let job = job(&route, request.uri().path());
    let (start, began) = (SystemTime::now(), Instant::now());
    let span = tracing::info_span!(
        "request", trace_id = %context.trace, span_id = %context.span, %method, route,
        job = job.map(display)
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
    app.metrics.count_request(&method, &route, status, took);
    if let Ok(value) = HeaderValue::try_from(context.trace.to_string()) {
        response.headers_mut().insert(TRACE, value);
    }
    if let Some(exporter) = &app.exporter {
        let mut attributes = vec![
            ("http.request.method", method.as_str().into()),
            ("http.route", route.as_str().into()),
            (
                "http.response.status_code",
                Attribute::Number(status.into()),
            ),
        ];
        attributes.extend(job.map(|job| ("bencher.job.id", job.to_string().into())));
        exporter.export(Span {
            context,
            name: format!("{method} {route}").trim_end().to_owned(),
            kind: Kind::Server,
            start,
            end: start + took,
            attributes,
            outcome: if status >= 500 {
                Outcome::Error(String::new())
            } else {
                Outcome::Unset
            },
        });
    }
    response
}

/// The job that a request is about. Only an identifier is one: what else stands there may be anything.
fn job(route: &str, path: &str) -> Option<JobId> {
    let place = route.split('/').position(|part| part == JOB)?;
    path.split('/').nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_of_a_path() {
        let id = JobId::generate();
        for (route, path, expected) in [
            ("/v0/jobs/{job}", format!("/v0/jobs/{id}"), Some(id)),
            (
                "/v0/jobs/{job}/results/{iteration}/file",
                format!("/v0/jobs/{id}/results/0/file"),
                Some(id),
            ),
            ("/jobs/{job}", format!("/jobs/{id}"), Some(id)),
            ("/v0/jobs/{job}", "/v0/jobs/secret".to_owned(), None),
            ("/v0/runners/{runner}", format!("/v0/runners/{id}"), None),
            ("", format!("/v0/jobs/{id}"), None),
        ] {
            assert_eq!(job(route, &path), expected, "{route} {path}");
        }
    }
}
