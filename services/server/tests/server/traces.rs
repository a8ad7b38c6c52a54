//! Traces: in the log, and at a collector.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Takes spans as a collector does, until one of the trace comes.
fn collect(listener: &TcpListener, trace: &str) -> Value {
    loop {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        let mut first = String::new();
        reader.read_line(&mut first).unwrap();
        assert_eq!(first.trim_end(), "POST /v1/traces HTTP/1.1");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        let found = spans
            .as_array()
            .unwrap()
            .iter()
            .find(|span| span["traceId"] == trace);
        if let Some(span) = found {
            return span.clone();
        }
    }
}

#[test]
fn a_trace_goes_on_in_the_log_and_at_the_collector() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let site = Site::with(Setup::with(&[
        "--otlp-endpoint",
        &endpoint,
        "--log-format",
        "json",
    ]));
    let project = json!({"slug": "traced"}).to_string();
    let response = ureq::post(format!("{}/v0/projects", site.server().url))
        .header("authorization", format!("Bearer {}", site.api.token()))
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .send(project)
        .unwrap();
    assert_eq!(response.headers()["x-trace-id"], TRACE);
    let span = collect(&collector, TRACE);
    assert_eq!(span["name"], "POST /v0/projects");
    assert_eq!(
        (&span["parentSpanId"], &span["kind"]),
        (&json!(PARENT), &json!(2))
    );
    let log = fs::read_to_string(site.path("log")).unwrap();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_trace: Vec<_> = lines
        .filter(|line| line["span"]["trace_id"] == TRACE)
        .collect();
    assert_eq!(of_trace.len(), 1, "{log}");
    assert_eq!(of_trace[0]["fields"]["status"], 201);
    assert!(!log.contains(site.api.token()));
}

#[test]
fn a_collector_that_is_away_holds_nothing_up() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut site = Site::with(Setup::with(&["--otlp-endpoint", &endpoint]));
    site.submit();
    assert!(site.server.take().expect("it runs").stop());
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert!(log.contains("the collector does not take traces"), "{log}");
}
