//! What the guest's time is.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the guest's time is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// The host's.
    #[default]
    Wall,
    /// A count of the instructions that the guest has executed, at this rate.
    Virtual(ClockRate),
}

/// How many instructions a virtual clock counts as a second.
///
/// An instruction is a power of two of nanoseconds (`-icount shift=N` of QEMU), so there are only
/// these rates: 1000, 500, 250 and 125 million instructions a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockRate {
    shift: u8,
}

/// There is no such rate.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a virtual clock counts 1000, 500, 250 or 125 million instructions as a second")]
pub struct NoSuchRate;

/// Rates in million instructions a second, by shift.
const RATES: [u32; 4] = [1000, 500, 250, 125];

impl ClockRate {
    /// The exponent of the nanoseconds that an instruction takes.
    pub fn shift(self) -> u8 {
        self.shift
    }

    /// Million instructions a second.
    pub fn mips(self) -> u32 {
        RATES[usize::from(self.shift)]
    }

    /// The instructions that pass in `nanoseconds` of such a clock.
    pub fn instructions(self, nanoseconds: u64) -> u64 {
        nanoseconds >> self.shift
    }
}

impl Default for ClockRate {
    /// 1000 million instructions a second: one a nanosecond.
    fn default() -> Self {
        Self { shift: 0 }
    }
}

impl fmt::Display for ClockRate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mips().fmt(formatter)
    }
}

impl FromStr for ClockRate {
    type Err = NoSuchRate;

    fn from_str(text: &str) -> Result<Self, NoSuchRate> {
        let mips: u32 = text.parse().map_err(|_| NoSuchRate)?;
        (0..)
            .zip(RATES)
            .find_map(|(shift, rate)| (rate == mips).then_some(Self { shift }))
            .ok_or(NoSuchRate)
    }
}

/// The kinds of clock, in the result document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// The host's time: what passes while the command runs, whatever it is spent on.
    #[default]
    Wall,
    /// A count of executed instructions: the same in every run, and no measure of the hardware.
    Virtual,
}

/// All that a virtual clock's times depend on beside the image, the command, the machine's size and
/// the VMM's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VirtualClock {
    /// Million instructions that are one second.
    pub mips: u32,
    /// The processor that is emulated, as QEMU's `-cpu` has it.
    pub cpu_model: String,
    /// The machine that is emulated, as QEMU's `-M` has it.
    pub machine_type: String,
    /// What the guest's random numbers are made from.
    pub seed: u64,
    /// The date that each guest begins at, in UTC.
    pub epoch: String,
}

impl Clock {
    /// Its kind.
    pub fn kind(self) -> ClockKind {
        match self {
            Self::Wall => ClockKind::Wall,
            Self::Virtual(_) => ClockKind::Virtual,
        }
    }

    /// Its rate, if it counts instructions.
    pub fn rate(self) -> Option<ClockRate> {
        match self {
            Self::Wall => None,
            Self::Virtual(rate) => Some(rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_powers_of_two_of_nanoseconds() {
        for (text, shift, instructions) in [
            ("1000", 0, 4_000_000_007),
            ("500", 1, 2_000_000_003),
            ("250", 2, 1_000_000_001),
            ("125", 3, 500_000_000),
        ] {
            let rate: ClockRate = text.parse().unwrap();
            assert_eq!(rate.shift(), shift);
            assert_eq!(rate.to_string(), text);
            assert_eq!(rate.instructions(4_000_000_007), instructions);
            assert_eq!(u64::from(rate.mips()) << shift, 1000);
        }
        assert_eq!(ClockRate::default().mips(), 1000);
        for wrong in ["", "0", "1", "62", "999", "2000", "-500", "500.0", "fast"] {
            assert_eq!(wrong.parse::<ClockRate>(), Err(NoSuchRate), "{wrong}");
        }
    }
}
