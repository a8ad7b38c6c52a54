//! Jobs are deleted: who may, what goes, and that nothing comes back.

mod killed;
mod retention;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use test_support::Postgres;

use crate::postgres::two_servers;
use crate::support::*;

/// A result that is too long for the database.
fn long() -> Value {
    json!([{"exit_code": 0, "stdout": "a line of it\n".repeat(2000)}])
}

/// A runner with a job that it has ended, whose results are in the storage of outputs.
fn ended(site: &Site, runner: &mut Runner) -> String {
    let id = site.submit();
    complete(runner, &id);
    site.api.wait_for(&id, &["processed"]);
    id
}

/// Gets the job and ends it.
fn complete(runner: &mut Runner, id: &str) {
    assert_eq!(runner.claim()["uuid"], id);
    assert_eq!(runner.say("running"), "ack");
    runner.send(&json!({"event": "completed", "job": id, "results": long()}));
    assert_eq!(runner.receive()["event"], "ack");
}

fn cancel(api: &Api, id: &str) {
    api.post(&format!("/v0/jobs/{id}/cancel"), &json!(null));
}

fn path(id: &str) -> String {
    format!("/v0/jobs/{id}")
}

/// The status of a job's deletion.
fn delete(api: &Api, id: &str) -> u16 {
    api.send("DELETE", &path(id), None).0
}

/// What there is of a job in the folder of outputs.
fn objects(folder: &Path, id: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("outputs/results").join(id));
    let entries = entries.into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn assert_is_gone(api: &Api, id: &str) {
    for part in ["", "/results", "/results/0/stdout", "/events"] {
        let path = format!("/v0/jobs/{id}{part}");
        assert_eq!(api.send("GET", &path, None).0, 404, "{path}");
    }
    let jobs = api.get("/v0/jobs?limit=200");
    let jobs = jobs["items"].as_array().unwrap();
    assert!(jobs.iter().all(|job| job["id"] != id));
}

/// How many jobs have been deleted for this cause.
fn deleted(api: &Api, cause: &str) -> String {
    let (_, text) = api.send("GET", "/metrics", None);
    let name = format!("bencher_jobs_deleted_total{{cause=\"{cause}\"}} ");
    let count = text.lines().find_map(|line| line.strip_prefix(&name));
    count.expect("it is counted").to_owned()
}

fn is_deleted_with_its_results(site: &Site) {
    let key = site.new_runner("r");
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let (id, stays) = (ended(site, &mut runner), ended(site, &mut runner));
    let next = site.submit();
    assert_eq!(objects(site.folder.path(), &id).len(), 1);
    assert_eq!(delete(&site.api, &id), 204);
    assert_is_gone(&site.api, &id);
    assert!(!site.path("outputs/results").join(&id).exists());
    assert_eq!(site.api.refused("DELETE", &path(&id), &json!(null)).0, 404);
    assert_eq!(
        site.api.refused("DELETE", "/v0/jobs/x", &json!(null)).0,
        404
    );
    assert_eq!(site.api.get(&format!("/v0/jobs/{stays}/results")), long());
    let project = site.api.get("/v0/projects/p");
    assert_eq!(
        (&project["queued"], &project["active"]),
        (&json!(1), &json!(0))
    );
    let counts = ["request", "age"].map(|cause| deleted(&site.api, cause));
    assert_eq!(counts, ["1", "0"]);
    // Its runner tells the end once more, here and on another connection, and goes on.
    for _ in 0..2 {
        runner.send(&json!({"event": "completed", "job": id, "results": long()}));
        assert_eq!(runner.receive(), json!({"event": "ack", "job": id}));
        runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    }
    complete(&mut runner, &next);
    assert_is_gone(&site.api, &id);
    assert!(objects(site.folder.path(), &id).is_empty());
}

#[test]
fn a_job_is_deleted_with_its_results() {
    is_deleted_with_its_results(&Site::new());
    if let Some(postgres) = Postgres::start().unwrap() {
        is_deleted_with_its_results(&Site::with(Setup {
            database: Some(postgres.url()),
            ..Setup::default()
        }));
    }
}

