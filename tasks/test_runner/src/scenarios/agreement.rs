//! What must hold of every run, whatever the scenario: the process, the result document and the
//! metrics tell the same story, and it is one of the backend that was asked for.

use serde_json::{Value, json};

use super::backend::Backend;
use super::bytes::Bytes;
use super::expect::{Checked, Ending, Expect, Mismatch, same};
use super::record::{Exit, Run};
use super::schema;

/// Checks `run` against the endings that `expect` has for its iterations.
pub(crate) fn check(expect: &Expect, run: &Run, backend: Backend) -> Checked {
    let metrics = run.said().metrics;
    let Some(endings) = &expect.endings else {
        if run.result.is_some() {
            return Err(Mismatch::new("the result", "none", "one"));
        }
        return same("lines of metrics", &0, &metrics.len());
    };
    let Some(result) = &run.result else {
        return Err(Mismatch::new("the result", "one", "none"));
    };
    schema::check(result)?;
    outcome(expect, endings.len(), run)?;
    // Without an iteration there need not be a machine yet.
    if !endings.is_empty() || !result["machine"].is_null() {
        machine(&result["machine"], backend)?;
    }
    same("iterations", &endings.len(), &run.iterations().len())?;
    same("lines of metrics", &endings.len(), &metrics.len())?;
    for (index, ending) in endings.iter().enumerate() {
        iteration(index + 1, *ending, &run.iterations()[index])?;
        let transport = backend.transport();
        measured(index + 1, *ending, transport, &metrics[index])?;
    }
    contents(expect, run)?;
    files(run)
}

fn value(what: &str, expected: &Value, got: &Value) -> Checked {
    if expected == got {
        return Ok(());
    }
    Err(Mismatch::new(what, expected, got))
}

fn outcome(expect: &Expect, iterations: usize, run: &Run) -> Checked {
    let outcome = run.at("/outcome").unwrap_or(&Value::Null);
    let code = match expect.exit {
        Exit::Code(code) => json!(code),
        Exit::Signal(_) => Value::Null,
    };
    value("the result's exit code", &code, &outcome["exit_code"])?;
    value(
        "the result's number of iterations",
        &json!(iterations),
        &outcome["iterations_run"],
    )?;
    value(
        "the result's error",
        &json!(run.said().error),
        &outcome["error"],
    )
}

fn machine(machine: &Value, backend: Backend) -> Checked {
    for (name, expected) in [
        ("sandbox", backend.sandbox()),
        ("accelerator", backend.accelerator()),
        ("transport", backend.transport()),
    ] {
        value(&format!("machine.{name}"), &json!(expected), &machine[name])?;
    }
    Ok(())
}

fn iteration(number: usize, ending: Ending, got: &Value) -> Checked {
    for (name, expected) in [
        ("index", json!(number)),
        ("ended_by", json!(ending.by)),
        ("exit_code", json!(ending.code)),
        ("signal", json!(ending.signal)),
    ] {
        value(
            &format!("iteration {number}, {name}"),
            &expected,
            &got[name],
        )?;
    }
    Ok(())
}

fn measured(number: usize, ending: Ending, transport: &str, got: &Value) -> Checked {
    for (name, expected) in [
        ("iteration", json!(number)),
        ("timed_out", json!(ending.by == "timeout")),
        ("transport", json!(transport)),
        ("exit_code", json!(ending.code)),
    ] {
        value(&format!("metrics {number}, {name}"), &expected, &got[name])?;
    }
    if got["wall_clock_ms"].is_number() {
        return Ok(());
    }
    Err(Mismatch::new(
        format!("metrics {number}, wall_clock_ms"),
        "a number",
        &got["wall_clock_ms"],
    ))
}

/// The outputs of the result are those of the process.
fn contents(expect: &Expect, run: &Run) -> Checked {
    let iterations = run.iterations();
    for (name, printed, cut) in [
        ("stdout", &expect.stdout, expect.cut),
        ("stderr", &expect.stderr, 0),
    ] {
        let sum = |field: &str| -> u64 {
            iterations
                .iter()
                .filter_map(|iteration| iteration[name][field].as_u64())
                .sum()
        };
        same(
            &format!("{name}.kept_bytes"),
            &printed.len(),
            &sum("kept_bytes"),
        )?;
        same(
            &format!("{name}.bytes"),
            &(printed.len() + cut),
            &sum("bytes"),
        )?;
        for iteration in iterations {
            let content = &iteration[name];
            let truncated = content["kept_bytes"] != content["bytes"];
            value(
                &format!("{name}.truncated"),
                &json!(truncated),
                &content["truncated"],
            )?;
            if let Some(text) = content["content"]["text"].as_str() {
                value(
                    &format!("{name}.sha256"),
                    &json!(Bytes::of(text).sha256()),
                    &content["sha256"],
                )?;
            }
        }
        if let [only] = iterations {
            value(
                &format!("{name}.sha256"),
                &json!(printed.sha256()),
                &only[name]["sha256"],
            )?;
        }
        if let Some(kept) = kept_text(iterations, name)
            && printed.text().is_some_and(|printed| printed != kept)
        {
            return Err(Mismatch::new(format!("{name}.content"), printed, kept));
        }
    }
    Ok(())
}

/// The files that the result lists are those in the output folder.
fn files(run: &Run) -> Checked {
    let mut listed = Vec::new();
    for iteration in run.iterations() {
        let files = iteration["files"].as_array();
        listed.extend(files.into_iter().flatten());
    }
    let is_output = |path: &String| path.ends_with("/stdout") || path.ends_with("/stderr");
    let kept = run.files.keys().filter(|path| !is_output(path)).count();
    same("files that the result lists", &kept, &listed.len())?;
    for file in listed {
        let path = file["path"].as_str().unwrap_or_default();
        let Some(bytes) = run.files.get(path) else {
            return Err(Mismatch::new(
                "a file of the result",
                "a file that is there",
                path,
            ));
        };
        value(path, &json!(bytes.len()), &file["kept_bytes"])?;
        value(path, &json!(bytes.sha256()), &file["sha256"])?;
    }
    Ok(())
}

/// The outputs of all iterations as one text; `None` when one is not text or too long.
fn kept_text(iterations: &[Value], name: &str) -> Option<String> {
    let texts = iterations
        .iter()
        .map(|iteration| iteration[name]["content"]["text"].as_str());
    texts.collect()
}
