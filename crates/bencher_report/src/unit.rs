//! The unit of a metric: one of the runner's own, or one of a harness.

use bencher_runner::result::{Harness, Iteration, MetricName, Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the values of a metric count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MetricUnit {
    /// One that the runner knows.
    Known(Unit),
    /// One that a harness named; empty where it named none.
    Other(String),
}

impl MetricUnit {
    /// A unit as adapters have it.
    fn of_harness(name: &str) -> Self {
        match name {
            "ns" => Self::Known(Unit::Nanoseconds),
            "B" => Self::Known(Unit::Bytes),
            other => Self::Other(other.to_owned()),
        }
    }

    /// The one that documents call `name`.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "nanoseconds" => Self::Known(Unit::Nanoseconds),
            "bytes" => Self::Known(Unit::Bytes),
            other => Self::Other(other.to_owned()),
        }
    }

    /// The one of `metric`, which is of a harness and the same in all `iterations` that have it.
    ///
    /// # Errors
    ///
    /// Two of them, where there are several.
    pub(crate) fn of(metric: &MetricName, iterations: &[&Iteration]) -> Result<Self, [String; 2]> {
        let name = match metric {
            MetricName::Runner(metric) => return Ok(Self::Known(metric.unit())),
            MetricName::Harness(name) => name,
        };
        let harnesses = iterations.iter().filter_map(|one| one.harness.as_ref());
        let mut units = harnesses
            .filter_map(|harness: &Harness| harness.metric(name))
            .map(|metric| metric.unit.as_str());
        let Some(first) = units.next() else {
            return Ok(Self::Other(String::new()));
        };
        match units.find(|unit| *unit != first) {
            Some(other) => Err([first, other].map(str::to_owned)),
            None => Ok(Self::of_harness(first)),
        }
    }

    /// Whether less of it is faster, or more of it where it counts what is done in a time.
    pub(crate) fn is_of_speed(&self) -> bool {
        match self {
            Self::Known(unit) => {
                matches!(unit, Unit::Nanoseconds | Unit::Instructions | Unit::Cycles)
            }
            Self::Other(name) => name.ends_with("/s"),
        }
    }

    /// Its name in documents.
    pub(crate) fn name(&self) -> String {
        let name = serde_json::to_value(self).ok();
        name.and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

impl From<Unit> for MetricUnit {
    fn from(unit: Unit) -> Self {
        Self::Known(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_that_the_runner_knows_are_the_same_whoever_measured() {
        for (unit, expected) in [
            (MetricUnit::of_harness("ns"), "nanoseconds"),
            (MetricUnit::of_harness("B"), "bytes"),
            (MetricUnit::of_harness("elem/s"), "elem/s"),
            (MetricUnit::of_harness(""), ""),
        ] {
            assert_eq!(unit.name(), expected);
            let read: MetricUnit = serde_json::from_value(expected.into()).expect("it is one");
            assert_eq!(read, unit);
        }
    }
}
