//! The measures in a job's results.
//!
//! The runner's own are in its evidence. Others are where Bencher Metric Format JSON is: in what the runner
//! measured for the job, in standard output, and in files. Everything else is output and no measure.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bencher_channel_protocol::IterationOutput;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::evidence::{self, Evidence};

/// What is measured, at most: the rest is counted and not shown.
pub(super) const MAX_SERIES: usize = 24;
/// How far the rest is counted.
const MAX_COUNTED: usize = 1000;
/// The longest name that is shown of a benchmark, and of a measure, in bytes.
const MAX_NAME: usize = 1024;

/// Something of each measure, by its benchmark's name and its own: of the [`MAX_SERIES`] that come first by these.
/// An image may write as many as it likes, so no more are kept at any time.
#[derive(Debug)]
struct First<T> {
    kept: BTreeMap<(String, String), T>,
    /// The others' names.
    left_out: HashSet<u64>,
}

impl<T: Default> First<T> {
    fn new() -> Self {
        Self {
            kept: BTreeMap::new(),
            left_out: HashSet::new(),
        }
    }

    /// What is of a measure; nothing where it is left out. What was left out once is left out for ever: what is
    /// kept is only ever replaced by what comes before it.
    fn of(&mut self, benchmark: &str, measure: &str) -> Option<&mut T> {
        let is_full = self.kept.len() >= MAX_SERIES;
        let last = self.kept.last_key_value();
        let last = last.map(|((benchmark, measure), _)| (benchmark.as_str(), measure.as_str()));
        let is_late = is_full && last.is_some_and(|last| last < (benchmark, measure));
        if is_late || benchmark.len() > MAX_NAME || measure.len() > MAX_NAME {
            self.leave_out(benchmark, measure);
            return None;
        }
        let names = (benchmark.to_owned(), measure.to_owned());
        if is_full
            && !self.kept.contains_key(&names)
            && let Some(((benchmark, measure), _)) = self.kept.pop_last()
        {
            self.leave_out(&benchmark, &measure);
        }
        Some(self.kept.entry(names).or_default())
    }

    fn leave_out(&mut self, benchmark: &str, measure: &str) {
        let mut hasher = DefaultHasher::new();
        for name in [benchmark, measure] {
            // The beginning is enough to count them.
            let beginning = name.as_bytes().get(..MAX_NAME);
            beginning.unwrap_or(name.as_bytes()).hash(&mut hasher);
        }
        self.count(hasher.finish());
    }

    fn count(&mut self, name: u64) {
        if self.left_out.len() < MAX_COUNTED {
            self.left_out.insert(name);
        }
    }
}

/// How many measures more there are.
pub(super) fn more(left_out: usize) -> String {
    let at_least = if left_out < MAX_COUNTED {
        ""
    } else {
        "At least "
    };
    format!("{at_least}{left_out} more are in the results.")
}

/// Benchmarks, their measures, and the metrics of these.
struct Benchmarks<'a>(&'a mut First<f64>);

impl<'de> Visitor<'de> for Benchmarks<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("benchmarks")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(benchmark) = map.next_key::<String>()? {
            let metrics = &mut *self.0;
            map.next_value_seed(Measures { benchmark, metrics })?;
        }
        Ok(())
    }
}

/// The measures of a benchmark.
struct Measures<'a> {
    benchmark: String,
    metrics: &'a mut First<f64>,
}

impl<'de> DeserializeSeed<'de> for Measures<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Measures<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the measures of a benchmark")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(measure) = map.next_key::<String>()? {
            let Metric { value } = map.next_value()?;
            if value.is_finite()
                && !is_taken(&self.benchmark, &measure)
                && let Some(kept) = self.metrics.of(&self.benchmark, &measure)
            {
                *kept = value;
            }
        }
        Ok(())
    }
}

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
    let mut found = First::<Vec<Point>>::new();
    for (iteration, output) in results.iter().enumerate() {
        for metrics in texts(output).filter_map(metrics) {
            for ((benchmark, measure), value) in metrics.kept {
                let Some(points) = found.of(&benchmark, &measure) else {
                    continue;
                };
                // The same twice in one iteration is one measure: the first counts.
                if points.last().is_none_or(|last| last.iteration != iteration) {
                    points.push(Point {
                        iteration,
                        value,
                        is_failed: output.exit_code != 0 || is_cut(iteration),
                        is_suspect: is_suspect(iteration),
                    });
                }
            }
            for name in metrics.left_out {
                found.count(name);
            }
        }
    }
    let left_out = found.left_out.len();
    series.extend(
        found
            .kept
            .into_iter()
            .map(|((benchmark, measure), points)| Series {
                own: None,
                benchmark,
                measure,
                points,
            }),
    );
    (series, left_out)
}

/// Where metrics may be. What the runner measured has the first key of all.
fn texts(output: &IterationOutput) -> impl Iterator<Item = &str> {
    let files = output.output.iter().flatten().map(|(_, text)| text);
    files.chain(&output.stdout).map(String::as_str)
}

fn metrics(text: &str) -> Option<First<f64>> {
    let text = text.trim();
    // Most output is something else, and need not be read.
    if !text.starts_with('{') {
        return None;
    }
    let mut metrics = First::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(Benchmarks(&mut metrics)).ok()?;
    reader.end().ok()?;
    Some(metrics)
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
        assert_eq!(more(left_out), "6 more are in the results.");
    }

    /// What an image writes is read in little room, however it orders it, and no series has holes.
    #[test]
    fn what_is_kept_of_very_many_is_bounded() {
        let text = |numbers: &mut dyn Iterator<Item = u32>| {
            let names: Vec<_> = numbers
                .map(|number| format!(r#""{number:06}": {{"m": {{"value": {number}}}}}"#))
                .collect();
            format!("{{{}}}", names.join(","))
        };
        let (up, down) = (
            text(&mut (0..50_000)),
            text(&mut (0..30).chain(25_000..75_000).rev()),
        );
        for text in [&up, &down] {
            let metrics = metrics(text).expect("metrics");
            assert_eq!(metrics.kept.len(), MAX_SERIES);
            assert_eq!(metrics.left_out.len(), MAX_COUNTED);
        }
        let results = [&down, &up, &down].map(|text| output(0, text, &[]));
        let (series, left_out) = measures(&results, None);
        let names: Vec<_> = series.iter().map(|one| one.benchmark.clone()).collect();
        let first: Vec<_> = (0..24).map(|number| format!("{number:06}")).collect();
        assert_eq!(names, first);
        for one in &series {
            let iterations: Vec<_> = one.points.iter().map(|point| point.iteration).collect();
            assert_eq!(iterations, [0, 1, 2], "{one:?}");
        }
        assert_eq!(left_out, MAX_COUNTED);
        assert!(more(left_out).starts_with("At least 1000 "));
    }

    #[test]
    fn very_long_names_are_not_shown() {
        let long = "x".repeat(MAX_NAME + 1);
        let both = serde_json::json!({
            &long: {"m": {"value": 1}, "n": {"value": 1}},
            "b": {&long: {"value": 1}, "m": {"value": 2}},
        });
        let (series, left_out) = measures(&[output(0, &both.to_string(), &[])], None);
        assert_eq!((series.len(), left_out), (1, 3));
    }
}
