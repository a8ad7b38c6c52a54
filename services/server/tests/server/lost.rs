//! `runner submit` and `runner jobs` where connections are lost, or the server is a strange one.

use std::process::Stdio;
use std::sync::mpsc::channel;

use serde_json::json;

use crate::client::{image, play, runner, site};
use crate::support::*;

#[test]
fn the_end_of_a_wait_outlives_lost_connections() {
    let site = site();
    let mut connection = site.connected("r");
    let image = image(&site);
    let (lost, losses) = channel();
    let mut seen = Vec::new();
    let url = between(&site.server().url, move |line| {
        let is_about_a_job = line.starts_with("GET /v0/jobs/") && !line.contains("/events");
        if !is_about_a_job || seen.contains(&line.to_owned()) {
            return Fate::Passed;
        }
        // Each is lost once: where the job stands, and what it wrote.
        seen.push(line.to_owned());
        lost.send(()).unwrap();
        Fate::Lost
    });
    let waiting = runner(&site, &["submit", &image, "--spec", "s", "--wait"])
        .env("BENCHER_HOST", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    play(
        &mut connection,
        "completed",
        &json!([{"exit_code": 3, "stdout": "out"}]),
    );
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(output.stdout, b"out");
    assert_eq!(losses.try_iter().count(), 2);
}

#[test]
fn an_empty_page_is_the_last() {
    let site = site();
    let mut pages = 0;
    let url = between(&site.server().url, move |_| {
        pages += 1;
        assert!(pages < 3, "it asks on and on");
        let next = "00000000-0000-0000-0000-000000000000";
        Fate::Answered(json!({"items": [], "next": next}).to_string())
    });
    let output = runner(&site, &["jobs", "ls", "--json"])
        .env("BENCHER_HOST", url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"[]\n");
}
