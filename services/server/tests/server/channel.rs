//! The protocol, from the runner's side.

use serde_json::json;

use crate::support::*;

#[test]
fn a_job_from_its_submission_to_its_result() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    assert_eq!(site.api.job(&id)["state"], "pending");
    let job = runner.claim();
    assert_eq!(job["uuid"], id);
    assert_eq!(job["timeout"], 60);
    assert_eq!(job["spec"]["slug"], "s");
    assert_eq!(job["spec"]["sandbox"], "firecracker");
    assert_eq!(job["spec"]["memory"], 1 << 30);
    assert_eq!(job["config"]["digest"], config()["digest"]);
    let project = site.api.get("/v0/projects/p");
    assert_eq!(job["config"]["project"], project["id"]);
    assert_eq!(project["active"], 1);
    assert_eq!(job["oci_token"], "");
    assert_eq!(site.api.job(&id)["state"], "claimed");
    assert_eq!(runner.say("heartbeat"), "ack");
    assert_eq!(runner.say("running"), "ack");
    assert_eq!(site.api.job(&id)["state"], "running");
    assert_eq!(runner.say("heartbeat"), "ack");
    assert_eq!(
        runner.complete(&job["uuid"]),
        json!({"event": "ack", "job": id})
    );
    site.api.wait_for(&id, &["processed"]);
    let job = site.api.job(&id);
    assert_eq!(
        job["summary"],
        json!([{"exit_code": 0, "stdout": 3, "stderr": 0,
            "files": [{"path": "/f", "bytes": 4}]}])
    );
    for time in ["created", "claimed", "started", "ended"] {
        assert!(job[time].as_str().unwrap().ends_with('Z'), "{job}");
    }
    assert_eq!(site.api.get("/v0/projects/p")["active"], 0);
    // Once more: nothing happens.
    assert_eq!(
        runner.complete(&job["id"]),
        json!({"event": "ack", "job": id})
    );
    assert_eq!(site.api.job(&id), job);
}

#[test]
fn who_asks_in_vain_is_told_so() {
    let site = Site::new();
    let mut runner = site.connected("r");
    runner.send(&json!({"event": "ready", "poll_timeout": 1}));
    assert_eq!(runner.receive(), json!({"event": "no_job"}));
    // What it waits with now is answered once the job is there, and a second question is not one.
    runner.ready();
    runner.ready();
    let id = site.submit();
    assert_eq!(runner.receive()["uuid"], id);
    assert_eq!(runner.say("heartbeat"), "ack");
}

#[test]
fn who_may_not_connect_is_told_so() {
    let site = Site::new();
    let key = site.new_runner("r");
    let other = site.new_runner("other");
    let url = &site.server().url;
    for (slug, key) in [
        ("r", other.as_str()),
        ("r", "bencher_runner_none"),
        ("r", site.api.token()),
        ("nobody", &key),
        ("'; DROP TABLE runners; --", &key),
    ] {
        let slug = slug.replace(' ', "%20");
        let refused = Runner::connect(url, &slug, key).unwrap_err();
        assert_eq!(refused.status, 401, "{slug}");
        assert!(refused.body.contains("not the key"), "{}", refused.body);
    }
    let id = site.api.get("/v0/runners/r")["id"].clone();
    Runner::connect(url, id.as_str().unwrap(), &key).unwrap();
    // What is no WebSocket.
    let api = site.api.with_token(&key);
    let (status, message) = api.refused("GET", "/v0/runners/r/channel", &json!(null));
    assert_eq!(status, 426, "{message}");
    site.api.post("/v0/runners/r/archive", &json!(null));
    let refused = Runner::connect(url, "r", &key).unwrap_err();
    assert_eq!(refused.status, 403, "{}", refused.body);
}

