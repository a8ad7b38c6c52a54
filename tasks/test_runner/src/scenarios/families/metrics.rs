//! The line of metrics that existing tooling looks for.

use serde_json::Value;

use crate::scenarios::expect::{Checked, Expect, Mismatch};
use crate::scenarios::invocation::Invocation;
use crate::scenarios::record::Record;
use crate::scenarios::scenario::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "metrics_output_present",
        "one line of metrics comes on standard error, with every measure that there is",
        |run| {
            run.command(["echo", "measured"]);
        },
        |record| {
            record.is(Expect::exit(0).stdout("measured\n"))?;
            let metrics = only(record)?;
            if !record.backend.is_machine() {
                // Without controllers for the command's cgroup the host's kernel tells less.
                return Ok(());
            }
            for measure in [
                "cpu_usage_us",
                "cpu_user_us",
                "cpu_system_us",
                "memory_peak_bytes",
            ] {
                let got = &metrics["cgroup"][measure];
                if !got.is_u64() {
                    return Err(Mismatch::new(format!("cgroup.{measure}"), "a number", got));
                }
            }
            Ok(())
        },
    ),
    Scenario::driven(
        "metrics_wall_clock_reasonable",
        "the wall clock is at least what the command slept, and less than the whole run took",
        |stage| {
            let mut invocation = Invocation::new();
            invocation.command(["sleep", "1"]);
            let took = stage.run(&invocation)?;
            stage.observe("the whole run in milliseconds", took.as_secs_f64() * 1e3);
            Ok(())
        },
        |record| {
            record.is(Expect::exit(0))?;
            let metrics = only(record)?;
            let wall = metrics["wall_clock_ms"].as_f64().unwrap_or_default();
            let whole = record.observed.get("the whole run in milliseconds");
            let whole = whole.and_then(Value::as_f64).unwrap_or_default();
            if (1000.0..whole).contains(&wall) {
                return Ok(());
            }
            Err(Mismatch::new(
                "wall_clock_ms",
                format!("from 1000 to {whole}"),
                wall,
            ))
        },
    ),
    Scenario::new(
        "metrics_timeout_flag",
        "the metrics of a command that took too long say so",
        |run| {
            run.options(["--timeout", "1"]).command(["sleep", "1000"]);
        },
        |record| {
            record.is(Expect::timeout(Some(15)))?;
            field(&only(record)?, "timed_out", &true.into())
        },
    ),
    Scenario::new(
        "metrics_transport_type",
        "the metrics say how host and guest talk: vsock, serial or local",
        |run| {
            run.command(["true"]);
        },
        |record| {
            record.is(Expect::exit(0))?;
            field(
                &only(record)?,
                "transport",
                &record.backend.transport().into(),
            )
        },
    ),
    Scenario::new(
        "result_matches_schema",
        "a result with files, missing outputs, binary and cut output follows its schema",
        |run| {
            run.outputs(&["/results", "/none"])
                .options(["--max-output-size", "6B", "--iter", "2"])
                .script("printf '\\377' >/results/raw; echo cut off; echo err >&2");
        },
        // That it follows the schema is checked of every result: here is one that uses all of it.
        |record| {
            record.is(Expect::exit(0)
                .times(2)
                .stdout("cut ofcut of")
                .cut(4)
                .stderr("err\nerr\n")
                .file("1/files/results/raw", b"\xff")
                .file("2/files/results/raw", b"\xff")
                .file("2/stdout", "cut of")
                .file("2/stderr", "err\n")
                .missing("/none", "there is no such file")
                .warning("standard output was cut: 6 of 8 bytes were kept (--max-output-size)")
                .field("/iterations/1/files/0/content/base64", "/w=="))
        },
    ),
];

fn only(record: &Record) -> Result<Value, Mismatch> {
    let metrics = record.runs.first().map(|run| run.said().metrics);
    match metrics.unwrap_or_default().as_slice() {
        [only] => Ok(only.clone()),
        other => Err(Mismatch::new("lines of metrics", 1, other.len())),
    }
}

fn field(metrics: &Value, name: &str, expected: &Value) -> Checked {
    if metrics[name] == *expected {
        return Ok(());
    }
    Err(Mismatch::new(name, expected, &metrics[name]))
}
