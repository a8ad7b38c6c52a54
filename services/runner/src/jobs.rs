//! `runner jobs`.

use std::sync::{Arc, OnceLock};

use bencher_runner::Reporter as _;
use bencher_server_api::Job;
use jiff::Timestamp;
use serde_json::Value;

use crate::arguments::{Jobs, JobsCommand, JobsLs, JobsOne, JobsRm, JobsShow};
use crate::client::{encoded, is_long, listed, measured, printable, watch};
use crate::listing::{facts, listing, project, runner, spec, took};
use crate::submit::{connect, goes_on};
use crate::terminal::Terminal;
use crate::{many, output, work};

pub(crate) fn run(arguments: Jobs, terminal: Terminal) -> u8 {
    match arguments.command {
        JobsCommand::Ls(command) => work::run(terminal, move |terminal, _| ls(&command, terminal)),
        JobsCommand::Show(command) => {
            work::run(terminal, move |terminal, _| show(&command, terminal))
        }
        JobsCommand::Logs(command) => {
            let hint = Arc::new(OnceLock::from(goes_on(&command.job, &command.server)));
            work::run_telling(terminal, &hint, move |terminal, cancel| {
                let connection = connect(&command.server, terminal)?;
                watch(&connection, &command.job, terminal, cancel)
                    .map_err(|error| error.to_string())
            })
        }
        JobsCommand::Evidence(command) => {
            work::run(terminal, move |terminal, _| evidence(&command, terminal))
        }
        JobsCommand::Cancel(command) => {
            work::run(terminal, move |terminal, _| cancel(&command, terminal))
        }
        JobsCommand::Rm(command) => work::run(terminal, move |terminal, _| rm(&command, terminal)),
    }
}

fn ls(arguments: &JobsLs, terminal: &Terminal) -> Result<(), String> {
    let connection = connect(&arguments.server, terminal)?;
    let filter = [
        ("state", &arguments.state),
        ("project", &arguments.project),
        ("runner", &arguments.runner),
    ];
    let jobs = listed::<Job>(&connection, "/v0/jobs", &filter, arguments.limit)
        .map_err(|error| error.to_string())?;
    output::print(&jobs, arguments.json, |jobs| {
        listing(jobs, Timestamp::now(), output::look().width)
    })
}

fn show(arguments: &JobsShow, terminal: &Terminal) -> Result<(), String> {
    let connection = connect(&arguments.server, terminal)?;
    let job: Job = connection
        .get(&path(&arguments.job))
        .map_err(|error| error.to_string())?;
    output::print(&job, arguments.json, description)?;
    if !arguments.json && job.error.as_deref().is_some_and(is_long) {
        terminal.info("the error is longer: --json shows all of it");
    }
    Ok(())
}

fn evidence(arguments: &JobsOne, terminal: &Terminal) -> Result<(), String> {
    let connection = connect(&arguments.server, terminal)?;
    let path = format!("{}/evidence", path(&arguments.job));
    let evidence: Value = connection.get(&path).map_err(|error| error.to_string())?;
    output::text(&output::json(&evidence)?)
}

fn cancel(arguments: &JobsOne, terminal: &Terminal) -> Result<(), String> {
    let connection = connect(&arguments.server, terminal)?;
    let path = format!("{}/cancel", path(&arguments.job));
    let job: Job = connection
        .post(&path, &())
        .map_err(|error| error.to_string())?;
    output::line(&printable(&job.state))
}

/// Deletes as many as can be, and prints which.
fn rm(arguments: &JobsRm, terminal: &Terminal) -> Result<(), String> {
    let connection = connect(&arguments.server, terminal)?;
    many::each(&arguments.jobs, "jobs were not deleted", terminal, |job| {
        many::delete(&connection, &path(job), job, terminal)
    })
}

fn path(job: &str) -> String {
    format!("/v0/jobs/{}", encoded(job))
}

fn image(job: &Job) -> String {
    let name = |field: &str| job.config[field].as_str();
    printable(name("image").or_else(|| name("digest")).unwrap_or_default())
}

fn description(job: &Job) -> String {
    let code = |job: &Job| {
        let iterations = job.summary.as_deref()?;
        let codes: Vec<_> = iterations
            .iter()
            .map(|iteration| iteration.exit_code.to_string())
            .collect();
        Some(codes.join(" "))
    };
    let waits = job.waiting.as_ref();
    let waits = waits.map(|waiting| waiting.reason(&spec(job)));
    let rows = [
        ("job", Some(job.id.clone())),
        ("state", Some(job.state.clone())),
        ("reason", job.reason.clone()),
        ("error", job.error.clone()),
        ("image", Some(image(job))),
        ("digest", job.config["digest"].as_str().map(str::to_owned)),
        ("project", Some(project(job))),
        ("spec", Some(spec(job))),
        ("runner", runner(job)),
        ("waits", waits),
        ("submitted", Some(job.created.clone())),
        ("claimed", job.claimed.clone()),
        ("started", job.started.clone()),
        ("ended", job.ended.clone()),
        (
            "took",
            took(job, Timestamp::now()).filter(|_| job.ended.is_some()),
        ),
        ("exit codes", code(job)),
        ("trace", job.trace.clone()),
    ];
    let measures = job.measured.iter().flat_map(measured::rows);
    let measures = measures.map(|(name, text)| (name, Some(text)));
    let trust = job.measured.as_ref().map(measured::trust);
    facts(rows.into_iter().chain(measures).chain([("trust", trust)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_explained() {
        let mut job: Job = serde_json::from_value(serde_json::json!({
            "id": "j", "project": "p", "spec": "1", "state": "pending", "priority": 0, "timeout": 1,
            "config": {"digest": "d"}, "created": "2026-11-30T06:00:00Z",
            "waiting": {"runners": 0, "connected": 0, "ahead": 0, "project_is_full": false},
        }))
        .expect("a job");
        let text = description(&job);
        assert!(
            text.contains("waits        no runner is linked to the spec `1`: "),
            "{text}"
        );
        job.spec_slug = Some("s".to_owned());
        let text = description(&job);
        assert!(text.contains("spec         s\n"), "{text}");
        assert!(text.contains("linked to the spec `s`: "), "{text}");
        assert!(text.contains("project      p\n"), "{text}");
        assert!(!text.contains("took"), "{text}");
    }

    #[test]
    fn what_the_server_says_steers_no_terminal() {
        let job: Job = serde_json::from_value(serde_json::json!({
            "id": "j", "project": "p", "spec": "s", "state": "failed", "reason": "job_failed",
            "error": "\u{1b}]0;x\u{7}", "priority": 0, "timeout": 1,
            "config": {"digest": "d"}, "created": "c",
            "summary": [{"exit_code": 3, "stdout": 0, "stderr": 0, "files": []}],
            "measured": {
                "machine": {"cpu_model": "\u{1b}[2J"}, "comparable": false, "reasons": ["\u{1b}[2J"],
                "iterations": 2, "suspect_iterations": 0, "suspicions": [],
                "metrics": [{"name": "\u{1b}", "unit": "\u{1b}", "values": 2, "median": 1, "least": 1, "most": 1}],
            },
        }))
        .expect("a job");
        let text = description(&job);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("exit codes   3\n"), "{text}");
        assert!(text.contains("image        d\n"), "{text}");
        assert!(
            text.contains("trust        the times can not be compared"),
            "{text}"
        );
    }
}
