//! What a benchmark harness measured inside an iteration.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::printable::is_printable;

/// What an adapter read out of what an iteration wrote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Harness {
    /// The adapter that read it; absent when none did.
    pub adapter: Option<String>,
    /// What was read: `stdout`, or the path of a file or a folder in the guest.
    pub source: String,
    /// The metrics, in the order of their names.
    #[serde(deserialize_with = "deserialize")]
    pub metrics: Vec<HarnessMetric>,
    /// Why there are none.
    pub error: Option<String>,
}

/// A metric of a harness. Its name is `benchmark/measure`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HarnessMetric {
    /// The benchmark. What is not printable in its name is escaped.
    pub benchmark: String,
    /// What was measured of it: `latency`, `throughput`, or what the harness calls it.
    pub measure: String,
    /// The unit of all numbers here: times are in `ns`, sizes in `B`. Empty where it is not known.
    pub unit: String,
    /// Which values are better.
    pub better: Better,
    /// The samples that the harness took one after the other, or its one value. Where it took very
    /// many, means of consecutive ones.
    pub values: Vec<f64>,
    /// How many samples the values stand for.
    pub samples: u32,
    /// The lower bound that the harness gives beside its one value.
    pub low: Option<f64>,
    /// The upper one.
    pub high: Option<f64>,
}

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Smaller ones.
    Lower,
    /// Larger ones.
    Higher,
}

/// The most metrics of an iteration.
pub(crate) const MOST_METRICS: usize = 10_000;

/// The most values of a metric in an iteration.
pub(crate) const MOST_VALUES: usize = 1000;

/// The most values of all metrics of an iteration together.
pub(crate) const MOST_VALUES_IN_ALL: usize = 100_000;

/// The longest name of a metric, in bytes, and the longest unit.
const LONGEST_NAME: usize = 1024;
const LONGEST_UNIT: usize = 64;

/// The most bytes of all names of an iteration together.
const NAMES_IN_ALL: usize = 1 << 20;

/// Numbers beyond these are no measurements, and sums of their squares would not be finite.
const LEAST: f64 = 1e-100;
const GREATEST: f64 = 1e100;

/// Why metrics are not kept.
#[derive(Debug, Clone, PartialEq, Error)]
pub(crate) enum HarnessError {
    #[error(
        "there are {count} metrics, and {MOST_METRICS} are kept at most: run fewer benchmarks at once"
    )]
    TooMany { count: usize },
    #[error(
        "the name {begin:?}… has more than {LONGEST_NAME} bytes: give the benchmark a shorter one"
    )]
    LongName { begin: String },
    #[error("the names have more than {NAMES_IN_ALL} bytes together: run fewer benchmarks at once")]
    LongNames,
    #[error("{name} is in the unit {begin:?}…, which has more than {LONGEST_UNIT} bytes")]
    LongUnit { name: String, begin: String },
    #[error("two metrics are called {name}: give the benchmarks names of their own")]
    Twice { name: String },
    #[error("{name} has {count} values instead of 1 to {MOST_VALUES}")]
    Values { name: String, count: usize },
    #[error("{name} is {value:e}, which is no measurement: leave it out, or change its unit")]
    NoMeasurement { name: String, value: f64 },
    #[error("{name} has characters that are not printable")]
    Unprintable { name: String },
}

impl HarnessMetric {
    /// `benchmark/measure`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.benchmark, self.measure)
    }

    /// The mean of its values.
    pub fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let count = self.values.len() as f64;
        self.values.iter().sum::<f64>() / count
    }

    /// The order of its name and `name`.
    fn compare_name(&self, name: &str) -> Ordering {
        let own = [&self.benchmark, "/", &self.measure];
        own.into_iter().flat_map(str::bytes).cmp(name.bytes())
    }

    fn check(&self) -> Result<(), HarnessError> {
        let name = self.name();
        if name.len() > LONGEST_NAME {
            return Err(HarnessError::LongName {
                begin: begin(&name),
            });
        }
        if self.unit.len() > LONGEST_UNIT {
            return Err(HarnessError::LongUnit {
                begin: begin(&self.unit),
                name,
            });
        }
        if !name.chars().chain(self.unit.chars()).all(is_printable) {
            return Err(HarnessError::Unprintable {
                name: printable(&name),
            });
        }
        let count = self.values.len();
        if !(1..=MOST_VALUES).contains(&count) {
            return Err(HarnessError::Values { name, count });
        }
        let mut numbers = self.values.iter().chain(&self.low).chain(&self.high);
        match numbers.find(|number| !is_measurement(**number)) {
            Some(&value) => Err(HarnessError::NoMeasurement { name, value }),
            None => Ok(()),
        }
    }
}

fn is_measurement(number: f64) -> bool {
    number == 0.0 || (LEAST..=GREATEST).contains(&number.abs())
}

/// The first words of a text, for a message.
fn begin(text: &str) -> String {
    text.chars().take(60).collect()
}

/// `text` with everything escaped that a terminal would not show as it is.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_printable(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    shown
}

