//! Sizes and durations as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An amount of memory or disk in bytes, a multiple of nothing in particular.
///
/// Parsed from a number with an optional unit: `512` (MiB, the default), `2GiB`, `1.5G`, `64k`,
/// `4096B`. `K`, `KiB` and `kB` all mean 1024 bytes, as everywhere in virtualisation.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct ByteSize(u64);

/// Why a text is not a size.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{text}` is not a size: give a number of MiB, or a number with a unit, as in 512, 2GiB or 64k"
)]
pub struct ParseByteSizeError {
    text: String,
}

impl ByteSize {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many MiB.
    pub const fn from_mebibytes(mebibytes: u32) -> Self {
        Self((mebibytes as u64) << 20)
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// In whole MiB, rounded up.
    pub const fn mebibytes(self) -> u64 {
        self.0.div_ceil(1 << 20)
    }
}

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseByteSizeError {
            text: text.to_owned(),
        };
        let digits = text
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
            "b" => 0,
            "k" | "kb" | "kib" => 10,
            "" | "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            _ => return Err(error()),
        };
        scaled(number, 1_u64 << shift).map(Self).ok_or_else(error)
    }
}

/// `number` (decimal, with an optional fraction of up to nine digits) times `unit`, exactly,
/// rounded down to a byte.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    if fraction.len() > 9 || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let part = if fraction.is_empty() {
        0
    } else {
        let digits: u128 = fraction.parse().ok()?;
        digits * u128::from(unit) / 10_u128.pow(u32::try_from(fraction.len()).ok()?)
    };
    let total = u128::from(whole) * u128::from(unit) + part;
    u64::try_from(total).ok()
}

impl fmt::Display for ByteSize {
    /// With the largest unit that keeps it exact, else with one decimal.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        let Some((shift, name)) = units.into_iter().find(|(shift, _)| self.0 >= 1 << shift) else {
            return write!(formatter, "{} B", self.0);
        };
        let unit = 1_u64 << shift;
        let tenths = (self.0 % unit) * 10 / unit;
        if tenths == 0 {
            write!(formatter, "{} {name}", self.0 / unit)
        } else {
            write!(formatter, "{}.{tenths} {name}", self.0 / unit)
        }
    }
}

/// Why a text is not a duration.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{text}` is not a duration of at least 1 ms: give a number of seconds, or a number with a \
     unit, as in 90, 1.5, 500ms or 5m"
)]
pub struct ParseDurationError {
    text: String,
}

/// A number of seconds, or one with the unit `ms`, `s`, `m` or `h`. At least a millisecond, at
/// most 365 days.
///
/// # Errors
///
/// [`ParseDurationError`] for anything else.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    const LONGEST: u64 = 365 * 24 * 3600 * 1000;
    let error = || ParseDurationError {
        text: text.to_owned(),
    };
    let digits = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim_start() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(error()),
    };
    scaled(number, unit)
        .filter(|milliseconds| (1..=LONGEST).contains(milliseconds))
        .map(Duration::from_millis)
        .ok_or_else(error)
}

/// Parses a percentage such as `1%`, `0.5 %` or `3` to the share that it is, above 0 and below 1.
///
/// # Errors
///
/// When `text` is none.
pub fn parse_percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    number
        .parse::<f64>()
        .ok()
        .map(|percent| percent / 100.0)
        .filter(|&share| share > 0.0 && share < 1.0)
        .ok_or_else(|| {
            format!("{text} is no percentage above 0 and below 100: write it as 1% or 0.5%")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_mebibytes_by_default() {
        for (text, bytes) in [
            ("512", 512 << 20),
            ("2GiB", 2 << 30),
            ("1.5G", 3 << 29),
            ("64k", 64 << 10),
            ("4096B", 4096),
            ("1 MiB", 1 << 20),
            ("0", 0),
            ("1T", 1 << 40),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "-1",
            "GiB",
            "1.",
            ".5",
            "1X",
            "1e3",
            "99999999999T",
            "1..2",
            "٣",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn they_are_shown_with_a_fitting_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (1 << 20, "1 MiB"),
            (3 << 29, "1.5 GiB"),
            (1536, "1.5 KiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    #[test]
    fn durations_are_seconds_by_default() {
        for (text, milliseconds) in [
            ("90", 90_000),
            ("1.5", 1500),
            ("500ms", 500),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("3 s", 3000),
        ] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse_duration(text), Ok(duration), "{text}");
        }
        for text in ["", "0", "-1", "5d", "0.0001", "9000h", "x"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_are_shares() {
        for (text, share) in [
            ("1%", Some(0.01)),
            ("0.5 %", Some(0.005)),
            ("3", Some(0.03)),
            ("0", None),
            ("100%", None),
            ("-1%", None),
            ("NaN", None),
            ("inf", None),
            ("%", None),
            ("one", None),
        ] {
            let parsed = parse_percentage(text);
            assert_eq!(parsed.clone().ok(), share, "{text}");
            if let Err(error) = parsed {
                assert!(error.contains("write it as 1%"), "{error}");
            }
        }
    }
}
