//! What each tool prints and writes.

use super::*;
use crate::support::{no_image, no_vm};

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

/// An image with the outputs of all tools below `/out`.
pub(super) fn image() -> Image {
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
