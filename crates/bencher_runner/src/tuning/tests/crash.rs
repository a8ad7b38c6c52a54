//! A runner that is killed after each single thing that it does.

use std::sync::Arc;

use super::fake::{FakeHost, Notes, housekeeping, policy};
use super::kernel::Dying;
use crate::Reporter;
use crate::reporter::Silent;
use crate::tuning::place::Place;
use crate::tuning::policy::TuningStrictness::Possible;
use crate::tuning::{TunedBy, Tuning, apply_to_host, put_back_left_over, restore_host};

/// More operations than a run has: where a loop over them ends.
const MANY: usize = 1000;

/// A whole run: its runner may be killed anywhere in it, and then does nothing more.
fn run(place: &Place) -> TunedBy {
    let silent: Arc<dyn Reporter> = Arc::new(Silent);
    let tuning = Tuning::begin(place, &policy(Possible), Some(&housekeeping()), &silent).unwrap();
    let tuned_by = tuning.state().tuned_by;
    tuning.end();
    tuned_by
}

#[test]
fn the_next_start_finds_the_originals_wherever_the_last_one_was_killed() {
    let host = FakeHost::noisy();
    let untouched = host.values();
    let mut was_tuned = 0;
    for operations in 0..MANY {
        let disk = Dying::after(operations, &host);
        run(&host.place_with(disk.clone()));
        if !disk.has_died() {
            assert!(operations > 50, "{operations} operations are a whole run");
            assert!(was_tuned > 20, "{was_tuned} of them left a tuned host");
            return;
        }
        was_tuned += usize::from(host.values() != untouched);
        // Whatever is tuned by the next run, it knows what was there before any.
        let notes = Arc::new(Notes::default());
        let reporter: Arc<dyn Reporter> = notes.clone();
        let place = host.place();
        let next =
            Tuning::begin(&place, &policy(Possible), Some(&housekeeping()), &reporter).unwrap();
        let said = notes.take();
        assert_eq!(
            next.state().tuned_by,
            TunedBy::Run,
            "{operations}: {said:?}"
        );
        for setting in next.state().knobs.iter().flat_map(|knob| &knob.settings) {
            if let Some(original) = &setting.original {
                let name = setting.file.strip_prefix("/").unwrap();
                let true_one = &untouched[name];
                let is_original =
                    original == true_one || true_one.contains(&format!("[{original}]"));
                assert!(is_original, "{operations}: {setting:?}, was {true_one}");
            }
        }
        next.end();
        assert_eq!(host.values(), untouched, "after {operations}: {said:?}");
        assert!(!host.journal().exists());
    }
    panic!("a run never ends");
}

#[test]
fn what_is_to_stay_stays_as_a_whole_or_not_at_all() {
    let host = FakeHost::noisy();
    let untouched = host.values();
    for operations in 0..MANY {
        let disk = Dying::after(operations, &host);
        let place = host.place_with(disk.clone());
        let applied = apply_to_host(&place, &policy(Possible), Some(&housekeeping()), &Silent);
        put_back_left_over(&host.place(), &Silent);
        if host.values() == untouched {
            assert!(disk.has_died() && !host.journal().exists());
            continue;
        }
        // It was killed after the journal said that it is to stay.
        assert_eq!(host.read("sys/devices/system/cpu/smt/control"), "off");
        restore_host(&host.place()).unwrap();
        assert_eq!(host.values(), untouched);
        if !disk.has_died() {
            assert!(applied.is_ok() && operations > 20);
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn they_are_put_back_without_a_run_too_and_through_a_second_kill() {
    let host = FakeHost::noisy();
    let untouched = host.values();
    for operations in 0..MANY {
        let disk = Dying::after(operations, &host);
        run(&host.place_with(disk.clone()));
        if !disk.has_died() {
            return;
        }
        let killed = host.files("");
        for more in 0..MANY {
            host.become_like(&killed);
            let disk = Dying::after(more, &host);
            put_back_left_over(&host.place_with(disk.clone()), &Silent);
            put_back_left_over(&host.place(), &Silent);
            assert_eq!(host.values(), untouched, "after {operations} and {more}");
            assert!(!host.journal().exists());
            if !disk.has_died() {
                break;
            }
        }
    }
    panic!("a run never ends");
}
