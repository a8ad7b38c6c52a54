//! Spans as a collector takes them: the OpenTelemetry Protocol over HTTP, in JSON
//! (opentelemetry-proto, `trace/v1/trace.proto`, with the JSON mapping of the OTLP specification).

use std::time::SystemTime;

use serde_json::{Value, json};

use super::context::Context;

/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// What a span is of: `SpanKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something of this server's own.
    Internal = 1,
    /// A request that it answered.
    Server = 2,
}

/// Something that took its time, and is over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) context: Context,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    pub(super) attributes: Vec<(&'static str, Attribute)>,
    pub(super) outcome: Outcome,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not worth a word.
    Unset,
    /// Badly, and why if that can be said.
    Error(String),
}

/// What is said of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attribute {
    Text(String),
    Number(i64),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The body of `POST /v1/traces`.
pub(super) fn body(spans: &[Span]) -> Value {
    let spans: Vec<_> = spans.iter().map(span).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": [
            attribute("service.name", &"bencher-server".into()),
            attribute("service.version", &env!("CARGO_PKG_VERSION").into()),
        ]},
        "scopeSpans": [{"scope": {"name": "bencher_server"}, "spans": spans}],
    }]})
}

fn span(span: &Span) -> Value {
    let attributes: Vec<_> = span
        .attributes
        .iter()
        .map(|(key, value)| attribute(key, value))
        .collect();
    let mut value = json!({
        "traceId": span.context.trace.to_string(),
        "spanId": span.context.span.to_string(),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": nanoseconds(span.start),
        "endTimeUnixNano": nanoseconds(span.end),
        "attributes": attributes,
    });
    if let Some(parent) = span.context.parent {
        value["parentSpanId"] = parent.to_string().into();
    }
    if let Outcome::Error(message) = &span.outcome {
        value["status"] = json!({"code": ERROR, "message": message});
    }
    value
}

/// 64-bit numbers are texts there.
fn nanoseconds(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_nanos().to_string()
}

fn attribute(key: &str, value: &Attribute) -> Value {
    let value = match value {
        Attribute::Text(text) => json!({"stringValue": text}),
        Attribute::Number(number) => json!({"intValue": number.to_string()}),
    };
    json!({"key": key, "value": value})
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_span_in_the_words_of_the_protocol() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
        let span = Span {
            context: Context::of(Some(parent)),
            name: "GET /v0/jobs/{job}".to_owned(),
            kind: Kind::Server,
            start,
            end: start + Duration::from_micros(7),
            attributes: vec![
                ("http.request.method", "GET".into()),
                ("http.response.status_code", Attribute::Number(503)),
            ],
            outcome: Outcome::Error("away".to_owned()),
        };
        let body = body(std::slice::from_ref(&span));
        let sent = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(sent["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(sent["parentSpanId"], "b7ad6b7169203331");
        assert_eq!(sent["spanId"], span.context.span.to_string().as_str());
        assert_eq!(sent["name"], "GET /v0/jobs/{job}");
        assert_eq!(sent["kind"], 2);
        assert_eq!(sent["startTimeUnixNano"], "5000000000");
        assert_eq!(sent["endTimeUnixNano"], "5000007000");
        assert_eq!(sent["status"], json!({"code": 2, "message": "away"}));
        assert_eq!(
            sent["attributes"],
            json!([
                {"key": "http.request.method", "value": {"stringValue": "GET"}},
                {"key": "http.response.status_code", "value": {"intValue": "503"}},
            ])
        );
        let fine = Span {
            outcome: Outcome::Unset,
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
