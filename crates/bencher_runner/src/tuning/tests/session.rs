//! Tuning for a run.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::fake::{FakeHost, Notes, housekeeping, policy};
use crate::Reporter;
use crate::tuning::place::Place;
use crate::tuning::policy::{Feature, TuningPolicy, TuningStrictness};
use crate::tuning::state::{KnobOutcome, KnobState};
use crate::tuning::{TunedBy, Tuning, TuningError, restore_host};

fn begin(place: &Place, policy: &TuningPolicy, notes: &Arc<Notes>) -> Result<Tuning, TuningError> {
    let reporter: Arc<dyn Reporter> = notes.clone();
    Tuning::begin(place, policy, Some(&housekeeping()), &reporter)
}

fn knob<'a>(tuning: &'a Tuning, name: &str) -> &'a KnobState {
    let mut knobs = tuning.state().knobs.iter();
    knobs.find(|knob| knob.name == name).unwrap()
}

#[test]
fn a_host_is_quiet_during_a_run_and_as_before_after_it() {
    let host = FakeHost::noisy();
    let before = host.values();
    let notes = Arc::new(Notes::default());
    let tuning = begin(&host.place(), &policy(TuningStrictness::Required), &notes).unwrap();
    for (file, value) in [
        ("proc/sys/kernel/randomize_va_space", "0"),
        ("proc/sys/vm/swappiness", "10"),
        ("proc/irq/default_smp_affinity", "1"),
        ("proc/irq/1/smp_affinity_list", "0"),
        ("proc/irq/3/smp_affinity_list", "0"),
        ("proc/irq/4/smp_affinity_list", "1"),
        ("sys/devices/virtual/workqueue/cpumask", "1"),
        ("sys/devices/system/cpu/smt/control", "off"),
        ("sys/devices/system/cpu/intel_pstate/no_turbo", "1"),
        (
            "sys/devices/system/cpu/cpufreq/policy0/scaling_governor",
            "performance",
        ),
        (
            "sys/devices/system/cpu/cpufreq/policy1/scaling_min_freq",
            "3000000",
        ),
        (
            "sys/kernel/mm/transparent_hugepage/enabled",
            "always madvise [never]",
        ),
        ("proc/sys/kernel/perf_event_paranoid", "2"),
    ] {
        assert_eq!(host.read(file), value, "{file}");
    }
    let latency = std::fs::read(host.path("dev/cpu_dma_latency")).unwrap();
    assert_eq!(latency, 2_i32.to_ne_bytes());
    assert_eq!(tuning.state().tuned_by, TunedBy::Run);
    assert_eq!(
        knob(&tuning, "perf-event-paranoid").outcome,
        KnobOutcome::Kept
    );
    let swappiness = &knob(&tuning, "swappiness").settings[0];
    assert_eq!(swappiness.value.as_deref(), Some("10"));
    assert_eq!(swappiness.original.as_deref(), Some("60"));
    assert_eq!(knob(&tuning, "irqs").outcome, KnobOutcome::Tuned);
    assert_eq!(
        notes.take(),
        ["host tuning: 18 changed, 0 as wanted already"]
    );
    assert!(host.journal().is_file());
    tuning.end();
    assert_eq!(host.values(), before);
    assert!(!host.journal().exists());
    assert_eq!(notes.take(), [] as [&str; 0]);
}

