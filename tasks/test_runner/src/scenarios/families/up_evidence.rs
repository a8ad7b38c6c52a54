//! How jobs of a server were measured, for whoever compares them.

use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::comparing::{self, COMPARISON};
use super::up::{NEEDS, STOPPED, stopped};
use crate::scenarios::fleet::{Fleet, exit};
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;

/// What a job's evidence says, as far as it is known beforehand.
const EVIDENCE: &str = "the evidence";
/// What the server shows of it at a glance.
const MEASURED: &str = "the measures";
/// What `runner compare` makes of two of them.
const FOUND: &str = "the comparison";
/// The value of a variable of the jobs.
const SECRET: &str = "s3cret-value";

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::driven(
    "up_evidence",
    "the server has how each job was measured, in what kind of machine, and two jobs can be compared by it",
    |stage| {
        let fleet = Fleet::found(stage, &[])?;
        let runner = fleet.up(stage)?;
        let mut sides = Vec::new();
        for (name, seconds) in [("before", "0.05"), ("after", "0.5")] {
            let mut job = fleet.script(&format!("sleep {seconds}"));
            job["config"]["iter"] = 6.into();
            job["config"]["env"] = json!({"SECRET": SECRET});
            let job = fleet.submit(&job)?;
            fleet.api.wait_for(&job, &["processed"])?;
            let evidence = fleet.api.get(&format!("/v0/jobs/{job}/evidence"))?;
            let path = stage.folder().join(name).with_extension("json");
            fs::write(&path, evidence.to_string())?;
            sides.push((job, evidence, path));
        }
        let (job, evidence, _) = &sides[0];
        stage.observe(EVIDENCE, said(stage, evidence)?);
        stage.observe(MEASURED, shown(&fleet.api.get(&format!("/v0/jobs/{job}"))?));
        let mut command = stage.runner.command();
        command.args(["compare", "--metric", "wall", "--fail-if-slower", "50%", "--result"]);
        command.arg(stage.folder().join(COMPARISON));
        for (_, _, path) in &sides {
            command.arg(path);
        }
        let (code, document) = comparing::carry_out(stage, command)?;
        stage.observe(FOUND, comparing::found(code, &document));
        stage.observe(STOPPED, exit(runner.stop()?));
        Ok(())
    },
    |record| {
        record.saw(
            EVIDENCE,
            json!({
                "of this kind of machine": true,
                "iterations that were measured": 6,
                "names of variables": true,
                "values of variables": false,
            }),
        )?;
        record.saw(MEASURED, json!({"iterations": 6, "metrics": ["wall", "cpu"]}))?;
        let wall = json!({"name": "wall", "method": "independent", "verdict": "slower"});
        record.saw(
            FOUND,
            json!({
                "exit code": 1,
                "arrangement": "independent",
                "iterations": [6, 6],
                "incomplete": null,
                "failed": ["wall"],
                "metrics": [wall],
            }),
        )?;
        stopped(record)
    },
)
.needs(NEEDS)];

fn said(stage: &Stage<'_>, evidence: &Value) -> anyhow::Result<Value> {
    let iterations = evidence["iterations"].as_array();
    let iterations = iterations.context("evidence has iterations")?;
    let is_measured = |iteration: &&Value| {
        let wall = iteration.pointer("/resources/wall_ns");
        wall.and_then(Value::as_u64).is_some_and(|wall| wall > 0)
    };
    let machine = (
        evidence["machine"]["sandbox"].as_str(),
        evidence["machine"]["accelerator"].as_str(),
    );
    let text = evidence.to_string();
    Ok(json!({
        "of this kind of machine": machine == (Some(stage.backend.sandbox()), Some(stage.backend.accelerator())),
        "iterations that were measured": iterations.iter().filter(is_measured).count(),
        "names of variables": text.contains("\"SECRET\""),
        "values of variables": text.contains(SECRET),
    }))
}

fn shown(job: &Value) -> Value {
    let measured = &job["measured"];
    let metrics = measured["metrics"].as_array();
    let names = metrics.into_iter().flatten().map(|metric| &metric["name"]);
    // Not every host tells how much memory was used.
    let names: Vec<_> = names.filter(|name| *name != "memory").collect();
    json!({"iterations": measured["iterations"], "metrics": names})
}