#[test]
fn who_may_cancel_a_job_may_delete_it_and_nobody_else() {
    let site = Site::new();
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let token = |role: &str, project: Option<&str>| {
        let body = json!({"name": role, "role": role, "project": project});
        let created = site.api.post("/v0/tokens", &body);
        site.api.with_token(created["secret"].as_str().unwrap())
    };
    let (mine, other) = (site.submit(), site.submit());
    for id in [&mine, &other] {
        cancel(&site.api, id);
    }
    for viewer in [token("viewer", None), token("viewer", Some("p"))] {
        let (status, message) = viewer.refused("DELETE", &path(&mine), &json!(null));
        assert_eq!(status, 403, "{message}");
        assert!(message.contains("role submitter"), "{message}");
    }
    let stranger = token("admin", Some("q"));
    assert_eq!(
        stranger.refused("DELETE", &path(&mine), &json!(null)).0,
        404
    );
    let nobody = site.api.with_token("");
    assert_eq!(nobody.refused("DELETE", &path(&mine), &json!(null)).0, 401);
    assert_eq!(site.api.job(&mine)["state"], "canceled");
    assert_eq!(delete(&token("submitter", Some("p")), &mine), 204);
    assert_eq!(delete(&token("admin", None), &other), 204);
}

#[test]
fn what_has_not_ended_is_canceled_first_and_then_stopped() {
    let site = Site::new();
    let key = site.new_runner("r");
    let url = &site.server().url;
    let id = site.submit();
    let is_refused = |state: &str| {
        let (status, message) = site.api.refused("DELETE", &path(&id), &json!(null));
        assert_eq!(status, 409, "{message}");
        let part = format!("is {state}: cancel it first");
        assert!(message.contains(&part), "{message}");
    };
    is_refused("pending");
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    runner.claim();
    is_refused("claimed");
    assert_eq!(runner.say("running"), "ack");
    is_refused("running");
    cancel(&site.api, &id);
    assert_eq!(delete(&site.api, &id), 204);
    // It is at work still, and is told to stop, on another connection too.
    assert_eq!(runner.say("heartbeat"), "cancel");
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    assert_eq!(runner.say("running"), "cancel");
    runner.send(&json!({"event": "canceled", "job": id}));
    assert_eq!(runner.receive(), json!({"event": "ack", "job": id}));
    let next = site.submit();
    complete(&mut runner, &next);
    let project = site.api.get("/v0/projects/p");
    assert_eq!(
        (&project["queued"], &project["active"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn a_comparison_is_deleted_as_a_whole() {
    let site = Site::new();
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let sides = [config(), config()];
    let body = json!({"project": "p", "spec": "s", "rounds": 1, "sides": sides});
    let made = site.api.post("/v0/comparisons", &body);
    let comparison = format!("/v0/comparisons/{}", made["comparison"].as_str().unwrap());
    let jobs: Vec<_> = made["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    let mut runner = site.connected("r");
    complete(&mut runner, jobs[0]);
    site.api.wait_for(jobs[0], &["processed"]);
    let (status, message) = site.api.refused("DELETE", &path(jobs[0]), &json!(null));
    assert_eq!(status, 409, "{message}");
    assert!(
        message.contains(&format!("DELETE {comparison}")),
        "{message}"
    );
    let (status, message) = site.api.refused("DELETE", &comparison, &json!(null));
    assert_eq!(status, 409, "{message}");
    assert!(
        message.contains("not ended: 1; cancel them first"),
        "{message}"
    );
    complete(&mut runner, jobs[1]);
    site.api.wait_for(jobs[1], &["processed"]);
    for (role, project, status) in [("viewer", "p", 403), ("admin", "q", 404)] {
        let body = json!({"name": role, "role": role, "project": project});
        let created = site.api.post("/v0/tokens", &body);
        let other = site.api.with_token(created["secret"].as_str().unwrap());
        assert_eq!(other.refused("DELETE", &comparison, &json!(null)).0, status);
    }
    assert_eq!(site.api.send("DELETE", &comparison, None).0, 204);
    for id in jobs {
        assert_is_gone(&site.api, id);
        assert!(objects(site.folder.path(), id).is_empty());
    }
    for gone in [&comparison, "/v0/comparisons/x"] {
        assert_eq!(site.api.refused("DELETE", gone, &json!(null)).0, 404);
    }
    assert_eq!(deleted(&site.api, "request"), "2");
}

#[test]
fn a_late_result_does_not_bring_a_deleted_job_back() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let site = Site::with(Setup::with(&["--heartbeat-timeout", "2"]));
    late_result(&site, &site.server().url);
    let (site, second, _folder) = two_servers(&postgres);
    late_result(&site, &second.url);
}

/// The runner is at the server `url`, and says nothing for too long.
fn late_result(site: &Site, url: &str) {
    let key = site.new_runner("r");
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    let id = site.submit();
    runner.claim();
    assert_eq!(runner.say("running"), "ack");
    drop(runner);
    if site.setup.arguments.is_empty() {
        // Silence would take longer here.
        cancel(&site.api, &id);
    } else {
        let failed = site.api.wait_for(&id, &["failed"]);
        assert_eq!(failed["reason"], "heartbeat_timeout");
    }
    assert_eq!(delete(&site.api, &id), 204);
    let mut runner = Runner::connect(url, "r", &key).unwrap();
    runner.send(&json!({"event": "completed", "job": id, "results": long()}));
    assert_eq!(runner.receive(), json!({"event": "ack", "job": id}));
    assert_is_gone(&site.api, &id);
    assert!(objects(site.folder.path(), &id).is_empty());
    let next = site.submit();
    complete(&mut runner, &next);
}

#[test]
fn who_watches_a_job_at_another_server_sees_that_it_is_gone() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (site, second, _folder) = two_servers(&postgres);
    let mut runner = site.connected("r");
    let id = site.submit();
    assert_eq!(runner.claim()["uuid"], id.as_str());
    assert_eq!(runner.say("running"), "ack");
    let mut watchers =
        [&site.server().url, &second.url].map(|url| Watcher::of(&site.api.at(url), &id));
    for watcher in &mut watchers {
        watcher.sees("[RUNNING]");
    }
    // As long as its results are not read, it is watched on.
    site.execute(&[
        "CREATE FUNCTION held() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'held'; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER held BEFORE UPDATE ON jobs FOR EACH ROW \
         WHEN (NEW.state = 'processed') EXECUTE FUNCTION held()",
    ]);
    runner.send(&json!({"event": "completed", "job": id, "results": long()}));
    assert_eq!(runner.receive()["event"], "ack");
    for watcher in &mut watchers {
        watcher.sees("[COMPLETED]");
    }
    assert_eq!(delete(&site.api, &id), 204);
    for watcher in &mut watchers {
        watcher.ends();
        assert_eq!(watcher.seen, "[RUNNING][COMPLETED]");
    }
    assert_is_gone(&site.api.at(&second.url), &id);
}

#[test]
fn nothing_of_a_deleted_job_is_in_the_database_file() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let secret = "leaked-secret-0123456789";
    let mut body = job_body("p", "s");
    body["config"]["env"] = json!({"A": secret.repeat(100)});
    let id = site.api.submit(&body);
    runner.claim();
    let stdout = secret.repeat(500);
    runner.send(
        &json!({"event": "completed", "job": id, "results": [{"exit_code": 0, "stdout": stdout}]}),
    );
    assert_eq!(runner.receive()["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
    assert_eq!(delete(&site.api, &id), 204);
    assert!(site.server.expect("it runs").stop());
    for entry in std::fs::read_dir(site.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let is_there = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!is_there, "it is in {}", path.display());
        }
    }
}
