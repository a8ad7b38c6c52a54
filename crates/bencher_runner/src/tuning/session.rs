//! From the lock to the last value that is put back: what a runner does about the host's knobs.
//!
//! ```text
//!            ┌── no root, lock taken, journal damaged ──► untuned, and said
//! begin ─────┼── journal of `tune apply` ───────────────► as it is; end puts nothing back
//!            └── journal of a dead runner: put back ─┐
//!                none, or from before a reboot ──────┴──► tuned ──► end: put back
//! ```

use std::fs::File;
use std::sync::Arc;

use super::apply::{InForce, apply, hold, observe};
use super::error::TuningError;
use super::journal::{Journal, Purpose};
use super::knobs::{Entry, stages};
use super::lock::HostLock;
use super::place::Place;
use super::policy::{TuningChoices, TuningPolicy, TuningStrictness};
use super::restore::{Restored, restore};
use super::state::{TunedBy, TuningState};
use crate::Reporter;
use crate::cpus::CpuSet;

/// The host's tuning while something runs. What it changed is put back when it is dropped.
#[derive(Debug)]
pub struct Tuning {
    place: Place,
    reporter: Arc<dyn Reporter>,
    state: TuningState,
    /// What is to be put back.
    journal: Option<Journal>,
    _held: Vec<File>,
    _lock: Option<HostLock>,
}

impl Tuning {
    /// Tunes the host as far as `policy` wants it and the host allows it. `housekeeping` are the
    /// CPUs that are left to the host's own work, first threads of their cores unless SMT is kept;
    /// without any nothing is steered to them.
    ///
    /// Says in one line what came of it. Blocks, for as long as CPUs take to go offline.
    ///
    /// # Errors
    ///
    /// [`TuningError`] when `policy` requires more than the host allows. Then nothing is changed
    /// any more.
    pub fn begin(
        place: &Place,
        policy: &TuningPolicy,
        housekeeping: Option<&CpuSet>,
        reporter: &Arc<dyn Reporter>,
    ) -> Result<Self, TuningError> {
        let stages = stages(&policy.choices, housekeeping);
        let untuned = |reason: String| Self {
            place: place.clone(),
            reporter: Arc::clone(reporter),
            state: TuningState {
                tuned_by: TunedBy::Nobody,
                reason: Some(reason),
                knobs: observe(place, &stages, &[]),
            },
            journal: None,
            _held: Vec::new(),
            _lock: None,
        };
        if policy.strictness == TuningStrictness::Off {
            return Ok(untuned("it was turned off".to_owned()));
        }
        match Self::tune(place, &stages, reporter) {
            Ok(tuning) => tuning.checked(policy.strictness),
            Err(error) if policy.strictness == TuningStrictness::Required => Err(error),
            Err(error) => {
                reporter.info(&format!("{error}: running untuned"));
                Ok(untuned(error.to_string()))
            }
        }
    }

    fn tune(
        place: &Place,
        stages: &[Vec<Entry>],
        reporter: &Arc<dyn Reporter>,
    ) -> Result<Self, TuningError> {
        let lock = own(place)?;
        let standing = recover(place, &lock, reporter.as_ref())?;
        let (in_force, journal, tuned_by) = if let Some(standing) = standing {
            let in_force = hold(place, stages, &standing.changes);
            (in_force, None, TunedBy::TuneApply)
        } else {
            let (in_force, journal) = tune(place, stages, Purpose::Run, reporter.as_ref())?;
            (in_force, Some(journal), TunedBy::Run)
        };
        Ok(Self {
            place: place.clone(),
            reporter: Arc::clone(reporter),
            state: TuningState {
                tuned_by,
                reason: None,
                knobs: in_force.knobs,
            },
            journal,
            _held: in_force.held,
            _lock: Some(lock),
        })
    }

    /// Says what came of it, or fails where that is less than required.
    fn checked(self, strictness: TuningStrictness) -> Result<Self, TuningError> {
        if strictness == TuningStrictness::Required
            && let Some(reason) = self.state.shortcomings()
        {
            return Err(TuningError::Incomplete { reason });
        }
        if self.state.tuned_by == TunedBy::TuneApply {
            self.reporter
                .info("host tuning: as `runner tune apply` left it");
        } else {
            self.reporter.info(&self.state.summary());
        }
        Ok(self)
    }

    /// What is in force, for the result.
    pub fn state(&self) -> &TuningState {
        &self.state
    }

    /// Puts back what was changed, and warns of what could not be. Blocks.
    pub fn end(mut self) {
        self.put_back();
    }

    fn put_back(&mut self) {
        if let Some(journal) = self.journal.take() {
            let restored = restore(&self.place, journal);
            for remark in restored.remarks() {
                self.reporter.warning(&remark);
            }
        }
    }
}

impl Drop for Tuning {
    fn drop(&mut self) {
        self.put_back();
    }
}

