//! Interrupts that come into being while a host is tuned.

use std::io::ErrorKind;
use std::sync::Arc;

use super::fake::{FakeHost, housekeeping, policy};
use super::kernel::Dying;
use crate::Reporter;
use crate::reporter::Silent;
use crate::tuning::policy::TuningStrictness::Possible;
use crate::tuning::{Tuning, put_back_left_over};

fn tune(host: &FakeHost) -> Tuning {
    let silent: Arc<dyn Reporter> = Arc::new(Silent);
    let policy = policy(Possible);
    Tuning::begin(&host.place(), &policy, Some(&housekeeping()), &silent).unwrap()
}

/// One comes into being: it goes to the CPUs that the host has for new ones.
fn come(host: &FakeHost, irq: u32) {
    assert_eq!(host.read("proc/irq/default_smp_affinity"), "1");
    host.write(format!("proc/irq/{irq}/smp_affinity_list"), "0");
}

fn cpus(host: &FakeHost, irq: u32) -> String {
    host.read(format!("proc/irq/{irq}/smp_affinity_list"))
}

#[test]
fn new_ones_get_the_original_of_new_ones() {
    let host = FakeHost::noisy();
    let mut kernel = host.kernel();
    kernel.refused = vec![("proc/irq/42/smp_affinity_list", ErrorKind::PermissionDenied)];
    let silent: Arc<dyn Reporter> = Arc::new(Silent);
    let place = host.place_with(Arc::new(kernel));
    let tuning = Tuning::begin(&place, &policy(Possible), Some(&housekeeping()), &silent).unwrap();
    for irq in [40, 41, 42] {
        come(&host, irq);
    }
    host.write("proc/irq/41/smp_affinity_list", "1");
    tuning.end();
    assert_eq!(host.read("proc/irq/default_smp_affinity"), "f");
    assert_eq!(cpus(&host, 40), "0-3");
    assert_eq!(cpus(&host, 41), "1", "somebody has moved it");
    assert_eq!(cpus(&host, 42), "0", "nobody can move it");
    assert_eq!(cpus(&host, 2), "0", "it was there before, and there");
    assert!(!host.journal().exists(), "none of that is a failure");
}

#[test]
fn new_ones_get_it_wherever_the_runner_is_killed() {
    let host = FakeHost::noisy();
    let tuning = tune(&host);
    come(&host, 40);
    std::mem::forget(tuning);
    let killed = host.files("");
    for operations in 0.. {
        let host = host.copy();
        host.become_like(&killed);
        let disk = Dying::after(operations, &host);
        put_back_left_over(&host.place_with(disk.clone()), &Silent);
        put_back_left_over(&host.place(), &Silent);
        assert_eq!(cpus(&host, 40), "0-3", "after {operations}");
        assert!(!host.journal().exists());
        if !disk.has_died() {
            assert!(operations > 20, "{operations} put everything back");
            return;
        }
    }
}

#[test]
fn a_journal_of_version_1_tells_of_none() {
    let host = FakeHost::noisy();
    std::mem::forget(tune(&host));
    let host = host.copy();
    let journal = host.read(host.journal().strip_prefix(host.path("")).unwrap());
    let mut journal: serde_json::Value = serde_json::from_str(&journal).unwrap();
    journal["version"] = 1.into();
    for change in journal["changes"].as_array_mut().unwrap() {
        change.as_object_mut().unwrap().remove("present");
    }
    let path = host.journal();
    host.write(
        path.strip_prefix(host.path("")).unwrap(),
        &journal.to_string(),
    );
    come(&host, 40);
    put_back_left_over(&host.place(), &Silent);
    assert_eq!(cpus(&host, 40), "0");
    assert_eq!(cpus(&host, 1), "0-3");
    assert!(!host.journal().exists());
}
