//! What the host's values were before they were tuned, on disk before the first one changes.
//!
//! ```text
//! {"version": 2, "boot_id": "…", "purpose": "run",
//!  "changes": [{"knob": "swappiness", "file": "/proc/sys/vm/swappiness", "form": "plain",
//!               "original": "60", "wanted": "10"}, …]}
//! ```
//!
//! A change of `default_smp_affinity` also has `present`, the numbers of the interrupts that there
//! were. Version 1 had not.
//!
//! It is replaced as a whole (written beside, synced, renamed, the folder synced), so there is
//! always one that is complete; and it only grows until everything in it is put back, so what it
//! calls original is what was there before any runner came.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::error::TuningError;
use super::place::Place;
use super::plan::Change;

/// The version of the format.
const VERSION: u32 = 2;

/// No journal is larger, in bytes: a host has some thousand interrupts at most.
const LARGEST: u64 = 4 << 20;

/// Where the values are that a journal may put back.
const HOMES: [&str; 3] = ["/proc/sys", "/proc/irq", "/sys"];

/// Why a host was tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Purpose {
    /// For a run: once its runner is no more, it is left over.
    Run,
    /// By `runner tune apply`: it stays until `runner tune restore`.
    Apply,
}

/// The values that were changed, in the order in which they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journal {
    version: u32,
    /// The kernel's name for the time since it was started: values do not outlive that.
    boot_id: String,
    pub(crate) purpose: Purpose,
    pub(crate) changes: Vec<Change>,
}

impl Journal {
    /// One without changes, which would be left over if its runner ended now. It is not on disk yet.
    pub(crate) fn new(place: &Place) -> Result<Self, TuningError> {
        Ok(Self {
            version: VERSION,
            boot_id: boot_id(place)?,
            purpose: Purpose::Run,
            changes: Vec::new(),
        })
    }

    /// The journal on disk, if there is one. One from before a reboot is none: the values that it
    /// tells of are gone.
    ///
    /// # Errors
    ///
    /// [`TuningError::Corrupt`] when it can not be trusted, [`TuningError::Journal`] when it can
    /// not be read.
    pub(crate) fn load(place: &Place) -> Result<Option<Self>, TuningError> {
        let path = &place.journal;
        let corrupt = |reason: String| TuningError::Corrupt {
            path: path.clone(),
            reason,
        };
        let mut text = Vec::new();
        let read = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.and_then(|file| file.take(LARGEST + 1).read_to_end(&mut text)),
        };
        read.map_err(failed(place, "read"))?;
        if text.len() as u64 > LARGEST {
            return Err(corrupt("it is too large".to_owned()));
        }
        let journal: Self =
            serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
        if !(1..=VERSION).contains(&journal.version) {
            let version = journal.version;
            return Err(corrupt(format!(
                "it is of version {version}, and this runner knows 1 to {VERSION}"
            )));
        }
        if let Some(stranger) = journal.changes.iter().find(|change| !is_knob(&change.file)) {
            let file = stranger.file.display();
            return Err(corrupt(format!("{file} is no value of the kernel's")));
        }
        let is_current = journal.boot_id == boot_id(place)?;
        Ok(is_current.then_some(journal))
    }

    /// Replaces the journal on disk by this one, for good.
    pub(crate) fn save(&self, place: &Place) -> Result<(), TuningError> {
        self.write(place).map_err(failed(place, "write"))
    }

    fn write(&self, place: &Place) -> io::Result<()> {
        let folder = folder(place);
        // What is in it decides what root writes where.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let text = serde_json::to_vec_pretty(self)?;
        let beside = place.journal.with_extension("json.new");
        place.disk.create(&beside, &text)?;
        place.disk.rename(&beside, &place.journal)?;
        place.disk.sync_folder(folder)
    }

    /// Removes the journal from disk, if there is one.
    pub(crate) fn remove(place: &Place) -> Result<(), TuningError> {
        if fs::symlink_metadata(&place.journal).is_err() {
            return Ok(());
        }
        place
            .disk
            .remove(&place.journal)
            .and_then(|()| place.disk.sync_folder(folder(place)))
            .map_err(failed(place, "remove"))
    }
}

fn folder(place: &Place) -> &Path {
    place.journal.parent().unwrap_or(Path::new("/"))
}

fn failed<'a>(place: &'a Place, action: &'static str) -> impl Fn(io::Error) -> TuningError + 'a {
    move |source| TuningError::Journal {
        action,
        path: place.journal.clone(),
        source,
    }
}

fn boot_id(place: &Place) -> Result<String, TuningError> {
    let text = place
        .read("/proc/sys/kernel/random/boot_id")
        .map_err(TuningError::BootId)?;
    Ok(text.trim().to_owned())
}

/// Whether it is a file that tuning changes: whoever damaged a journal must not make root write
/// elsewhere.
fn is_knob(file: &Path) -> bool {
    let is_straight = file
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    is_straight && HOMES.iter().any(|home| file.starts_with(home))
}
