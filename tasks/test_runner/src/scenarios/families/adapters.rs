//! Metrics of benchmark harnesses, out of what their real outputs are.

use serde_json::json;

use crate::scenarios::expect::Expect;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::surroundings::Need;

/// What `go test -bench` printed.
const GO: &str =
    include_str!("../../../../../crates/bencher_adapters/tests/fixtures/go-1.19.8.stdout");

/// What hyperfine wrote.
const HYPERFINE: &str =
    include_str!("../../../../../crates/bencher_adapters/tests/fixtures/hyperfine-1.15.0.json");

/// A script that prints `text` and then does more.
fn prints(text: &str, more: &str) -> String {
    format!("cat {more} <<'END'\n{text}END\n")
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "adapter_metrics",
        "what a harness prints is the command's output, and its metrics are in the result with every sample",
        |run| {
            run.options(["--adapter", "auto", "--iter", "2"])
                .script(&prints(GO, ""));
        },
        |record| {
            let fib = json!({
                "benchmark": "example.com/sorting.BenchmarkFib15-2", "measure": "latency", "unit": "ns", "better": "lower",
                "values": [8800.0, 5128.0, 7113.0], "samples": 3, "low": null, "high": null,
            });
            record.is(Expect::exit(0)
                .times(2)
                .stdout(GO.repeat(2))
                .field("/adapter", "auto")
                .field("/iterations/0/harness/adapter", "go")
                .field("/iterations/0/harness/source", "stdout")
                .field("/iterations/0/harness/metrics/0", fib.clone())
                .field("/iterations/1/harness/metrics/0", fib)
                .field("/iterations/1/harness/metrics/5/better", "higher")
                .field("/iterations/1/harness/metrics/5/unit", "MB/s"))
        },
    )
    .needs(&[Need::Option("--adapter")]),
    Scenario::new(
        "adapter_file",
        "a file that a harness writes is collected and read, whatever the command prints",
        |run| {
            run.outputs(&[])
                .options(["--adapter", "hyperfine=times.json", "--workdir", "/results"])
                .script(&(prints(HYPERFINE, ">times.json") + "echo done"));
        },
        |record| {
            record.is(Expect::exit(0)
                .stdout("done\n")
                .file("1/files/results/times.json", HYPERFINE)
                .field("/adapter", "hyperfine=times.json")
                .field("/iterations/0/harness/adapter", "hyperfine")
                .field("/iterations/0/harness/source", "/results/times.json")
                .field("/iterations/0/harness/metrics/3/benchmark", "named echo")
                .field("/iterations/0/harness/metrics/3/measure", "latency")
                .field("/iterations/0/harness/metrics/3/samples", 5))
        },
    )
    .needs(&[Need::Option("--adapter")]),
    Scenario::new(
        "adapter_not_understood",
        "an output that no adapter understands fails the run, and is delivered all the same",
        |run| {
            run.outputs(&["/results/log"])
                .options(["--adapter", "auto", "--iter", "3"])
                .script("echo hello world; echo why >/results/log");
        },
        |record| {
            record.is(Expect::exit(0)
                .whole(125)
                .error("iteration 1 has no metrics of a harness: no adapter understands standard output…")
                .stdout("hello world\n")
                .file("1/files/results/log", "why\n")
                .field("/iterations/0/harness/adapter", json!(null))
                .field("/iterations/0/harness/metrics", json!([])))
        },
    )
    .needs(&[Need::Option("--adapter")]),
];
