//! The pages in a real browser.

use std::path::PathBuf;

use serde_json::json;

use super::browser::{Browser, program};
use super::comparison::compared;
use super::contrast::is_readable;
use super::{EVIL, evil_job, measured_job};
use crate::evidence::{claim, end, evidence_of};
use crate::support::*;

/// A folder for pictures of all pages, for whoever wants to look at them.
const PICTURES: &str = "BENCHER_WEB_PICTURES";

/// No page may be wider than a phone, and each can be read in either colours.
pub(super) fn fits(browser: &mut Browser, name: &str) {
    for (width, scheme) in [
        (1280, "light"),
        (1280, "dark"),
        (360, "light"),
        (360, "dark"),
    ] {
        browser.show(width, scheme);
        let wide = browser.value("document.documentElement.scrollWidth");
        assert!(
            wide.as_u64().unwrap() <= width.into(),
            "{name} at {width}: {wide}"
        );
        is_readable(browser, name, scheme);
        if let Some(folder) = std::env::var_os(PICTURES) {
            let file = format!("{name}-{width}-{scheme}.png");
            browser.picture(&PathBuf::from(folder).join(file));
        }
    }
}

#[test]
fn a_job_is_watched_to_its_end() {
    let Some(program) = program() else {
        eprintln!("skipped: no Chromium here (Debian: apt-get install chromium)");
        return;
    };
    let site = Site::new();
    let url = site.server().url.clone();
    let key = site.new_runner("intel-12th-gen");
    let mut runner = Runner::connect(&url, "intel-12th-gen", &key).unwrap();
    let measured = measured_job(&site, &mut runner);
    let trusted = site.submit();
    let claimed = claim(&mut runner);
    let walls: Vec<u64> = (0..20)
        .map(|number| 120_000_000 + number * 37 % 20 * 90_000)
        .collect();
    let evidence = evidence_of(
        &walls,
        "other programs took 340 ms of the CPUs' time (12.1 %)",
    );
    end(
        &mut runner,
        json!({"event": "completed"}),
        &claimed,
        &evidence,
    );
    let job = site.api.submit(&evil_job());
    runner.send(&json!({"event": "ready", "poll_timeout": 60, "runner": {
        "os": "linux", "arch": "x86_64", "version": "0.1.0", "live_output": true}}));
    let claimed = runner.receive();
    assert_eq!(
        (claimed["uuid"].as_str(), &claimed["live_output"]),
        (Some(&*job), &json!(true))
    );
    runner.say("running");

    let mut browser = Browser::start(program);
    browser.go(&format!("{url}/jobs/{job}"));
    // The field has the focus, so no mouse is needed.
    browser.wait_for("document.activeElement.id === 'token'");
    fits(&mut browser, "sign-in");
    browser.write(site.api.token());
    browser.enter();
    browser
        .wait_for("location.pathname.startsWith('/jobs/') && document.readyState === 'complete'");
    browser.wait_for("document.querySelector('#state .badge').textContent === 'running'");
    browser.wait_for("document.getElementById('live-note').textContent === 'Live.'");
    for (stream, text) in [("stdout", "first line\n"), ("stderr", EVIL)] {
        runner.send(
            &json!({"event": "output", "job": job, "iteration": 0, "stream": stream,
            "text": text}),
        );
    }
    let text = serde_json::to_string(&format!("first line\n{EVIL}")).unwrap();
    browser.wait_for(&format!(
        "document.getElementById('live').textContent === {text}"
    ));
    fits(&mut browser, "running");
    browser.value("document.cookie = 'a=b'");
    assert_eq!(
        browser.value("document.cookie"),
        "a=b",
        "no script sees the token"
    );

    // The page hears of the end by itself.
    runner.complete(&json!(job));
    browser.wait_for("document.querySelectorAll('.iteration').length === 1");
    fits(&mut browser, "ended");
    let comparison = compared(&site, &mut runner);
    for (path, name) in [
        (format!("/jobs/{measured}"), "measured"),
        (format!("/jobs/{trusted}"), "trusted"),
        (format!("/comparisons/{comparison}"), "comparison"),
        ("/jobs".to_owned(), "jobs"),
        ("/runners".to_owned(), "runners"),
        ("/jobs/none".to_owned(), "error"),
    ] {
        let before = browser.complaints.len();
        browser.go(&format!("{url}{path}"));
        fits(&mut browser, name);
        if name == "error" {
            // The browser tells that a page was not found.
            browser.complaints.truncate(before);
        }
    }
    assert_eq!(browser.complaints, [] as [String; 0]);
}
