//! The line of metrics that existing tooling looks for.

use serde_json::Value;

use crate::scenarios::expect::{Checked, Expect, Mismatch};
use crate::scenarios::invocation::Invocation;
use crate::scenarios::record::Record;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::surroundings::Need;

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
        "performance_counters",
        "each event that was asked for is counted, or the result says why it could not be",
        |run| {
            run.options(["--perf-counters", "--memory", "384"])
                .script("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done");
        },
        counted,
    )
    .needs(&[Need::Option("--perf-counters"), Need::Root]),
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

/// Events of the processor, which virtual machines and emulators have none of.
const PROCESSOR: [&str; 6] = [
    "instructions",
    "cycles",
    "branches",
    "branch_misses",
    "cache_references",
    "cache_misses",
];

/// Events of the kernel, which it has everywhere.
const KERNEL: [&str; 3] = ["task_clock_ns", "context_switches", "cpu_migrations"];

/// How many instructions the counting shell executes at the very least.
const LEAST_INSTRUCTIONS: u64 = 20_000 * 20;

fn counted(record: &Record) -> Checked {
    let is_machine = record.backend.is_machine();
    let whose = if is_machine { "guest" } else { "command" };
    let mut expect = Expect::exit(0);
    expect = expect.field_that(
        "/iterations/0/perf_counters",
        "each event of the processor counted, or named with the reason",
        move |counters| {
            let reasons = counters["compromises"].as_array();
            let reasons: Vec<_> = reasons
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            PROCESSOR.iter().all(|&event| match &counters[event] {
                Value::Null => reasons.iter().any(|reason| reason.contains(event)),
                count => {
                    let least = if event == "instructions" {
                        LEAST_INSTRUCTIONS
                    } else {
                        0
                    };
                    count["source"] == "host_pmu"
                        && count["of"] == whose
                        && count["value"].as_u64() >= Some(least)
                }
            })
        },
    );
    let threads = if is_machine {
        "vcpu_threads"
    } else {
        "command"
    };
    expect = expect.field_that(
        "/iterations/0/perf_counters",
        "each event of the kernel counted, and time on a CPU",
        move |counters| {
            KERNEL.iter().all(|&event| {
                let count = &counters[event];
                count["source"] == "host_kernel" && count["of"] == threads
            }) && counters["task_clock_ns"]["value"].as_u64() > Some(0)
        },
    );
    record.is(expect)
}

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
