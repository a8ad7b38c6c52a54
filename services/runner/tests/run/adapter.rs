//! `--adapter`: metrics of benchmark harnesses, out of what real commands print and write.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::schema::PUBLISHED;
use crate::support::{Image, Ran, Runner, no_image, no_vm};

/// Outputs of the real tools: file, adapter, a metric in it, its unit, which values are better, and how many
/// samples it has.
const OUTPUTS: [(&str, &str, &str, &str, &str, usize); 13] = [
    (
        "bencher-documented.json",
        "bencher",
        "out/result.bin/file-size",
        "B",
        "lower",
        1,
    ),
    (
        "criterion-0.8.2.stdout",
        "criterion",
        "sort/std/1000/throughput",
        "elem/s",
        "higher",
        1,
    ),
    (
        "libtest-1.95.0.stdout",
        "libtest",
        "sort::std_1000/throughput",
        "MB/s",
        "higher",
        1,
    ),
    (
        "divan-0.1.21.stdout",
        "divan",
        "dv::sort::std::1000/latency",
        "ns",
        "lower",
        1,
    ),
    (
        "gungraun-0.20.0.stdout",
        "gungraun",
        "gg::group::sort/instructions",
        "",
        "lower",
        1,
    ),
    (
        "go-1.19.8.stdout",
        "go",
        "example.com/sorting.BenchmarkSort/n=100-2/latency",
        "ns",
        "lower",
        3,
    ),
    (
        "google-benchmark-1.7.1.json",
        "google-benchmark",
        "BM_Sort/throughput",
        "items/s",
        "higher",
        3,
    ),
    (
        "google-benchmark-1.7.1-aggregates.json",
        "google-benchmark",
        "BM_Sort/latency",
        "ns",
        "lower",
        1,
    ),
    (
        "pytest-benchmark-5.3.1.json",
        "pytest-benchmark",
        "test_b.py::test_sort/latency",
        "ns",
        "lower",
        7,
    ),
    (
        "hyperfine-1.15.0.json",
        "hyperfine",
        "named echo/latency",
        "ns",
        "lower",
        5,
    ),
    (
        "jmh-1.37.json",
        "jmh",
        "org.sample.Sorting.sort:mode=thrpt,order=random,size=100/throughput",
        "operations/s",
        "higher",
        6,
    ),
    (
        "catch2-2.13.10.xml",
        "catch2",
        "fib/fib 5/latency",
        "ns",
        "lower",
        1,
    ),
    (
        "lines.txt",
        "lines",
        "sort 1000 elements/latency",
        "ns",
        "lower",
        2,
    ),
];

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../crates/bencher_adapters/tests/fixtures"
    );
    fs::read(Path::new(folder).join(name)).unwrap()
}

/// An image with the outputs of all tools below `/out`.
fn image() -> Image {
    let contents: Vec<_> = OUTPUTS
        .iter()
        .map(|output| (format!("out/{}", output.0), fixture(output.0)))
        .collect();
    let files: Vec<(&str, u32, &[u8])> = contents
        .iter()
        .map(|(path, content)| (path.as_str(), 0o644, content.as_slice()))
        .collect();
    Image::with_files(&json!({"WorkingDir": "/tmp"}), &files)
}

fn run(image: &Image, arguments: &[&str], command: &[&str]) -> Ran {
    let all = [&["--sandbox", "none"], arguments, &["--"], command].concat();
    Runner::new().run(image, &all)
}

/// The result document of a run, which must have the published layout.
fn result(ran: &Ran) -> Value {
    let document = ran.json();
    let schema: Value = serde_json::from_slice(&fs::read(PUBLISHED).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&document)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, [""; 0]);
    document
}

fn metric<'a>(iteration: &'a Value, name: &str) -> &'a Value {
    let metrics = iteration["harness"]["metrics"].as_array().unwrap();
    let called = |metric: &&Value| {
        let parts = ["benchmark", "measure"].map(|part| metric[part].as_str().unwrap());
        parts.join("/") == name
    };
    metrics
        .iter()
        .find(called)
        .unwrap_or_else(|| panic!("no {name} in {metrics:#?}"))
}

fn runner(arguments: &[&str], files: &[&Path]) -> Ran {
    let mut command = Runner::new().command();
    Ran::of(command.args(arguments).args(files).output().unwrap())
}

