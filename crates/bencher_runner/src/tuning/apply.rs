//! Turning the knobs: plan a stage, write down what it will change, change it.
//!
//! ```text
//! for each stage:  read values ─► plan ─► journal (synced) ─► write values ─► read them again
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::TuningError;
use super::journal::{Journal, Purpose};
use super::knob::{Form, Knob, Setting, Wish};
use super::knobs::Entry;
use super::place::Place;
use super::plan::{Change, Step, step};
use super::state::{KnobOutcome, KnobState, SettingState};

/// What is in force.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    /// What became of each knob.
    pub(crate) knobs: Vec<KnobState>,
    /// Files that keep their effect as long as they are open.
    pub(crate) held: Vec<File>,
}

/// Turns the knobs of `stages` for `purpose`, and adds what it changes to `journal`, which is on disk before the
/// first change of each stage.
///
/// # Errors
///
/// When the journal can not be written. What `journal` holds then may have been changed.
pub(crate) fn apply(
    place: &Place,
    stages: &[Vec<Entry>],
    purpose: Purpose,
    journal: &mut Journal,
) -> Result<InForce, TuningError> {
    let mut in_force = InForce::default();
    for stage in stages {
        let plans: Vec<_> = stage.iter().map(|entry| Plan::of(entry, place)).collect();
        let begun = journal.changes.len();
        journal
            .changes
            .extend(plans.iter().flat_map(Plan::changes).cloned());
        if journal.changes.len() > begun
            && let Err(error) = journal.save(place)
        {
            journal.changes.truncate(begun);
            return Err(error);
        }
        for plan in plans {
            let knob = plan.carry_out(place, purpose, &mut in_force.held);
            in_force.knobs.push(knob);
        }
    }
    Ok(in_force)
}

/// The knobs as they are: nothing is changed. `changes` are those that are in force already.
pub(crate) fn observe(place: &Place, stages: &[Vec<Entry>], changes: &[Change]) -> Vec<KnobState> {
    let entries = stages.iter().flatten();
    entries
        .map(|entry| Plan::of(entry, place).observed(changes))
        .collect()
}

/// Turns only what leaves nothing to put back, on a host with `changes` in force.
pub(crate) fn hold(place: &Place, stages: &[Vec<Entry>], changes: &[Change]) -> InForce {
    let mut in_force = InForce::default();
    for entry in stages.iter().flatten() {
        let plan = Plan::of(entry, place);
        let knob = match plan.wish {
            Wish::Hold { .. } | Wish::Once(_) => {
                plan.carry_out(place, Purpose::Run, &mut in_force.held)
            }
            _ => plan.observed(changes),
        };
        in_force.knobs.push(knob);
    }
    in_force
}

/// What is to be done for one knob.
struct Plan<'a> {
    knob: &'a dyn Knob,
    is_kept: bool,
    wish: Wish,
    steps: Vec<Step>,
}

impl<'a> Plan<'a> {
    fn of(entry: &'a Entry, place: &Place) -> Self {
        let knob = entry.knob.as_ref();
        let wish = knob.wish(place);
        let steps = match &wish {
            Wish::Set { settings, .. } => settings
                .iter()
                .map(|setting| step(knob.name(), setting, place.read(&setting.file)))
                .collect(),
            _ => Vec::new(),
        };
        Self {
            knob,
            is_kept: entry.is_kept,
            wish,
            steps,
        }
    }

    fn changes(&self) -> impl Iterator<Item = &Change> {
        let is_kept = self.is_kept;
        self.steps.iter().filter_map(move |step| match step {
            Step::Change(change) if !is_kept => Some(change),
            _ => None,
        })
    }

    fn settings(&self) -> &[Setting] {
        match &self.wish {
            Wish::Set { settings, .. } => settings,
            _ => &[],
        }
    }

    fn state(&self, outcome: KnobOutcome, reason: Option<String>) -> KnobState {
        KnobState {
            name: self.knob.name().to_owned(),
            outcome,
            reason,
            settings: Vec::new(),
        }
    }

    /// Does it, and says what became of it.
    fn carry_out(self, place: &Place, purpose: Purpose, held: &mut Vec<File>) -> KnobState {
        if self.is_kept {
            return self.observed(&[]);
        }
        match &self.wish {
            Wish::Absent(reason) => self.state(KnobOutcome::Absent, Some(reason.clone())),
            Wish::Unavailable(reason) => self.state(KnobOutcome::Unavailable, Some(reason.clone())),
            Wish::Hold { .. } if purpose == Purpose::Apply => self.state(
                KnobOutcome::Untouched,
                Some("it lasts as long as a process holds it: each run does".to_owned()),
            ),
            Wish::Hold {
                file,
                content,
                shown,
            } => match place.hold(file, content) {
                Ok(open) => {
                    held.push(open);
                    self.done(file, shown)
                }
                Err(error) => self.state(KnobOutcome::Refused, Some(error.to_string())),
            },
            Wish::Once(setting) => {
                // Only pages that are on the disk can be dropped.
                rustix::fs::sync();
                match place.set(&setting.file, &setting.wanted) {
                    Ok(()) => self.done(&setting.file, &setting.wanted),
                    Err(error) => self.state(KnobOutcome::Refused, Some(error.to_string())),
                }
            }
            Wish::Set { note, .. } => self.write(place, note.clone()),
        }
    }

