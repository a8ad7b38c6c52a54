//! Traces: in the log, and at a collector.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};
use test_support::Postgres;

use crate::client::{done, image, runner, site, stdout};
use crate::outputs::wait_until;
use crate::postgres::two_servers_with;
use crate::support::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn setup(collector: &Collector) -> Setup {
    let endpoint = collector.endpoint.as_str();
    Setup::with(&["--otlp-endpoint", endpoint, "--log-format", "json"])
}

/// Asks for something within the trace, and gives the answer.
fn post(site: &Site, path: &str, body: &Value) -> Value {
    let mut response = ureq::post(format!("{}{path}", site.server().url))
        .header("authorization", format!("Bearer {}", site.api.token()))
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .send(body.to_string())
        .unwrap();
    assert_eq!(response.headers()["x-trace-id"], TRACE);
    let text = response.body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Submits a job within the trace.
fn submit(site: &Site) -> String {
    let job = post(site, "/v0/jobs", &job_body("p", "s"));
    assert_eq!(job["trace"], TRACE);
    job["id"].as_str().unwrap().to_owned()
}

/// A runner does a job, and its results are read.
fn complete(site: &Site, mut runner: Runner, id: &str) {
    let job = runner.claim();
    assert_eq!(job["uuid"], id);
    assert_eq!(runner.say("running"), "ack");
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    site.api.wait_for(id, &["processed"]);
}

/// The lines of a log.
fn lines(site: &Site) -> Vec<Value> {
    let log = fs::read_to_string(site.path("log")).unwrap();
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The spans of a job's lives, as often as it ended, each with its parts in their order.
fn lives(spans: &[Value], job: &str) -> Vec<(Value, Vec<Value>)> {
    let wholes = spans.iter().filter(|span| {
        span["name"] == "job" && attribute(span, "bencher.job.id").as_deref() == Some(job)
    });
    let parts = |whole: &Value| {
        let is_part = |span: &&Value| span["parentSpanId"] == whole["spanId"];
        let mut parts: Vec<_> = spans.iter().filter(is_part).cloned().collect();
        parts.sort_by_key(|part| part["startTimeUnixNano"].as_str().unwrap().to_owned());
        parts
    };
    wholes.map(|whole| (whole.clone(), parts(whole))).collect()
}

/// Waits for as many ends of a job, with so many parts of the last one.
fn wait_for_lives(
    collector: &Collector,
    job: &str,
    ends: usize,
    parts: usize,
) -> Vec<(Value, Vec<Value>)> {
    collector.wait_for(|spans| {
        let lives = lives(spans, job);
        let is_whole = lives.len() == ends && lives[ends - 1].1.len() == parts;
        is_whole.then_some(lives)
    })
}

fn names(spans: &[Value]) -> Vec<&str> {
    let names = spans.iter().map(|span| span["name"].as_str().unwrap());
    names.collect()
}

/// A moment of the API as a collector is told of it.
fn nanoseconds(time: &Value) -> String {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_nanosecond().to_string()
}

#[test]
fn a_trace_goes_on_in_the_log_and_at_the_collector() {
    let collector = Collector::start();
    let site = Site::with(setup(&collector));
    post(&site, "/v0/projects", &json!({"slug": "traced"}));
    let span = collector.wait_for(|spans| {
        let found = spans.iter().find(|span| span["traceId"] == TRACE);
        found.cloned()
    });
    assert_eq!(span["name"], "POST /v0/projects");
    assert_eq!(
        (&span["parentSpanId"], &span["kind"]),
        (&json!(PARENT), &json!(2))
    );
    let lines = lines(&site);
    let of_trace: Vec<_> = lines
        .iter()
        .filter(|line| line["span"]["trace_id"] == TRACE)
        .collect();
    assert_eq!(of_trace.len(), 1, "{lines:?}");
    assert_eq!(of_trace[0]["fields"]["status"], 201);
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert!(!log.contains(site.api.token()));
}

#[test]
fn a_jobs_life_is_a_part_of_the_trace_that_it_was_submitted_in() {
    let collector = Collector::start();
    let site = Site::with(setup(&collector));
    let key = site.new_runner("lab");
    let id = submit(&site);
    let runner = Runner::connect(&site.server().url, "lab", &key).unwrap();
    complete(&site, runner, &id);
    let lives = wait_for_lives(&collector, &id, 1, 4);
    let (whole, parts) = &lives[0];
    // Below the request, which is below whoever asked.
    let request = collector.wait_for(|spans| {
        let found = spans.iter().find(|span| span["name"] == "POST /v0/jobs");
        found.cloned()
    });
    assert_eq!(request["parentSpanId"], PARENT);
    assert_eq!(whole["parentSpanId"], request["spanId"]);
    for span in parts.iter().chain([whole, &request]) {
        assert_eq!(span["traceId"], TRACE, "{span}");
        assert!(span["status"].is_null(), "{span}");
    }
    for (key, value) in [
        ("bencher.job.id", id.as_str()),
        ("bencher.project", "p"),
        ("bencher.spec", "s"),
        ("bencher.runner", "lab"),
        ("bencher.job.state", "processed"),
    ] {
        assert_eq!(attribute(whole, key).as_deref(), Some(value), "{whole}");
    }
    assert_eq!(attribute(whole, "bencher.job.reason"), None);
    // When it began and ended, and without gaps.
    assert_eq!(names(parts), ["waiting", "set-up", "running", "processing"]);
    let job = site.api.job(&id);
    let moments = ["created", "claimed", "started", "ended"].map(|name| nanoseconds(&job[name]));
    for (place, part) in parts.iter().enumerate() {
        assert_eq!(part["startTimeUnixNano"], moments[place], "{part}");
        if let Some(end) = moments.get(place + 1) {
            assert_eq!(part["endTimeUnixNano"], *end, "{part}");
        }
    }
    assert_eq!(whole["startTimeUnixNano"], moments[0]);
    assert_eq!(whole["endTimeUnixNano"], parts[3]["endTimeUnixNano"]);
    assert!(
        whole["endTimeUnixNano"].as_str() >= Some(&moments[3]),
        "{whole}"
    );
}

#[test]
fn whoever_submits_within_a_trace_goes_on_with_it() {
    let site = site();
    let image = image(&site);
    for (traceparent, expected) in [
        (format!("00-{TRACE}-{PARENT}-01"), Some(TRACE)),
        ("nonsense".to_owned(), None),
        ("non\nsense".to_owned(), None),
    ] {
        let output = runner(&site, &["submit", &image, "--spec", "s"])
            .env("TRACEPARENT", traceparent)
            .output()
            .unwrap();
        let id = stdout(&output);
        let trace = site.api.job(&id)["trace"].clone();
        assert_eq!(trace.as_str().map(str::len), Some(32));
        assert_eq!(trace == TRACE, expected.is_some());
        let shown = stdout(&done(&site, &["jobs", "show", &id]));
        let line = format!("trace        {}", trace.as_str().unwrap());
        assert!(shown.lines().any(|shown| shown == line), "{shown}");
    }
}

#[test]
fn every_line_about_a_job_says_which_and_in_what_trace() {
    let collector = Collector::start();
    let site = Site::with(setup(&collector));
    let mut runner = site.connected("r");
    let mut jobs = Vec::new();
    for event in ["completed", "failed"] {
        let id = submit(&site);
        let job = runner.claim();
        assert_eq!(runner.say("running"), "ack");
        let end = json!({"event": event, "job": job["uuid"], "results": [], "error": "no"});
        runner.send(&end);
        assert_eq!(runner.receive()["event"], "ack");
        site.api.wait_for(&id, &["processed", "failed"]);
        jobs.push(id);
    }
    // By somebody else's request, in a trace of its own.
    let canceled = submit(&site);
    let cancel = format!("/v0/jobs/{canceled}/cancel");
    site.api.post(&cancel, &json!(null));
    site.api.delete(&format!("/v0/jobs/{}", jobs[0]));
    jobs.push(canceled.clone());
    let lines = lines(&site);
    for id in &jobs {
        let about: Vec<_> = lines
            .iter()
            .filter(|line| line.to_string().contains(id.as_str()))
            .collect();
        for line in &about {
            if line["fields"]["job"].is_null() {
                // Of a request, which is about the job.
                assert_eq!(line["span"]["job"], **id, "{line}");
            } else {
                assert_eq!(line["fields"]["job"], **id, "{line}");
                assert_eq!(line["fields"]["trace_id"], TRACE, "{line}");
            }
        }
        let states: Vec<_> = about
            .iter()
            .filter_map(|line| line["fields"]["state"].as_str())
            .filter(|state| !state.starts_with("Some"))
            .collect();
        let expected = match id {
            id if *id == jobs[0] => &["claimed", "running", "completed", "processed"][..],
            id if *id == jobs[1] => &["claimed", "running", "failed"],
            _ => &["canceled"],
        };
        assert_eq!(states, expected, "{id}");
    }
    let said = |job: &str, message: &str| {
        let mut lines = lines.iter().map(|line| &line["fields"]);
        lines
            .find(|fields| fields["job"] == job && fields["message"] == message)
            .cloned()
    };
    assert!(said(&jobs[0], "a job was submitted").is_some());
    assert!(said(&jobs[0], "a job goes to its runner").is_some());
    assert!(said(&jobs[0], "a job's end was told").is_some());
    assert!(said(&jobs[0], "a job was deleted").is_some());
    let failed = said(&jobs[1], "a job has failed").expect("a line");
    assert_eq!(
        (&failed["reason"], &failed["from"]),
        (&json!("job_failed"), &json!("running"))
    );
    // Who canceled it is found by the request's own trace.
    let canceled = lines
        .iter()
        .find(|line| line["fields"]["job"] == *canceled && line["fields"]["state"] == "canceled");
    let request = &canceled.expect("a line")["span"];
    assert_eq!(request["route"], "/v0/jobs/{job}/cancel");
    assert_ne!(request["trace_id"], TRACE);
}

#[test]
fn a_job_that_fails_is_an_error_where_it_failed() {
    let collector = Collector::start();
    let site = Site::with(setup(&collector));
    let mut runner = site.connected("r");
    let id = submit(&site);
    let job = runner.claim();
    runner.send(
        &json!({"event": "failed", "job": job["uuid"], "results": [], "error": "no such image"}),
    );
    assert_eq!(runner.receive()["event"], "ack");
    let lives = wait_for_lives(&collector, &id, 1, 2);
    let (whole, parts) = &lives[0];
    assert_eq!(names(parts), ["waiting", "set-up"]);
    let error = json!({"code": 2, "message": "job_failed"});
    assert_eq!((&whole["status"], &parts[1]["status"]), (&error, &error));
    assert!(parts[0]["status"].is_null());
    for key in ["bencher.job.reason", "error.type"] {
        assert_eq!(attribute(whole, key).as_deref(), Some("job_failed"));
    }
    // Nobody wanted this one any more.
    let id = submit(&site);
    site.api
        .post(&format!("/v0/jobs/{id}/cancel"), &json!(null));
    let lives = wait_for_lives(&collector, &id, 1, 1);
    let (whole, parts) = &lives[0];
    assert_eq!(names(parts), ["waiting"]);
    assert!(whole["status"].is_null() && parts[0]["status"].is_null());
    let reason = attribute(whole, "bencher.job.reason");
    assert_eq!(reason.as_deref(), Some("job_canceled"));
    assert_eq!(attribute(whole, "bencher.runner"), None);
}

#[test]
fn a_result_after_silence_is_told_as_another_end() {
    let collector = Collector::start();
    let site = Site::with(setup(&collector));
    let key = site.new_runner("r");
    let id = submit(&site);
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    // It asks for another one instead.
    let mut runner = Runner::connect(&site.server().url, "r", &key).unwrap();
    runner.ready();
    site.api.wait_for(&id, &["failed"]);
    wait_for_lives(&collector, &id, 1, 3);
    assert_eq!(runner.complete(&job["uuid"])["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
    let lives = wait_for_lives(&collector, &id, 2, 4);
    let state = |place: usize| attribute(&lives[place].0, "bencher.job.state").unwrap();
    assert_eq!(
        (state(0).as_str(), state(1).as_str()),
        ("failed", "processed")
    );
    assert_ne!(lives[0].0["spanId"], lives[1].0["spanId"]);
    assert_eq!(lives[0].0["parentSpanId"], lives[1].0["parentSpanId"]);
}

#[test]
fn what_ends_last_is_told_before_the_server_ends() {
    let collector = Collector::start();
    let mut site = Site::with(setup(&collector));
    let id = submit(&site);
    site.api
        .post(&format!("/v0/jobs/{id}/cancel"), &json!(null));
    assert!(site.server.take().expect("it runs").stop());
    let late = |line: &Value| line["fields"]["message"].to_string().contains("not sent");
    assert!(!lines(&site).iter().any(late));
    wait_for_lives(&collector, &id, 1, 1);
}

#[test]
fn a_trace_goes_on_at_another_server() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let collector = Collector::start();
    let (site, second, _folder) = two_servers_with(&postgres, setup(&collector));
    let key = site.new_runner("r");
    let id = submit(&site);
    complete(&site, Runner::connect(&second.url, "r", &key).unwrap(), &id);
    let (whole, _) = wait_for_lives(&collector, &id, 1, 4).remove(0);
    assert_eq!(whole["traceId"], TRACE);
    assert_eq!(site.api.at(&second.url).job(&id)["trace"], TRACE);
    // Both have told all that they had to.
    assert!(second.stop() && { site }.server.take().expect("it runs").stop());
    let ends = collector.wait_for(|spans| Some(lives(spans, &id).len()));
    assert_eq!(ends, 1);
}

#[test]
fn a_collector_that_is_away_holds_nothing_up() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut site = Site::with(Setup::with(&["--otlp-endpoint", &endpoint]));
    site.submit();
    let dropped = || Numbers::of(&site.api).count("bencher_spans_dropped_total", &[]);
    wait_until("nothing is counted", || dropped() > 0);
    assert!(site.server.take().expect("it runs").stop());
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert!(log.contains("the collector does not take traces"), "{log}");
}
