//! The page of a comparison of many jobs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use serde_json::json;
use test_support::S3;

use super::signed_in;
use crate::outputs::{BUCKET, objects, setup};
use crate::support::*;

/// Results that a page reads at the same time.
const AT_ONCE: usize = 8;
/// Bytes that a slow storage gives in a second: a little more than it has to.
const RATE: u64 = 1_100_000;
/// So much that a slow storage gives it neither within the 10 s that it has for what is short, nor too late.
const LONG: usize = 13 << 20;

/// Jobs of a comparison, each with results of `length` bytes, which is too long for the database, and the
/// comparison's identifier.
fn ended(site: &Site, runner: &mut Runner, rounds: usize, length: usize) -> (String, Vec<String>) {
    let sides = [config(), config()];
    let body = json!({"project": "p", "spec": "s", "rounds": rounds, "sides": sides});
    let made = site.api.post("/v0/comparisons", &body);
    let jobs = made["jobs"].as_array().unwrap().iter();
    let jobs: Vec<String> = jobs.map(|job| job.as_str().unwrap().to_owned()).collect();
    for id in &jobs {
        let job = runner.claim();
        runner.say("running");
        let stdout = json!({"b": {"m": {"value": 1.5}}}).to_string() + &" ".repeat(length);
        let results = json!([{"exit_code": 0, "stdout": stdout}]);
        runner.send(&json!({"event": "completed", "job": job["uuid"], "results": results}));
        assert_eq!(runner.receive()["event"], "ack");
        site.api.wait_for(id, &["processed"]);
    }
    (made["comparison"].as_str().unwrap().to_owned(), jobs)
}

/// A site whose bucket is asked through a place where `fate` is told what of the results that are read.
fn site(s3: &S3, mut fate: impl FnMut() -> Fate + Send + 'static) -> Site {
    let endpoint = between(&s3.endpoint(), move |request| {
        if request.starts_with("GET ") && request.contains("/results/") {
            return fate();
        }
        Fate::Passed
    });
    let mut with = setup(s3, &[]);
    for argument in &mut with.arguments {
        if *argument == s3.endpoint() {
            argument.clone_from(&endpoint);
        }
    }
    Site::with(with)
}

#[test]
fn results_of_many_jobs_are_read_at_the_same_time() {
    let s3 = S3::start(BUCKET).unwrap();
    let (is_slow, together) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(Barrier::new(AT_ONCE)),
    );
    let slow = Arc::clone(&is_slow);
    let site = site(&s3, move || {
        if slow.load(Ordering::SeqCst) {
            return Fate::Held(Arc::clone(&together));
        }
        Fate::Passed
    });
    let mut runner = site.connected("r");
    let (id, jobs) = ended(&site, &mut runner, AT_ONCE, 20_000);
    assert_eq!(objects(&s3, &jobs[0]).len(), 1);
    let mut visitor = signed_in(&site);
    // From now on no object comes before so many are asked for.
    is_slow.store(true, Ordering::SeqCst);
    let page = visitor.get(&format!("/comparisons/{id}"));
    assert_eq!(page.status, 200, "{}", page.text);
    let all = format!("{AT_ONCE} of {AT_ONCE} jobs have results");
    assert_eq!(page.text.matches(&all).count(), 2, "{}", page.text);
    assert!(page.text.contains("no difference seen"), "{}", page.text);
}

#[test]
fn long_results_may_take_as_long_as_their_storage_needs() {
    let s3 = S3::start(BUCKET).unwrap();
    let is_slow = Arc::new(AtomicBool::new(false));
    let slow = Arc::clone(&is_slow);
    let site = site(&s3, move || {
        if slow.load(Ordering::SeqCst) {
            return Fate::Slow(RATE);
        }
        Fate::Passed
    });
    let mut runner = site.connected("r");
    let (id, jobs) = ended(&site, &mut runner, 1, LONG);
    is_slow.store(true, Ordering::SeqCst);
    let shown = |path: String| {
        let mut visitor = signed_in(&site);
        let page = visitor.get(&path);
        assert_eq!(page.status, 200, "{}", page.text);
        page.text
    };
    let (job, comparison) = std::thread::scope(|scope| {
        let job = scope.spawn(|| shown(format!("/jobs/{}", jobs[0])));
        let comparison = shown(format!("/comparisons/{id}"));
        (job.join().unwrap(), comparison)
    });
    assert!(job.contains("bytes before this are not shown"), "{job}");
    assert!(!job.contains("results are not shown"), "{job}");
    assert!(comparison.contains("<h2 id=\"measures\""), "{comparison}");
    assert!(!comparison.contains("that can be read"), "{comparison}");
}
