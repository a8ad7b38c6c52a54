//! Metrics out of what an iteration wrote elsewhere, of which there are texts and no result document.

use bencher_adapters::Adapter;

use super::choice::AdapterChoice;
use super::inputs::Inputs;
use super::translate::metrics;
use crate::result::harness::{HarnessMetric, checked};
use crate::result::{Harness, Iteration};

/// What an iteration wrote.
#[derive(Debug, Clone, Default)]
pub struct Written<'a> {
    /// Its standard output.
    pub stdout: &'a str,
    /// Collected files, by their paths.
    pub files: Vec<(&'a str, &'a str)>,
    /// What its runner measured, in Bencher Metric Format.
    pub measured: Option<&'a str>,
}

/// The metrics that `choice` finds, or why it finds none, and those that the runner measured. Without a
/// choice they are wherever they are found: standard output may be in any format, or in none, and files in
/// Bencher Metric Format.
pub fn read_written(choice: Option<&AdapterChoice>, written: &Written<'_>) -> Harness {
    let mut harness = match choice {
        Some(choice) => read(choice, written),
        None => found(written),
    };
    if harness.error.is_some() {
        return harness;
    }
    harness
        .metrics
        .extend(written.measured.into_iter().flat_map(of_format));
    match checked(std::mem::take(&mut harness.metrics)) {
        Ok(metrics) => harness.metrics = metrics,
        Err(error) => harness.error = Some(error.to_string()),
    }
    harness
}

fn read(choice: &AdapterChoice, written: &Written<'_>) -> Harness {
    const ROOT: &str = "/";
    let mut inputs = Inputs::new(choice, ROOT);
    inputs.stdout(written.stdout.as_bytes());
    for (path, text) in &written.files {
        // As it was asked for: it may be relative, and so may the choice's.
        let absolute = format!("{ROOT}{}", path.trim_start_matches("./"));
        let path = if path.starts_with(ROOT) {
            path
        } else {
            absolute.as_str()
        };
        inputs.file_begin(path);
        inputs.file_data(text.as_bytes());
        inputs.file_end();
    }
    inputs.read(&Iteration::default())
}

fn found(written: &Written<'_>) -> Harness {
    let stdout = written.stdout.as_bytes();
    let adapter = Adapter::detect(stdout).ok();
    let report = adapter.and_then(|adapter| adapter.parse(stdout, None).ok());
    let mut all: Vec<HarnessMetric> = report.iter().flat_map(metrics).collect();
    all.extend(written.files.iter().flat_map(|(_, text)| of_format(text)));
    Harness {
        adapter: report.and(adapter).map(|adapter| adapter.name().to_owned()),
        source: "stdout".to_owned(),
        metrics: all,
        error: None,
    }
}

/// Those of a text in Bencher Metric Format; of any other one none.
fn of_format(text: &str) -> Vec<HarnessMetric> {
    let report = Adapter::Bencher.parse(text.as_bytes(), None);
    report.as_ref().map(metrics).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = r#"{"sort": {"latency": {"value": 5.0}}}"#;
    const MEASURED: &str = r#"{"bench": {"build-time": {"value": 1.5}}}"#;

    fn names(harness: &Harness) -> Vec<String> {
        assert_eq!(harness.error, None);
        harness.metrics.iter().map(HarnessMetric::name).collect()
    }

    fn read(choice: Option<&str>, written: &Written<'_>) -> Harness {
        let choice = choice.map(|choice| choice.parse().unwrap());
        read_written(choice.as_ref(), written)
    }

    #[test]
    fn metrics_are_wherever_they_are_unless_they_are_looked_for_in_one_place() {
        let mut written = Written {
            stdout: "find 7 ns\n",
            files: vec![("out.json", FORMAT), ("/log", "nothing")],
            measured: Some(MEASURED),
        };
        let all = ["bench/build-time", "find/latency", "sort/latency"];
        assert_eq!(names(&read(None, &written)), all);
        assert_eq!(
            names(&read(Some("lines"), &written)),
            ["bench/build-time", "find/latency"]
        );
        for choice in ["bencher=out.json", "auto=./out.json", "auto=/out.json"] {
            assert_eq!(
                names(&read(Some(choice), &written)),
                ["bench/build-time", "sort/latency"],
                "{choice}"
            );
        }
        written.stdout = "hello\nworld\n";
        assert_eq!(names(&read(None, &written)), [all[0], all[2]]);
        let error = read(Some("auto"), &written).error.unwrap();
        assert!(error.starts_with("no adapter understands"), "{error}");
        let error = read(Some("auto=x.json"), &written).error.unwrap();
        assert!(error.starts_with("/x.json was not read"), "{error}");
        assert_eq!(names(&read(None, &Written::default())), [""; 0]);
    }

    #[test]
    fn two_metrics_of_one_name_are_told() {
        let written = Written {
            stdout: FORMAT,
            files: vec![("a", FORMAT)],
            measured: None,
        };
        let error = read(None, &written).error.unwrap();
        assert!(
            error.contains("two metrics are called sort/latency"),
            "{error}"
        );
    }
}
