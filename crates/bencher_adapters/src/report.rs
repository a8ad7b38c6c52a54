//! What all formats become.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::error::AdapterError;

/// The time that one execution takes, in nanoseconds.
pub const LATENCY: &str = "latency";

/// How much is done in a time.
pub const THROUGHPUT: &str = "throughput";

/// Most benchmarks of an output.
const MOST_BENCHMARKS: usize = 100_000;

/// Most measures of a benchmark.
const MOST_MEASURES: usize = 1000;

/// Longest name of a benchmark or a measure, in bytes.
const LONGEST_NAME: usize = 4096;

/// Metrics by benchmark and measure, in the order of their names; never empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    benchmarks: BTreeMap<String, BTreeMap<String, Metric>>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The unit of all numbers here. Times are in `ns`, sizes in `B`.
    pub unit: String,
    /// All samples where the format has them, in its order, else one value; each finite.
    pub values: Vec<f64>,
    /// The bounds that the format gives beside a single value: an interval, or the extremes.
    pub bounds: Option<Bounds>,
}

/// Bounds of a single value, either finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The lower one.
    pub low: f64,
    /// The upper one.
    pub high: f64,
}

impl Report {
    /// The benchmarks with their metrics by measure.
    pub fn benchmarks(&self) -> &BTreeMap<String, BTreeMap<String, Metric>> {
        &self.benchmarks
    }

    /// One metric.
    pub fn metric(&self, benchmark: &str, measure: &str) -> Option<&Metric> {
        self.benchmarks.get(benchmark)?.get(measure)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.benchmarks.is_empty()
    }

    /// Adds a value to those of a benchmark and measure.
    pub(crate) fn add(
        &mut self,
        benchmark: &str,
        measure: &str,
        unit: &str,
        value: f64,
    ) -> Result<(), AdapterError> {
        self.add_bounded(benchmark, measure, unit, value, None)
    }

    /// Adds a value that the format gives bounds of.
    pub(crate) fn add_bounded(
        &mut self,
        benchmark: &str,
        measure: &str,
        unit: &str,
        value: f64,
        bounds: Option<Bounds>,
    ) -> Result<(), AdapterError> {
        let numbers = bounds.map_or([value; 3], |bounds| [value, bounds.low, bounds.high]);
        if let Some(wrong) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(AdapterError::Number {
                benchmark: short(benchmark),
                measure: short(measure),
                text: wrong.to_string(),
            });
        }
        let metric = self.metric_of(benchmark, measure, unit)?;
        if metric.unit != unit {
            return Err(AdapterError::MixedUnits {
                benchmark: short(benchmark),
                measure: short(measure),
                first: metric.unit.clone(),
                second: short(unit),
            });
        }
        // Bounds of one value say nothing of several.
        metric.bounds = if metric.values.is_empty() {
            bounds
        } else {
            None
        };
        metric.values.push(value);
        Ok(())
    }

    fn metric_of(
        &mut self,
        benchmark: &str,
        measure: &str,
        unit: &str,
    ) -> Result<&mut Metric, AdapterError> {
        for name in [benchmark, measure, unit] {
            if name.len() > LONGEST_NAME {
                return Err(AdapterError::TooMany {
                    what: "bytes in a name",
                    most: LONGEST_NAME,
                });
            }
        }
        let full = self.benchmarks.len() >= MOST_BENCHMARKS;
        let measures = match self.benchmarks.entry(benchmark.to_owned()) {
            Entry::Vacant(_) if full => {
                return Err(AdapterError::TooMany {
                    what: "benchmarks",
                    most: MOST_BENCHMARKS,
                });
            }
            entry => entry.or_default(),
        };
        let full = measures.len() >= MOST_MEASURES;
        match measures.entry(measure.to_owned()) {
            Entry::Vacant(_) if full => Err(AdapterError::TooMany {
                what: "measures of a benchmark",
                most: MOST_MEASURES,
            }),
            entry => Ok(entry.or_insert_with(|| Metric {
                unit: unit.to_owned(),
                values: Vec::new(),
                bounds: None,
            })),
        }
    }
}

/// The beginning of a text, for messages.
pub(crate) fn short(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_measure_have_one_unit() {
        let mut report = Report::default();
        report.add("sort", LATENCY, "ns", 1.0).expect("the first");
        report
            .add("sort", LATENCY, "ns", 2.0)
            .expect("of the same unit");
        report
            .add("sort", "size", "B", 2.0)
            .expect("another measure");
        let error = report
            .add("sort", LATENCY, "cycles", 3.0)
            .expect_err("mixed");
        assert_eq!(
            error.to_string(),
            "\"latency\" of \"sort\" is in \"ns\" and in \"cycles\"; give each unit a measure or a name \
             of its own"
        );
        assert_eq!(
            report.metric("sort", LATENCY).expect("it is there").values,
            [1.0, 2.0]
        );
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        let nan = Report::default()
            .add("a\nb", LATENCY, "ns", f64::NAN)
            .expect_err("NaN");
        assert_eq!(
            nan.to_string(),
            "\"latency\" of \"a\\nb\" is \"NaN\", which is no finite number; run it again"
        );
        let bounds = Some(Bounds {
            low: 1.0,
            high: f64::INFINITY,
        });
        assert!(
            Report::default()
                .add_bounded("a", LATENCY, "ns", 1.0, bounds)
                .is_err()
        );
    }

    #[test]
    fn names_and_numbers_of_them_are_bounded() {
        let mut report = Report::default();
        assert!(report.add(&"n".repeat(5000), LATENCY, "ns", 1.0).is_err());
        for measure in 0..MOST_MEASURES {
            report
                .add("b", &measure.to_string(), "ns", 1.0)
                .expect("within the limit");
        }
        assert!(report.add("b", "one more", "ns", 1.0).is_err());
    }

    #[test]
    fn bounds_are_those_of_a_single_value() {
        let bounds = Bounds {
            low: 1.0,
            high: 3.0,
        };
        let mut report = Report::default();
        report
            .add_bounded("b", LATENCY, "ns", 2.0, Some(bounds))
            .expect("finite");
        assert_eq!(
            report.metric("b", LATENCY).expect("it is there").bounds,
            Some(bounds)
        );
        report
            .add_bounded("b", LATENCY, "ns", 2.0, Some(bounds))
            .expect("finite");
        assert_eq!(
            report.metric("b", LATENCY).expect("it is there").bounds,
            None
        );
    }
}