#[test]
fn what_each_tool_prints_is_in_the_result_whoever_names_the_adapter() {
    if no_image() {
        return;
    }
    let image = image();
    for (file, adapter, name, unit, better, samples) in OUTPUTS {
        for choice in ["auto", adapter] {
            let arguments = ["--adapter", choice, "--format", "json"];
            let ran = run(&image, &arguments, &["cat", &format!("/out/{file}")]).exits(0);
            let document = result(&ran);
            assert_eq!(document["adapter"], choice);
            let iteration = &document["iterations"][0];
            assert_eq!(iteration["harness"]["adapter"], adapter, "{file}");
            assert_eq!(iteration["harness"]["source"], "stdout");
            assert_eq!(iteration["harness"]["error"], Value::Null);
            let found = metric(iteration, name);
            assert_eq!(
                (&found["unit"], &found["better"]),
                (&json!(unit), &json!(better)),
                "{file}"
            );
            assert_eq!(found["values"].as_array().unwrap().len(), samples, "{file}");
            assert_eq!(found["samples"], samples);
        }
    }
}

#[test]
fn a_file_that_the_harness_writes_is_collected_and_read() {
    if no_image() {
        return;
    }
    let image = image();
    let command = [
        "sh",
        "-c",
        "echo done; cat /out/hyperfine-1.15.0.json > times.json",
    ];
    let arguments = ["--adapter", "auto=times.json", "--format", "json"];
    let document = result(&run(&image, &arguments, &command).exits(0));
    let iteration = &document["iterations"][0];
    assert_eq!(iteration["harness"]["source"], "/tmp/times.json");
    assert_eq!(iteration["files"][0]["guest_path"], "/tmp/times.json");
    assert_eq!(metric(iteration, "named echo/latency")["samples"], 5);

    let sample = fixture("criterion-0.8.2-sample.json");
    let other = fixture("criterion-0.8.2-estimates.json");
    let criterion = Image::with_files(
        &json!({"WorkingDir": "/w"}),
        &[
            (
                "w/target/criterion/sort/std/new/sample.json",
                0o644,
                &sample,
            ),
            (
                "w/target/criterion/sort/std/new/estimates.json",
                0o644,
                &other,
            ),
            (
                "w/target/criterion/sort/std/base/sample.json",
                0o644,
                &sample,
            ),
            ("w/target/criterion/report/index.html", 0o644, b"<html>"),
        ],
    );
    let arguments = [
        "--adapter",
        "criterion=target/criterion",
        "--format",
        "json",
    ];
    let document = result(&run(&criterion, &arguments, &["true"]).exits(0));
    let found = metric(&document["iterations"][0], "sort/std/latency");
    assert_eq!(found["samples"], 20);
}

