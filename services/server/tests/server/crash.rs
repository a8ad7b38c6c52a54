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
    let (code, errors) = Server::refused(site.folder.path(), &Setup::default());
    assert!(errors.contains("another server uses"), "{errors}");
    assert_eq!(code, 1, "the other one may end");
}

#[test]
fn a_data_folder_is_closed_to_others_or_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut site = Site::new();
    site.kill();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(site.folder.path(), open.clone()).unwrap();
    site.start_again();
    let mode = std::fs::metadata(site.folder.path()).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o750);
    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("diary"), "").unwrap();
    std::fs::set_permissions(foreign.path(), open).unwrap();
    let (code, errors) = Server::refused(foreign.path(), &Setup::default());
    assert!(errors.contains("everybody can look into"), "{errors}");
    assert_eq!(code, LASTING);
    assert_eq!(std::fs::read_dir(foreign.path()).unwrap().count(), 1);
}

#[test]
fn results_of_what_is_over_are_not_written() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let results = json!([{"exit_code": 0, "stdout": "x".repeat(100_000)}]);
    let completed =
        |job: &serde_json::Value| json!({"event": "completed", "job": job, "results": results});
    let kept = || match std::fs::read_dir(site.path("outputs/results")) {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    };
    let canceled = site.submit();
    let job = runner.claim();
    site.api
        .post(&format!("/v0/jobs/{canceled}/cancel"), &json!(null));
    runner.send(&completed(&job["uuid"]));
    assert_eq!(runner.receive()["event"], "ack");
    assert_eq!(kept(), 0);
    let id = site.submit();
    let job = runner.claim();
    runner.send(&completed(&job["uuid"]));
    assert_eq!(runner.receive()["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
    assert_eq!(kept(), 1);
    // Told once more, it is not written once more.
    std::fs::remove_dir_all(site.path("outputs/results")).unwrap();
    runner.send(&completed(&job["uuid"]));
    assert_eq!(runner.receive()["event"], "ack");
    assert_eq!(kept(), 0);
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
