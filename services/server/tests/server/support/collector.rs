//! An OpenTelemetry collector, as far as the server can see one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::Value;

use super::PATIENCE;

/// Takes all spans that come.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    spans: Arc<(Mutex<Vec<Value>>, Condvar)>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let kept = Arc::clone(&spans);
        // It ends with the test.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let body = take(stream.unwrap());
                let sent = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
                let (spans, news) = &*kept;
                spans
                    .lock()
                    .unwrap()
                    .extend_from_slice(sent.as_array().unwrap());
                news.notify_all();
            }
        });
        Self { endpoint, spans }
    }

    /// Waits until spans are there of which `pick` makes something.
    pub(crate) fn wait_for<T>(&self, pick: impl Fn(&[Value]) -> Option<T>) -> T {
        let (spans, news) = &*self.spans;
        let spans = spans.lock().unwrap();
        let (spans, _) = news
            .wait_timeout_while(spans, PATIENCE, |spans| pick(spans).is_none())
            .unwrap();
        pick(&spans).unwrap_or_else(|| panic!("these came: {spans:#?}"))
    }
}

/// The body of a request, which is answered.
fn take(stream: TcpStream) -> Value {
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
    serde_json::from_slice(&body).unwrap()
}

/// What is said of a span.
pub(crate) fn attribute(span: &Value, key: &str) -> Option<String> {
    let attributes = span["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|one| one["key"] == key)?;
    found["value"]["stringValue"].as_str().map(str::to_owned)
}