/// Puts back what a runner left that is no more, unless another one is at it. What can not be done
/// is a warning.
pub fn put_back_left_over(place: &Place, reporter: &dyn Reporter) {
    // Without a journal nothing is left over, and the lock stays free for who wants to tune.
    if !place.is_roots || !place.journal.exists() {
        return;
    }
    let recovered = HostLock::take(place).and_then(|lock| recover(place, &lock, reporter));
    match recovered {
        Ok(_) | Err(TuningError::Taken) => {}
        Err(error) => reporter.warning(&error.to_string()),
    }
}

/// Tunes the host until it is [put back](restore_host), beyond the end of this process.
///
/// A host that is tuned already is put back first: so what was there before stays known.
///
/// # Errors
///
/// [`TuningError`], when nothing could be tuned, or less than `policy` requires. Then nothing is
/// changed any more.
pub fn apply_to_host(
    place: &Place,
    policy: &TuningPolicy,
    housekeeping: Option<&CpuSet>,
    reporter: &dyn Reporter,
) -> Result<TuningState, TuningError> {
    let lock = own(place)?;
    if let Some(standing) = recover(place, &lock, reporter)? {
        settle(place, standing, reporter)?;
    }
    let stages = stages(&policy.choices, housekeeping);
    let (in_force, mut journal) = tune(place, &stages, Purpose::Apply, reporter)?;
    let state = TuningState {
        tuned_by: TunedBy::TuneApply,
        reason: None,
        knobs: in_force.knobs,
    };
    if policy.strictness == TuningStrictness::Required
        && let Some(reason) = state.shortcomings()
    {
        settle(place, journal, reporter)?;
        return Err(TuningError::Incomplete { reason });
    }
    // Only now it is to stay: what is half done is left over.
    journal.purpose = Purpose::Apply;
    if let Err(error) = journal.save(place) {
        settle(place, journal, reporter)?;
        return Err(error);
    }
    Ok(state)
}

/// Puts back what the journal says, whoever wrote it. `None` when there is none.
///
/// # Errors
///
/// [`TuningError`] when another runner is using the tuning, or the journal can not be used.
pub fn restore_host(place: &Place) -> Result<Option<Restored>, TuningError> {
    let _lock = own(place)?;
    match Journal::load(place)? {
        Some(journal) => Ok(Some(restore(place, journal))),
        None => Journal::remove(place).map(|()| None),
    }
}

/// The host's knobs as they are, and who turned them. Changes nothing.
///
/// # Errors
///
/// [`TuningError`] when the journal can not be read.
pub fn status_of_host(
    place: &Place,
    choices: &TuningChoices,
    housekeeping: Option<&CpuSet>,
) -> Result<TuningState, TuningError> {
    let (journal, reason) = if place.is_roots {
        (Journal::load(place)?, None)
    } else {
        let reason = "only root can see whether the host is tuned, and what its values were";
        (None, Some(reason.to_owned()))
    };
    let tuned_by = match &journal {
        None => TunedBy::Nobody,
        Some(journal) if journal.purpose == Purpose::Apply => TunedBy::TuneApply,
        Some(_) => match HostLock::take(place) {
            Ok(_) => TunedBy::LeftOver,
            Err(TuningError::Taken) => TunedBy::Run,
            Err(error) => return Err(error),
        },
    };
    let changes = journal.map(|journal| journal.changes).unwrap_or_default();
    Ok(TuningState {
        tuned_by,
        reason,
        knobs: observe(place, &stages(choices, housekeeping), &changes),
    })
}

fn own(place: &Place) -> Result<HostLock, TuningError> {
    if !place.is_roots {
        return Err(TuningError::NotRoot);
    }
    HostLock::take(place)
}

/// Puts back what a dead runner left, and returns what was tuned to stay.
fn recover(
    place: &Place,
    _lock: &HostLock,
    reporter: &dyn Reporter,
) -> Result<Option<Journal>, TuningError> {
    let Some(journal) = Journal::load(place)? else {
        // One from before a reboot is of no use any more.
        Journal::remove(place)?;
        return Ok(None);
    };
    if journal.purpose == Purpose::Apply {
        return Ok(Some(journal));
    }
    reporter.info("putting back the host tuning of a runner that was ended before it could");
    settle(place, journal, reporter)?;
    Ok(None)
}

/// Puts a journal's values back, all of them.
fn settle(place: &Place, journal: Journal, reporter: &dyn Reporter) -> Result<(), TuningError> {
    let restored = restore(place, journal);
    for remark in restored.remarks() {
        reporter.warning(&remark);
    }
    if restored.is_complete() {
        return Ok(());
    }
    Err(restored.journal.unwrap_or_else(|| TuningError::LeftOver {
        count: restored.failed.len(),
        journal: place.journal.clone(),
    }))
}

fn tune(
    place: &Place,
    stages: &[Vec<Entry>],
    purpose: Purpose,
    reporter: &dyn Reporter,
) -> Result<(InForce, Journal), TuningError> {
    let mut journal = Journal::new(place)?;
    match apply(place, stages, purpose, &mut journal) {
        Ok(in_force) => Ok((in_force, journal)),
        Err(error) => {
            // Why the journal can not be written is said by the error.
            let _not_said_twice = settle(place, journal, reporter);
            Err(error)
        }
    }
}