#[test]
fn what_is_kept_is_left() {
    let host = FakeHost::noisy();
    let mut policy = policy(TuningStrictness::Possible);
    policy.choices.keep = [
        Feature::Aslr,
        Feature::NmiWatchdog,
        Feature::Smt,
        Feature::Turbo,
        Feature::NumaBalancing,
        Feature::TimerMigration,
        Feature::SoftWatchdog,
        Feature::Ksm,
        Feature::CStates,
        Feature::IrqSteering,
    ]
    .into();
    policy.choices.governor = "schedutil".to_owned();
    policy.choices.perf_event_paranoid = Some("-1".parse().unwrap());
    policy.choices.drop_page_cache = true;
    let before = host.values();
    let tuning = begin(&host.place(), &policy, &Arc::default()).unwrap();
    let changed: Vec<_> = host
        .values()
        .into_iter()
        .filter(|(file, value)| before[file] != *value)
        .map(|(file, value)| format!("{} {value}", file.display()))
        .collect();
    assert_eq!(
        changed,
        [
            "proc/sys/kernel/perf_event_paranoid -1",
            "proc/sys/vm/dirty_writeback_centisecs 6000",
            "proc/sys/vm/drop_caches 1",
            "proc/sys/vm/stat_interval 60",
            "proc/sys/vm/swappiness 10",
            "sys/devices/system/cpu/cpufreq/policy1/scaling_governor schedutil",
            "sys/kernel/mm/transparent_hugepage/enabled always madvise [never]",
        ]
    );
    assert_eq!(host.read("dev/cpu_dma_latency"), "");
    let aslr = knob(&tuning, "aslr");
    assert_eq!(aslr.outcome, KnobOutcome::Kept);
    assert_eq!(aslr.settings[0].value.as_deref(), Some("2"));
    tuning.end();
    host.write("proc/sys/vm/drop_caches", "");
    assert_eq!(host.values(), before);
}

#[test]
fn the_originals_are_on_disk_before_anything_changes() {
    let host = FakeHost::noisy();
    let kernel = Arc::new(host.kernel());
    let place = host.place_with(kernel.clone());
    let tuning = begin(&place, &policy(TuningStrictness::Possible), &Arc::default()).unwrap();
    let log = std::mem::take(&mut *kernel.log.lock().unwrap());
    let first = log.iter().position(|what| what.starts_with("set")).unwrap();
    assert_eq!(log[..first], ["create", "rename", "sync"], "{log:?}");
    let journal = std::fs::read_to_string(host.journal()).unwrap();
    for written in log.iter().filter_map(|what| what.strip_prefix("set ")) {
        assert!(journal.contains(&format!("\"/{written}\"")), "{written}");
    }
    tuning.end();
    let log = std::mem::take(&mut *kernel.log.lock().unwrap());
    assert_eq!(log[log.len() - 2..], ["remove", "sync"]);
}

#[test]
fn a_second_runner_is_untuned_and_says_so() {
    let host = FakeHost::noisy();
    let first = begin(
        &host.place(),
        &policy(TuningStrictness::Possible),
        &Arc::default(),
    );
    let first = first.unwrap();
    let tuned = host.values();
    let notes = Arc::new(Notes::default());
    let second = begin(&host.place(), &policy(TuningStrictness::Possible), &notes).unwrap();
    let line = "another runner is tuning this host: running untuned";
    assert_eq!(notes.take(), [line]);
    assert_eq!(second.state().tuned_by, TunedBy::Nobody);
    second.end();
    assert_eq!(host.values(), tuned, "the first one's is left alone");
    let required = begin(&host.place(), &policy(TuningStrictness::Required), &notes);
    assert!(matches!(required, Err(TuningError::Taken)));
    first.end();
    begin(&host.place(), &policy(TuningStrictness::Required), &notes).unwrap();
}

#[test]
fn an_ordinary_user_is_told_once() {
    let host = FakeHost::noisy();
    let before = host.values();
    let mut place = host.place();
    place.is_roots = false;
    let notes = Arc::new(Notes::default());
    let tuning = begin(&place, &policy(TuningStrictness::Possible), &notes).unwrap();
    assert_eq!(notes.take(), ["host tuning needs root: running untuned"]);
    assert_eq!(host.values(), before);
    let aslr = &knob(&tuning, "aslr").settings[0];
    assert_eq!(aslr.value.as_deref(), Some("2"), "as it is all the same");
    let required = begin(&place, &policy(TuningStrictness::Required), &notes);
    assert!(matches!(required, Err(TuningError::NotRoot)));
    let off = begin(&place, &policy(TuningStrictness::Off), &notes).unwrap();
    assert_eq!(off.state().reason.as_deref(), Some("it was turned off"));
    assert_eq!(notes.take(), [] as [&str; 0]);
}

