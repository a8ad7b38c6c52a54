//! Results on their way to those who asked for them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::*;

/// What a job wrote: nearly as much as a message of its runner holds, and far more than connections buffer.
const LENGTH: usize = 15 << 20;

/// A job that wrote so much, and what it wrote.
fn job(site: &Site) -> String {
    let mut runner = site.connected("r");
    let id = site.submit();
    runner.claim();
    runner.say("running");
    let output = json!({"exit_code": 0, "stdout": "x".repeat(LENGTH), "output": {"/f": "file"}});
    runner.send(&json!({"event": "completed", "job": id, "results": [output]}));
    assert_eq!(runner.receive()["event"], "ack");
    id
}

/// Asks for something of a job, and reads no more of the answer than its head.
fn ask(api: &Api, site: &Site, path: &str) -> (String, TcpStream) {
    let host = site.server().url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let token = api.token();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    (String::from_utf8(head).unwrap(), stream)
}

/// The rest of an answer.
fn rest(mut stream: TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    rest
}

#[test]
fn who_reads_slowly_keeps_nobody_else_from_their_results() {
    // Who stands still for so long is sent away, which is not what this is about.
    let site = Site::with(Setup::with(&["--client-timeout", "600"]));
    let id = job(&site);
    let path = format!("/v0/jobs/{id}/results/0/stdout");
    let body = json!({"name": "viewer", "role": "viewer"});
    let created = site.api.post("/v0/tokens", &body);
    let viewer = site.api.with_token(created["secret"].as_str().unwrap());
    let mut stalled = Vec::new();
    for _ in 0..3 {
        let (head, stream) = ask(&viewer, &site, &path);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        stalled.push(stream);
    }
    let (head, stream) = ask(&viewer, &site, &path);
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    assert!(head.contains("retry-after: 5\r\n"), "{head}");
    let error: Value = serde_json::from_str(&rest(stream)).unwrap();
    assert_eq!(error["error"]["code"], "too_many_results");
    // Nobody else waits, and what is passed on piece by piece takes little.
    let (head, stream) = ask(&site.api, &site, &path);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(rest(stream).len(), LENGTH);
    let (head, stream) = ask(&viewer, &site, &format!("/v0/jobs/{id}/results"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(rest(stream).len() > LENGTH);
    // A page is shown all the same.
    let (head, stream) = ask(&site.api, &site, &format!("/v0/jobs/{id}"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    drop(stream);
    // Those who have gone hold nothing, and neither do those who have read it all.
    for stream in stalled {
        assert_eq!(rest(stream).len(), LENGTH);
    }
    for _ in 0..5 {
        let (head, _gone) = ask(&viewer, &site, &path);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }
    let file = format!("/v0/jobs/{id}/results/0/file?path=/f");
    assert_eq!(viewer.send("GET", &file, None), (200, "file".to_owned()));
    for wrong in ["1/stdout", "0/stdwhat", "0/file?path=/g"] {
        let path = format!("/v0/jobs/{id}/results/{wrong}");
        assert_eq!(viewer.send("GET", &path, None).0, 404, "{wrong}");
    }
}
