//! Every fixture is read by its adapter, found to be of its format, and what came of it is what its
//! snapshot says.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bencher_adapters::{Adapter, AdapterError, LATENCY, Report, parse_any};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The format that a fixture's name begins with.
fn adapter_of(name: &str) -> Adapter {
    let all = Adapter::ALL.into_iter();
    all.filter(|adapter| name.starts_with(adapter.name()))
        .max_by_key(|adapter| adapter.name().len())
        .unwrap_or_else(|| panic!("{name} begins with no adapter's name"))
}

/// A file of Criterion's is named by its path.
fn path_of(name: &str) -> Option<String> {
    let (_, file) = name.split_once("criterion-0.8.2-")?;
    Some(format!("target/criterion/sort/std/1000/new/{file}"))
}

fn rendered(report: &Report) -> String {
    let mut text = String::new();
    for (benchmark, measures) in report.benchmarks() {
        for (measure, metric) in measures {
            let shown: Vec<String> = metric.values.iter().take(3).map(f64::to_string).collect();
            let more = if metric.values.len() > 3 { ", …" } else { "" };
            let _ = write!(
                text,
                "{benchmark} | {measure} | {} of [{}{more}] {}",
                metric.values.len(),
                shown.join(", "),
                metric.unit
            );
            if let Some(bounds) = metric.bounds {
                let _ = write!(text, " | {} to {}", bounds.low, bounds.high);
            }
            text.push('\n');
        }
    }
    text
}

#[test]
fn every_fixture_is_read() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .into_string()
                .expect("text")
        })
        .filter(|name| name != "README.md" && !name.contains("failed"))
        .collect();
    names.sort();
    for name in &names {
        let output = fixture(name);
        let adapter = adapter_of(name);
        assert_eq!(Adapter::detect(&output), Ok(adapter), "{name}");
        let path = path_of(name);
        let report = adapter.parse(&output, path.as_deref());
        let report = report.unwrap_or_else(|error| panic!("{name}: {error}"));
        insta::assert_snapshot!(name.replace('.', "_"), rendered(&report));
    }
    let covered = |adapter: &Adapter| names.iter().any(|name| adapter_of(name) == *adapter);
    let missing: Vec<_> = Adapter::ALL
        .iter()
        .filter(|adapter| !covered(adapter))
        .collect();
    assert!(missing.is_empty(), "without a fixture: {missing:?}");
}

#[test]
fn a_failed_benchmark_gives_no_numbers() {
    let error =
        parse_any(&fixture("google-benchmark-1.7.1-failed.json"), None).expect_err("failed");
    assert_eq!(
        error.to_string(),
        "the benchmark \"BM_Error\" failed: \"not today\"; its numbers would mean nothing"
    );
}

#[test]
fn a_file_of_criterion_needs_its_path() {
    let sample = fixture("criterion-0.8.2-sample.json");
    let error = Adapter::Criterion
        .parse(&sample, None)
        .expect_err("no name");
    assert_eq!(
        error.to_string(),
        "a criterion file does not say which benchmark it is of; give its path, which ends with \
         `NAME/new/sample.json`"
    );
}