#[test]
fn what_a_host_can_not_do_is_one_line_or_an_error() {
    let host = FakeHost::noisy();
    let before = host.values();
    let mut kernel = host.kernel();
    kernel.refused = vec![
        (
            "proc/sys/kernel/randomize_va_space",
            ErrorKind::PermissionDenied,
        ),
        ("sys/kernel/mm/ksm/run", ErrorKind::PermissionDenied),
    ];
    let place = host.place_with(Arc::new(kernel));
    let notes = Arc::new(Notes::default());
    let tuning = begin(&place, &policy(TuningStrictness::Possible), &notes).unwrap();
    assert_eq!(
        notes.take(),
        [
            "host tuning: 16 changed, 0 as wanted already; not possible here: aslr, ksm (permission \
          denied)"
        ]
    );
    assert_eq!(knob(&tuning, "aslr").outcome, KnobOutcome::Refused);
    assert_eq!(
        host.read("proc/sys/vm/swappiness"),
        "10",
        "the rest is tuned"
    );
    tuning.end();
    let required = begin(&place, &policy(TuningStrictness::Required), &notes).unwrap_err();
    assert!(matches!(required, TuningError::Incomplete { .. }));
    assert!(required.to_string().contains("aslr, ksm"), "{required}");
    assert_eq!(host.values(), before);
}

#[test]
fn values_that_somebody_else_changed_are_theirs() {
    let host = FakeHost::noisy();
    let notes = Arc::new(Notes::default());
    let tuning = begin(&host.place(), &policy(TuningStrictness::Possible), &notes).unwrap();
    notes.take();
    host.write("proc/sys/vm/swappiness", "1");
    tuning.end();
    assert_eq!(host.read("proc/sys/vm/swappiness"), "1");
    assert_eq!(host.read("proc/sys/kernel/randomize_va_space"), "2");
    assert_eq!(
        notes.take(),
        [
            "warning: left alone, because somebody else changed it after host tuning did: \
          /proc/sys/vm/swappiness is 1 (it was 60)"
        ]
    );
    assert!(!host.journal().exists());
}

#[test]
fn one_value_that_can_not_be_put_back_keeps_no_other() {
    let host = FakeHost::noisy();
    let notes = Arc::new(Notes::default());
    let tuning = begin(&host.place(), &policy(TuningStrictness::Possible), &notes).unwrap();
    // As if its runner had been killed.
    std::mem::forget(tuning);
    let host = host.copy();
    let mut stuck = host.kernel();
    stuck.refused = vec![("proc/sys/vm/swappiness", ErrorKind::ReadOnlyFilesystem)];
    let place = host.place_with(Arc::new(stuck));
    notes.take();
    let next = begin(&place, &policy(TuningStrictness::Possible), &notes).unwrap();
    assert_eq!(next.state().tuned_by, TunedBy::Nobody);
    assert_eq!(host.read("proc/sys/kernel/randomize_va_space"), "2");
    let said = notes.take();
    assert!(
        said[1].contains("/proc/sys/vm/swappiness (read-only"),
        "{said:?}"
    );
    assert!(
        said[2].contains("could not be put back (1 of them)"),
        "{said:?}"
    );
    assert_eq!(host.read("proc/sys/vm/swappiness"), "10");
    let restored = restore_host(&host.place()).unwrap().unwrap();
    assert_eq!((restored.count, restored.is_complete()), (1, true));
    assert_eq!(host.read("proc/sys/vm/swappiness"), "60");
    assert!(!host.journal().exists());
}

#[test]
fn a_panic_puts_everything_back() {
    let host = FakeHost::noisy();
    let before = host.read("proc/sys/vm/swappiness");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let policy = policy(TuningStrictness::Possible);
        let _tuning = begin(&host.place(), &policy, &Arc::default()).unwrap();
        assert_ne!(host.read("proc/sys/vm/swappiness"), before);
        panic!("as it should");
    }));
    assert!(panicked.is_err());
    assert_eq!(host.read("proc/sys/vm/swappiness"), before);
    assert!(!host.journal().exists());
}
