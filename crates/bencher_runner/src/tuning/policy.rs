//! What the user wants of host tuning.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What is wanted of host tuning.
#[derive(Debug, Clone)]
pub struct TuningPolicy {
    /// How much of it there must be.
    pub strictness: TuningStrictness,
    /// What is tuned, and to what.
    pub choices: TuningChoices,
}

/// How much of the tuning there must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuningStrictness {
    /// All of it, or the run fails.
    Required,
    /// What the host allows; what it does not is said.
    Possible,
    /// None.
    Off,
}

/// What is tuned, and to what.
#[derive(Debug, Clone)]
pub struct TuningChoices {
    /// What is left as it is.
    pub keep: BTreeSet<Feature>,
    /// `vm.swappiness`.
    pub swappiness: Swappiness,
    /// The frequency governor. With another one than `performance` frequencies are not pinned.
    pub governor: String,
    /// `kernel.perf_event_paranoid`; `None` leaves it.
    pub perf_event_paranoid: Option<PerfEventParanoid>,
    /// The mode of transparent huge pages.
    pub thp: ThpMode,
    /// Whether the page cache is dropped once everything else is done.
    pub drop_page_cache: bool,
}

impl Default for TuningChoices {
    fn default() -> Self {
        Self {
            keep: BTreeSet::new(),
            swappiness: Swappiness::default(),
            governor: "performance".to_owned(),
            perf_event_paranoid: None,
            thp: ThpMode::default(),
            drop_page_cache: false,
        }
    }
}

/// What can be left as it is, whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Address space layout randomization.
    Aslr,
    /// The watchdog that looks for CPUs that are stuck in the kernel, by a hardware counter.
    NmiWatchdog,
    /// Simultaneous multithreading.
    Smt,
    /// Frequencies above the nominal one.
    Turbo,
    /// Moving memory and threads between NUMA nodes.
    NumaBalancing,
    /// Moving timers between CPUs.
    TimerMigration,
    /// The watchdog that looks for CPUs that are stuck, by a thread of each.
    SoftWatchdog,
    /// Merging equal pages.
    Ksm,
    /// Deep idle states.
    CStates,
    /// Where interrupts and the kernel's own work run.
    IrqSteering,
}

/// How eagerly the host swaps: 0 to 200, see `vm.swappiness` in the kernel's
/// `Documentation/admin-guide/sysctl/vm.rst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swappiness(u8);

impl Default for Swappiness {
    /// 10: pages of the host's processes are hardly ever written out to make room for cache, and
    /// still are before memory runs out.
    fn default() -> Self {
        Self(10)
    }
}

/// What users without rights may measure: -1 (everything) to 4 (nothing, with some distributions'
/// kernels), see `kernel.perf_event_paranoid` in the kernel's
/// `Documentation/admin-guide/sysctl/kernel.rst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerfEventParanoid(i8);

/// A number that a setting does not take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no number from {first} to {last}")]
pub struct ParseSettingError {
    text: String,
    first: i16,
    last: i16,
}

fn number(text: &str, first: i16, last: i16) -> Result<i16, ParseSettingError> {
    let number = text.parse().ok();
    number
        .filter(|number| (first..=last).contains(number))
        .ok_or_else(|| ParseSettingError {
            text: text.to_owned(),
            first,
            last,
        })
}

impl FromStr for Swappiness {
    type Err = ParseSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        number(text, 0, 200).map(|number| Self(number.unsigned_abs().try_into().unwrap_or(u8::MAX)))
    }
}

impl fmt::Display for Swappiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for PerfEventParanoid {
    type Err = ParseSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        number(text, -1, 4).map(|number| Self(number.try_into().unwrap_or(i8::MAX)))
    }
}

impl fmt::Display for PerfEventParanoid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The mode of transparent huge pages, see the kernel's
/// `Documentation/admin-guide/mm/transhuge.rst`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThpMode {
    /// Wherever they fit.
    Always,
    /// Where a process asks for them.
    Madvise,
    /// Nowhere. Whether a process gets one depends on how fragmented the host's memory is just
    /// then, so two runs differ.
    #[default]
    Never,
}

impl ThpMode {
    /// As the kernel writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Madvise => "madvise",
            Self::Never => "never",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        for good in ["0", "10", "200"] {
            assert_eq!(good.parse::<Swappiness>().unwrap().to_string(), good);
        }
        for good in ["-1", "0", "4"] {
            assert_eq!(good.parse::<PerfEventParanoid>().unwrap().to_string(), good);
        }
        for bad in ["", "-1", "201", "x", "99999"] {
            assert!(bad.parse::<Swappiness>().is_err(), "{bad}");
        }
        for bad in ["-2", "5", "1.0"] {
            assert!(bad.parse::<PerfEventParanoid>().is_err(), "{bad}");
        }
    }
}
