//! Those who watch jobs: how many there may be, what they hear, and when they are sent away; and other
//! clients that hold on to a connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use bencher_jobs::JobId;
use bencher_server::store::Store;
use serde_json::json;
use test_support::Postgres;

use crate::support::*;

/// Sends the head of a request.
fn ask(url: &str, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Asks for a job's events, without reading any.
fn watch(api: &Api, url: &str, id: &str) -> TcpStream {
    let head = format!(
        "GET /v0/jobs/{id}/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n",
        api.token()
    );
    ask(url, &head)
}

/// How many watch at this server.
fn watching(api: &Api) -> String {
    let (_, text) = api.send("GET", "/metrics", None);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("bencher_watchers "));
    line.expect("it is measured").to_owned()
}

/// Waits until so many watch.
fn wait_for_watchers(api: &Api, count: &str) {
    let begin = std::time::Instant::now();
    while watching(api) != count {
        assert!(begin.elapsed() < PATIENCE, "{} watch", watching(api));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn no_token_takes_all_the_room() {
    let site = Site::with(Setup::with(&["--max-watchers", "5"]));
    let id = site.submit();
    let path = format!("/v0/jobs/{id}/events");
    let other = |name: &str| {
        let body = json!({"name": name, "role": "viewer"});
        let created = site.api.post("/v0/tokens", &body);
        site.api.with_token(created["secret"].as_str().unwrap())
    };
    let (viewer, third, fourth) = (other("viewer"), other("third"), other("fourth"));
    let mut mine = [site.api.events(&id), site.api.events(&id)];
    for events in &mut mine {
        assert_eq!(events.next().expect("an event").0, "state");
    }
    let (status, message) = site.api.refused("GET", &path, &json!(null));
    assert_eq!(status, 429);
    assert!(message.contains("with this token"), "{message}");
    let others = [viewer.events(&id), viewer.events(&id), third.events(&id)];
    let (status, message) = fourth.refused("GET", &path, &json!(null));
    assert_eq!(status, 503);
    assert!(message.contains("at this server"), "{message}");
    drop(others);
    wait_for_watchers(&site.api, "2");
    drop(fourth.events(&id));
    drop(mine);
    wait_for_watchers(&site.api, "0");
}

#[test]
fn a_revoked_token_ends_what_it_watches() {
    let site = Site::new();
    let id = site.submit();
    let body = json!({"name": "viewer", "role": "viewer"});
    let created = site.api.post("/v0/tokens", &body);
    let viewer = site.api.with_token(created["secret"].as_str().unwrap());
    let mut theirs = Watcher::of(&viewer, &id);
    let mut mine = Watcher::of(&site.api, &id);
    theirs.sees("[PENDING]");
    mine.sees("[PENDING]");
    let token = created["token"]["id"].as_str().unwrap();
    site.api.delete(&format!("/v0/tokens/{token}"));
    theirs.ends();
    site.api
        .post(&format!("/v0/jobs/{id}/cancel"), &json!(null));
    mine.sees("[CANCELED]");
    assert_eq!(theirs.seen, "[PENDING]");
}

#[test]
fn a_change_that_nobody_told_of_is_seen() {
    let site = Site::with(Setup::with(&["--heartbeat-timeout", "2"]));
    let id = site.submit();
    let mut watcher = Watcher::of(&site.api, &id);
    watcher.sees("[PENDING]");
    // As at another server, of which this one does not hear.
    let job: JobId = id.parse().unwrap();
    let path = site.path("server.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Store::open_file(&path).await.unwrap();
        let canceled = store.write(|mut transaction| async {
            let done = transaction.cancel(job).await;
            (transaction, done)
        });
        canceled.await.unwrap();
        store.close().await;
    });
    watcher.sees("[CANCELED]");
    watcher.ends();
}

#[test]
fn who_reads_nothing_is_sent_away() {
    let site = Site::with(Setup::with(&["--client-timeout", "2"]));
    let key = site.new_runner("r");
    let url = &site.server().url;
    let id = site.submit();
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    runner.ready_for_output();
    let job = runner.receive()["uuid"].clone();
    assert_eq!(runner.say("running"), "ack");
    let mut stalled = watch(&site.api, url, &id);
    wait_for_watchers(&site.api, "1");
    let mut reader = site.api.events(&id);
    assert_eq!(reader.next().expect("an event").0, "state");
    wait_for_watchers(&site.api, "2");
    // The other one reads all of it.
    let reading = std::thread::spawn(move || reader.filter(|(name, _)| name == "output").count());
    let text = "x".repeat(60_000);
    let begin = std::time::Instant::now();
    while watching(&site.api) == "2" {
        assert!(begin.elapsed() < PATIENCE, "it may stay");
        runner.write(&job, &text);
        assert_eq!(runner.say("heartbeat"), "ack");
    }
    assert_eq!(watching(&site.api), "1");
    // Its connection is no more, too: what was on the way can be read, and then it ends.
    let mut rest = Vec::new();
    let _reset = stalled.read_to_end(&mut rest);
    assert!(rest.starts_with(b"HTTP/1.1 200"));
    runner.complete(&job);
    assert!(reading.join().unwrap() > 0);
}

#[test]
fn who_does_not_end_a_request_is_sent_away() {
    let site = Site::with(Setup::with(&["--client-timeout", "1"]));
    let mut slow = ask(
        &site.server().url,
        "GET /healthz HTTP/1.1\r\nhost: a\r\nx: ",
    );
    let mut silent = ask(&site.server().url, "");
    for stream in [&mut slow, &mut silent] {
        let mut answer = Vec::new();
        // The end comes, and no answer.
        stream.read_to_end(&mut answer).expect("it is ended");
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }
    let mut good = ask(
        &site.server().url,
        "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    let mut answer = String::new();
    good.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// What is not there is not there, whatever its name.
fn names_with_nul(site: &Site) {
    let job = json!({"project": "p\u{0}", "spec": "s", "timeout": 60, "config": config()});
    for (method, path, body, status) in [
        ("GET", "/v0/projects/p%00", json!(null), 404),
        ("GET", "/v0/runners/r%00", json!(null), 404),
        ("GET", "/v0/specs/s%00", json!(null), 404),
        ("GET", "/v0/jobs/%00", json!(null), 404),
        ("GET", "/v0/jobs?project=%00", json!(null), 404),
        ("GET", "/v0/jobs?runner=%00", json!(null), 404),
        ("GET", "/v0/jobs?after=%00", json!(null), 400),
        ("DELETE", "/v0/tokens/%00", json!(null), 404),
        ("DELETE", "/v0/releases/%00", json!(null), 404),
        (
            "DELETE",
            "/v0/credentials?registry=http://a%00",
            json!(null),
            404,
        ),
        ("POST", "/v0/jobs", job, 404),
    ] {
        let (found, message) = site.api.refused(method, path, &body);
        assert_eq!(found, status, "{method} {path}: {message}");
    }
    let refused = Runner::connect(&site.server().url, "r%00", "bencher_runner_x").unwrap_err();
    assert_eq!(refused.status, 401, "{}", refused.body);
}

#[test]
fn names_with_nul_are_nothings() {
    names_with_nul(&Site::new());
    if let Some(postgres) = Postgres::start().unwrap() {
        names_with_nul(&Site::with(Setup {
            database: Some(postgres.url()),
            ..Setup::default()
        }));
    }
}
