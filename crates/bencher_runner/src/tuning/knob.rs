//! What a knob is: a name, and what it wants of which files of the host.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::place::Place;
use crate::cpus::CpuSet;

/// One source of noise, and what silences it.
pub(crate) trait Knob: Debug + Send + Sync {
    /// What the result calls it.
    fn name(&self) -> &'static str;

    /// What it wants of this host. Reads, and changes nothing.
    fn wish(&self, place: &Place) -> Wish;
}

/// What a knob wants of a host.
#[derive(Debug)]
pub(crate) enum Wish {
    /// These values.
    Set {
        /// The files, in the order in which they are to be written.
        settings: Vec<Setting>,
        /// What the user should know of it.
        note: Option<String>,
    },
    /// A file kept open, with this in it.
    Hold {
        /// The file.
        file: PathBuf,
        /// What is written into it.
        content: [u8; 4],
        /// The same, as the result shows it.
        shown: String,
    },
    /// A value that has an effect once, and nothing to go back to.
    Once(Setting),
    /// Nothing: the host has no such source of noise. The text says why.
    Absent(String),
    /// The noise is there or may be, and there is no way to silence it. The text says why.
    Unavailable(String),
}

/// The file of an interrupt that says which CPUs it goes to.
pub(crate) const AFFINITY: &str = "smp_affinity_list";

/// A file of the host's, and the value that it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) file: PathBuf,
    pub(crate) wanted: String,
    pub(crate) form: Form,
    /// Whether it is no news that the file refuses the value.
    pub(crate) may_refuse: bool,
    /// The interrupts that there are, where new ones take this value.
    pub(crate) present: Option<Vec<u32>>,
}

/// How a file says its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    /// As it is written.
    Plain,
    /// All that there are, with the present one in brackets.
    Choice,
    /// A list of CPUs.
    CpuList,
    /// A mask of CPUs.
    CpuMask,
    /// A limit of a frequency. The kernel makes the nearest possible one of what is written, and
    /// moves it with other limits.
    Kilohertz,
}

impl Setting {
    pub(crate) fn new(file: impl Into<PathBuf>, wanted: impl Into<String>, form: Form) -> Self {
        Self {
            file: file.into(),
            wanted: wanted.into(),
            form,
            may_refuse: false,
            present: None,
        }
    }

    /// The CPUs that an interrupt goes to. Some can not be moved (those that a driver manages itself,
    /// those of each CPU), and the kernel alone knows which.
    pub(crate) fn of_interrupt(folder: &Path, cpus: &CpuSet) -> Self {
        Self {
            may_refuse: true,
            ..Self::new(folder.join(AFFINITY), cpus.to_string(), Form::CpuList)
        }
    }
}

impl Wish {
    /// Several values.
    pub(crate) fn set(settings: Vec<Setting>) -> Self {
        Self::Set {
            settings,
            note: None,
        }
    }

    /// One file with a plain value, or nothing where the kernel was built without it.
    pub(crate) fn one(place: &Place, file: &str, wanted: impl Into<String>) -> Self {
        if place.exists(file) {
            Self::set(vec![Setting::new(file, wanted, Form::Plain)])
        } else {
            Self::no_file(file)
        }
    }

    /// The kernel was built without it.
    pub(crate) fn no_file(file: impl AsRef<Path>) -> Self {
        Self::Absent(format!("no {}", file.as_ref().display()))
    }
}

impl Form {
    /// The value in what a file of this form says.
    pub(crate) fn value(self, text: &str) -> String {
        let text = text.trim();
        let chosen = || Some(text.split_once('[')?.1.split_once(']')?.0);
        let value = match self {
            Self::Choice => chosen().unwrap_or(text),
            Self::Plain | Self::CpuList | Self::CpuMask | Self::Kilohertz => text,
        };
        value.to_owned()
    }

    /// Whether two values are the same one.
    pub(crate) fn same(self, one: &str, other: &str) -> bool {
        match (self.cpus(one), self.cpus(other)) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        }
    }

    /// Whether a file with the value `current` need not be changed.
    pub(crate) fn satisfies(self, current: &str, wanted: &str) -> bool {
        match (self.cpus(current), self.cpus(wanted)) {
            (Some(current), Some(wanted)) => !current.is_empty() && current.is_subset(&wanted),
            _ => current == wanted,
        }
    }

    /// Whether a value tells who wrote it.
    pub(crate) fn is_exact(self) -> bool {
        self != Self::Kilohertz
    }

    fn cpus(self, value: &str) -> Option<CpuSet> {
        match self {
            Self::CpuList => value.parse().ok(),
            Self::CpuMask => CpuSet::from_mask(value).ok(),
            Self::Plain | Self::Choice | Self::Kilohertz => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn values_are_found_in_what_files_say() {
        assert_eq!(Form::Plain.value("60\n"), "60");
        assert_eq!(Form::Choice.value("always [madvise] never\n"), "madvise");
        assert_eq!(Form::Choice.value("never"), "never", "as it was written");
        assert_eq!(Form::CpuList.value("0-1\n"), "0-1");
    }

    #[test]
    fn cpus_are_compared_as_sets() {
        assert!(Form::CpuMask.same("3", "00000003"));
        assert!(Form::CpuList.same("0,1", "0-1"));
        assert!(!Form::Plain.same("3", "03"));
        assert!(Form::CpuList.satisfies("1", "0-1"), "it is kept apart");
        assert!(!Form::CpuList.satisfies("0-2", "0-1"));
        assert!(!Form::CpuList.satisfies("", "0-1"), "nowhere is not apart");
        assert!(!Form::CpuMask.same("3", "1"), "a part is not the same");
        assert!(Form::Plain.satisfies("0", "0") && !Form::Plain.satisfies("1", "0"));
    }
}
