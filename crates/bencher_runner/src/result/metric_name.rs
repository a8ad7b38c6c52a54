//! The name of a metric: one of the runner's own, or one of a harness.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Iteration, Metric};

/// What is measured of iterations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricName {
    /// By the runner.
    Runner(Metric),
    /// By a harness, as `benchmark/measure`.
    Harness(String),
}

impl MetricName {
    /// The values of `iteration`, of which there are several where a harness has several samples;
    /// `None` where it was not measured.
    pub fn values<'a>(&self, iteration: &'a Iteration) -> Option<Cow<'a, [f64]>> {
        match self {
            Self::Runner(metric) => Some(vec![metric.of(iteration)?].into()),
            Self::Harness(name) => {
                let metric = iteration.harness.as_ref()?.metric(name)?;
                Some(metric.values.as_slice().into())
            }
        }
    }

    /// The value of `iteration`, or the mean of several; `None` where it was not measured.
    pub fn of(&self, iteration: &Iteration) -> Option<f64> {
        match self {
            Self::Runner(metric) => metric.of(iteration),
            Self::Harness(name) => Some(iteration.harness.as_ref()?.metric(name)?.mean()),
        }
    }

    /// Whether a harness measures it.
    pub fn is_of_harness(&self) -> bool {
        matches!(self, Self::Harness(_))
    }
}

impl From<Metric> for MetricName {
    fn from(metric: Metric) -> Self {
        Self::Runner(metric)
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runner(metric) => metric.fmt(formatter),
            Self::Harness(name) => formatter.write_str(name),
        }
    }
}

impl FromStr for MetricName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // None of the runner's own has a slash.
        if text.contains('/') {
            return Ok(Self::Harness(text.to_owned()));
        }
        text.parse().map(Self::Runner).map_err(|error| {
            format!("{error}, or a harness's as BENCHMARK/MEASURE, such as sort/latency")
        })
    }
}

impl Serialize for MetricName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MetricName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for MetricName {
    fn schema_name() -> Cow<'static, str> {
        "MetricName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let own = generator.subschema_for::<Metric>();
        json_schema!({
            "description": "A metric of the runner's own, or one of a harness as `benchmark/measure`.",
            "anyOf": [own, {"type": "string", "pattern": "/"}]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Better, Harness, HarnessMetric};

    #[test]
    fn names_with_a_slash_are_of_harnesses() {
        for (text, expected) in [
            ("wall", MetricName::Runner(Metric::Wall)),
            (
                "sort/latency",
                MetricName::Harness("sort/latency".to_owned()),
            ),
            ("a/b/c", MetricName::Harness("a/b/c".to_owned())),
        ] {
            let name: MetricName = text.parse().unwrap();
            assert_eq!(name, expected);
            let json = serde_json::to_value(&name).unwrap();
            assert_eq!(json, text);
            assert_eq!(
                serde_json::from_value::<MetricName>(json).unwrap(),
                expected
            );
        }
        let error = "speed".parse::<MetricName>().unwrap_err();
        assert!(error.starts_with("speed is no metric") && error.ends_with("such as sort/latency"));
    }

    #[test]
    fn samples_are_there_as_they_were_taken_and_as_their_mean() {
        let mut iteration = Iteration::default();
        let name: MetricName = "sort/latency".parse().unwrap();
        assert_eq!(name.values(&iteration), None);
        assert_eq!(name.of(&iteration), None);
        iteration.harness = Some(Harness {
            metrics: vec![HarnessMetric {
                benchmark: "sort".to_owned(),
                measure: "latency".to_owned(),
                unit: "ns".to_owned(),
                better: Better::Lower,
                values: vec![3.0, 5.0],
                samples: 2,
                low: None,
                high: None,
            }],
            ..Harness::default()
        });
        assert_eq!(name.values(&iteration).unwrap().as_ref(), [3.0, 5.0]);
        assert_eq!(name.of(&iteration), Some(4.0));
        let other: MetricName = "sort/throughput".parse().unwrap();
        assert_eq!(other.of(&iteration), None);
    }
}
