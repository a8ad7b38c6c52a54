//! The page of a comparison.

use serde_json::{Value, json};

use super::{EVIL, has_evil, signed_in};
use crate::support::*;

/// Compares two images on a runner, and returns the comparison's identifier: the second one takes a
/// tenth longer.
pub(super) fn compared(site: &Site, runner: &mut Runner) -> String {
    let of_image = |image: &str| {
        let mut config = config();
        config["image"] = image.into();
        config["iter"] = 5.into();
        config
    };
    let body = json!({
        "project": "p", "spec": "s", "rounds": 2,
        "sides": [of_image("example/before"), of_image(&format!("example/after{EVIL}"))],
    });
    let made = site.api.post("/v0/comparisons", &body);
    for _ in 0..4 {
        let job = runner.claim();
        runner.say("running");
        let is_second = job["config"]["image"] != "example/before";
        let results: Vec<Value> = (0..5)
            .map(|iteration| {
                let noise = f64::from(iteration * 7 % 5);
                let latency = if is_second { 1_100_000.0 } else { 1_000_000.0 } + noise * 1000.0;
                let measured = json!({EVIL: {"latency": {"value": latency}}});
                json!({"exit_code": 0, "stdout": measured.to_string()})
            })
            .collect();
        runner.send(&json!({"event": "completed", "job": job["uuid"], "results": results}));
        assert_eq!(runner.receive()["event"], "ack");
    }
    let jobs = made["jobs"].as_array().unwrap();
    for job in jobs {
        site.api.wait_for(job.as_str().unwrap(), &["processed"]);
    }
    made["comparison"].as_str().unwrap().to_owned()
}

#[test]
fn both_sides_are_shown_with_how_they_differ() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = compared(&site, &mut runner);
    let mut visitor = signed_in(&site);
    let page = visitor.get(&format!("/comparisons/{id}"));
    assert_eq!(page.status, 200);
    assert!(!has_evil(&page.text), "{}", page.text);
    for part in [
        "example/before",
        "example/after",
        "2 of 2 jobs have results",
        "1.002 ms",
        "1.102 ms",
        "+9.98 %",
        "differs",
        "is the first",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    // Ten values of each side: round ones and square ones, and each a part of the legend and the table.
    for shape in ["<circle", "<polygon"] {
        assert_eq!(page.text.matches(shape).count(), 12, "{shape}");
    }
    let job = site.api.get(&format!("/v0/jobs?comparison={id}"))["items"][0]["id"].clone();
    let job = visitor.get(&format!("/jobs/{}", job.as_str().unwrap()));
    assert!(
        job.text.contains(&format!("/comparisons/{id}")),
        "{}",
        job.text
    );
    let list = visitor.get(&format!("/jobs?comparison={id}"));
    assert!(
        list.text.contains(&format!("/comparisons/{id}")),
        "{}",
        list.text
    );
}

#[test]
fn a_comparison_that_is_not_there_or_somebody_elses_is_not_found() {
    let site = Site::new();
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let sides = [config(), config()];
    let body = json!({"project": "p", "spec": "s", "rounds": 1, "sides": sides});
    let made = site.api.post("/v0/comparisons", &body);
    let path = format!("/comparisons/{}", made["comparison"].as_str().unwrap());
    let mut visitor = signed_in(&site);
    let page = visitor.get(&path);
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Nothing was measured"), "{}", page.text);
    let token = json!({"name": "q", "role": "viewer", "project": "q"});
    let created = site.api.post("/v0/tokens", &token);
    let mut other = super::Visitor::new(&site.server().url);
    other.sign_in(created["secret"].as_str().unwrap(), "/jobs");
    assert_eq!(other.get(&path).status, 404);
    for wrong in ["/comparisons/x", "/comparisons/%00"] {
        assert_eq!(visitor.get(wrong).status, 404, "{wrong}");
    }
}
