//! Whatever is killed, nothing is lost and nothing is run twice.

use serde_json::json;

use crate::support::*;

#[test]
fn a_server_that_is_killed_goes_on_where_it_was() {
    let mut site = Site::new();
    let key = site.new_runner("r");
    let waiting = site.new_runner("waiting");
    let id = site.submit();
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    let next = site.submit();
    site.kill();
    site.start_again();
    let url = site.server().url.clone();
    assert_eq!(site.api.job(&id)["state"], "running");
    assert_eq!(site.api.job(&next)["state"], "pending");
    let mut runner = Runner::connect(&url, "r", &key).unwrap();
    assert_eq!(runner.say("heartbeat"), "ack");
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    // At once: what was acknowledged is on the disk.
    site.kill();
    site.start_again();
    site.api.wait_for(&id, &["processed"]);
    let results = site.api.get(&format!("/v0/jobs/{id}/results"));
    assert_eq!(results[0]["stdout"], "out");
    let mut other = Runner::connect(&site.server().url, "waiting", &waiting).unwrap();
    assert_eq!(other.claim()["uuid"], next);
}

#[test]
fn a_server_that_ends_says_so_and_another_takes_over() {
    let mut site = Site::new();
    let key = site.new_runner("r");
    let id = site.submit();
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    let mut idle = site.connected("idle");
    idle.ready();
    let watched = site.api.events(&id);
    assert!(site.server.take().unwrap().stop());
    for runner in [&mut runner, &mut idle] {
        let frame = runner.closed().expect("a reason");
        assert_eq!(u16::from(frame.code), 1001);
        assert_eq!(frame.reason.as_str(), "server shutting down");
    }
    assert_eq!(watched.last().unwrap().1, json!({"state": "running"}));
    site.start_again();
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
}

#[test]
fn two_servers_do_not_share_a_file() {
    let site = Site::new();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bencher-server"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(site.folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("another server uses"), "{errors}");
}

#[test]
fn many_jobs_and_a_server_that_is_killed_again_and_again() {
    let mut site = Site::new();
    let jobs: Vec<_> = (0..40).map(|_| site.submit()).collect();
    let keys: Vec<_> = (0..4)
        .map(|number| {
            let slug = format!("r{number}");
            let key = site.new_runner(&slug);
            (slug, key)
        })
        .collect();
    let mut runs = Vec::new();
    for round in 0..5 {
        let url = site.server().url.clone();
        let mut runners: Vec<_> = keys
            .iter()
            .map(|(slug, key)| Runner::connect(&url, slug, key).unwrap())
            .collect();
        // Two jobs each; after some rounds the last claim is cut off before it is used.
        for runner in &mut runners {
            for _ in 0..2 {
                let job = runner.claim()["uuid"].clone();
                assert_eq!(runner.say("running"), "ack");
                runs.push(job.as_str().unwrap().to_owned());
                assert_eq!(runner.complete(&job)["event"], "ack");
            }
            if round < 3 {
                runner.ready();
            }
        }
        site.kill();
        site.start_again();
    }
    assert_eq!(runs.len(), 40);
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), 40, "none is run twice");
    for id in &jobs {
        site.api.wait_for(id, &["processed"]);
    }
    let project = site.api.get("/v0/projects/p");
    assert_eq!(
        (&project["queued"], &project["active"]),
        (&json!(0), &json!(0))
    );
}
