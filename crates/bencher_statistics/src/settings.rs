//! What an answer is asked with.

use crate::bootstrap::{Center, Levels};

/// How sure an interval is to be: a share above one half and below 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Confidence(f64);

/// Why a number is no setting.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// Not a confidence.
    #[error("{0} is no confidence level; give one above 0.5 and below 1, such as 0.95")]
    Confidence(f64),
    /// Not a relative change.
    #[error("{0} is no relative change; give one from 0 up to 1, such as 0.01 for 1 %")]
    Interest(f64),
}

impl Confidence {
    /// 95 %.
    pub const USUAL: Self = Self(0.95);

    /// A share above one half and below 1.
    ///
    /// # Errors
    ///
    /// When it is not, or NaN.
    pub fn new(share: f64) -> Result<Self, SettingsError> {
        if share > 0.5 && share < 1.0 {
            Ok(Self(share))
        } else {
            Err(SettingsError::Confidence(share))
        }
    }

    /// The share.
    pub fn share(self) -> f64 {
        self.0
    }

    /// What is left to chance.
    pub(crate) fn doubt(self) -> f64 {
        1.0 - self.0
    }
}

/// The smallest change of practical interest, as a share of the baseline: 0.01 is 1 %.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Interest(f64);

impl Interest {
    /// 1 %: what a careful benchmark on hardware can tell.
    pub const USUAL: Self = Self(0.01);

    /// 0.05 %: for times under a virtual clock, which differ by less than a hundredth of that.
    pub const VIRTUAL_CLOCK: Self = Self(0.0005);

    /// A share from 0 up to 1, which is not reached.
    ///
    /// # Errors
    ///
    /// When it is not, or NaN.
    pub fn new(share: f64) -> Result<Self, SettingsError> {
        if (0.0..1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(SettingsError::Interest(share))
        }
    }

    /// The share.
    pub fn share(self) -> f64 {
        self.0
    }
}

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Better {
    /// Smaller ones: times, memory, instructions.
    #[default]
    Lower,
    /// Larger ones: throughput.
    Higher,
}

/// What values that are the same each time say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Hardware's: what is the same each time may be too coarse to differ, such as memory in pages.
    #[default]
    Wall,
    /// One that follows from the instructions: there is nothing that chance could have done.
    Virtual,
}

/// What an answer is asked with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// What is compared.
    pub center: Center,
    /// What is drawn at random.
    pub levels: Levels,
    /// How sure intervals are to be.
    pub confidence: Confidence,
    /// The smallest change of interest.
    pub interest: Interest,
    /// Which values are better.
    pub better: Better,
    /// What values that are the same each time say.
    pub clock: Clock,
    /// How often is drawn. The interval's width scatters by `1 / √(2 · rounds)`: 2 % at 1,000.
    pub rounds: u32,
    /// What the draws follow from: the same seed and samples give the same answer on any host.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            center: Center::default(),
            levels: Levels::default(),
            confidence: Confidence::USUAL,
            interest: Interest::USUAL,
            better: Better::default(),
            clock: Clock::default(),
            rounds: 1000,
            seed: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_a_meaning_are_refused() {
        for share in [0.5, 1.0, 95.0, -1.0, f64::NAN] {
            assert!(Confidence::new(share).is_err(), "{share}");
        }
        for share in [1.0, -0.01, 3.0, f64::NAN, f64::INFINITY] {
            assert!(Interest::new(share).is_err(), "{share}");
        }
        assert_eq!(Confidence::new(0.95), Ok(Confidence::USUAL));
        assert_eq!(Interest::new(0.01), Ok(Interest::USUAL));
        let error = Confidence::new(95.0).expect_err("a percentage");
        assert_eq!(
            error.to_string(),
            "95 is no confidence level; give one above 0.5 and below 1, such as 0.95"
        );
    }
}
