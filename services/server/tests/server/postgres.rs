//! Several servers on one PostgreSQL.

use std::collections::HashSet;
use std::thread;

use serde_json::json;
use test_support::Postgres;

use crate::support::*;

fn setup(postgres: &Postgres) -> Setup {
    Setup {
        database: Some(postgres.url()),
        ..Setup::default()
    }
}

/// A site on PostgreSQL, and a second server beside its first one.
pub(crate) fn two_servers(postgres: &Postgres) -> (Site, Server, tempfile::TempDir) {
    two_servers_with(postgres, Setup::default())
}

/// The same, both started like this.
pub(crate) fn two_servers_with(
    postgres: &Postgres,
    setup: Setup,
) -> (Site, Server, tempfile::TempDir) {
    let site = Site::with(Setup {
        database: Some(postgres.url()),
        ..setup
    });
    let folder = tempfile::tempdir().unwrap();
    // They share the outputs and the key of the secrets.
    std::fs::copy(site.path("secrets.key"), folder.path().join("secrets.key")).unwrap();
    std::os::unix::fs::symlink(site.path("outputs"), folder.path().join("outputs")).unwrap();
    let second = Server::start(folder.path(), &site.setup);
    (site, second, folder)
}

#[test]
fn one_server_wakes_the_other() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (site, second, _folder) = two_servers(&postgres);
    let key = site.new_runner("r");
    // The runner is at the second server, and everybody else at the first.
    let mut runner = Runner::connect(&second.url, "r", &key).unwrap();
    runner.ready();
    let id = site.submit();
    assert_eq!(runner.receive()["uuid"], id);
    assert_eq!(runner.say("running"), "ack");
    site.api.wait_for(&id, &["running"]);
    site.api
        .post(&format!("/v0/jobs/{id}/cancel"), &json!(null));
    while runner.say("heartbeat") == "ack" {}
    // A newer connection at the first ends the one at the second.
    let mut newer = Runner::connect(&site.server().url, "r", &key).unwrap();
    let frame = runner.closed().expect("a reason");
    assert!(frame.reason.contains("newer connection"), "{frame}");
    let id = site.submit();
    assert_eq!(newer.claim()["uuid"], id);
    assert!(second.stop());
}

#[test]
fn an_older_connection_that_comes_late_to_another_server_ends() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (site, second, _folder) = two_servers(&postgres);
    let key = site.new_runner("r");
    let number = |number: u32| Some(format!("00000000-0000-4000-8000-000000000000.{number}"));
    let connect = |server: &Server, number: Option<String>| {
        Runner::connect_as(&server.url, "r", &key, number.as_deref()).unwrap()
    };
    let mut newer = connect(site.server(), number(2));
    newer.ready();
    let mut late = connect(&second, number(1));
    let frame = late.closed().expect("a reason");
    assert_eq!(u16::from(frame.code), 1008, "{frame}");
    let id = site.submit();
    assert_eq!(newer.receive()["uuid"], id);
    assert_eq!(newer.say("running"), "ack");
    let mut newest = connect(&second, number(3));
    assert!(newer.closed().is_some());
    assert_eq!(newest.say("heartbeat"), "ack");
    assert_eq!(site.api.job(&id)["state"], "running");
    assert!(second.stop());
}

#[test]
fn a_job_outlives_the_server_that_gave_it() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (site, second, _folder) = two_servers(&postgres);
    let key = site.new_runner("r");
    let id = site.submit();
    let mut runner = Runner::connect(&second.url, "r", &key).unwrap();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    second.kill();
    assert!(runner.closed().is_none());
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    assert_eq!(runner.say("heartbeat"), "ack");
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
}

#[test]
fn two_servers_give_no_job_twice_and_lose_none() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (site, second, _folder) = two_servers(&postgres);
    let count = 60;
    let jobs: HashSet<_> = (0..count).map(|_| site.submit()).collect();
    let urls = [site.server().url.clone(), second.url.clone()];
    let runs: Vec<String> = thread::scope(|scope| {
        let runners: Vec<_> = (0..6)
            .map(|number| {
                let slug = format!("r{number}");
                let key = site.new_runner(&slug);
                let url = &urls[number % 2];
                scope.spawn(move || {
                    let mut runner = Runner::connect(url, &slug, &key).unwrap();
                    let mut runs = Vec::new();
                    loop {
                        runner.send(&json!({"event": "ready", "poll_timeout": 1}));
                        let job = runner.receive();
                        if job["event"] == "no_job" {
                            return runs;
                        }
                        runs.push(job["uuid"].as_str().unwrap().to_owned());
                        assert_eq!(runner.say("running"), "ack");
                        assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
                    }
                })
            })
            .collect();
        runners
            .into_iter()
            .flat_map(|runner| runner.join().unwrap())
            .collect()
    });
    assert_eq!(runs.len(), count);
    assert_eq!(runs.into_iter().collect::<HashSet<_>>(), jobs);
    for id in &jobs {
        site.api.wait_for(id, &["processed"]);
    }
    let project = site.api.get("/v0/projects/p");
    assert_eq!(
        (&project["queued"], &project["active"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn servers_with_different_keys_do_not_use_one_database() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let site = Site::with(setup(&postgres));
    let folder = tempfile::tempdir().unwrap();
    let (code, errors) = Server::refused(folder.path(), &site.setup);
    assert_eq!(code, LASTING);
    assert!(errors.contains("is not the key"), "{errors}");
    assert!(
        errors.contains("copy this file from another server"),
        "{errors}"
    );
    std::fs::copy(site.path("secrets.key"), folder.path().join("secrets.key")).unwrap();
    assert!(Server::start(folder.path(), &site.setup).stop());
}
