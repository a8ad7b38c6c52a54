//! The measures in a job's results.
//!
//! The runner's own are in its evidence. Others are where Bencher Metric Format JSON is: in what the runner
//! measured for the job, in standard output, and in files. Everything else is output and no measure.

use std::collections::BTreeMap;

use bencher_channel_protocol::IterationOutput;
use serde::Deserialize;

use crate::evidence::{self, Evidence};

/// What is measured, at most: the rest is counted and not shown.
pub(super) const MAX_SERIES: usize = 24;

/// Benchmarks, their measures, and the metrics of these.
type Format = BTreeMap<String, BTreeMap<String, Metric>>;

#[derive(Debug, Deserialize)]
struct Metric {
    value: f64,
}

/// One measure of one benchmark over the iterations.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// Which one of the runner's own it is; none where what it ran measured it.
    pub(super) own: Option<evidence::Metric>,
    pub(super) benchmark: String,
    pub(super) measure: String,
    /// In the order of the iterations; one that lacks it is left out.
    pub(super) points: Vec<Point>,
}

/// One iteration's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// From 0.
    pub(super) iteration: usize,
    /// Finite.
    pub(super) value: f64,
    /// Whether the command failed.
    pub(super) is_failed: bool,
    /// Whether the host was not quiet.
    pub(super) is_suspect: bool,
}

impl Series {
    pub(super) fn values(&self) -> Vec<f64> {
        self.points.iter().map(|point| point.value).collect()
    }
}

/// What the runner measures of each command.
const COMMAND: &str = "command";

/// A measure of the runner's, as pages call it.
fn title(metric: evidence::Metric) -> &'static str {
    match metric {
        evidence::Metric::Wall => "wall time",
        evidence::Metric::Cpu => "CPU time",
        evidence::Metric::Memory => "peak memory",
        evidence::Metric::Rss => "peak memory of the largest process",
        evidence::Metric::Instructions => "instructions of the virtual clock",
    }
}

/// Whether what a command wrote goes by the name of what the runner measured.
fn is_taken(benchmark: &str, measure: &str) -> bool {
    let mut own = evidence::Metric::ALL.into_iter().map(title);
    benchmark == COMMAND && own.any(|own| own == measure)
}

/// The runner's own measures of the iterations that there are `results` of.
fn own(iterations: &[&evidence::Iteration], results: &[IterationOutput]) -> Vec<Series> {
    let mut series = Vec::new();
    for metric in evidence::Metric::ALL {
        let points = (0..results.len())
            .zip(iterations)
            .filter_map(|(number, iteration)| {
                Some(Point {
                    iteration: number,
                    value: metric.of(iteration)?,
                    is_failed: !iteration.ended_well() || results[number].exit_code != 0,
                    is_suspect: iteration.is_suspect(),
                })
            });
        let points: Vec<_> = points.collect();
        if !points.is_empty() {
            series.push(Series {
                own: Some(metric),
                benchmark: COMMAND.to_owned(),
                measure: title(metric).to_owned(),
                points,
            });
        }
    }
    series
}

/// All measures, the runner's own first and then by their names, and how many of the others were left out.
pub(super) fn measures(
    results: &[IterationOutput],
    evidence: Option<&Evidence>,
) -> (Vec<Series>, usize) {
    let iterations: Vec<_> = evidence
        .into_iter()
        .flat_map(Evidence::of_results)
        .collect();
    let mut series = own(&iterations, results);
    let is_suspect = |number: usize| iterations.get(number).is_some_and(|one| one.is_suspect());
    let is_cut = |number: usize| iterations.get(number).is_some_and(|one| one.was_cut());
    let mut found: BTreeMap<(String, String), Vec<Point>> = BTreeMap::new();
    for (iteration, output) in results.iter().enumerate() {
        for (benchmark, measures) in texts(output).filter_map(metrics).flatten() {
            for (measure, metric) in measures {
                if !metric.value.is_finite() || is_taken(&benchmark, &measure) {
                    continue;
                }
                let points = found.entry((benchmark.clone(), measure)).or_default();
                // The same twice in one iteration is one measure: the first counts.
                if points.last().is_none_or(|last| last.iteration != iteration) {
                    points.push(Point {
                        iteration,
                        value: metric.value,
                        is_failed: output.exit_code != 0 || is_cut(iteration),
                        is_suspect: is_suspect(iteration),
                    });
                }
            }
        }
    }
    let left_out = found.len().saturating_sub(MAX_SERIES);
    let found = found.into_iter().take(MAX_SERIES);
    series.extend(found.map(|((benchmark, measure), points)| Series {
        own: None,
        benchmark,
        measure,
        points,
    }));
    (series, left_out)
}

