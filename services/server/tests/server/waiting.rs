//! Why jobs wait, and which runners are connected.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::client::{image, runner, site};
use crate::outputs::wait_until;
use crate::support::*;

fn is_connected(site: &Site, slug: &str) -> bool {
    let runner = site.api.get(&format!("/v0/runners/{slug}"));
    runner["connected"].as_bool().unwrap()
}

fn waiting(site: &Site, id: &str) -> Value {
    site.api.job(id)["waiting"].clone()
}

#[test]
fn a_job_says_why_it_waits() {
    let site = Site::new();
    let quota = json!({"queued": 10, "active": 1, "priority": 5});
    site.api.put("/v0/projects/p/quota", &quota);
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let id = site.submit();
    let nobody = json!({"runners": 0, "connected": 0, "ahead": 0, "project_is_full": false});
    assert_eq!(waiting(&site, &id), nobody);
    // What others do is not counted.
    for (slug, specs) in [("other", vec![]), ("gone", vec!["s"])] {
        site.api
            .post("/v0/runners", &json!({"slug": slug, "specs": specs}));
    }
    site.api.post("/v0/runners/gone/archive", &json!(null));
    assert_eq!(waiting(&site, &id), nobody);
    let key = site.new_runner("r");
    site.new_runner("second");
    assert_eq!(
        waiting(&site, &id),
        json!({"runners": 2, "connected": 0, "ahead": 0, "project_is_full": false})
    );
    let mut connection = Runner::connect(&site.server().url, "r", &key).unwrap();
    wait_until("it is connected", || waiting(&site, &id)["connected"] == 1);
    assert_eq!(connection.claim()["uuid"], id.as_str());
    assert_eq!(waiting(&site, &id), Value::Null, "it waits no more");
    // Of the others the older ones are ahead, of any project, and those with a higher priority.
    site.api.submit(&job_body("q", "s"));
    let mine = site.submit();
    site.submit();
    let mut urgent = job_body("p", "s");
    urgent["priority"] = json!(5);
    let urgent = site.api.submit(&urgent);
    assert_eq!(
        waiting(&site, &mine),
        json!({"runners": 2, "connected": 1, "ahead": 2, "project_is_full": true})
    );
    assert_eq!(waiting(&site, &urgent)["ahead"], 0);
    let list = site.api.get("/v0/jobs?state=pending");
    assert_eq!(list["items"][0]["waiting"], Value::Null, "not in lists");
}

#[test]
fn a_comparison_waits_for_the_runner_that_has_begun_it() {
    let site = Site::new();
    let before = site.submit();
    let config = config();
    let body = json!({"project": "p", "spec": "s", "rounds": 2, "sides": [config, config]});
    let submitted = site.api.post("/v0/comparisons", &body);
    let turn = |turn: usize| submitted["jobs"][turn].as_str().unwrap().to_owned();
    let after = site.submit();
    assert_eq!(waiting(&site, &turn(0))["ahead"], 1);
    assert_eq!(waiting(&site, &turn(3))["ahead"], 4);
    let mut connection = site.connected("r");
    for _ in 0..2 {
        let job = connection.claim();
        connection.complete(&job["uuid"]);
        if job["uuid"] != before.as_str() {
            break;
        }
    }
    assert_eq!(
        waiting(&site, &turn(3)),
        json!({
            "runners": 1, "connected": 1, "ahead": 2, "project_is_full": false, "bound_to": "r",
        })
    );
    assert_eq!(waiting(&site, &after)["ahead"], 3);
    site.api.delete("/v0/runners/r/specs/s");
    assert_eq!(waiting(&site, &turn(3))["runners"], 0);
}

#[test]
fn whoever_waits_is_told_why() {
    let site = site();
    let id = site.submit();
    let show = || runner(&site, &["jobs", "show", &id]).output().unwrap();
    let shown = String::from_utf8(show().stdout).unwrap();
    let reason = "no runner is linked to the spec `s`: link one, or cancel the job";
    assert!(
        shown.contains(&format!("waits        {reason}\n")),
        "{shown}"
    );
    let image = image(&site);
    let mut submit = runner(&site, &["submit", &image, "--spec", "s", "--wait"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(submit.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("the job waits: ") {
        assert_ne!(told.read_line(&mut text).unwrap(), 0, "{text}");
    }
    let waits = site.api.get("/v0/jobs")["items"][0]["id"].clone();
    let cancel = format!("/v0/jobs/{}/cancel", waits.as_str().unwrap());
    site.api.post(&cancel, &json!(null));
    told.read_to_string(&mut text).unwrap();
    assert_eq!(submit.wait().unwrap().code(), Some(130), "{text}");
    let line = format!("warning: the job waits: {reason}\n");
    assert_eq!(text.matches(&line).count(), 1, "{text}");
    assert_eq!(text.matches("the job waits").count(), 1, "{text}");
}

#[test]
fn runners_are_connected_until_they_hang_up() {
    let site = Site::new();
    let key = site.new_runner("r");
    assert!(!is_connected(&site, "r"));
    let first = Runner::connect(&site.server().url, "r", &key).unwrap();
    wait_until("it is connected", || is_connected(&site, "r"));
    // The end of an older connection is not that of the newer one.
    let mut second = Runner::connect(&site.server().url, "r", &key).unwrap();
    second.say("heartbeat");
    drop(first);
    second.say("heartbeat");
    assert!(is_connected(&site, "r"));
    assert_eq!(site.api.get("/v0/runners")["items"][0]["connected"], true);
    drop(second);
    wait_until("it has hung up", || !is_connected(&site, "r"));
    // Whose key was rotated is sent away.
    let third = Runner::connect(&site.server().url, "r", &key).unwrap();
    wait_until("it is connected", || is_connected(&site, "r"));
    site.api.post("/v0/runners/r/key", &json!(null));
    wait_until("it is sent away", || !is_connected(&site, "r"));
    drop(third);
}

#[test]
fn a_server_that_ends_leaves_no_runner_connected() {
    let mut site = Site::new();
    let _runner = site.connected("r");
    wait_until("it is connected", || is_connected(&site, "r"));
    assert!(site.server.take().unwrap().stop());
    site.start_again();
    assert!(!is_connected(&site, "r"));
}
