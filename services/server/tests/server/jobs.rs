//! Jobs, as people see them.

use serde_json::{Value, json};

use crate::support::*;

#[test]
fn lists_are_in_pages() {
    let site = Site::new();
    let mut ids: Vec<_> = (0..7).map(|_| site.submit()).collect();
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = "/v0/jobs?limit=3".to_owned();
    loop {
        let page = site.api.get(&path);
        let items = page["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|job| job["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/v0/jobs?limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    site.api
        .post(&format!("/v0/jobs/{}/cancel", ids[3]), &json!(null));
    let page = site.api.get("/v0/jobs?state=canceled&project=p");
    assert_eq!(page["items"][0]["id"], ids[3]);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    for wrong in ["limit=0", "limit=201", "limit=x", "after='", "state=lost"] {
        let (status, _) = site
            .api
            .refused("GET", &format!("/v0/jobs?{wrong}"), &json!(null));
        assert_eq!(status, 400, "{wrong}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let site = Site::new();
    let with = |path: &[&str], value: Value| {
        let mut body = job_body("p", "s");
        let mut place = &mut body;
        for name in path {
            place = &mut place[*name];
        }
        *place = value;
        body
    };
    for (body, status, part) in [
        (with(&["project"], json!("x")), 404, "project `x`"),
        (with(&["project"], json!("' OR 1=1 --")), 404, "project"),
        (with(&["spec"], json!("x")), 404, "spec"),
        (with(&["timeout"], json!(0)), 400, "timeout"),
        (with(&["timeout"], json!(86_401)), 400, "timeout"),
        (with(&["priority"], json!(1)), 403, "priority 1"),
        (with(&["priority"], json!(256)), 422, "256"),
        (with(&["config", "digest"], json!("latest")), 422, "digest"),
        (
            with(&["config", "registry"], json!("file:///etc")),
            400,
            "registry",
        ),
        (
            with(&["config", "cmd"], json!(vec!["x"; 65])),
            400,
            "config.cmd",
        ),
        (
            with(&["config", "env"], json!({"A=B": "c"})),
            400,
            "equals sign",
        ),
        (
            with(&["config", "file_paths"], json!(["a\u{0}b"])),
            400,
            "NUL",
        ),
        (with(&["config", "iter"], json!(0)), 400, "config.iter"),
        (with(&["config", "color"], json!("red")), 422, "color"),
    ] {
        let (found, message) = site.api.refused("POST", "/v0/jobs", &body);
        assert_eq!(found, status, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let (status, _) = site.api.send("POST", "/v0/jobs", Some("{"));
    assert_eq!(status, 400);
    let large = format!("\"{}\"", "x".repeat(2 << 20));
    // The server hangs up without reading it all, and its answer may be lost with that.
    if let Some((status, text)) = site.api.try_send("POST", "/v0/jobs", Some(&large)) {
        assert_eq!(status, 413, "{text}");
        assert!(text.contains("too_large"), "{text}");
    }
    assert_eq!(site.api.get("/v0/jobs")["items"], json!([]));
    site.api.post("/v0/specs/s/archive", &json!(null));
    let (status, _) = site.api.refused("POST", "/v0/jobs", &job_body("p", "s"));
    assert_eq!(status, 409);
}

#[test]
fn quotas_bound_what_waits() {
    let site = Site::new();
    let quota = json!({"queued": 2, "active": 1, "priority": 5});
    site.api.put("/v0/projects/p/quota", &quota);
    let mut body = job_body("p", "s");
    body["priority"] = json!(5);
    site.api.submit(&body);
    site.api.submit(&body);
    let (status, message) = site.api.refused("POST", "/v0/jobs", &body);
    assert_eq!(status, 429, "{message}");
    assert!(message.contains("limit of 2"), "{message}");
    // Whoever may try again is told when, and whoever may not is told so.
    let answer = |body: &Value| {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let answer = agent
            .post(format!("{}/v0/jobs", site.server().url))
            .header("authorization", format!("Bearer {}", site.api.token()))
            .header("content-type", "application/json")
            .send(body.to_string())
            .unwrap();
        let wait = answer.headers().get("retry-after");
        let wait = wait.map(|wait| wait.to_str().unwrap().to_owned());
        (answer.status().as_u16(), wait)
    };
    assert_eq!(answer(&body), (429, Some("30".to_owned())));
    body["priority"] = json!(6);
    assert_eq!(answer(&body), (403, None));
    body["priority"] = json!(0);
    let sides = json!({
        "project": "p", "spec": "s", "rounds": 2, "sides": [body["config"], body["config"]],
    });
    let (status, message) = site.api.refused("POST", "/v0/comparisons", &sides);
    assert_eq!(status, 403, "{message}");
    site.api
        .put("/v0/projects/p/quota", &json!({"queued": 0, "active": 1}));
    assert_eq!(answer(&body), (403, None));
    site.api.put("/v0/projects/p/quota", &quota);
    // Another project has room.
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    site.api.submit(&job_body("q", "s"));
    // One of `p` at work, no more; the second runner gets the job of `q`.
    let (mut one, mut two) = (site.connected("one"), site.connected("two"));
    let first = one.claim();
    assert_eq!(
        first["config"]["project"],
        site.api.get("/v0/projects/p")["id"]
    );
    let second = two.claim();
    assert_eq!(
        second["config"]["project"],
        site.api.get("/v0/projects/q")["id"]
    );
    assert_eq!(two.complete(&second["uuid"])["event"], "ack");
    two.ready();
    // Room again: whoever waits gets it.
    assert_eq!(one.complete(&first["uuid"])["event"], "ack");
    let third = two.receive();
    assert_eq!(third["event"], "job");
    assert_eq!(third["config"]["project"], first["config"]["project"]);
}

#[test]
fn events_end_with_the_job() {
    let site = Site::new();
    let id = site.submit();
    let mut events = site.api.events(&id);
    assert_eq!(
        events.next().unwrap(),
        ("state".to_owned(), json!({"state": "pending"}))
    );
    let mut runner = site.connected("r");
    let info = json!({"os": "linux", "arch": "x86_64", "version": "1", "live_output": true});
    runner.send(&json!({"event": "ready", "runner": info}));
    let job = runner.receive();
    assert_eq!(job["live_output"], true);
    assert_eq!(events.next().unwrap().1, json!({"state": "claimed"}));
    assert_eq!(runner.say("running"), "ack");
    assert_eq!(events.next().unwrap().1, json!({"state": "running"}));
    let piece = json!({
        "event": "output", "job": id, "iteration": 0, "stream": "stdout", "text": "hello\n",
    });
    runner.send(&piece);
    let (name, data) = events.next().unwrap();
    assert_eq!(name, "output");
    assert_eq!(
        (&data["text"], &data["stream"]),
        (&json!("hello\n"), &json!("stdout"))
    );
    // Who comes later sees it too.
    let mut later = site.api.events(&id);
    assert_eq!(later.next().unwrap().1["text"], "hello\n");
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    let states: Vec<_> = events.map(|(_, data)| data["state"].clone()).collect();
    assert!(
        // It may be read before anybody looks.
        states == [json!("completed"), json!("processed")] || states == [json!("processed")],
        "{states:?}"
    );
    let metadata = site.api.get("/v0/runners/r")["metadata"].clone();
    assert_eq!(metadata, info);
}
