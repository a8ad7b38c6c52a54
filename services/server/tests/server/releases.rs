//! Programs that runners may become: who publishes them, and who is offered which.

use serde_json::{Value, json};
use test_support::Postgres;

use crate::support::*;

/// A SHA-256 of equal bytes.
fn checksum(byte: &str) -> String {
    byte.repeat(32)
}

fn release(version: &str, byte: &str) -> Value {
    json!({
        "version": version, "channel": "stable", "os": "linux", "architecture": "x86_64",
        "url": format!("https://releases.example/{version}"), "checksum": checksum(byte),
    })
}

fn info(version: &str, byte: &str) -> Value {
    json!({
        "os": "linux", "arch": "x86_64", "version": version, "channel": "stable",
        "checksum": checksum(byte),
    })
}

/// What the server answers to a runner that says this of itself, and waits for a second at most.
fn answer(runner: &mut Runner, info: &Value) -> Value {
    runner.send(&json!({"event": "ready", "poll_timeout": 1, "runner": info}));
    runner.receive()
}

fn no_job() -> Value {
    json!({"event": "no_job"})
}

fn update(version: &str, byte: &str) -> Value {
    let Value::Object(mut message) = release(version, byte) else {
        unreachable!("it is one");
    };
    message.retain(|name, _| ["version", "url", "checksum"].contains(&name.as_str()));
    message.insert("event".to_owned(), json!("update"));
    Value::Object(message)
}

#[test]
fn administrators_publish_list_and_remove() {
    let site = Site::new();
    let body = json!({"name": "viewer", "role": "submitter"});
    let created = site.api.post("/v0/tokens", &body);
    let other = site.api.with_token(created["secret"].as_str().unwrap());
    let published = site.api.post("/v0/releases", &release("1.0.0", "0a"));
    let path = format!("/v0/releases/{}", published["id"].as_str().unwrap());
    for (method, path, body) in [
        ("GET", "/v0/releases", json!(null)),
        ("POST", "/v0/releases", release("1.0.0", "0b")),
        ("DELETE", path.as_str(), json!(null)),
    ] {
        assert_eq!(other.refused(method, path, &body).0, 403, "{method}");
    }
    let (status, message) = site
        .api
        .refused("POST", "/v0/releases", &release("1.0.1", "0a"));
    assert_eq!(status, 409);
    assert!(message.contains("remove that release first"), "{message}");
    for (field, value, status) in [
        ("version", json!("latest"), 400),
        ("version", json!(format!("1.0.0-{}", "a".repeat(255))), 400),
        ("url", json!("ftp://releases.example/1"), 400),
        ("url", json!("https://user:secret@releases.example/1"), 400),
        ("url", json!("/1"), 400),
        (
            "url",
            json!(format!("https://releases.example/{}", "1".repeat(2048))),
            400,
        ),
        ("checksum", json!("0A".repeat(32)), 422),
        ("checksum", json!("0a"), 422),
        ("channel", json!("nightly"), 422),
        ("os", json!("plan9"), 422),
        ("architecture", json!("riscv64"), 422),
        ("color", json!("red"), 422),
    ] {
        let mut body = release("1.0.0", "0c");
        body[field] = value;
        let (found, message) = site.api.refused("POST", "/v0/releases", &body);
        assert_eq!(found, status, "{body}: {message}");
    }
    let mut canary = release("1.0.0", "0a");
    canary["channel"] = json!("canary");
    site.api.post("/v0/releases", &canary);
    let listed = site.api.get("/v0/releases");
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(listed["items"][0]["channel"], "canary");
    assert_eq!(listed["items"][1], published);
    site.api.delete(&path);
    assert_eq!(site.api.refused("DELETE", &path, &json!(null)).0, 404);
    assert_eq!(
        site.api.refused("DELETE", "/v0/releases/1", &json!(null)).0,
        404
    );
    let listed = site.api.get("/v0/releases");
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

/// Runners are offered what is for them, once.
fn offers(site: &Site) {
    let url = &site.server().url;
    let key = site.new_runner("r");
    let first = site.api.post("/v0/releases", &release("1.9.0", "01"));
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    // One that wants no updates.
    runner.send(&json!({"event": "ready", "poll_timeout": 1}));
    assert_eq!(runner.receive(), no_job());
    for other in [
        json!({"channel": "canary"}),
        json!({"arch": "aarch64"}),
        json!({"os": "macos"}),
        // It is that program, or one that comes after it.
        json!({"checksum": checksum("01")}),
        json!({"version": "1.10.0"}),
        json!({"version": "unknown"}),
    ] {
        let mut runner = Runner::connect(url, "r", &key).unwrap();
        let mut info = info("1.2.0", "09");
        for (name, value) in other.as_object().unwrap() {
            info[name] = value.clone();
        }
        assert_eq!(answer(&mut runner, &info), no_job(), "{info}");
    }
    // Even where a job waits; and it gets that after it.
    let id = site.submit();
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    let own = info("1.2.0", "09");
    assert_eq!(answer(&mut runner, &own), update("1.9.0", "01"));
    let job = answer(&mut runner, &own);
    assert_eq!(job["uuid"], id);
    runner.complete(&job["uuid"]);
    assert_eq!(answer(&mut runner, &own), no_job());
    // One that comes back as it was is left in peace.
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    assert_eq!(answer(&mut runner, &own), no_job());
    // Another program is news, but not what comes before it.
    site.api.post("/v0/releases", &release("1.10.0", "02"));
    site.api.post("/v0/releases", &release("1.3.0", "03"));
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    assert_eq!(answer(&mut runner, &own), update("1.10.0", "02"));
    // It has become that one.
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    let new = info("1.10.0", "02");
    assert_eq!(answer(&mut runner, &new), no_job());
    // What is removed is offered to nobody.
    for release in site.api.get("/v0/releases")["items"].as_array().unwrap() {
        let id = release["id"].as_str().unwrap();
        if id != first["id"] {
            site.api.delete(&format!("/v0/releases/{id}"));
        }
    }
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    assert_eq!(answer(&mut runner, &new), no_job());
}

#[test]
fn runners_are_offered_what_is_for_them_once() {
    offers(&Site::new());
}

#[test]
fn runners_of_a_server_on_postgresql_are_offered_the_same() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    offers(&Site::with(Setup {
        database: Some(postgres.url()),
        ..Setup::default()
    }));
}
