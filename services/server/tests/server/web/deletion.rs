//! Jobs and comparisons are deleted by their pages.

use serde_json::json;

use super::browser::{Browser, program};
use super::comparison::compared;
use super::in_browser::fits;
use super::{Visitor, measured_job, signed_in};
use crate::support::*;

#[test]
fn only_a_form_of_the_page_deletes() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let job = measured_job(&site, &mut runner);
    site.api.wait_for(&job, &["processed"]);
    let (page_of, delete) = (format!("/jobs/{job}"), format!("/jobs/{job}/delete"));
    let made = site
        .api
        .post("/v0/tokens", &json!({"name": "n", "role": "viewer"}));
    let mut viewer = Visitor::new(&site.server().url);
    viewer.sign_in(made["secret"].as_str().unwrap(), "/jobs");
    let page = viewer.get(&page_of);
    assert!(!page.text.contains("Delete"), "{}", page.text);
    let foreign = page.proof().to_owned();
    let refused = viewer.post(&delete, &[("proof", &foreign)]);
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("role submitter"), "{}", refused.text);
    let mut visitor = signed_in(&site);
    let page = visitor.get(&page_of);
    assert!(
        page.text.contains(&format!("action=\"{delete}\"")),
        "{}",
        page.text
    );
    for fields in [&[][..], &[("proof", "")], &[("proof", foreign.as_str())]] {
        let refused = visitor.post(&delete, fields);
        assert!([403, 422].contains(&refused.status), "{}", refused.status);
    }
    assert_eq!(visitor.get(&delete).status, 405);
    assert_eq!(site.api.job(&job)["state"], "processed");
    let waits = site.submit();
    let before = visitor.get(&format!("/jobs/{waits}"));
    assert!(!before.text.contains("Delete"), "{}", before.text);
    let refused = visitor.post(&format!("/jobs/{waits}/delete"), &[("proof", page.proof())]);
    assert_eq!(refused.status, 409);
    assert!(refused.text.contains("cancel it first"), "{}", refused.text);
    let answer = visitor.post(&delete, &[("proof", page.proof())]);
    assert_eq!((answer.status, answer.location()), (303, "/jobs"));
    assert_eq!(visitor.get(&page_of).status, 404);
    assert!(!visitor.get("/jobs").text.contains(&job));
    // What is left is said.
    site.api
        .post(&format!("/v0/jobs/{waits}/cancel"), &json!(null));
    std::fs::rename(site.path("outputs"), site.path("away")).unwrap();
    let answer = visitor.post(&format!("/jobs/{waits}/delete"), &[("proof", page.proof())]);
    assert_eq!(answer.status, 202);
    assert!(
        answer
            .text
            .contains("storage of outputs does not answer, or takes long"),
        "{}",
        answer.text
    );
}

#[test]
fn a_comparison_is_deleted_by_its_page() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let comparison = format!("/comparisons/{}", compared(&site, &mut runner));
    let mut visitor = signed_in(&site);
    let page = visitor.get(&comparison);
    let delete = format!("{comparison}/delete");
    assert!(
        page.text.contains(&format!("action=\"{delete}\"")),
        "{}",
        page.text
    );
    let jobs = site.api.get("/v0/jobs");
    let job = format!("/jobs/{}", jobs["items"][0]["id"].as_str().unwrap());
    let of_job = visitor.get(&job);
    assert!(!of_job.text.contains("/delete"), "{}", of_job.text);
    assert!(
        of_job.text.contains("It can be deleted with"),
        "{}",
        of_job.text
    );
    let refused = visitor.post(&format!("{job}/delete"), &[("proof", page.proof())]);
    assert_eq!(refused.status, 409);
    assert_eq!(visitor.post(&delete, &[("proof", "")]).status, 403);
    let answer = visitor.post(&delete, &[("proof", page.proof())]);
    assert_eq!((answer.status, answer.location()), (303, "/jobs"));
    assert_eq!(visitor.get(&comparison).status, 404);
    assert_eq!(site.api.get("/v0/jobs")["items"], json!([]));
}

#[test]
fn a_job_is_deleted_without_a_mouse() {
    let Some(program) = program() else {
        eprintln!("skipped: no Chromium here (Debian: apt-get install chromium)");
        return;
    };
    let site = Site::new();
    let url = site.server().url.clone();
    let mut runner = site.connected("r");
    let job = measured_job(&site, &mut runner);
    site.api.wait_for(&job, &["processed"]);
    let mut browser = Browser::start(program);
    browser.go(&format!("{url}/jobs/{job}"));
    browser.wait_for("document.activeElement.id === 'token'");
    browser.write(site.api.token());
    browser.enter();
    browser.wait_for("document.querySelector('.delete') && document.readyState === 'complete'");
    let shown = "document.querySelector('.delete button').checkVisibility()";
    assert_eq!(browser.value(shown), false, "nothing is deleted by one key");
    browser.value("document.querySelector('.delete summary').focus()");
    browser.enter();
    browser.wait_for(shown);
    fits(&mut browser, "delete");
    // The button is what comes next.
    browser.tab();
    browser.wait_for("document.activeElement === document.querySelector('.delete button')");
    browser.enter();
    browser.wait_for("location.pathname === '/jobs' && document.readyState === 'complete'");
    assert_eq!(browser.complaints, [] as [String; 0]);
    assert_eq!(
        site.api.send("GET", &format!("/v0/jobs/{job}"), None).0,
        404
    );
}