/// What is wrong in an output, and the message about it.
#[test]
fn what_means_nothing_is_refused_in_clear_words() {
    for (adapter, output, expected) in [
        (
            Adapter::Lines,
            "sort 1 ms\nsort NaN ms\n",
            "\"latency\" of \"sort\" is \"NaN\", which is no finite number; run it again",
        ),
        (
            Adapter::Lines,
            "sort 1 points\nsort 2 cycles\n",
            "\"value\" of \"sort\" is in \"points\" and in \"cycles\"; give each unit a measure or a name \
             of its own",
        ),
        (
            Adapter::Lines,
            "sort 1 ms\nall is \x1b[31mwell\n",
            "line 2 is no `name value unit`: \"all is \\u{1b}[31mwell\"; leave it out or choose another \
             adapter",
        ),
        (
            Adapter::Go,
            "BenchmarkX-2 10 +Inf ns/op\n",
            "\"latency\" of \"BenchmarkX-2\" is \"inf\", which is no finite number; run it again",
        ),
        (
            Adapter::Go,
            "pkg: example.com/a\n--- FAIL: BenchmarkX\nBenchmarkY-2 10 5 ns/op\n",
            "the benchmark \"example.com/a.BenchmarkX\" failed: \"FAIL\"; its numbers would mean nothing",
        ),
        (
            Adapter::Lines,
            "sort 1,5 ms\n",
            "\"1,5\" of \"sort\" may be a number with decimals or with thousands; write decimals behind a \
             point, and thousands without a separator",
        ),
        (
            Adapter::Lines,
            "sort 12,700 µs\n",
            "\"12,700\" of \"sort\" may be a number with decimals or with thousands; write decimals behind \
             a point, and thousands without a separator",
        ),
        (
            Adapter::Lines,
            "walk 3 m\n",
            "\"m\" of \"walk\" may be minutes, metres or thousandths; write min, or another word",
        ),
        (
            Adapter::Lines,
            "resident 3 KB\n",
            "\"KB\" of \"resident\" may be 1000 or 1024 bytes; write kB or KiB",
        ),
        (
            Adapter::Libtest,
            "test a ... bench:       1,5 ns/iter (+/- 3)\n",
            "\"latency\" of \"a\" is \"1,5\", which is no finite number; run it again",
        ),
        (
            Adapter::GoogleBenchmark,
            "{\"benchmarks\": [{\"name\": \"a\", \"real_time\": 1.0, \"time_unit\": \"m\"}]}",
            "\"latency\" of \"a\" is in \"m\", which is no unit of google-benchmark",
        ),
        (
            Adapter::Bencher,
            "{\"a\": {\"latency\": {\"value\": NaN}}}",
            "the output is no bencher document: expected value at line 1 column 29; NaN and \
             infinities are no JSON numbers, and nothing but the document may be in it",
        ),
        (
            Adapter::Jmh,
            "[{\"benchmark\": \"a\", \"primaryMetric\": {\"score\": \"NaN\", \"scoreUnit\": \"ns/op\"}}]",
            "\"latency\" of \"a\" is \"NaN\", which is no finite number; run it again",
        ),
        (
            Adapter::GoogleBenchmark,
            "{\"benchmarks\": [{\"name\": \"a\", \"real_time\": 1.0, \"time_unit\": \"parsec\"}]}",
            "\"latency\" of \"a\" is in \"parsec\", which is no unit of google-benchmark",
        ),
        (
            Adapter::Hyperfine,
            "{\"results\": [{\"command\": \"a\", \"median\": 1e999, \"min\": 1, \"max\": 1}]}",
            "the output is no hyperfine document: number out of range at line 1 column 45; NaN and \
             infinities are no JSON numbers, and nothing but the document may be in it",
        ),
        (
            Adapter::Catch2,
            "<Catch><BenchmarkResults name='a'><failed message='too bad'/></BenchmarkResults></Catch>",
            "the benchmark \"a\" failed: \"too bad\"; its numbers would mean nothing",
        ),
        (
            Adapter::Divan,
            "",
            "there is no divan result in the output; choose the adapter of the harness, or let it print \
             its results",
        ),
    ] {
        let error = adapter.parse(output.as_bytes(), None).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
}

/// The names of the benchmarks of an output.
fn names(adapter: Adapter, output: &str) -> Vec<String> {
    let report = adapter.parse(output.as_bytes(), None).expect("it is one");
    report.benchmarks().keys().cloned().collect()
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).expect("it is text")
}

#[test]
fn packages_with_benchmarks_of_one_name_stay_apart() {
    let one = text("go-1.19.8.stdout");
    let both = one.clone() + &one.replace("example.com/sorting", "example.com/other");
    assert_eq!(
        names(Adapter::Go, &both).len(),
        2 * names(Adapter::Go, &one).len()
    );
    let report = Adapter::Go.parse(both.as_bytes(), None).expect("it is one");
    let time = report
        .metric("example.com/other.BenchmarkFib15-2", LATENCY)
        .expect("it was measured");
    assert_eq!(time.values, [8800.0, 5128.0, 7113.0]);
}

#[test]
fn programs_with_benchmarks_of_one_name_stay_apart() {
    let one = text("divan-0.1.21.stdout");
    let both = one.clone() + &one.replacen("dv ", "other ", 1);
    assert_eq!(
        names(Adapter::Divan, &both).len(),
        2 * names(Adapter::Divan, &one).len()
    );
    assert!(names(Adapter::Divan, &both).contains(&"other::sort::std::100".to_owned()));
}

