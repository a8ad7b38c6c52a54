//! Sets of CPUs, in the two forms in which the kernel prints and takes them.
//!
//! ```text
//! list   0-3,8,10-11     cpuset.cpus, smp_affinity_list, cpu/online
//! mask   00000d0f        smp_affinity, workqueue/cpumask: 32 CPUs a group, highest first
//! ```
//!
//! See `cpuset(7)`, "Formats", and the kernel's `Documentation/core-api/irq/irq-affinity.rst`.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use nix::sched::sched_getaffinity;
use nix::unistd::Pid;
use thiserror::Error;

/// CPUs above this number are taken for a mistake: no kernel knows so many (`NR_CPUS` ends at 8192
/// on `x86_64`), and a set of billions would take all memory.
const LAST: u32 = 65_535;

/// CPUs of a group of a mask.
const GROUP: u32 = 32;

/// A set of CPUs, by the kernel's numbers. It may be empty, and have holes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuSet(BTreeSet<u32>);

/// Why a text is no set of CPUs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no {form}, as in {example}")]
pub struct ParseCpuSetError {
    text: String,
    form: &'static str,
    example: &'static str,
}

impl CpuSet {
    /// The set that a mask stands for: hexadecimal groups of 32 CPUs with commas between them, the
    /// lowest CPUs last.
    ///
    /// # Errors
    ///
    /// [`ParseCpuSetError`] when it is no such mask.
    pub fn from_mask(text: &str) -> Result<Self, ParseCpuSetError> {
        parse_mask(text.trim()).ok_or_else(|| ParseCpuSetError {
            text: text.trim().to_owned(),
            form: "mask of CPUs",
            example: "f or 3,0000000f",
        })
    }

    /// The set as a mask, which the kernel takes wherever it prints one.
    pub fn mask(&self) -> String {
        let groups = self.0.last().map_or(1, |last| last / GROUP + 1);
        let mut mask = String::new();
        for group in (0..groups).rev() {
            let first = group * GROUP;
            let bits = self
                .0
                .range(first..first + GROUP)
                .fold(0_u32, |bits, cpu| bits | 1 << (cpu - first));
            // Writing to a string does not fail.
            let _written = if mask.is_empty() {
                write!(mask, "{bits:x}")
            } else {
                write!(mask, ",{bits:08x}")
            };
        }
        mask
    }

    /// The CPUs that this thread may run on; none where the kernel does not tell.
    pub fn of_this_process() -> Self {
        let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else {
            return Self::default();
        };
        let is_allowed = |cpu: &usize| allowed.is_set(*cpu).unwrap_or(false);
        (0..nix::sched::CpuSet::count())
            .filter(is_allowed)
            .filter_map(|cpu| u32::try_from(cpu).ok())
            .collect()
    }

    /// The CPUs, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `cpu` is among them.
    pub fn contains(&self, cpu: u32) -> bool {
        self.0.contains(&cpu)
    }

    /// Whether all of them are among `others`.
    pub fn is_subset(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }

    /// Those that are among `others` too.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self(self.0.intersection(&others.0).copied().collect())
    }

    /// These and `others`.
    #[must_use]
    pub fn or(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).copied().collect())
    }

    /// Those that are not among `others`.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self(self.0.difference(&others.0).copied().collect())
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl FromStr for CpuSet {
    type Err = ParseCpuSetError;

    /// A list. The empty text is the empty set, as the kernel prints it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_list(text.trim()).ok_or_else(|| ParseCpuSetError {
            text: text.trim().to_owned(),
            form: "list of CPUs",
            example: "0-3,8",
        })
    }
}

