//! How a job was measured: its runner says it where it was asked, and people and their tools are told.

use serde_json::{Value, json};

use crate::support::*;

/// What a runner says of two iterations, the second one of which is suspect.
pub(crate) fn evidence(text: &str) -> Value {
    evidence_of(&[2_000_000, 4_000_000], text)
}

/// What a runner says of iterations that took so many nanoseconds, the last one of which is suspect.
pub(crate) fn evidence_of(walls: &[u64], text: &str) -> Value {
    let iteration = |(index, wall_ns): (usize, &u64)| {
        let verdict = if index == walls.len() {
            "suspect"
        } else {
            "valid"
        };
        json!({
            "index": index, "ended_by": "exit", "exit_code": 0, "retried": false,
            "resources": {"wall_ns": wall_ns, "cpu_us": 1500, "memory_peak_bytes": 3_145_728},
            "validity": {"verdict": verdict, "reasons": [{"kind": "other_load", "text": text}]},
        })
    };
    json!({
        "version": 1,
        "machine": {"sandbox": "qemu", "accelerator": "tcg", "clock": "wall"},
        "host": {"cpu_model": text},
        "trust": {"comparable": false, "reasons": [text], "suspect_iterations": 1},
        "iterations": (1..).zip(walls).map(iteration).collect::<Vec<_>>(),
    })
}

/// Gets a job, having said that it can be told how it is measured.
pub(crate) fn claim(runner: &mut Runner) -> Value {
    runner.send(&json!({"event": "ready", "poll_timeout": 60, "evidence": true}));
    let job = runner.receive();
    assert_eq!(job["evidence"], true, "{job}");
    assert_eq!(runner.say("running"), "ack");
    job["uuid"].clone()
}

fn results() -> Value {
    json!([{"exit_code": 0, "stdout": "out"}, {"exit_code": 0, "stdout": "out"}])
}

/// As many results as there are iterations in the evidence.
fn results_of(evidence: &Value) -> Value {
    match evidence["iterations"].as_array() {
        Some(iterations) => vec![results()[0].clone(); iterations.len()].into(),
        None => results(),
    }
}

/// The end of a job, with this evidence.
pub(crate) fn end(runner: &mut Runner, mut message: Value, job: &Value, evidence: &Value) {
    message["job"] = job.clone();
    message["results"] = results_of(evidence);
    message["evidence"] = evidence.clone();
    runner.send(&message);
    assert_eq!(runner.receive()["event"], "ack");
}

fn path(id: &str) -> String {
    format!("/v0/jobs/{id}/evidence")
}

#[test]
fn it_is_kept_as_it_came_and_told_at_a_glance() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let completed = json!({"event": "completed"});
    let failed = json!({"event": "failed", "error": "iteration 2 failed"});
    // Short ones are in the database, others in the storage of outputs.
    for text in ["others took 5 %".to_owned(), "x".repeat(20_000)] {
        for (message, state) in [(&completed, "processed"), (&failed, "failed")] {
            let id = site.submit();
            let job = claim(&mut runner);
            end(&mut runner, message.clone(), &job, &evidence(&text));
            site.api.wait_for(&id, &[state]);
            assert_eq!(site.api.get(&path(&id)), evidence(&text));
            assert_eq!(site.api.get(&format!("/v0/jobs/{id}/results")), results());
            let measured = &site.api.job(&id)["measured"];
            assert_eq!(measured["machine"]["accelerator"], "tcg", "{measured}");
            assert_eq!(measured["comparable"], false);
            assert_eq!(
                (&measured["iterations"], &measured["suspect_iterations"]),
                (&2.into(), &1.into())
            );
            let wall = json!({"name": "wall", "unit": "nanoseconds", "values": 2, "median": 3e6, "least": 2e6, "most": 4e6});
            assert_eq!(measured["metrics"][0], wall);
            let said = measured["suspicions"][0]["text"].as_str().unwrap();
            assert!(text.starts_with(said.trim_end_matches('…')), "{said}");
            let listed = &site.api.get("/v0/jobs?limit=1")["items"][0];
            assert_eq!(&listed["measured"], measured, "{listed}");
        }
    }
}

#[test]
fn who_does_not_know_of_it_is_not_asked() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    let job = runner.claim();
    assert!(job.get("evidence").is_none(), "{job}");
    runner.say("running");
    runner.complete(&job["uuid"]);
    site.api.wait_for(&id, &["processed"]);
    assert!(site.api.job(&id).get("measured").is_none());
    let (status, message) = site.api.refused("GET", &path(&id), &json!(null));
    assert_eq!(status, 404);
    assert!(message.contains("evidence"), "{message}");
}

#[test]
fn what_is_no_evidence_costs_no_results() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let too_long = json!({"version": 1, "text": "x".repeat(1 << 20)});
    let no_list = json!({"version": 1, "iterations": 3});
    for evidence in [
        json!(3),
        json!("text"),
        json!(null),
        json!([]),
        too_long,
        no_list,
    ] {
        let id = site.submit();
        let job = claim(&mut runner);
        end(&mut runner, json!({"event": "completed"}), &job, &evidence);
        site.api.wait_for(&id, &["processed"]);
        assert_eq!(site.api.get(&format!("/v0/jobs/{id}/results")), results());
        assert_eq!(site.api.send("GET", &path(&id), None).0, 404);
        assert!(site.api.job(&id).get("measured").is_none());
    }
}

/// Nobody says how somebody else's job was measured.
#[test]
fn it_is_taken_of_the_jobs_runner_alone() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    let job = claim(&mut runner);
    let mut other = site.connected("other");
    end(
        &mut other,
        json!({"event": "completed"}),
        &job,
        &evidence(&"theirs".repeat(5000)),
    );
    assert!(!site.path("outputs/results").join(&id).exists());
    assert_eq!(site.api.job(&id)["state"], "running");
    assert_eq!(site.api.send("GET", &path(&id), None).0, 404);
    end(
        &mut runner,
        json!({"event": "completed"}),
        &job,
        &evidence("ours"),
    );
    site.api.wait_for(&id, &["processed"]);
    assert_eq!(site.api.get(&path(&id))["trust"]["reasons"][0], "ours");
}

#[test]
fn it_goes_with_its_job_and_not_before() {
    let mut site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    let job = claim(&mut runner);
    let long = evidence(&"x".repeat(20_000));
    end(&mut runner, json!({"event": "completed"}), &job, &long);
    site.api.wait_for(&id, &["processed"]);
    let folder = site.path("outputs/results").join(&id);
    let objects = || {
        let entries = std::fs::read_dir(&folder).into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    let [object] = objects().try_into().unwrap();
    let orphan = object.with_file_name("nobodys.json");
    std::fs::write(&orphan, "{}").unwrap();
    for old in [&orphan, &object] {
        crate::outputs::make_old(old);
    }
    // A server that starts sweeps.
    drop(runner);
    site.kill();
    site.start_again();
    crate::outputs::wait_until("the orphan is swept", || !orphan.exists());
    assert_eq!(site.api.get(&path(&id)), long);
    assert_eq!(
        site.api.send("DELETE", &format!("/v0/jobs/{id}"), None).0,
        204
    );
    assert_eq!(site.api.send("GET", &path(&id), None).0, 404);
    crate::outputs::wait_until("its evidence is removed", || objects().is_empty());
}