#[test]
fn an_output_without_metrics_ends_the_run_and_nothing_of_it_is_lost() {
    if no_image() {
        return;
    }
    let image = image();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = [
        "--adapter",
        "auto",
        "--iter",
        "3",
        "--output-dir",
        out.to_str().unwrap(),
    ];
    let ran = run(&image, &arguments, &["echo", "hello world"]).exits(125);
    assert_eq!(ran.text(), "hello world\n");
    for part in [
        "iteration 1 has no metrics of a harness: no adapter understands standard output; tried were bencher,",
        "--adapter NAME=FILE",
        "`runner compare --adapter`",
    ] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    assert_eq!(
        fs::read_to_string(out.join("1/stdout")).unwrap(),
        "hello world\n"
    );
    let document: Value =
        serde_json::from_slice(&fs::read(out.join("result.json")).unwrap()).unwrap();
    assert_eq!(document["iterations"].as_array().unwrap().len(), 1);
    assert_eq!(document["iterations"][0]["exit_code"], 0);
    let reason = document["iterations"][0]["harness"]["error"]
        .as_str()
        .unwrap();
    assert!(
        reason.starts_with("no adapter understands standard output"),
        "{reason}"
    );
    assert!(
        document["outcome"]["error"]
            .as_str()
            .unwrap()
            .contains(reason)
    );

    let arguments = [
        "--adapter",
        "auto",
        "--iter",
        "2",
        "--allow-failure",
        "--format",
        "json",
    ];
    let ran = run(&image, &arguments, &["echo", "hello world"]).exits(0);
    assert!(
        ran.stderr.contains("warning: iteration 2 has no metrics"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.json()["iterations"].as_array().unwrap().len(), 2);
}

#[test]
fn bad_numbers_and_names_are_refused_with_their_place() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let many = "i=0; while [ $i -lt 10001 ]; do echo b$i 1 ns; i=$((i+1)); done";
    let long = "echo $(printf %01100d 7) 1 ns";
    for (script, expected) in [
        (
            "echo sort NaN ns",
            "\"latency\" of \"sort\" is \"NaN\", which is no finite number",
        ),
        (
            "echo sort inf ns",
            "\"latency\" of \"sort\" is \"inf\", which is no finite number",
        ),
        (
            "echo sort 1e300 points",
            "sort/value is 1e300, which is no measurement",
        ),
        (
            "echo sort 1 MB/s; echo sort 1 kB/s",
            "is in \"MB/s\" and in \"kB/s\"",
        ),
        (
            "echo a/latency 1 points; echo 'a 1 ns'; echo sort x",
            "no `name value unit`",
        ),
        (many, "there are 10001 metrics, and 10000 are kept at most"),
        (
            long,
            "has more than 1024 bytes: give the benchmark a shorter one",
        ),
        (
            "yes | head -c 17000000",
            "has more than the 16777216 bytes that adapters read",
        ),
    ] {
        let ran = run(&image, &["--adapter", "lines"], &["sh", "-c", script]).exits(125);
        assert!(ran.stderr.contains(expected), "{script}: {}", ran.stderr);
    }
    let arguments = [
        "--adapter",
        "lines",
        "--max-output-size",
        "8B",
        "--format",
        "json",
    ];
    let ran = run(
        &image,
        &arguments,
        &["sh", "-c", "echo sort 1 ns; echo find 1 ns"],
    )
    .exits(125);
    assert!(
        ran.stderr.contains("standard output was cut"),
        "{}",
        ran.stderr
    );
    let arguments = ["--adapter", "lines=/tmp/none"];
    let ran = run(&image, &arguments, &["true"]).exits(125);
    assert!(
        ran.stderr.contains("/tmp/none was not read: "),
        "{}",
        ran.stderr
    );
    // A command that fails is not the adapter's business.
    let ran = run(
        &image,
        &["--adapter", "auto", "--format", "json"],
        &["sh", "-c", "exit 3"],
    )
    .exits(3);
    assert_eq!(ran.json()["iterations"][0]["harness"], Value::Null);
    let arguments = ["--adapter", "auto", "--format", "json"];
    let script = r"printf 'so\033[2Jrt 1 ns\n'";
    let document = result(&run(&image, &arguments, &["sh", "-c", script]).exits(0));
    let benchmark = &document["iterations"][0]["harness"]["metrics"][0]["benchmark"];
    assert_eq!(benchmark, r"so\u{1b}[2Jrt");
}

