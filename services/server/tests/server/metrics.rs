//! Numbers for Prometheus.

use std::fs;

use serde_json::{Value, json};
use test_support::Postgres;

use crate::outputs::wait_until;
use crate::postgres::two_servers;
use crate::support::*;

/// How a runner ends a job.
fn end(runner: &mut Runner, event: &str, job: &Value) {
    runner.send(&json!({"event": event, "job": job["uuid"], "results": [], "error": "no"}));
    assert_eq!(runner.receive()["event"], "ack");
}

#[test]
fn what_becomes_of_jobs_is_counted() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let numbers = Numbers::of(&site.api);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        numbers.count("bencher_build_info", &[("version", version)]),
        1
    );
    let run = |numbers: &Numbers, outcome: &str| {
        numbers.count("bencher_job_run_seconds_count", &[("outcome", outcome)])
    };
    let failed = |numbers: &Numbers, reason: &str| {
        numbers.count("bencher_jobs_failed_total", &[("reason", reason)])
    };
    // All that may become of a job is there from the beginning, so that an alarm sees the first one.
    for reason in [
        "heartbeat_timeout",
        "runner_lost_job",
        "job_timeout_exceeded",
        "job_failed",
        "runner_archived",
    ] {
        assert_eq!(failed(&numbers, reason), 0);
    }
    assert_eq!(numbers.count("bencher_job_waiting_seconds_count", &[]), 0);
    for event in ["completed", "failed", "canceled"] {
        site.submit();
        let job = runner.claim();
        assert_eq!(runner.say("running"), "ack");
        end(&mut runner, event, &job);
    }
    // One that fails before its command begins has not run.
    let id = site.submit();
    let job = runner.claim();
    end(&mut runner, "failed", &job);
    site.api.wait_for(&id, &["failed"]);
    let canceled = site.submit();
    site.api
        .post(&format!("/v0/jobs/{canceled}/cancel"), &json!(null));
    let numbers = Numbers::of(&site.api);
    for (name, labels, count) in [
        ("bencher_jobs_submitted_total", &[][..], 5),
        ("bencher_jobs_completed_total", &[], 1),
        ("bencher_job_waiting_seconds_count", &[], 4),
        ("bencher_job_setup_seconds_count", &[], 3),
        ("bencher_claim_seconds_count", &[], 4),
        (
            "bencher_jobs_canceled_total",
            &[("reason", "job_canceled")],
            1,
        ),
        (
            "bencher_jobs_canceled_total",
            &[("reason", "job_canceled_by_runner")],
            1,
        ),
    ] {
        assert_eq!(numbers.count(name, labels), count, "{name} {labels:?}");
    }
    assert_eq!(failed(&numbers, "job_failed"), 2);
    for outcome in ["completed", "failed", "canceled"] {
        assert_eq!(run(&numbers, outcome), 1, "{outcome}");
    }
    assert_eq!(numbers.values("reason").len(), 7);
}

#[test]
fn requests_are_counted_by_route_and_never_by_path() {
    let site = Site::new();
    let id = site.submit();
    site.api.job(&id);
    for path in ["/v0/jobs/SECRET", "/SECRET", "/v0/runners/SECRET"] {
        assert_eq!(site.api.send("GET", path, None).0, 404);
    }
    assert_eq!(site.api.send("TRACE", "/v0/jobs", None).0, 405);
    let numbers = Numbers::of(&site.api);
    let count = |method: &str, route: &str, status: &str| {
        let labels = [("method", method), ("route", route), ("status", status)];
        numbers.count("bencher_http_request_duration_seconds_count", &labels)
    };
    assert_eq!(count("POST", "/v0/jobs", "2xx"), 1);
    assert_eq!(count("GET", "/v0/jobs/{job}", "2xx"), 1);
    assert_eq!(count("GET", "/v0/jobs/{job}", "4xx"), 1);
    assert_eq!(count("GET", "/v0/runners/{runner}", "4xx"), 1);
    assert_eq!(count("GET", "none", "4xx"), 1);
    assert_eq!(count("other", "/v0/jobs", "4xx"), 1);
    for route in numbers.values("route") {
        assert!(!route.contains("SECRET") && !route.contains(&id), "{route}");
    }
}

#[test]
fn what_waits_for_nobody_is_told_from_what_waits_for_its_turn() {
    let site = Site::new();
    let age = |runner: &str| {
        let numbers = Numbers::of(&site.api);
        numbers.get(
            "bencher_oldest_waiting_job_age_seconds",
            &[("runner", runner)],
        )
    };
    assert!(age("none") + age("connected") < f64::EPSILON, "none waits");
    site.submit();
    site.submit();
    wait_until("it waits for nobody", || age("none") > 0.0);
    assert!(age("connected") < f64::EPSILON);
    // One of the two is claimed, the other waits for its turn.
    let mut runner = site.connected("r");
    let job = runner.claim();
    wait_until("one waits for its turn", || age("connected") > 0.0);
    assert!(age("none") < f64::EPSILON);
    end(&mut runner, "failed", &job);
    runner.claim();
    wait_until("none waits", || age("connected") < f64::EPSILON);
}

