//! `runner compare` and `runner reproduce`: whether B is slower than A, and whether what ran comes out the
//! same again.

use std::fs;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::process::describe;
use crate::scenarios::backend::{Backend, On};
use crate::scenarios::expect::Checked;
use crate::scenarios::invocation::{Invocation, RESULT};
use crate::scenarios::record::Record;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::{LEFT_OVER, Stage};
use crate::scenarios::surroundings::Need;
use crate::watchdog::PATIENCE;

/// What the comparison says.
const FOUND: &str = "the comparison";
/// What is the same once more.
const SAME: &str = "the same";

/// An option that came with them.
const NEEDS: &[Need] = &[Need::Option("--until-ci")];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "compare_no_difference",
        "an image that is compared with itself under a virtual clock differs in nothing, exactly",
        |stage| {
            let mut command = comparing(stage);
            command.args(["--clock", "virtual", "--iter", "2"]);
            command.args(["--metric", "wall", "--metric", "instructions"]);
            command.args(["--fail-if-slower", "0.1%"]);
            command.arg(stage.image()).arg(stage.image());
            let script = "i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); done";
            command.args(["--", "sh", "-c", script]);
            let (code, document) = carry_out(stage, command)?;
            stage.observe(FOUND, found(code, &document));
            Ok(())
        },
        |record| {
            let metric =
                |name| json!({"name": name, "method": "exact", "verdict": "no_difference_seen"});
            let metrics = json!([metric("wall"), metric("instructions")]);
            record.saw(FOUND, expected(0, 2, &metrics, &json!([])))?;
            nothing_is_left(record)
        },
    )
    .needs(NEEDS)
    // Four machines boot, and counting instructions slows each of them.
    .patience(PATIENCE.saturating_mul(2))
    .on(On::Emulated),
    Scenario::driven(
        "compare_slower",
        "of two commands the one that takes ten times as long is slower, and fails the threshold",
        |stage| {
            let mut command = comparing(stage);
            command.args(["--iter", "6", "--metric", "wall"]);
            command.args(["--fail-if-slower", "50%"]);
            command.arg("--image").arg(stage.image());
            command.args(["--", "sleep", "0.05", "--vs", "sleep", "0.5"]);
            let (code, document) = carry_out(stage, command)?;
            stage.observe(FOUND, found(code, &document));
            Ok(())
        },
        |record| {
            let wall = json!({"name": "wall", "method": "paired", "verdict": "slower"});
            record.saw(FOUND, expected(1, 6, &json!([wall]), &json!(["wall"])))?;
            nothing_is_left(record)
        },
    )
    .needs(NEEDS),
    Scenario::driven(
        "reproduce_same",
        "what a result says is run again: the same image, command, kernel, machine and settings",
        |stage| {
            let mut invocation = Invocation::new();
            let settings = ["--iter", "2", "--warmup", "1", "--workdir", "/etc"];
            invocation.options(settings).script("pwd");
            let before = stage.apart(&invocation);
            stage.carry_out(before, None)?;
            let mut command = stage.runner.command();
            command.arg("reproduce").arg(stage.folder().join(RESULT));
            command.args(["--metric", "wall", "--result"]);
            command.arg(stage.folder().join(COMPARISON)).arg("--");
            granted(stage, &mut command);
            let (code, document) = carry_out(stage, command)?;
            let verdict = &document["metrics"][0]["answer"]["verdict"];
            let differs = verdict == "faster" || verdict == "slower";
            stage.observe(
                "the exit code says whether it differs",
                code == i32::from(differs),
            );
            let is_same = |pointer: &str| {
                let side = |name: &str| document.pointer(&format!("/{name}{pointer}"));
                side("baseline").is_some() && side("baseline") == side("candidate")
            };
            let same: Vec<_> = ALL.into_iter().filter(|&it| is_same(it)).collect();
            stage.observe(SAME, same);
            stage.observe("what it is forced to", document["forced"].clone());
            Ok(())
        },
        |record| {
            record.saw("the exit code says whether it differs", true)?;
            record.saw(SAME, json!(ALL))?;
            record.saw("what it is forced to", false)?;
            nothing_is_left(record)
        },
    )
    .needs(NEEDS),
];

/// Where both sides of a run and of the same once more are alike.
const ALL: [&str; 6] = [
    "/image",
    "/command",
    "/machine",
    "/limits",
    "/iterations",
    "/warmups",
];

/// The name of the comparison document.
pub(super) const COMPARISON: &str = "comparison.json";

/// `runner compare` on the stage's backend, so far.
fn comparing(stage: &Stage<'_>) -> Command {
    let mut command = stage.runner.command();
    command.arg("compare");
    stage.choose_machine(&mut command);
    command.arg("--result").arg(stage.folder().join(COMPARISON));
    command
}

/// What a file can not grant, and where the stage's own Firecracker is.
fn granted(stage: &Stage<'_>, command: &mut Command) {
    match (stage.backend, &stage.surroundings().firecracker) {
        (Backend::Host, _) => {
            command.args(["--sandbox", "none"]);
        }
        (Backend::Firecracker, Some(program)) => {
            command.arg("--firecracker").arg(program);
        }
        _ => {}
    }
}

/// Runs a command to its end: its exit code, and the comparison that it wrote.
pub(super) fn carry_out(stage: &mut Stage<'_>, command: Command) -> anyhow::Result<(i32, Value)> {
    stage.commands.push(describe(&command));
    let status = stage.carry_out(command, None)?;
    let code = status.code().context("a signal ended the runner")?;
    let text = fs::read(stage.folder().join(COMPARISON));
    let text = text.with_context(|| format!("there is no comparison, exit code {code}"))?;
    let document = serde_json::from_slice(&text).context("the comparison is no JSON")?;
    Ok((code, document))
}

/// What of a comparison is known beforehand.
pub(super) fn found(code: i32, document: &Value) -> Value {
    let metrics = document["metrics"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let metrics: Vec<_> = metrics
        .iter()
        .map(|metric| {
            let answer = &metric["answer"];
            json!({
                "name": metric["name"], "method": answer["method"], "verdict": answer["verdict"],
            })
        })
        .collect();
    json!({
        "exit code": code,
        "arrangement": document["design"]["arrangement"],
        "iterations": [document["baseline"]["iterations"], document["candidate"]["iterations"]],
        "incomplete": document["incomplete"],
        "failed": document["gate"]["failed"],
        "metrics": metrics,
    })
}

fn expected(code: i32, iterations: u32, metrics: &Value, failed: &Value) -> Value {
    json!({
        "exit code": code,
        "arrangement": "interleaved",
        "iterations": [iterations, iterations],
        "incomplete": null,
        "failed": failed,
        "metrics": metrics,
    })
}

fn nothing_is_left(record: &Record) -> Checked {
    record.saw(LEFT_OVER, json!([]))
}
