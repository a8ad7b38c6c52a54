//! Putting the host's values back, the last one first.

use std::io;
use std::path::PathBuf;

use super::error::TuningError;
use super::interrupts;
use super::journal::Journal;
use super::place::Place;
use super::plan::{Change, Verdict};

/// What became of a journal's values.
#[derive(Debug, Default)]
pub struct Restored {
    /// How many were put back.
    pub count: usize,
    /// Those that somebody else has changed meanwhile, which stay.
    pub others: Vec<ForeignValue>,
    /// Those that could not be put back, each with the reason. The journal keeps them.
    pub failed: Vec<(PathBuf, String)>,
    /// Why the journal is not as it should be, if it is not.
    pub journal: Option<TuningError>,
}

/// A value that is neither what it was nor what a runner made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignValue {
    /// The file.
    pub file: PathBuf,
    /// What it says.
    pub value: String,
    /// What it said before it was tuned.
    pub original: String,
}

/// Puts back what `journal` says, and removes it from disk once that is done. What fails does not
/// keep the rest from being put back, and stays in the journal.
pub(crate) fn restore(place: &Place, mut journal: Journal) -> Restored {
    let mut restored = Restored::default();
    let mut left = Vec::new();
    for change in journal.changes.into_iter().rev() {
        let done = put_back(place, &change);
        // Not before new ones take the original by themselves.
        if done.is_ok() {
            restored.count += interrupts::release(place, &change);
        }
        match done {
            Ok(Done::PutBack) => restored.count += 1,
            Ok(Done::Nothing) => {}
            Ok(Done::IsOthers(value)) => restored.others.push(ForeignValue {
                file: change.file,
                value,
                original: change.original,
            }),
            Err(error) => {
                restored
                    .failed
                    .push((change.file.clone(), error.to_string()));
                left.push(change);
            }
        }
    }
    left.reverse();
    journal.changes = left;
    let kept = if journal.changes.is_empty() {
        Journal::remove(place)
    } else {
        journal.save(place)
    };
    restored.journal = kept.err();
    restored
}

enum Done {
    PutBack,
    Nothing,
    IsOthers(String),
}

fn put_back(place: &Place, change: &Change) -> io::Result<Done> {
    let text = match place.read(&change.file) {
        // An interrupt or a CPU that is no more takes its values with it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Done::Nothing),
        read => read?,
    };
    match change.verdict(&text) {
        Verdict::IsOriginal => Ok(Done::Nothing),
        Verdict::IsOthers => Ok(Done::IsOthers(change.form.value(&text))),
        Verdict::PutBack => {
            place.set(&change.file, &change.original)?;
            Ok(Done::PutBack)
        }
    }
}

impl Restored {
    /// Whether everything is as it was, as far as it is this runner's matter.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.journal.is_none()
    }

    /// What the user should know of it, a line each.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if !self.others.is_empty() {
            let values = self.others.iter().map(|foreign| {
                format!(
                    "{} is {} (it was {})",
                    foreign.file.display(),
                    foreign.value,
                    foreign.original
                )
            });
            remarks.push(format!(
                "left alone, because somebody else changed it after host tuning did: {}",
                few(values)
            ));
        }
        if !self.failed.is_empty() {
            let values = self
                .failed
                .iter()
                .map(|(file, reason)| format!("{} ({reason})", file.display()));
            remarks.push(format!(
                "host tuning could not put back {}; `runner tune restore` tries again",
                few(values)
            ));
        }
        remarks.extend(self.journal.as_ref().map(ToString::to_string));
        remarks
    }
}

/// The first few of many, and how many more there are: a host has hundreds of interrupts.
fn few(items: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 4;
    let more = items.len().saturating_sub(SHOWN);
    let shown = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        format!("{shown}, and {more} more")
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_short() {
        let mut restored = Restored::default();
        assert!(restored.remarks().is_empty() && restored.is_complete());
        for irq in 0..6 {
            restored.failed.push((
                PathBuf::from(format!("/proc/irq/{irq}/smp_affinity_list")),
                "Input/output error".to_owned(),
            ));
        }
        restored.others.push(ForeignValue {
            file: PathBuf::from("/proc/sys/vm/swappiness"),
            value: "1".to_owned(),
            original: "60".to_owned(),
        });
        let remarks = restored.remarks();
        assert!(remarks[0].ends_with("/proc/sys/vm/swappiness is 1 (it was 60)"));
        assert!(remarks[1].contains("3/smp_affinity_list (Input/output error), and 2 more;"));
        assert_eq!(remarks.len(), 2);
    }
}