#[test]
fn what_the_database_does_not_do_is_counted() {
    let site = Site::new();
    let errors = |operation: &str| {
        let numbers = Numbers::of(&site.api);
        numbers.count("bencher_database_errors_total", &[("operation", operation)])
    };
    // What is asked for in vain is nobody's fault.
    assert_eq!(site.api.send("GET", "/v0/projects/none", None).0, 404);
    assert_eq!((errors("read"), errors("write")), (0, 0));
    site.execute(&[
        "CREATE TRIGGER broken BEFORE INSERT ON projects BEGIN SELECT RAISE(ABORT, 'broken'); END",
        "ALTER TABLE releases RENAME TO elsewhere",
    ]);
    let (status, _) = site
        .api
        .refused("POST", "/v0/projects", &json!({"slug": "q"}));
    assert_eq!(status, 500);
    assert_eq!((errors("read"), errors("write")), (0, 1));
    assert_eq!(site.api.send("GET", "/v0/releases", None).0, 500);
    assert_eq!((errors("read"), errors("write")), (1, 1));
}

#[test]
fn numbers_are_there_while_the_database_hangs() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let site = Site::with(Setup {
        database: Some(postgres.url()),
        ..Setup::default()
    });
    site.submit();
    let up = || Numbers::of(&site.api).count("bencher_database_up", &[]);
    assert_eq!(up(), 1);
    postgres.pause().unwrap();
    wait_until("it hangs", || up() == 0);
    let numbers = Numbers::of(&site.api);
    // Numbers that are not known are not there, and those of this server are.
    assert_eq!(numbers.find("bencher_jobs", &[("state", "pending")]), None);
    assert_eq!(numbers.count("bencher_jobs_submitted_total", &[]), 1);
    assert_eq!(site.api.send("GET", "/readyz", None).0, 503);
    let numbers = Numbers::of(&site.api);
    assert!(numbers.count("bencher_database_errors_total", &[("operation", "read")]) > 0);
    postgres.resume().unwrap();
    wait_until("it is there again", || up() == 1);
    let numbers = Numbers::of(&site.api);
    assert_eq!(numbers.count("bencher_jobs", &[("state", "pending")]), 1);
}

#[test]
fn what_the_storage_does_not_do_is_counted() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    let job = runner.claim();
    assert_eq!(runner.say("running"), "ack");
    // Nothing can be put into what is no folder.
    let results = site.path("outputs/results");
    let _none_yet = fs::remove_dir_all(&results);
    fs::write(&results, "").unwrap();
    let stdout = "a line of it\n".repeat(10_000);
    runner.send(&json!({
        "event": "completed", "job": job["uuid"], "results": [{"exit_code": 0, "stdout": stdout}],
    }));
    assert!(runner.try_receive().is_none(), "it is not acknowledged");
    let errors = |operation: &str| {
        let numbers = Numbers::of(&site.api);
        numbers.count("bencher_storage_errors_total", &[("operation", operation)])
    };
    assert_eq!((errors("put"), errors("check")), (1, 0));
    fs::remove_file(site.path("outputs/check")).unwrap();
    assert_eq!(site.api.send("GET", "/readyz", None).0, 503);
    assert_eq!((errors("put"), errors("check")), (1, 1));
    assert_eq!(site.api.job(&id)["state"], "running");
}

#[test]
fn servers_say_the_same_of_their_database_and_each_its_own_of_itself() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (site, second, _folder) = two_servers(&postgres);
    let other = site.api.at(&second.url);
    site.submit();
    let pending = |api: &Api| Numbers::of(api).count("bencher_jobs", &[("state", "pending")]);
    wait_until("both know it", || {
        (pending(&site.api), pending(&other)) == (1, 1)
    });
    let numbers = [Numbers::of(&site.api), Numbers::of(&other)];
    let [one, two] = numbers
        .each_ref()
        .map(|numbers| numbers.count("bencher_jobs_submitted_total", &[]));
    assert_eq!((one, two), (1, 0));
    // Whoever reads the numbers is told which are not to be added.
    for name in ["bencher_jobs", "bencher_oldest_waiting_job_age_seconds"] {
        let help = numbers[0].help(name);
        assert!(help.contains("take the max over servers"), "{help}");
    }
}

#[test]
fn all_numbers_are_described() {
    let site = Site::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/server.md");
    let docs = fs::read_to_string(path).unwrap();
    let rows: Vec<_> = docs
        .lines()
        .filter_map(|line| line.strip_prefix("| `bencher_")?.split_once('`'))
        .map(|(name, _)| format!("bencher_{}", name.split('{').next().unwrap_or_default()))
        .collect();
    let numbers = Numbers::of(&site.api);
    for name in numbers.names() {
        assert!(
            rows.iter().any(|row| row == name),
            "{name} is not in {path}"
        );
    }
    for row in &rows {
        assert!(
            numbers.names().any(|name| name == row),
            "{row} is not measured"
        );
    }
}