#[test]
fn the_newer_connection_wins_and_a_rotated_key_ends_the_old_one() {
    let site = Site::new();
    let key = site.new_runner("r");
    let url = &site.server().url;
    let mut first = Runner::connect(url, "r", &key).unwrap();
    first.ready();
    let mut second = Runner::connect(url, "r", &key).unwrap();
    let frame = first.closed().expect("a reason");
    assert!(frame.reason.contains("newer connection"), "{frame}");
    let id = site.submit();
    assert_eq!(second.claim()["uuid"], id);
    let rotated = site.api.post("/v0/runners/r/key", &json!(null));
    assert!(second.closed().is_some());
    assert_eq!(Runner::connect(url, "r", &key).unwrap_err().status, 401);
    // The job is still this runner's.
    let key = rotated["key"].as_str().unwrap();
    let mut third = Runner::connect(url, "r", key).unwrap();
    assert_eq!(third.say("running"), "ack");
    assert_eq!(site.api.job(&id)["state"], "running");
}

/// Which of a process's connections it is, as a runner says it.
fn number(process: u8, number: u32) -> String {
    format!("00000000-0000-4000-8000-0000000000{process:02x}.{number}")
}

#[test]
fn an_older_connection_that_comes_late_does_not_replace_the_newer_one() {
    let site = Site::new();
    let key = site.new_runner("r");
    let url = &site.server().url;
    let connect = |number: &str| Runner::connect_as(url, "r", &key, Some(number)).unwrap();
    let mut runner = connect(&number(1, 2));
    let id = site.submit();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    for late in [number(1, 1), number(1, 2)] {
        let mut late = connect(&late);
        // What it had said meanwhile would fail the job.
        late.ready();
        let frame = late.closed().expect("a reason");
        assert_eq!(u16::from(frame.code), 1008, "{frame}");
        assert!(frame.reason.contains("newer connection"), "{frame}");
        assert_eq!(runner.say("heartbeat"), "ack");
    }
    assert_eq!(site.api.job(&id)["state"], "running");
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
    // It gets the next job, too, until something newer comes: of its own process, of another one, or one
    // that says nothing of itself or nothing that makes sense.
    runner.ready();
    let id = site.submit();
    assert_eq!(runner.receive()["uuid"], id);
    for newer in [
        &number(1, 3),
        &number(2, 1),
        &number(1, 1),
        "1",
        &"x".repeat(1000),
    ] {
        let older = std::mem::replace(&mut runner, connect(newer));
        let frame = { older }.closed().expect("a reason");
        assert_eq!(u16::from(frame.code), 1008, "{newer}: {frame}");
    }
    let mut older = std::mem::replace(&mut runner, Runner::connect(url, "r", &key).unwrap());
    assert!(older.closed().is_some());
    assert_eq!(runner.say("running"), "ack");
    assert_eq!(site.api.job(&id)["state"], "running");
}

#[test]
fn a_canceled_job_is_stopped_at_the_next_heartbeat() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    assert_eq!(runner.say("heartbeat"), "ack");
    let canceled = site
        .api
        .post(&format!("/v0/jobs/{id}/cancel"), &json!(null));
    assert_eq!(canceled["state"], "canceled");
    assert_eq!(canceled["reason"], "job_canceled");
    assert_eq!(runner.say("heartbeat"), "cancel");
    assert_eq!(runner.say("running"), "cancel");
    runner.send(&json!({"event": "canceled", "job": id}));
    assert_eq!(runner.receive(), json!({"event": "ack", "job": id}));
    // A result that comes all the same changes nothing.
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    let job = site.api.job(&id);
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&json!("canceled"), &json!("job_canceled"))
    );
    let (status, _) = site
        .api
        .send("GET", &format!("/v0/jobs/{id}/results"), None);
    assert_eq!(status, 404);
    // One that waits.
    let id = site.submit();
    site.api
        .post(&format!("/v0/jobs/{id}/cancel"), &json!(null));
    runner.send(&json!({"event": "ready", "poll_timeout": 1}));
    assert_eq!(runner.receive()["event"], "no_job");
    assert_eq!(site.api.get("/v0/projects/p")["queued"], 0);
}