impl Harness {
    /// The metric of this name.
    pub fn metric(&self, name: &str) -> Option<&HarnessMetric> {
        let found = self
            .metrics
            .binary_search_by(|metric| metric.compare_name(name));
        found.ok().and_then(|place| self.metrics.get(place))
    }
}

/// `metrics` in the order of their names, if they are ones that can be kept, shown and compared.
pub(crate) fn checked(mut metrics: Vec<HarnessMetric>) -> Result<Vec<HarnessMetric>, HarnessError> {
    let count = metrics.len();
    if count > MOST_METRICS {
        return Err(HarnessError::TooMany { count });
    }
    let mut bytes = 0;
    for metric in &metrics {
        metric.check()?;
        bytes += metric.benchmark.len() + metric.measure.len();
        if bytes > NAMES_IN_ALL {
            return Err(HarnessError::LongNames);
        }
    }
    metrics.sort_by_cached_key(HarnessMetric::name);
    let twice = metrics
        .windows(2)
        .find(|pair| pair[0].compare_name(&pair[1].name()).is_eq());
    match twice {
        Some(pair) => Err(HarnessError::Twice {
            name: pair[0].name(),
        }),
        None => Ok(metrics),
    }
}

/// A document may be anybody's: its metrics are as those that are read here.
fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HarnessMetric>, D::Error> {
    let metrics = Vec::deserialize(deserializer)?;
    checked(metrics).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(benchmark: &str, measure: &str, values: &[f64]) -> HarnessMetric {
        HarnessMetric {
            benchmark: benchmark.to_owned(),
            measure: measure.to_owned(),
            unit: "ns".to_owned(),
            better: Better::Lower,
            values: values.to_vec(),
            samples: u32::try_from(values.len()).unwrap(),
            low: None,
            high: None,
        }
    }

    #[test]
    fn metrics_are_found_by_their_names() {
        // By benchmark and measure `a` is first, by name `a-b/x` is.
        let metrics = ["a", "a-b", "a/c", "z"].map(|name| metric(name, "x", &[1.0, 2.0]));
        let harness = Harness {
            metrics: checked(metrics.to_vec()).unwrap(),
            ..Harness::default()
        };
        for name in ["a/x", "a-b/x", "a/c/x", "z/x"] {
            let found = harness.metric(name).unwrap();
            assert_eq!(found.name(), name);
            assert!((found.mean() - 1.5).abs() < 1e-12);
        }
        assert_eq!(harness.metric("a"), None);
        assert_eq!(harness.metric("b/x"), None);
    }

    #[test]
    fn what_can_not_be_kept_is_refused_by_name() {
        let long = "n".repeat(2000);
        for (metrics, expected) in [
            (
                vec![metric("a/b", "c", &[1.0]), metric("a", "b/c", &[1.0])],
                "two metrics are called a/b/c: give the benchmarks names of their own",
            ),
            (
                vec![metric(&long, "c", &[1.0])],
                "has more than 1024 bytes: give the benchmark a shorter one",
            ),
            (vec![metric("a\u{1b}", "c", &[1.0])], r"a\u{1b}/c has"),
            (vec![metric("a\u{202e}", "c", &[1.0])], r"a\u{202e}/c has"),
            (vec![metric("a", "c", &[])], "a/c has 0 values"),
            (vec![metric("a", "c", &[1.0; 1001])], "a/c has 1001 values"),
            (
                vec![metric("a", "c", &[1e200])],
                "a/c is 1e200, which is no measurement",
            ),
            (vec![metric("a", "c", &[1e-200])], "a/c is 1e-200"),
            (
                vec![metric("a", "c", &[1.0]); 10_001],
                "there are 10001 metrics, and 10000 are kept at most",
            ),
            (
                (0..1100)
                    .map(|index| metric(&format!("{}{index}", &long[..1000]), "c", &[1.0]))
                    .collect(),
                "the names have more than 1048576 bytes together",
            ),
        ] {
            let error = checked(metrics).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mut long_unit = metric("a", "c", &[1.0]);
        long_unit.unit = "u".repeat(65);
        let error = checked(vec![long_unit]).unwrap_err().to_string();
        assert!(error.starts_with("a/c is in the unit \"uuu"), "{error}");
        assert!(checked(vec![metric("a", "zero", &[0.0, -1.0])]).is_ok());
    }

    #[test]
    fn documents_are_checked_and_put_into_order() {
        let text = |names: [&str; 2]| {
            let metrics = names.map(|name| metric(name, "x", &[1.0]));
            serde_json::json!({"adapter": "lines", "source": "stdout", "metrics": metrics, "error": null})
        };
        let harness: Harness = serde_json::from_value(text(["z", "a"])).unwrap();
        assert!(harness.metric("a/x").is_some() && harness.metric("z/x").is_some());
        let error = serde_json::from_value::<Harness>(text(["\n", "a"])).unwrap_err();
        assert!(error.to_string().contains("not printable"), "{error}");
    }
}