    /// What was written and is not read again.
    fn done(&self, file: &Path, value: &str) -> KnobState {
        KnobState {
            settings: vec![SettingState {
                file: file.to_owned(),
                value: Some(value.to_owned()),
                wanted: Some(value.to_owned()),
                original: None,
            }],
            ..self.state(KnobOutcome::Tuned, None)
        }
    }

    /// Writes every value that differs.
    fn write(&self, place: &Place, note: Option<String>) -> KnobState {
        let mut settings = Vec::new();
        let mut refusal = None;
        let mut is_changed = false;
        for (setting, step) in self.settings().iter().zip(&self.steps) {
            let (value, original) = match step {
                Step::Missing => continue,
                Step::AsWanted(value) => (Some(value.clone()), None),
                Step::Unreadable(error) => {
                    if !setting.may_refuse {
                        refusal.get_or_insert_with(|| error.to_string());
                    }
                    (None, None)
                }
                Step::Change(change) => match write(place, change) {
                    Ok(value) => {
                        is_changed = true;
                        (Some(value), Some(change.original.clone()))
                    }
                    Err(reason) => {
                        if !setting.may_refuse {
                            refusal.get_or_insert(reason);
                        }
                        (Some(change.original.clone()), None)
                    }
                },
            };
            settings.push(SettingState {
                file: setting.file.clone(),
                value,
                wanted: Some(setting.wanted.clone()),
                original,
            });
        }
        let (outcome, reason) = match refusal {
            Some(reason) => (KnobOutcome::Refused, Some(reason)),
            None if is_changed => (KnobOutcome::Tuned, note),
            None => (KnobOutcome::AsWanted, None),
        };
        KnobState {
            settings,
            ..self.state(outcome, reason)
        }
    }

    /// What the knob is about, and what there is to say of it when nothing is done.
    fn observed(&self, changes: &[Change]) -> KnobState {
        let original = |file: &PathBuf| {
            let change = changes.iter().find(|change| change.file == *file)?;
            Some(change.original.clone())
        };
        let settings: Vec<_> = self
            .settings()
            .iter()
            .zip(&self.steps)
            .filter_map(|(setting, step)| {
                let value = match step {
                    Step::Missing => return None,
                    Step::Unreadable(_) => None,
                    Step::AsWanted(value) => Some(value.clone()),
                    Step::Change(change) => Some(change.original.clone()),
                };
                Some(SettingState {
                    file: setting.file.clone(),
                    value,
                    wanted: (!self.is_kept).then(|| setting.wanted.clone()),
                    original: original(&setting.file),
                })
            })
            .collect();
        let is_tuned = settings.iter().any(|setting| setting.original.is_some());
        let as_wanted = self
            .steps
            .iter()
            .all(|step| matches!(step, Step::AsWanted(_) | Step::Missing));
        let (outcome, reason) = match &self.wish {
            _ if self.is_kept => (KnobOutcome::Kept, None),
            Wish::Absent(reason) => (KnobOutcome::Absent, Some(reason.clone())),
            Wish::Unavailable(reason) => (KnobOutcome::Unavailable, Some(reason.clone())),
            Wish::Set { note, .. } if is_tuned => (KnobOutcome::Tuned, note.clone()),
            Wish::Set { .. } if as_wanted => (KnobOutcome::AsWanted, None),
            Wish::Set { .. } | Wish::Hold { .. } | Wish::Once(_) => (KnobOutcome::Untouched, None),
        };
        KnobState {
            settings,
            ..self.state(outcome, reason)
        }
    }
}

/// Writes a value, and returns what the file says then, or why it refused.
fn write(place: &Place, change: &Change) -> Result<String, String> {
    place
        .set(&change.file, &change.wanted)
        .map_err(|error| error.to_string())?;
    let text = place
        .read(&change.file)
        .map_err(|error| error.to_string())?;
    let value = change.form.value(&text);
    // Some values are taken without an error and have no effect.
    if change.form == Form::Kilohertz || change.form.satisfies(&value, &change.wanted) {
        Ok(value)
    } else {
        Err(format!("it stays {value}"))
    }
}
