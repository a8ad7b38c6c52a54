//! Tuning that stays: `runner tune apply`, `status`, `restore`.

use std::sync::Arc;

use super::fake::{FakeHost, Notes, housekeeping, policy};
use crate::Reporter;
use crate::cpus::CpuSet;
use crate::tuning::policy::{Feature, TuningChoices, TuningStrictness};
use crate::tuning::state::{KnobOutcome, TuningState};
use crate::tuning::{
    TunedBy, Tuning, TuningError, apply_to_host, put_back_left_over, restore_host, status_of_host,
};

fn status(host: &FakeHost) -> TuningState {
    let cpus = housekeeping();
    status_of_host(&host.place(), &TuningChoices::default(), Some(&cpus)).unwrap()
}

fn apply(host: &FakeHost, keep: &[Feature]) -> TuningState {
    let mut policy = policy(TuningStrictness::Possible);
    policy.choices.keep = keep.iter().copied().collect();
    let cpus: CpuSet = housekeeping();
    apply_to_host(&host.place(), &policy, Some(&cpus), &Notes::default()).unwrap()
}

#[test]
fn it_stays_until_it_is_put_back() {
    let host = FakeHost::noisy();
    let before = host.values();
    assert_eq!(status(&host).tuned_by, TunedBy::Nobody);
    let applied = apply(&host, &[]);
    assert_eq!(applied.tuned_by, TunedBy::TuneApply);
    let tuned = host.values();
    assert_ne!(tuned, before);
    // Neither a start nor a run takes it for left over, nor its values for originals.
    put_back_left_over(&host.place(), &Notes::default());
    let notes = Arc::new(Notes::default());
    let reporter: Arc<dyn Reporter> = notes.clone();
    let policy = policy(TuningStrictness::Possible);
    let run = Tuning::begin(&host.place(), &policy, Some(&housekeeping()), &reporter).unwrap();
    assert_eq!(
        notes.take(),
        ["host tuning: as `runner tune apply` left it"]
    );
    assert_eq!(run.state().tuned_by, TunedBy::TuneApply);
    let swappiness = run
        .state()
        .knobs
        .iter()
        .find(|knob| knob.name == "swappiness");
    let swappiness = swappiness.unwrap();
    assert_eq!(swappiness.outcome, KnobOutcome::Tuned);
    assert_eq!(swappiness.settings[0].original.as_deref(), Some("60"));
    let latency = std::fs::read(host.path("dev/cpu_dma_latency")).unwrap();
    assert_eq!(latency, 2_i32.to_ne_bytes(), "only a process can hold it");
    assert!(matches!(
        restore_host(&host.place()),
        Err(TuningError::Taken)
    ));
    run.end();
    assert_eq!(host.values(), tuned);
    assert_eq!(status(&host).tuned_by, TunedBy::TuneApply);
    let restored = restore_host(&host.place()).unwrap().unwrap();
    assert!(
        restored.is_complete() && restored.count > 15,
        "{restored:?}"
    );
    assert_eq!(host.values(), before);
    assert!(restore_host(&host.place()).unwrap().is_none());
}

#[test]
fn a_second_apply_begins_from_the_originals() {
    let host = FakeHost::noisy();
    let before = host.values();
    apply(&host, &[]);
    let again = apply(&host, &[Feature::Aslr]);
    assert_eq!(host.read("proc/sys/kernel/randomize_va_space"), "2");
    let aslr = again.knobs.iter().find(|knob| knob.name == "aslr").unwrap();
    assert_eq!(aslr.outcome, KnobOutcome::Kept);
    restore_host(&host.place()).unwrap();
    assert_eq!(host.values(), before);
}

#[test]
fn a_host_that_can_not_do_what_is_required_is_put_back() {
    let host = FakeHost::noisy();
    host.remove("dev/cpu_dma_latency");
    let before = host.values();
    let policy = policy(TuningStrictness::Required);
    let applied = apply_to_host(&host.place(), &policy, None, &Notes::default());
    let error = applied.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cstates (no /dev/cpu_dma_latency)"),
        "{error}"
    );
    assert_eq!(host.values(), before);
    assert!(!host.journal().exists());
    let mut place = host.place();
    place.is_roots = false;
    let applied = apply_to_host(&place, &policy, None, &Notes::default());
    assert!(matches!(applied, Err(TuningError::NotRoot)));
    assert!(matches!(restore_host(&place), Err(TuningError::NotRoot)));
}

#[test]
fn status_tells_whose_values_they_are() {
    let host = FakeHost::noisy();
    let seen = status(&host);
    let of = |state: &TuningState, name: &str| {
        let knob = state.knobs.iter().find(|knob| knob.name == name).unwrap();
        knob.clone()
    };
    let aslr = of(&seen, "aslr");
    assert_eq!(aslr.outcome, KnobOutcome::Untouched);
    assert_eq!(aslr.settings[0].wanted.as_deref(), Some("0"));
    let silent: Arc<dyn Reporter> = Arc::new(Notes::default());
    let policy = policy(TuningStrictness::Possible);
    let run = Tuning::begin(&host.place(), &policy, None, &silent).unwrap();
    let seen = status(&host);
    assert_eq!(seen.tuned_by, TunedBy::Run);
    assert_eq!(of(&seen, "aslr").settings[0].original.as_deref(), Some("2"));
    std::mem::forget(run);
    let dead = host.copy();
    assert_eq!(status(&dead).tuned_by, TunedBy::LeftOver);
    let mut place = dead.place();
    place.is_roots = false;
    let seen = status_of_host(&place, &TuningChoices::default(), None).unwrap();
    assert!(seen.reason.unwrap().starts_with("only root can see"));
}
