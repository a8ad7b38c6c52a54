//! Journals that are damaged, or from another time.

use std::sync::Arc;

use super::fake::{FakeHost, Notes, housekeeping, policy};
use crate::Reporter;
use crate::tuning::policy::TuningStrictness::{Possible, Required};
use crate::tuning::{TunedBy, Tuning, TuningError, put_back_left_over, restore_host};

/// A host that a runner was killed on.
fn left_over() -> FakeHost {
    let host = FakeHost::noisy();
    let silent: Arc<dyn Reporter> = Arc::new(Notes::default());
    let tuning = Tuning::begin(
        &host.place(),
        &policy(Possible),
        Some(&housekeeping()),
        &silent,
    );
    std::mem::forget(tuning);
    host.copy()
}

#[test]
fn after_a_reboot_there_is_nothing_to_put_back() {
    let host = left_over();
    host.write("proc/sys/kernel/random/boot_id", "second-boot");
    let after_reboot = host.values();
    put_back_left_over(&host.place(), &Notes::default());
    assert_eq!(host.values(), after_reboot);
    assert!(!host.journal().exists());
}

#[test]
fn a_damaged_one_is_explained_and_nothing_is_tuned() {
    let true_one = std::fs::read_to_string(left_over().journal()).unwrap();
    let half = &true_one[..true_one.len() / 2];
    for damaged in [
        "",
        half,
        &true_one.replace("\"version\": 2", "\"version\": 3"),
        &true_one.replace("\"version\": 2", "\"version\": 0"),
        &true_one.replace("/proc/sys/vm/swappiness", "/etc/passwd"),
        &true_one.replace("/proc/sys/vm/swappiness", "/proc/sys/../../etc/passwd"),
        &" ".repeat((4 << 20) + 1),
    ] {
        assert_ne!(damaged, true_one);
        let host = FakeHost::noisy();
        let before = host.values();
        let journal = host.journal();
        host.write(journal.strip_prefix(host.path("")).unwrap(), damaged);
        let notes = Arc::new(Notes::default());
        let reporter: Arc<dyn Reporter> = notes.clone();
        let begin = |strictness| Tuning::begin(&host.place(), &policy(strictness), None, &reporter);
        let untuned = begin(Possible).unwrap();
        assert_eq!(untuned.state().tuned_by, TunedBy::Nobody);
        let said = notes.take();
        let advice = "set its values as they should be, or reboot, and then remove the file";
        assert!(said.len() == 1 && said[0].contains(advice), "{said:?}");
        assert!(matches!(begin(Required), Err(TuningError::Corrupt { .. })));
        assert!(matches!(
            restore_host(&host.place()),
            Err(TuningError::Corrupt { .. })
        ));
        put_back_left_over(&host.place(), notes.as_ref());
        assert!(notes.take()[0].contains("is damaged"));
        assert_eq!(host.values(), before);
        assert_eq!(std::fs::read_to_string(journal).unwrap(), damaged);
    }
}

#[test]
fn a_living_runners_is_not_left_over() {
    let host = FakeHost::noisy();
    let silent: Arc<dyn Reporter> = Arc::new(Notes::default());
    let tuning = Tuning::begin(&host.place(), &policy(Possible), None, &silent).unwrap();
    let tuned = host.values();
    let notes = Notes::default();
    put_back_left_over(&host.place(), &notes);
    assert_eq!(host.values(), tuned);
    assert_eq!(notes.take(), [] as [&str; 0]);
    assert!(matches!(
        restore_host(&host.place()),
        Err(TuningError::Taken)
    ));
    tuning.end();
}
