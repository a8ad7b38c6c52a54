//! How much is taken of those who submit.

use serde_json::{Value, json};

use crate::support::*;

/// Jobs that one comparison may have.
const MOST_JOBS: usize = 256;
/// What the configurations of all of them may hold, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// A comparison of two sides.
fn comparison(project: &str, rounds: usize, config: &Value) -> Value {
    json!({"project": project, "spec": "s", "rounds": rounds, "sides": [config, config]})
}

#[test]
fn jobs_that_wait_are_limited_in_all_projects_together() {
    let site = Site::with(Setup::with(&["--max-queued", "3"]));
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let waits = [site.submit(), site.submit()];
    site.api.submit(&job_body("q", "s"));
    let full = "3 jobs wait in this server, which is all that it takes: try again later";
    for project in ["p", "q"] {
        let (status, message) = site
            .api
            .refused("POST", "/v0/jobs", &job_body(project, "s"));
        assert_eq!((status, message.as_str()), (503, full));
    }
    // It comes in as a whole or not at all.
    let path = format!("/v0/jobs/{}/cancel", waits[0]);
    site.api.post(&path, &json!(null));
    let two = comparison("q", 1, &config());
    let (status, message) = site.api.refused("POST", "/v0/comparisons", &two);
    assert_eq!((status, message.as_str()), (503, full));
    // That will not pass, however long one waits.
    let four = comparison("q", 2, &config());
    let (status, message) = site.api.refused("POST", "/v0/comparisons", &four);
    assert_eq!(status, 403);
    assert!(
        message.contains("let it have more (--max-queued)"),
        "{message}"
    );
    let jobs = site.api.get("/v0/jobs?state=pending");
    assert_eq!(jobs["items"].as_array().unwrap().len(), 2);
    site.submit();
}

#[test]
fn what_all_jobs_of_a_comparison_hold_is_limited() {
    let site = Site::new();
    let with = |bytes: usize| {
        let mut config = config();
        config["cmd"] = json!(["x".repeat(bytes)]);
        config
    };
    // A short request becomes much that is kept.
    let long = with(MOST_BYTES / MOST_JOBS);
    let rounds = MOST_JOBS / 2;
    let (status, message) =
        site.api
            .refused("POST", "/v0/comparisons", &comparison("p", rounds, &long));
    assert_eq!(status, 400);
    assert!(
        message.contains("this comparison is too large"),
        "{message}"
    );
    assert_eq!(site.api.get("/v0/jobs")["items"], json!([]));
    // Fewer rounds of the same are taken, and so is a little less in each.
    for fits in [
        comparison("p", rounds - 8, &long),
        comparison("p", rounds, &with(MOST_BYTES / MOST_JOBS - 512)),
    ] {
        site.api.post("/v0/comparisons", &fits);
    }
}
