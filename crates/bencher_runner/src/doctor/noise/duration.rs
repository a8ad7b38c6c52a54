//! How long noise is measured.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::units::{ParseDurationError, parse_duration};

/// From a second, which is enough for short work only, to an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoiseDuration(Duration);

/// Why a text is no such duration.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ParseNoiseDurationError {
    /// It is none at all.
    #[error(transparent)]
    Duration(#[from] ParseDurationError),
    /// It is too short or too long.
    #[error("noise is measured for one second at least and one hour at most, as in 30s")]
    Bounds,
}

impl NoiseDuration {
    /// A second.
    pub const LEAST: Self = Self(Duration::from_secs(1));

    const MOST: Duration = Duration::from_hours(1);
}

impl FromStr for NoiseDuration {
    type Err = ParseNoiseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let duration = parse_duration(text)?;
        if (Self::LEAST.0..=Self::MOST).contains(&duration) {
            Ok(Self(duration))
        } else {
            Err(ParseNoiseDurationError::Bounds)
        }
    }
}

impl From<NoiseDuration> for Duration {
    fn from(duration: NoiseDuration) -> Self {
        duration.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_bounds() {
        assert_eq!("1s".parse(), Ok(NoiseDuration::LEAST));
        assert_eq!("1h".parse(), Ok(NoiseDuration(Duration::from_hours(1))));
        for bad in ["999ms", "61m", "0"] {
            assert!(bad.parse::<NoiseDuration>().is_err(), "{bad}");
        }
    }
}
