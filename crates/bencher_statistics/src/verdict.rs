//! From an interval to a word.

use std::fmt;

use crate::interval::Estimate;
use crate::settings::{Better, Interest};

/// What a comparison found of the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is better: the interval lies clearly beyond 1, and not all of it within what is of no interest.
    Faster,
    /// It is worse.
    Slower,
    /// A difference of interest would have been seen: the interval is narrow enough, and either holds
    /// 1 or lies within what is of no interest.
    NoDifferenceSeen,
    /// The interval holds 1 and is wider than what is of interest: measure more, or make the host
    /// quieter.
    TooNoisy,
}

/// An interval that clears 1 by less than this part of half its width is no finding. Of comparisons of
/// equal sides one in twenty has an interval of 95 % that leaves out 1, by a hair mostly; the margin keeps
/// false alarms below that instead of around it.
const MARGIN: f64 = 0.1;

impl Verdict {
    /// The verdict that the interval of a ratio (candidate to baseline) gives.
    pub fn of(ratio: &Estimate, interest: Interest, better: Better) -> Self {
        let margin = MARGIN * (ratio.high - ratio.low) / 2.0;
        let larger = if ratio.low > 1.0 + margin {
            Some(true)
        } else if ratio.high < 1.0 - margin {
            Some(false)
        } else {
            None
        };
        match larger {
            Some(_) if is_of_no_interest(ratio, interest) => Self::NoDifferenceSeen,
            Some(larger) => Self::of_change(larger, better),
            None if ratio.half_width() <= interest.share() => Self::NoDifferenceSeen,
            None => Self::TooNoisy,
        }
    }

    /// The verdict on a change that may well be chance, because it is one of many.
    pub fn of_doubtful(ratio: &Estimate, interest: Interest) -> Self {
        if is_of_no_interest(ratio, interest) {
            Self::NoDifferenceSeen
        } else {
            Self::TooNoisy
        }
    }

    /// The verdict on a ratio that is known exactly, where every difference is one.
    pub fn of_exact(ratio: f64, better: Better) -> Self {
        if ratio > 1.0 {
            Self::of_change(true, better)
        } else if ratio < 1.0 {
            Self::of_change(false, better)
        } else {
            Self::NoDifferenceSeen
        }
    }

    fn of_change(larger: bool, better: Better) -> Self {
        if larger == (better == Better::Higher) {
            Self::Faster
        } else {
            Self::Slower
        }
    }

    /// Whether it says that the sides differ.
    pub fn is_change(self) -> bool {
        matches!(self, Self::Faster | Self::Slower)
    }
}

/// Whether all of the interval is too little to matter.
fn is_of_no_interest(ratio: &Estimate, interest: Interest) -> bool {
    let most = 1.0 + interest.share();
    ratio.high <= most && ratio.low >= 1.0 / most
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::NoDifferenceSeen => "no difference seen",
            Self::TooNoisy => "too noisy to say",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(low: f64, high: f64) -> Estimate {
        Estimate {
            value: f64::midpoint(low, high),
            low,
            high,
        }
    }

    #[test]
    fn the_interval_and_the_interest_decide() {
        for (low, high, expected) in [
            (1.02, 1.03, Verdict::Slower),
            (1.002, 1.02, Verdict::Slower),
            (0.95, 0.98, Verdict::Faster),
            (0.98, 0.998, Verdict::Faster),
            // Sure, and too little to matter.
            (1.002, 1.008, Verdict::NoDifferenceSeen),
            (0.993, 0.997, Verdict::NoDifferenceSeen),
            // One that could be 0, measured well and measured badly.
            (0.995, 1.006, Verdict::NoDifferenceSeen),
            (0.999, 1.015, Verdict::NoDifferenceSeen),
            (0.97, 1.04, Verdict::TooNoisy),
            (0.999, 1.05, Verdict::TooNoisy),
            // It clears 1 by less than a tenth of half its width, and by more.
            (1.002, 1.05, Verdict::TooNoisy),
            (1.003, 1.05, Verdict::Slower),
            (0.95, 0.998, Verdict::TooNoisy),
            (0.95, 0.997, Verdict::Faster),
        ] {
            let found = Verdict::of(&of(low, high), Interest::USUAL, Better::Lower);
            assert_eq!(found, expected, "{low} {high}");
        }
    }

    #[test]
    fn a_doubtful_change_is_none_only_where_none_of_it_would_matter() {
        for (low, high, expected) in [
            (1.002, 1.008, Verdict::NoDifferenceSeen),
            // Narrow, and all of it would matter.
            (1.011, 1.013, Verdict::TooNoisy),
            (0.985, 0.999, Verdict::TooNoisy),
        ] {
            let found = Verdict::of_doubtful(&of(low, high), Interest::USUAL);
            assert_eq!(found, expected, "{low} {high}");
        }
    }

    #[test]
    fn for_throughput_more_is_better() {
        for (ratio, expected) in [
            (of(1.02, 1.03), Verdict::Faster),
            (of(0.9, 0.95), Verdict::Slower),
            (of(0.999, 1.001), Verdict::NoDifferenceSeen),
        ] {
            assert_eq!(
                Verdict::of(&ratio, Interest::USUAL, Better::Higher),
                expected
            );
        }
        assert_eq!(Verdict::of_exact(1.001, Better::Higher), Verdict::Faster);
    }

    #[test]
    fn exactly_known_every_difference_is_one() {
        for (ratio, expected) in [
            (1.000_001, Verdict::Slower),
            (0.999_999, Verdict::Faster),
            (1.0, Verdict::NoDifferenceSeen),
        ] {
            assert_eq!(Verdict::of_exact(ratio, Better::Lower), expected);
        }
    }
}
