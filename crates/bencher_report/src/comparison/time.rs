//! How values depend on the time at which they were measured.

use bencher_statistics as statistics;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How values depend on the time at which they were measured: what intervals take for independent is not
/// when neighbours resemble each other, and has no one mean when there is a trend.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeDependence {
    /// The correlation of each value with the next one, from -1 to 1.
    pub neighbours: f64,
    /// What that correlation exceeds by chance in one of twenty cases, in either direction.
    pub bound: f64,
    /// The rank correlation with time: 1 when each value is larger than the one before.
    pub trend: f64,
    /// The probability of a trend as strong when there is none.
    pub trend_p_value: f64,
}

impl TimeDependence {
    /// Looks at `values` in the order in which they were measured; `None` of fewer than four, or of equal
    /// ones.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let found = statistics::TimeDependence::of(values)?;
        Some(Self {
            neighbours: found.lag_one,
            bound: found.bound,
            trend: found.trend,
            trend_p_value: found.trend_p_value,
        })
    }

    /// Whether the values rise or fall more than by chance.
    pub fn has_trend(&self) -> bool {
        self.as_found().has_trend()
    }

    /// Whether neighbours resemble each other so much that intervals are too narrow.
    pub fn neighbours_resemble(&self) -> bool {
        self.as_found().neighbours_resemble()
    }

    /// What a trend does.
    pub(crate) fn direction(&self) -> &'static str {
        if self.trend > 0.0 { "rises" } else { "falls" }
    }

    fn as_found(self) -> statistics::TimeDependence {
        statistics::TimeDependence {
            lag_one: self.neighbours,
            bound: self.bound,
            trend: self.trend,
            trend_p_value: self.trend_p_value,
        }
    }
}
