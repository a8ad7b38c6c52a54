//! Who gets which job.

use serde_json::{Value, json};

use crate::support::*;

#[test]
fn priority_then_age() {
    let site = Site::new();
    let quota = json!({"queued": 99, "active": 99, "priority": 9});
    site.api.put("/v0/projects/p/quota", &quota);
    let submit = |priority| {
        let mut body = job_body("p", "s");
        body["priority"] = json!(priority);
        site.api.submit(&body)
    };
    let ids = [submit(0), submit(5), submit(0), submit(9)];
    let mut runner = site.connected("r");
    let claimed: Vec<_> = (0..4)
        .map(|_| {
            let job = runner.claim()["uuid"].clone();
            runner.complete(&job);
            job
        })
        .collect();
    assert_eq!(claimed, [3, 1, 0, 2].map(|place| json!(ids[place])));
}

#[test]
fn a_project_with_many_jobs_does_not_hold_up_others() {
    let site = Site::new();
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    for _ in 0..5 {
        site.submit();
    }
    let late = site.api.submit(&job_body("q", "s"));
    let mut runners: Vec<_> = ["a", "b"].map(|slug| site.connected(slug)).into();
    let first = runners[0].claim();
    assert_ne!(first["uuid"], late);
    assert_eq!(runners[1].claim()["uuid"], late);
}

#[test]
fn projects_take_turns_at_one_runner() {
    let site = Site::new();
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let many: Vec<_> = (0..3).map(|_| site.submit()).collect();
    let late = site.api.submit(&job_body("q", "s"));
    let mut runner = site.connected("r");
    let claimed: Vec<_> = (0..4)
        .map(|_| {
            let job = runner.claim()["uuid"].clone();
            runner.complete(&job);
            job
        })
        .collect();
    assert_eq!(
        claimed,
        [&many[0], &late, &many[1], &many[2]].map(|job| json!(job))
    );
}

#[test]
fn only_what_a_runner_can_run() {
    let site = Site::new();
    let mut other = json!({
        "slug": "t", "os": "linux", "architecture": "aarch64", "sandbox": null, "cpu": 1,
        "memory": 1, "disk": 1,
    });
    site.api.post("/v0/specs", &other);
    let arm = site.api.submit(&job_body("p", "t"));
    let mut runner = site.connected("r");
    runner.send(&json!({"event": "ready", "poll_timeout": 1}));
    assert_eq!(runner.receive()["event"], "no_job");
    // While it waits, it learns to.
    runner.ready();
    site.api.put("/v0/runners/r/specs/t", &json!(null));
    let job = runner.receive();
    assert_eq!(job["uuid"], arm);
    assert_eq!(job["spec"]["sandbox"], json!(null));
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    site.api.delete("/v0/runners/r/specs/t");
    site.api.submit(&job_body("p", "t"));
    runner.send(&json!({"event": "ready", "poll_timeout": 1}));
    assert_eq!(runner.receive()["event"], "no_job");
    for (name, value) in [("os", "plan9"), ("architecture", "vax"), ("sandbox", "box")] {
        let mut body = other.clone();
        body[name] = json!(value);
        let (status, message) = site.api.refused("POST", "/v0/specs", &body);
        assert_eq!(status, 422, "{message}");
    }
    other["cpu"] = json!(0);
    assert_eq!(site.api.refused("POST", "/v0/specs", &other).0, 400);
}

fn comparison(site: &Site, rounds: usize) -> Value {
    let mut sides = [config(), config()];
    sides[0]["image"] = json!("before");
    sides[1]["image"] = json!("after");
    let body = json!({"project": "p", "spec": "s", "rounds": rounds, "sides": sides});
    site.api.post("/v0/comparisons", &body)
}

#[test]
fn a_comparison_runs_on_one_machine_in_turns() {
    let site = Site::new();
    let submitted = comparison(&site, 2);
    let later = site.submit();
    let (mut one, mut two) = (site.connected("one"), site.connected("two"));
    let mut images = Vec::new();
    let first = one.claim();
    images.push(first["config"]["image"].clone());
    // Nothing of it is for the other machine.
    assert_eq!(two.claim()["uuid"], later);
    two.complete(&json!(later));
    two.ready();
    one.complete(&first["uuid"]);
    // What was submitted since then comes after it, on its machine.
    for place in 1..4 {
        let job = one.claim();
        assert_eq!(job["uuid"], submitted["jobs"][place]);
        images.push(job["config"]["image"].clone());
        one.complete(&job["uuid"]);
    }
    assert_eq!(images, ["before", "after", "after", "before"]);
    let id = submitted["comparison"].as_str().unwrap();
    let jobs = site.api.get(&format!("/v0/jobs?comparison={id}"));
    let runners: Vec<_> = jobs["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["runner"].clone())
        .collect();
    assert!(runners.len() == 4 && runners.iter().all(|runner| *runner == runners[0]));
}

#[test]
fn a_comparison_that_can_not_run_holds_up_no_other_of_its_machine() {
    let site = Site::new();
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let quota = |active| {
        let body = json!({"queued": 99, "active": active});
        site.api.put("/v0/projects/p/quota", &body);
    };
    let older = comparison(&site, 2);
    let sides = [config(), config()];
    let body = json!({"project": "q", "spec": "s", "rounds": 1, "sides": sides});
    let newer = site.api.post("/v0/comparisons", &body);
    let mut machine = site.connected("m");
    for (active, expected) in [
        (1, &older["jobs"][0]),
        (0, &newer["jobs"][0]),
        (0, &newer["jobs"][1]),
        (1, &older["jobs"][1]),
    ] {
        quota(active);
        let job = machine.claim()["uuid"].clone();
        assert_eq!(job, *expected);
        assert_eq!(machine.complete(&job)["event"], "ack");
    }
}

#[test]
fn a_comparison_ends_as_a_whole() {
    let site = Site::new();
    let states = |submitted: &Value| -> Vec<Value> {
        let jobs = submitted["jobs"].as_array().unwrap();
        jobs.iter()
            .map(|id| site.api.job(id.as_str().unwrap())["state"].clone())
            .collect()
    };
    let canceled = comparison(&site, 1);
    let second = canceled["jobs"][1].as_str().unwrap();
    site.api
        .post(&format!("/v0/jobs/{second}/cancel"), &json!(null));
    assert_eq!(states(&canceled), ["canceled", "canceled"]);
    // Its machine goes away.
    let abandoned = comparison(&site, 1);
    let mut runner = site.connected("r");
    let job = runner.claim();
    site.api.post("/v0/runners/r/archive", &json!(null));
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    let second = abandoned["jobs"][1].as_str().unwrap();
    let last = site.api.job(second);
    assert_eq!(
        (&last["state"], &last["reason"]),
        (&json!("failed"), &json!("runner_archived"))
    );
    let project = site.api.get("/v0/projects/p");
    assert_eq!(
        (&project["queued"], &project["active"]),
        (&json!(0), &json!(0))
    );
    for (rounds, sides, part) in [
        (0, 2, "0 rounds"),
        (200, 2, "more than"),
        (1, 1, "two sides"),
    ] {
        let sides = vec![config(); sides];
        let body = json!({"project": "p", "spec": "s", "rounds": rounds, "sides": sides});
        let (code, message) = site.api.refused("POST", "/v0/comparisons", &body);
        assert!(code == 400 && message.contains(part), "{message}");
    }
}