/// Where metrics may be. What the runner measured has the first key of all.
fn texts(output: &IterationOutput) -> impl Iterator<Item = &str> {
    let files = output.output.iter().flatten().map(|(_, text)| text);
    files.chain(&output.stdout).map(String::as_str)
}

fn metrics(text: &str) -> Option<Format> {
    let text = text.trim();
    // Most output is something else, and need not be read.
    if !text.starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use bencher_channel_protocol::RESERVED_OUTPUT;

    use super::*;

    fn output(exit_code: i32, stdout: &str, files: &[(&str, &str)]) -> IterationOutput {
        let files = files
            .iter()
            .map(|&(path, text)| (path.to_owned(), text.to_owned()));
        IterationOutput {
            exit_code,
            stdout: Some(stdout.to_owned()),
            stderr: None,
            output: Some(files.collect()),
        }
    }

    #[test]
    fn metrics_of_all_places() {
        let build = r#"{"b": {"build-time": {"value": 1.5}}}"#;
        let stdout = r#" {"a": {"latency": {"value": 2, "lower_value": 1}}} "#;
        let results = [
            output(0, stdout, &[(RESERVED_OUTPUT, build), ("/f", "{}")]),
            output(0, "hello {", &[("/f", "[1]")]),
            output(1, r#"{"b": {"build-time": {"value": 9}}}"#, &[]),
            output(0, r#"{"b": {"build-time": {"value": 1e999}}}"#, &[]),
        ];
        let (series, left_out) = measures(&results, None);
        assert_eq!(left_out, 0);
        let names: Vec<_> = series
            .iter()
            .map(|series| (series.benchmark.as_str(), series.measure.as_str()))
            .collect();
        assert_eq!(names, [("a", "latency"), ("b", "build-time")]);
        assert_eq!(
            series[1].points,
            [
                Point {
                    iteration: 0,
                    value: 1.5,
                    is_failed: false,
                    is_suspect: false,
                },
                Point {
                    iteration: 2,
                    value: 9.0,
                    is_failed: true,
                    is_suspect: false,
                },
            ]
        );
    }

    #[test]
    fn what_the_runner_measured_comes_first() {
        let iteration = |wall_ns: u64, verdict: &str, retried: bool| {
            serde_json::json!({
                "ended_by": "exit", "retried": retried, "resources": {"wall_ns": wall_ns},
                "validity": {"verdict": verdict, "reasons": [{"kind": "steal", "text": "t"}]},
            })
        };
        let document = serde_json::json!({"version": 1, "iterations": [
            iteration(9, "suspect", true), iteration(5, "valid", false), iteration(7, "suspect", false),
        ]});
        let evidence = Evidence::read(document.to_string().as_bytes()).expect("a document");
        let stdout = r#"{"a": {"latency": {"value": 2}}}"#;
        let results = [output(0, stdout, &[]), output(0, stdout, &[])];
        let (series, left_out) = measures(&results, Some(&evidence));
        let names = series.iter().map(|series| series.measure.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["wall time", "latency"]);
        assert_eq!(left_out, 0);
        assert_eq!(series[0].values(), [5.0, 7.0]);
        for series in &series {
            let suspects: Vec<_> = series.points.iter().map(|point| point.is_suspect).collect();
            assert_eq!(suspects, [false, true], "{series:?}");
        }
    }

    /// What runs can not measure itself in the runner's name, nor more often than it ran.
    #[test]
    fn nobody_else_measures_in_the_runners_name() {
        let iteration = serde_json::json!({"ended_by": "exit", "resources": {"wall_ns": 5}});
        let document = serde_json::json!({"version": 1, "iterations": vec![iteration; 9]});
        let evidence = Evidence::read(document.to_string().as_bytes()).expect("a document");
        let forged = r#"{"command": {"wall time": {"value": 1}, "other": {"value": 2}}}"#;
        let (series, _) = measures(&[output(0, forged, &[])], Some(&evidence));
        let found: Vec<_> = series
            .iter()
            .map(|one| (one.own.is_some(), one.measure.as_str(), one.values()))
            .collect();
        assert_eq!(
            found,
            [(true, "wall time", vec![5.0]), (false, "other", vec![2.0])]
        );
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let benchmarks: BTreeMap<_, _> = (0..30)
            .map(|number| {
                (
                    format!("{number:02}"),
                    serde_json::json!({"m": {"value": 1}}),
                )
            })
            .collect();
        let text = serde_json::to_string(&benchmarks).expect("JSON");
        let (series, left_out) = measures(&[output(0, &text, &[])], None);
        assert_eq!((series.len(), left_out), (MAX_SERIES, 6));
    }
}