impl fmt::Display for CpuSet {
    /// As a list.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|&next| next == last + 1) {
                last = next;
            }
            if first == last {
                write!(formatter, "{separator}{first}")?;
            } else {
                write!(formatter, "{separator}{first}-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

fn parse_list(text: &str) -> Option<CpuSet> {
    let mut cpus = BTreeSet::new();
    if text.is_empty() {
        return Some(CpuSet(cpus));
    }
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(CpuSet(cpus))
}

/// The number of a CPU. `parse` alone would take a sign.
fn number(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number)?;
    (number <= LAST).then_some(number)
}

fn parse_mask(text: &str) -> Option<CpuSet> {
    let mut cpus = BTreeSet::new();
    for (group, digits) in text.rsplit(',').enumerate() {
        let is_group =
            (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u32::from_str_radix(digits, 16).ok().filter(|_| is_group)?;
        let first = u32::try_from(group).ok()?.checked_mul(GROUP)?;
        if first > LAST {
            return None;
        }
        let is_set = |bit: &u32| bits & (1 << bit) != 0;
        cpus.extend((0..GROUP).filter(is_set).map(|bit| first + bit));
    }
    Some(CpuSet(cpus))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(cpus: &[u32]) -> CpuSet {
        cpus.iter().copied().collect()
    }

    #[test]
    fn lists_as_the_kernel_writes_them() {
        for (text, cpus) in [
            ("", &[][..]),
            ("0", &[0]),
            ("0-3,8,10-11", &[0, 1, 2, 3, 8, 10, 11]),
            ("5,7", &[5, 7]),
        ] {
            assert_eq!(text.parse(), Ok(set(cpus)), "{text}");
            assert_eq!(set(cpus).to_string(), text);
        }
        assert_eq!(" 3,1-2\n".parse(), Ok(set(&[1, 2, 3])));
    }

    #[test]
    fn masks_as_the_kernel_writes_them() {
        for (text, cpus) in [
            ("0", &[][..]),
            ("3", &[0, 1]),
            ("80000001", &[0, 31]),
            ("1,00000000", &[32]),
            ("8,00000000,0000000f", &[0, 1, 2, 3, 67]),
        ] {
            assert_eq!(CpuSet::from_mask(text), Ok(set(cpus)), "{text}");
            assert_eq!(set(cpus).mask(), text);
        }
        assert_eq!(CpuSet::from_mask("00000003\n"), Ok(set(&[0, 1])));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "a",
            "1-",
            "-1",
            "3-1",
            ",",
            "0,",
            "+1",
            "1-2-3",
            "0-65536",
            "99999999999",
        ] {
            let error = text.parse::<CpuSet>().unwrap_err();
            assert!(error.to_string().contains("list of CPUs"), "{text}");
        }
        for text in ["", "g", "123456789", "1,,1", "+1", "0x3"] {
            assert!(CpuSet::from_mask(text).is_err(), "{text}");
        }
        let too_many = format!("1{}", ",00000000".repeat(2048));
        assert!(CpuSet::from_mask(&too_many).is_err());
    }

    #[test]
    fn sets_are_compared() {
        let (few, many) = (set(&[1, 2]), set(&[0, 1, 2, 9]));
        assert!(few.is_subset(&many) && !many.is_subset(&few));
        assert_eq!(many.without(&few), set(&[0, 9]));
        assert_eq!(many.and(&set(&[2, 3])), set(&[2]));
        assert_eq!(few.or(&set(&[2, 3])), set(&[1, 2, 3]));
        assert!(many.contains(9) && !few.contains(9));
        assert_eq!((few.len(), few.is_empty()), (2, false));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(cpus in prop::collection::btree_set(0..=LAST, 0..60)) {
            let set: CpuSet = cpus.iter().copied().collect();
            prop_assert_eq!(set.to_string().parse(), Ok(set.clone()));
            prop_assert_eq!(CpuSet::from_mask(&set.mask()), Ok(set.clone()));
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), cpus);
        }

        #[test]
        fn no_text_does_harm(text in "[0-9a-f,\\- +]{0,24}") {
            if let Ok(set) = text.parse::<CpuSet>() {
                prop_assert_eq!(set.to_string().parse(), Ok(set));
            }
            if let Ok(set) = CpuSet::from_mask(&text) {
                prop_assert_eq!(CpuSet::from_mask(&set.mask()), Ok(set));
            }
        }
    }
}