#[test]
fn failures_and_cancellations_of_the_runner() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    runner.claim();
    runner.send(&json!({
        "event": "failed", "job": id, "results": [{"exit_code": 1}], "error": "no image\0 <b>",
    }));
    assert_eq!(runner.receive()["event"], "ack");
    let job = site.api.job(&id);
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&json!("failed"), &json!("job_failed"))
    );
    assert_eq!(job["error"], "no image\u{fffd} <b>");
    let results = site.api.get(&format!("/v0/jobs/{id}/results"));
    assert_eq!(results, json!([{"exit_code": 1}]));
    let id = site.submit();
    runner.claim();
    runner.send(&json!({"event": "canceled", "job": id}));
    assert_eq!(runner.receive()["event"], "ack");
    assert_eq!(site.api.job(&id)["reason"], "job_canceled_by_runner");
}

#[test]
fn somebody_elses_job_is_left_alone() {
    let site = Site::new();
    let (mut mine, mut other) = (site.connected("mine"), site.connected("other"));
    let id = site.submit();
    let job = mine.claim();
    for message in [
        json!({"event": "completed", "job": id, "results": [{"exit_code": 0}]}),
        json!({"event": "failed", "job": id, "results": [], "error": "e"}),
        json!({"event": "canceled", "job": id}),
        json!({"event": "canceled", "job": "00000000-0000-0000-0000-000000000000"}),
    ] {
        other.send(&message);
        assert_eq!(other.receive()["event"], "ack");
    }
    assert_eq!(site.api.job(&id)["state"], "claimed");
    assert_eq!(mine.complete(&job["uuid"])["event"], "ack");
    site.api.wait_for(&id, &["completed", "processed"]);
}

