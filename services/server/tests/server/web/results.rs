//! Pages of jobs whose results can not be read.

use serde_json::json;

use super::signed_in;
use crate::support::*;

#[test]
fn a_job_is_shown_without_its_results() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    runner.claim();
    runner.say("running");
    // Too long for the database.
    let output = json!({"exit_code": 0, "stdout": "a line of it\n".repeat(5000)});
    runner.send(&json!({"event": "completed", "job": id, "results": [output]}));
    assert_eq!(runner.receive()["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
    let mut visitor = signed_in(&site);
    let path = format!("/jobs/{id}");
    let mut shows = |there: &str, not_there: &str| {
        let page = visitor.get(&path);
        assert_eq!(page.status, 200, "{}", page.text);
        for part in [id.as_str(), "Time-out", there] {
            assert!(page.text.contains(part), "{part} is not in {}", page.text);
        }
        assert!(!page.text.contains(not_there), "{}", page.text);
    };
    shows("a line of it", "results are not shown");
    let (outputs, away) = (site.path("outputs"), site.path("away"));
    std::fs::rename(&outputs, &away).unwrap();
    shows(
        "are not shown: the storage of outputs does not answer",
        "a line of it",
    );
    std::fs::rename(&away, &outputs).unwrap();
    shows("a line of it", "results are not shown");
    let folder = outputs.join("results").join(&id);
    let object = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    std::fs::write(object.path(), r#"[{"exit_code": 0}, {"#).unwrap();
    shows("there are no results: restore", "try again");
    std::fs::remove_file(object.path()).unwrap();
    shows("does not have it any more: restore", "try again");
    for part in ["", "/0/stdout"] {
        let path = format!("/v0/jobs/{id}/results{part}");
        let (status, message) = site.api.refused("GET", &path, &json!(null));
        assert_eq!(status, 410, "{path}: {message}");
        assert!(!message.contains("try again"), "{path}: {message}");
    }
}

#[test]
fn a_comparison_is_shown_without_its_results() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let body = json!({"project": "p", "spec": "s", "rounds": 1, "sides": [config(), config()]});
    let made = site.api.post("/v0/comparisons", &body);
    for _ in 0..2 {
        let job = runner.claim();
        runner.say("running");
        // Too long for the database.
        let measured = json!({"b": {"latency": {"value": 1.5}}, " ".repeat(20_000): {}});
        let output = json!({"exit_code": 0, "stdout": measured.to_string()});
        runner.send(&json!({"event": "completed", "job": job["uuid"], "results": [output]}));
        assert_eq!(runner.receive()["event"], "ack");
    }
    let mut visitor = signed_in(&site);
    let path = format!("/comparisons/{}", made["comparison"].as_str().unwrap());
    let mut shows = |parts: &[&str]| {
        let page = visitor.get(&path);
        assert_eq!(page.status, 200, "{}", page.text);
        for part in parts {
            assert!(page.text.contains(part), "{part} is not in {}", page.text);
        }
    };
    let legend = "1 of 1 jobs have results";
    shows(&[legend, "latency"]);
    let (outputs, away) = (site.path("outputs"), site.path("away"));
    std::fs::rename(&outputs, &away).unwrap();
    shows(&[
        legend,
        "2 jobs have",
        "none that can be read",
        "Nothing was measured",
    ]);
    std::fs::rename(&away, &outputs).unwrap();
    let jobs = made["jobs"].as_array().unwrap();
    let lost = outputs.join("results").join(jobs[0].as_str().unwrap());
    std::fs::remove_dir_all(lost).unwrap();
    shows(&[legend, "1 jobs have", "none that can be read"]);
}
