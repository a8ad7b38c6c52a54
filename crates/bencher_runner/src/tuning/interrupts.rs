//! The host's interrupts: those that there are, and those that come into being while it is tuned.
//!
//! A new interrupt takes the CPUs that `default_smp_affinity` names at that moment, and keeps them. So
//! one that came into being on a tuned host would stay on the housekeeping CPUs for good, with no
//! original of its own to be put back. It is given what it would have had: the original of
//! `default_smp_affinity`.

use std::path::{Path, PathBuf};

use super::knob::{AFFINITY, Form};
use super::place::Place;
use super::plan::Change;
use crate::cpus::CpuSet;

/// The folder of each interrupt.
pub(super) fn folders(place: &Place) -> Vec<PathBuf> {
    let mut folders = place.list("/proc/irq");
    folders.retain(|folder| number(folder).is_some());
    folders
}

/// The interrupt whose folder it is.
pub(super) fn number(folder: &Path) -> Option<u32> {
    folder.file_name()?.to_str()?.parse().ok()
}

/// Gives the interrupts that came into being under `change`, and have its value still, the original
/// instead. Returns how many were moved. Nothing is done for a change of anything else.
pub(super) fn release(place: &Place, change: &Change) -> usize {
    let Some(present) = &change.present else {
        return 0;
    };
    let masks = [&change.wanted, &change.original].map(|mask| CpuSet::from_mask(mask).ok());
    let [Some(tuned), Some(original)] = masks else {
        return 0;
    };
    let is_new = |folder: &PathBuf| number(folder).is_some_and(|irq| !present.contains(&irq));
    let files = folders(place).into_iter().filter(is_new);
    let mut files = files
        .map(|folder| folder.join(AFFINITY))
        .collect::<Vec<_>>();
    files.retain(|file| {
        let value = place.value(file).unwrap_or_default();
        Form::CpuList.same(&value, &tuned.to_string())
    });
    // One that is gone again, or that the kernel lets nobody move, has nothing to be put back.
    let moved = |file: &&PathBuf| place.set(file, &original.to_string()).is_ok();
    files.iter().filter(moved).count()
}