#[test]
fn wrong_choices_are_refused_before_anything_runs() {
    for (arguments, expected) in [
        (
            &["run", "--image", "x", "--adapter", "speed"][..],
            "\"speed\" is no adapter: it is auto or one of",
        ),
        (
            &["run", "--image", "x", "--adapter", "go="],
            "names no file",
        ),
        (
            &[
                "run",
                "--image",
                "x",
                "--until-ci",
                "1%",
                "--metric",
                "sort/latency",
            ],
            "sort/latency is a metric of a harness, and nothing reads those: add --adapter",
        ),
        (
            &["compare", "x", "y", "--metric", "sort/latency"],
            "sort/latency is a metric of a harness, and nothing reads those: add --adapter",
        ),
        (
            &["history", "x", "--metric", "speed"],
            "or a harness's as BENCHMARK/MEASURE",
        ),
    ] {
        let ran = runner(arguments, &[]);
        assert!(ran.code == 2 || ran.code == 125, "{}", ran.code);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

/// A command that prints what Go prints, with a time of so many nanoseconds and some noise.
fn go(nanoseconds: impl Display) -> String {
    format!(
        "t={nanoseconds}; for s in 1 2 3; do n=$((t + (RANDOM + s * 13) % 40)); \
         printf 'BenchmarkSort-2 \\t 1000\\t %d ns/op\\t %d.0 MB/s\\n' $n $((4000000 / n)); done"
    )
}

#[test]
fn metrics_of_a_harness_are_compared_with_their_samples_and_decide() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let compare = |arguments: &[&str], [one, other]: [&str; 2]| {
        let mut command = Runner::new().command();
        command
            .args(["compare", "--sandbox", "none", "--adapter", "auto"])
            .args(arguments);
        command.arg("--image").arg(image.path());
        command.args(["--", "sh", "-c", one, "--vs", "sh", "-c", other]);
        Ran::of(command.output().unwrap())
    };
    let (fast, slow) = (go(5000), go(6000));
    let arguments = ["--iter", "6", "--fail-if-slower", "5%", "--format", "json"];
    let document = compare(&arguments, [&fast, &slow]).exits(1).json();
    let metrics = document["metrics"].as_array().unwrap();
    let named = |name: &str| {
        metrics
            .iter()
            .find(|metric| metric["name"] == name)
            .unwrap()
    };
    for (name, unit, better, ratio) in [
        ("BenchmarkSort-2/latency", "nanoseconds", "lower", 1.2),
        ("BenchmarkSort-2/throughput", "MB/s", "higher", 1.0 / 1.2),
    ] {
        let metric = named(name);
        assert_eq!(
            (&metric["unit"], &metric["better"]),
            (&json!(unit), &json!(better))
        );
        assert_eq!(metric["answer"]["verdict"], "slower", "{metric:#}");
        let found = metric["answer"]["ratio"]["value"].as_f64().unwrap();
        assert!((found - ratio).abs() < 0.05, "{metric:#}");
        assert_eq!(
            metric["baseline"]["points"][0]["samples"]
                .as_array()
                .unwrap()
                .len(),
            3
        );
        let failed = document["gate"]["failed"].as_array().unwrap();
        assert!(failed.contains(&json!(name)), "{failed:?}");
    }
    assert!(named("wall")["answer"].is_object());
    assert_eq!(document["settings"]["levels"], "iterations");

    let wanted = ["--until-ci", "5%", "--max-iter", "20", "--format", "json"];
    let arguments = [
        &wanted[..],
        &["--metric", "BenchmarkSort-2/latency", "--levels", "both"],
    ]
    .concat();
    let document = compare(&arguments, [&fast, &slow]).exits(0).json();
    assert_eq!(document["precision"]["metric"], "BenchmarkSort-2/latency");
    assert_eq!(document["precision"]["stopped_by"], "narrow");
    assert_eq!(document["settings"]["levels"], "both");
    let ran = compare(&["--iter", "3", "--metric", "no/such"], [&fast, &slow]).exits(0);
    assert!(
        ran.text().contains("neither side measured no/such"),
        "{}",
        ran.text()
    );
}

#[test]
fn a_run_goes_on_until_a_metric_of_the_harness_is_known() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let until = |metric: &str| {
        let arguments = [
            "--adapter",
            "go",
            "--until-ci",
            "5%",
            "--metric",
            metric,
            "--format",
            "json",
        ];
        run(&image, &arguments, &["sh", "-c", &go(5000)])
    };
    let ran = until("BenchmarkSort-2/latency").exits(0);
    let document = result(&ran);
    let precision = &document["outcome"]["precision"];
    assert_eq!(precision["metric"], "BenchmarkSort-2/latency");
    assert_eq!(precision["stopped_by"], "narrow");
    assert!(
        ran.stderr.contains("BenchmarkSort-2/latency is known to"),
        "{}",
        ran.stderr
    );
    let ran = until("BenchmarkFind-2/latency").exits(125);
    let told = "iteration 1 has no metric BenchmarkFind-2/latency: it has BenchmarkSort-2/latency, \
                BenchmarkSort-2/throughput; name one of them with --metric";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert_eq!(ran.json()["iterations"].as_array().unwrap().len(), 1);
}

/// Results of runs without an adapter, of this command, in files.
fn old_results(folder: &Path, image: &Image, nanoseconds: &[u32]) -> Vec<PathBuf> {
    // The same command each time, so that they are one series.
    let script = go("$NANOSECONDS");
    let files = nanoseconds.iter().enumerate().map(|(index, time)| {
        let file = folder.join(format!("{index}.json"));
        let name = file.to_str().unwrap();
        let label = format!("commit-{index}");
        let time = format!("NANOSECONDS={time}");
        let arguments = [
            "--iter", "5", "--result", name, "--label", &label, "--env", &time,
        ];
        run(image, &arguments, &["sh", "-c", &script]).exits(0);
        file
    });
    files.collect()
}

