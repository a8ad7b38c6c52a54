//! Bodies of requests that come slowly.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::*;

/// The longest body that is taken.
const MOST: usize = 1 << 20;
/// How long an answer is looked for between two bytes.
const LOOK: Duration = Duration::from_millis(10);

/// Begins a request with a long body.
fn begun(site: &Site, path: &str, headers: &str) -> TcpStream {
    begun_with(site, path, headers, MOST)
}

/// Begins a request with a body of `length` bytes.
fn begun_with(site: &Site, path: &str, headers: &str, length: usize) -> TcpStream {
    let host = site.server().url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .unwrap();
    stream
}

/// What is answered to somebody who sends nothing more, to the connection's end.
fn waits(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// What is answered to somebody who never stops to send a byte now and then, to the connection's end.
fn dribbles(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(LOOK)).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "nothing is answered");
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
            // It hung up on what came after the answer.
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                break;
            }
        }
        let _hung_up = stream.write_all(b" ");
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_body_that_comes_too_slowly_is_given_up_and_nothing_else_is() {
    let site = Site::with(Setup::with(&["--body-timeout", "2"]));
    let mut runner = site.connected("r");
    let id = site.submit();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    let mut watcher = Watcher::of(&site.api, &id);
    watcher.sees("[RUNNING]");
    let token = site.api.token();
    let json = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    // Signing in is for those without a token.
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for answer in [
        waits(begun(&site, "/v0/jobs", &json)),
        dribbles(begun(&site, "/v0/jobs", &json)),
        dribbles(begun(&site, "/sign-in", form)),
    ] {
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        assert!(head.contains("connection: close"), "{head}");
        assert!(body.contains("was not here after 2 s"), "{body}");
    }
    // All this took longer than a body may take.
    assert_eq!(runner.say("heartbeat"), "ack");
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    watcher.ends();
    assert_ne!(watcher.seen, "[RUNNING]");
}

#[test]
fn a_body_that_nobody_asks_for_is_not_waited_for_and_a_long_one_is_read() {
    let site = Site::new();
    for (path, headers, status) in [
        (
            "/v0/jobs",
            "Authorization: Bearer bencher_user_none\r\n",
            401,
        ),
        ("/v0/jobs", "", 401),
        ("/v1", "", 404),
        ("/healthz", "", 405),
    ] {
        let answer = waits(begun(&site, path, headers));
        let begin = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begin), "{path}: {answer}");
    }
    let long = json!({"x": "y".repeat(MOST - 100)});
    let (status, message) = site.api.refused("POST", "/v0/jobs", &long);
    assert_eq!(status, 422, "it was read: {message}");
}

/// Those without a token have little memory of the server.
#[test]
fn a_form_is_short() {
    let site = Site::new();
    let headers = "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n";
    for (length, status) in [(8 << 10, 401), ((8 << 10) + 1, 413)] {
        let mut stream = begun_with(&site, "/sign-in", headers, length);
        let field = format!("token={}", "x".repeat(length - "token=".len()));
        stream.write_all(field.as_bytes()).unwrap();
        let answer = waits(stream);
        let begin = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begin), "{answer}");
    }
}