#[test]
fn what_is_no_message_ends_the_connection_and_nothing_else() {
    let site = Site::with(Setup::with(&["--max-message-size", "1"]));
    let key = site.new_runner("r");
    let url = &site.server().url;
    let mut bystander = site.connected("bystander");
    bystander.ready();
    for (text, reason) in [
        ("{", "not a JSON object"),
        ("[]", "not a JSON object"),
        (r#"{"event": "dance"}"#, "not known"),
        (r#"{"event": "ready", "poll_timeout": 0}"#, "malformed"),
        (r#"{"event": "ready", "poll_timeout": 901}"#, "malformed"),
        (
            r#"{"event": "completed", "job": "1", "results": []}"#,
            "malformed",
        ),
    ] {
        let mut runner = Runner::connect(url, "r", &key).unwrap();
        runner.text(text);
        let frame = runner.closed().expect("a reason");
        assert!(frame.reason.contains(reason), "{text}: {frame}");
    }
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    runner.too_long(&format!(r#"{{"event": "{}"}}"#, "x".repeat(2 << 20)));
    runner.closed();
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    let version = "v".repeat(5000);
    let info = json!({"os": "linux", "arch": "x86_64", "version": version});
    runner.send(&json!({"event": "ready", "runner": info}));
    assert!(
        runner
            .closed()
            .expect("a reason")
            .reason
            .contains("too long")
    );
    let id = site.submit();
    assert_eq!(bystander.receive()["uuid"], id);
}

#[test]
fn results_are_of_no_more_iterations_than_a_job_may_have() {
    let site = Site::new();
    let key = site.new_runner("r");
    let url = &site.server().url;
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    let id = site.submit();
    runner.claim();
    assert_eq!(runner.say("running"), "ack");
    let completed = |count: usize| {
        let results = vec![json!({"exit_code": 0}); count];
        json!({"event": "completed", "job": id, "results": results})
    };
    runner.send(&completed(65_536));
    let frame = runner.closed().expect("a reason");
    assert_eq!(u16::from(frame.code), 1007);
    assert!(
        frame.reason.contains("more than 65535 iterations"),
        "{frame}"
    );
    assert_eq!(site.api.job(&id)["state"], "running");
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    runner.send(&completed(65_535));
    assert_eq!(runner.receive()["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
}

#[test]
fn silence_ends_a_job_and_a_late_result_counts() {
    let site = Site::with(Setup::with(&["--heartbeat-timeout", "2"]));
    let key = site.new_runner("r");
    let url = &site.server().url;
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    let id = site.submit();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    // Not a sign of life.
    runner.binary(b"heartbeat");
    let frame = runner.closed().expect("a reason");
    assert_eq!(u16::from(frame.code), 1000);
    assert_eq!(frame.reason.as_str(), "\"heartbeat_timeout\"");
    let failed = site.api.wait_for(&id, &["failed"]);
    assert_eq!(failed["reason"], "heartbeat_timeout");
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    let job = site.api.job(&id);
    assert!(
        ["completed", "processed"]
            .iter()
            .any(|state| job["state"] == *state),
        "{job}"
    );
    assert_eq!(job["reason"], json!(null));
}

#[test]
fn a_job_over_its_time_is_stopped() {
    let site = Site::with(Setup::with(&[
        "--grace-period",
        "0",
        "--heartbeat-timeout",
        "2",
    ]));
    let mut runner = site.connected("r");
    let mut body = job_body("p", "s");
    body["timeout"] = json!(1);
    let id = site.api.submit(&body);
    runner.claim();
    assert_eq!(runner.say("running"), "ack");
    // As often as it is asked: the answer changes once the time is over.
    while runner.say("heartbeat") == "ack" {}
    let job = site.api.job(&id);
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&json!("failed"), &json!("job_timeout_exceeded"))
    );
    runner.send(&json!({"event": "canceled", "job": id}));
    assert_eq!(runner.receive()["event"], "ack");
    assert_eq!(site.api.job(&id)["state"], "failed");
}

#[test]
fn a_cut_connection_does_not_end_a_job() {
    let site = Site::new();
    let key = site.new_runner("r");
    let url = &site.server().url;
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    let id = site.submit();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    drop(runner);
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    assert_eq!(runner.say("running"), "ack");
    assert_eq!(runner.say("heartbeat"), "ack");
    assert_eq!(site.api.job(&id)["state"], "running");
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
}

#[test]
fn a_job_that_never_arrived_is_given_again_and_one_that_was_lost_fails() {
    let site = Site::new();
    let key = site.new_runner("r");
    let url = &site.server().url;
    let id = site.submit();
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    assert_eq!(runner.claim()["uuid"], id);
    drop(runner);
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    assert_eq!(runner.claim()["uuid"], id);
    // The runner knows it now, and comes back without it.
    assert_eq!(runner.say("heartbeat"), "ack");
    drop(runner);
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    let next = site.submit();
    assert_eq!(runner.claim()["uuid"], next);
    let job = site.api.job(&id);
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&json!("failed"), &json!("runner_lost_job"))
    );
}

#[test]
fn large_results_are_kept_apart_and_names_of_files_lead_nowhere() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    runner.claim();
    let large = "line\n".repeat(100_000);
    let evil = "../../../../tmp/evil\0/../x";
    runner.send(&json!({
        "event": "completed", "job": id,
        "results": [{
            "exit_code": 0, "stdout": large,
            "output": {evil: "<script>alert(1)</script>", "/etc/passwd": "root"},
        }],
    }));
    assert_eq!(runner.receive()["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
    let base = format!("/v0/jobs/{id}/results/0");
    let (status, text) = site.api.send("GET", &format!("{base}/stdout"), None);
    assert_eq!((status, text.len()), (200, large.len()));
    let path = "..%2F..%2F..%2F..%2Ftmp%2Fevil%00%2F..%2Fx";
    let (status, text) = site
        .api
        .send("GET", &format!("{base}/file?path={path}"), None);
    assert_eq!((status, text.as_str()), (200, "<script>alert(1)</script>"));
    for wrong in [
        format!("{base}/file?path=%2Fnone"),
        format!("{base}/file?path=..%2F..%2Fserver.sqlite"),
        format!("{base}/stdin"),
        format!("/v0/jobs/{id}/results/1/stdout"),
    ] {
        assert_eq!(site.api.send("GET", &wrong, None).0, 404, "{wrong}");
    }
    let folder = site.path("outputs/results").join(&id);
    let names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let name = names[0].strip_suffix(".json").unwrap();
    assert!(
        names.len() == 1 && uuid::Uuid::parse_str(name).is_ok(),
        "{names:?}"
    );
}