#[test]
fn results_of_runs_without_an_adapter_are_read_again() {
    if no_image() {
        return;
    }
    let (image, folder) = (Image::new(&json!({})), tempfile::tempdir().unwrap());
    let times = [[5000; 4], [6000; 4]].concat();
    let files = old_results(folder.path(), &image, &times);
    let all: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let name = "BenchmarkSort-2/latency";

    let compare = ["compare", "--adapter", "go", "--metric", name, "--format"];
    for format in ["human", "json", "csv", "markdown", "junit", "github"] {
        let page = folder.path().join("page.html");
        let page = ["--report", page.to_str().unwrap()];
        let ran = runner(
            &[&compare[..], &[format], &page].concat(),
            &[all[0], all[4]],
        )
        .exits(0);
        assert!(
            ran.text().contains(name) && ran.text().contains("slower"),
            "{}",
            ran.text()
        );
        assert!(fs::read_to_string(page[1]).unwrap().contains(name));
    }
    // Without an adapter there are none.
    let ran = runner(&["compare", "--metric", name], &[all[0], all[4]]).exits(0);
    assert!(
        ran.text().contains("neither side measured"),
        "{}",
        ran.text()
    );

    let history = ["history", "--adapter", "auto", "--metric", name, "--json"];
    let document = runner(&history, &all).exits(0).json();
    assert_eq!(document["metric"], name);
    assert_eq!(document["unit"], "nanoseconds");
    assert_eq!(document["series"][0]["changes"][0]["label"], "commit-4");

    let export = [
        "export",
        "--to",
        "bencher",
        "--adapter",
        "go",
        "--name",
        "whole",
    ];
    let document = runner(&export, &all[..1]).exits(0).json();
    let latency = document["BenchmarkSort-2"]["latency"]["value"]
        .as_f64()
        .unwrap();
    assert!((5000.0..5040.0).contains(&latency), "{document}");
    assert!(document["BenchmarkSort-2"]["throughput"]["lower_value"].is_f64());
    assert!(document["whole"]["latency"]["value"].is_f64());

    let ran = runner(
        &["export", "--to", "bencher", "--adapter", "jmh"],
        &all[..1],
    )
    .exits(125);
    let told = "0.json: there are no metrics in iteration 1: standard output: the output is no jmh";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}

#[test]
fn large_outputs_are_read_out_of_the_output_folder() {
    if no_image() {
        return;
    }
    let (image, folder) = (Image::new(&json!({})), tempfile::tempdir().unwrap());
    let out = folder.path().join("out");
    let script = "i=0; while [ $i -lt 9000 ]; do echo sort-of-$(printf %0110d $((i % 9))) 5$i ns; i=$((i+1)); done";
    let arguments = ["--output-dir", out.to_str().unwrap()];
    run(&image, &arguments, &["sh", "-c", script]).exits(0);
    let export = [
        "export",
        "--to",
        "bencher",
        "--adapter",
        "lines",
        "--name",
        "x",
    ];
    let document = runner(&export, &[&out]).exits(0).json();
    assert_eq!(document.as_object().unwrap().len(), 10);
    let moved = folder.path().join("moved.json");
    fs::rename(out.join("result.json"), &moved).unwrap();
    let ran = runner(&export, &[&moved]).exits(125);
    assert!(
        ran.stderr.contains("name the output folder that it is in"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_was_read_is_read_again_when_it_is_reproduced() {
    if no_image() {
        return;
    }
    let (image, folder) = (Image::new(&json!({})), tempfile::tempdir().unwrap());
    let file = folder.path().join("old.json");
    let script = format!("{} > bench.txt", go(5000));
    let arguments = [
        "--adapter",
        "go=bench.txt",
        "--iter",
        "5",
        "--workdir",
        "/tmp",
        "--result",
    ];
    let arguments = [&arguments[..], &[file.to_str().unwrap()]].concat();
    run(&image, &arguments, &["sh", "-c", &script]).exits(0);
    let mut command = Runner::new().command();
    command
        .arg("reproduce")
        .arg(&file)
        .args(["--format", "json", "--", "--sandbox", "none"]);
    let ran = Ran::of(command.output().unwrap());
    assert!(ran.code == 0 || ran.code == 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--adapter go=bench.txt"),
        "{}",
        ran.stderr
    );
    let document = ran.json();
    let metrics = document["metrics"].as_array().unwrap();
    let found = metrics
        .iter()
        .find(|metric| metric["name"] == "BenchmarkSort-2/latency")
        .unwrap();
    assert_eq!(found["candidate"]["points"].as_array().unwrap().len(), 5);
    assert!(found["answer"].is_object(), "{found:#}");
}

#[test]
fn a_guest_in_a_machine_is_read_as_well() {
    if no_vm() {
        return;
    }
    let image = image();
    let arguments = [
        "--sandbox",
        "qemu",
        "--adapter",
        "hyperfine=/tmp/t.json",
        "--format",
        "json",
    ];
    let command = [
        "--",
        "sh",
        "-c",
        "cat /out/hyperfine-1.15.0.json > /tmp/t.json",
    ];
    let ran = Runner::new()
        .run(&image, &[&arguments[..], &command].concat())
        .exits(0);
    let document = result(&ran);
    assert_eq!(
        metric(&document["iterations"][0], "named echo/latency")["samples"],
        5
    );
}