#[test]
fn minutes_are_minutes_where_the_harness_prints_them_so() {
    let long = "dv    fastest  │ slowest  │ median  │ mean  │ samples │ iters\n\
                ╰─ f  1.5 m    │ 1 h      │ 2m      │ 2 m   │ 5       │ 5\n";
    let report = Adapter::Divan
        .parse(long.as_bytes(), None)
        .expect("it is one");
    let time = report.metric("dv::f", LATENCY).expect("it was measured");
    assert_eq!(time.values, [120e9]);
    assert_eq!(
        time.bounds.map(|bounds| (bounds.low, bounds.high)),
        Some((90e9, 3600e9))
    );
}

#[test]
fn modes_of_one_method_stay_apart() {
    let entry = |mode: &str, score: f64| {
        format!(
            "{{\"benchmark\": \"a.B.c\", \"mode\": \"{mode}\", \"params\": {{\"size\": \"10\"}}, \
             \"primaryMetric\": {{\"score\": {score}, \"scoreUnit\": \"us/op\", \"rawData\": [[{score}]]}}, \
             \"secondaryMetrics\": {{\"gc\": {{\"score\": 1, \"scoreUnit\": \"B/op\"}}}}}}"
        )
    };
    let document = format!(
        "[{}, {}, {}]",
        entry("avgt", 1.0),
        entry("ss", 7.0),
        entry("sample", 2.0)
    );
    let report = Adapter::Jmh
        .parse(document.as_bytes(), None)
        .expect("it is one");
    for (mode, expected) in [("avgt", 1e3), ("ss", 7e3), ("sample", 2e3)] {
        let name = format!("a.B.c:mode={mode},size=10");
        let values = |measure| {
            report
                .metric(&name, measure)
                .expect("it is there")
                .values
                .clone()
        };
        assert_eq!(values(LATENCY), [expected]);
        assert_eq!(values("gc"), [1.0]);
    }
}

#[test]
fn entities_are_not_expanded() {
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbb'>]><Catch><BenchmarkResults name='&b;'/></Catch>";
    let error = Adapter::Catch2
        .parse(bomb.as_bytes(), None)
        .expect_err("a DTD");
    assert!(matches!(error, AdapterError::Xml { .. }), "{error}");
}

mod anything {
    use super::*;
    use proptest::prelude::*;

    /// Words that formats look for, so that random texts get far into their parsers.
    fn pieces() -> impl Strategy<Value = String> {
        let words = [
            "test a ... bench: ",
            "1,5",
            "12",
            " ns/iter (+/- ",
            ")",
            " = 4 MB/s",
            "time:   [",
            "]",
            "thrpt:  [",
            " µs ",
            "Benchmark",
            "\t",
            "ns/op",
            "├─ ",
            "╰─ ",
            "│",
            "  ",
            "dv fastest ",
            "│ slowest ",
            "a::b c",
            "  Instructions: ",
            "|",
            "N/A (*)",
            "NaN",
            "inf",
            "\n",
            "{",
            "}",
            "[",
            "\"value\":",
            "\"a\":",
            ",",
            "<BenchmarkResults name='",
            "'>",
            "<mean value='",
            "é",
        ];
        prop::collection::vec(prop::sample::select(words.to_vec()), 0..40)
            .prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn gives_finite_numbers_or_an_error_of_one_line(
            text in prop_oneof![pieces(), ".{0,200}".prop_map(|text| text)],
        ) {
            let detected = Adapter::detect(text.as_bytes());
            for adapter in Adapter::ALL.into_iter().chain(detected) {
                match adapter.parse(text.as_bytes(), Some("criterion/a/new/sample.json")) {
                    Ok(report) => {
                        let metrics = report.benchmarks().values().flat_map(|one| one.values());
                        for metric in metrics {
                            prop_assert!(!metric.values.is_empty());
                            prop_assert!(metric.values.iter().all(|value| value.is_finite()));
                        }
                        prop_assert!(!report.benchmarks().is_empty());
                    }
                    Err(error) => {
                        let message = error.to_string();
                        prop_assert!(!message.chars().any(char::is_control), "{message:?}");
                    }
                }
            }
        }
    }
}
