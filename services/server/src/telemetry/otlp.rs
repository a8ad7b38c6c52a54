//! Spans as a collector takes them: the OpenTelemetry Protocol over HTTP, in JSON
//! (opentelemetry-proto, `trace/v1/trace.proto`, with the JSON mapping of the OTLP specification).

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::context::Context;

/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// A request that was answered.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) context: Context,
    pub(super) method: String,
    /// The pattern of the path, without what people name; empty where there is no such page.
    pub(super) route: String,
    pub(super) status: u16,
    pub(super) start: SystemTime,
    pub(super) took: Duration,
}

/// The body of `POST /v1/traces`.
pub(super) fn body(spans: &[Span]) -> Value {
    let spans: Vec<_> = spans.iter().map(span).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": [
            text("service.name", "bencher-server"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ]},
        "scopeSpans": [{"scope": {"name": "bencher_server"}, "spans": spans}],
    }]})
}

fn span(span: &Span) -> Value {
    let start = span
        .start
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let mut value = json!({
        "traceId": span.context.trace.to_string(),
        "spanId": span.context.span.to_string(),
        "name": format!("{} {}", span.method, span.route).trim_end(),
        "kind": SERVER,
        // 64-bit numbers are texts there.
        "startTimeUnixNano": start.as_nanos().to_string(),
        "endTimeUnixNano": (start + span.took).as_nanos().to_string(),
        "attributes": [
            text("http.request.method", &span.method),
            text("http.route", &span.route),
            {"key": "http.response.status_code", "value": {"intValue": span.status.to_string()}},
        ],
    });
    if let Some(parent) = span.context.parent {
        value["parentSpanId"] = parent.to_string().into();
    }
    if span.status >= 500 {
        value["status"] = json!({"code": ERROR});
    }
    value
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_in_the_words_of_the_protocol() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let span = Span {
            context: Context::of(Some(parent)),
            method: "GET".to_owned(),
            route: "/v0/jobs/{job}".to_owned(),
            status: 503,
            start: SystemTime::UNIX_EPOCH + Duration::from_secs(5),
            took: Duration::from_micros(7),
        };
        let body = body(std::slice::from_ref(&span));
        let sent = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(sent["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(sent["parentSpanId"], "b7ad6b7169203331");
        assert_eq!(sent["spanId"], span.context.span.to_string().as_str());
        assert_eq!(sent["name"], "GET /v0/jobs/{job}");
        assert_eq!(sent["startTimeUnixNano"], "5000000000");
        assert_eq!(sent["endTimeUnixNano"], "5000007000");
        assert_eq!(sent["status"]["code"], 2);
        let fine = Span {
            status: 404,
            context: Context::of(None),
            ..span
        };
        let body = super::body(&[fine]);
        let sent = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert!(
            sent["status"].is_null() && sent["parentSpanId"].is_null(),
            "{sent}"
        );
    }
}
