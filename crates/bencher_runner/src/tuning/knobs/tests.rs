//! Each knob on hosts that are folders.

use std::path::Path;

use super::stages;
use crate::tuning::knob::Wish;
use crate::tuning::policy::TuningChoices;
use crate::tuning::tests::fake::{FakeHost, housekeeping};

fn wish(host: &FakeHost, name: &str, choices: &TuningChoices) -> Wish {
    let stages = stages(choices, Some(&housekeeping()));
    let entry = stages
        .iter()
        .flatten()
        .find(|entry| entry.knob.name() == name);
    entry.unwrap().knob.wish(&host.place())
}

/// What a knob would write, as `FILE VALUE`.
#[track_caller]
fn wanted(host: &FakeHost, name: &str) -> Vec<String> {
    match wish(host, name, &TuningChoices::default()) {
        Wish::Set { settings, .. } => settings
            .iter()
            .map(|setting| format!("{} {}", setting.file.display(), setting.wanted))
            .collect(),
        other => panic!("{name}: {other:?}"),
    }
}

#[track_caller]
fn absent(host: &FakeHost, name: &str) -> String {
    match wish(host, name, &TuningChoices::default()) {
        Wish::Absent(reason) => reason,
        other => panic!("{name}: {other:?}"),
    }
}

#[track_caller]
fn unavailable(host: &FakeHost, name: &str) -> String {
    match wish(host, name, &TuningChoices::default()) {
        Wish::Unavailable(reason) => reason,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn settings_of_the_kernel() {
    let (noisy, bare) = (FakeHost::noisy(), FakeHost::bare());
    for (name, file, value) in [
        ("aslr", "/proc/sys/kernel/randomize_va_space", "0"),
        ("nmi-watchdog", "/proc/sys/kernel/nmi_watchdog", "0"),
        ("soft-watchdog", "/proc/sys/kernel/soft_watchdog", "0"),
        ("timer-migration", "/proc/sys/kernel/timer_migration", "0"),
        ("numa-balancing", "/proc/sys/kernel/numa_balancing", "0"),
        ("ksm", "/sys/kernel/mm/ksm/run", "0"),
        (
            "thp",
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "never",
        ),
        ("swappiness", "/proc/sys/vm/swappiness", "10"),
        (
            "writeback",
            "/proc/sys/vm/dirty_writeback_centisecs",
            "6000",
        ),
        ("vm-stat", "/proc/sys/vm/stat_interval", "60"),
        ("workqueues", "/sys/devices/virtual/workqueue/cpumask", "1"),
    ] {
        assert_eq!(wanted(&noisy, name), [format!("{file} {value}")]);
        assert_eq!(absent(&bare, name), format!("no {file}"));
    }
}

#[test]
fn second_threads_go_offline_after_their_interrupts_have_left() {
    let host = FakeHost::noisy();
    let file = "sys/devices/system/cpu/smt/control";
    let off = format!("/{file} off");
    let moved = "/proc/irq/5/smp_affinity_list 0-1".to_owned();
    assert_eq!(wanted(&host, "smt"), [moved, off.clone()]);
    host.write(file, "off\n");
    assert_eq!(wanted(&host, "smt"), [off]);
    let host = FakeHost::bare();
    assert_eq!(absent(&host, "smt"), format!("no /{file}"));
    host.write(file, "notsupported\n");
    assert!(absent(&host, "smt").contains("processor has none"));
    host.write(file, "forceoff\n");
    assert_eq!(wanted(&host, "smt"), [format!("/{file} forceoff")]);
}

const CPU: &str = "/sys/devices/system/cpu";

fn policy(host: &FakeHost, number: u8, files: &[(&str, &str)]) {
    let folder = Path::new(CPU).join(format!("cpufreq/policy{number}"));
    for (file, value) in files {
        host.write(folder.join(file), value);
    }
}

#[test]
fn turbo_is_turned_off_as_each_driver_has_it() {
    let host = FakeHost::bare();
    assert!(unavailable(&host, "turbo").contains("virtual machine"));
    // amd-pstate before it had a switch.
    let amd = [
        ("scaling_driver", "amd-pstate-epp\n"),
        ("scaling_max_freq", "5000000\n"),
    ];
    policy(&host, 0, &amd);
    policy(&host, 0, &[("affected_cpus", "0\n")]);
    policy(&host, 1, &amd);
    policy(&host, 1, &[("affected_cpus", "\n")]);
    policy(&host, 2, &amd);
    policy(
        &host,
        2,
        &[("affected_cpus", "2\n"), ("scaling_max_freq", "2000000\n")],
    );
    assert!(unavailable(&host, "turbo").contains("no switch"));
    for cpu in 0..3 {
        host.write(format!("{CPU}/cpu{cpu}/acpi_cppc/nominal_freq"), "3400\n");
    }
    assert_eq!(
        wanted(&host, "turbo"),
        [
            format!("{CPU}/cpufreq/policy0/scaling_max_freq 3400000"),
            format!("{CPU}/cpufreq/policy2/scaling_max_freq 2000000"),
        ],
        "the second has no CPU online, the third a limit of its own"
    );
    // acpi-cpufreq.
    host.write(format!("{CPU}/cpufreq/boost"), "1\n");
    assert_eq!(wanted(&host, "turbo"), [format!("{CPU}/cpufreq/boost 0")]);
    // amd-pstate of today.
    policy(&host, 2, &[("boost", "1\n")]);
    assert_eq!(
        wanted(&host, "turbo"),
        [format!("{CPU}/cpufreq/policy2/boost 0")]
    );
    // intel_pstate.
    host.write(format!("{CPU}/intel_pstate/no_turbo"), "0\n");
    let no_turbo = format!("{CPU}/intel_pstate/no_turbo 1");
    assert_eq!(wanted(&host, "turbo"), [no_turbo]);
}

#[test]
fn the_governor_must_be_there() {
    let host = FakeHost::noisy();
    let set = |policy| format!("{CPU}/cpufreq/policy{policy}/scaling_governor performance");
    assert_eq!(wanted(&host, "governor"), [set(0), set(1)]);
    policy(
        &host,
        1,
        &[("scaling_available_governors", "userspace powersave\n")],
    );
    let reason = unavailable(&host, "governor");
    assert_eq!(
        reason,
        "there is no governor performance: this host has userspace powersave"
    );
    assert!(unavailable(&FakeHost::bare(), "governor").contains("virtual machine"));
}

#[test]
fn the_processor_prefers_performance() {
    let host = FakeHost::noisy();
    let file = format!("{CPU}/cpufreq/policy0/energy_performance_preference");
    assert_eq!(
        wanted(&host, "energy-preference"),
        [format!("{file} performance")]
    );
    assert!(absent(&FakeHost::bare(), "energy-preference").contains("no such preference"));
}

#[test]
fn the_lowest_frequency_becomes_the_highest() {
    let host = FakeHost::noisy();
    policy(&host, 1, &[("scaling_max_freq", "2000000\n")]);
    let pin = |policy, to| format!("{CPU}/cpufreq/policy{policy}/scaling_min_freq {to}");
    assert_eq!(
        wanted(&host, "frequency"),
        [pin(0, 4_500_000), pin(1, 2_000_000)]
    );
    assert!(unavailable(&FakeHost::bare(), "frequency").contains("virtual machine"));
}

#[test]
fn interrupts_go_to_the_housekeeping_cpus() {
    let host = FakeHost::noisy();
    let list = |irq| format!("/proc/irq/{irq}/smp_affinity_list 0");
    let new = "/proc/irq/default_smp_affinity 1".to_owned();
    assert_eq!(
        wanted(&host, "irqs"),
        [new, list(1), list(2), list(3), list(4), list(5)]
    );
    let note = |host: &FakeHost| match wish(host, "irqs", &TuningChoices::default()) {
        Wish::Set { note, .. } => note,
        other => panic!("{other:?}"),
    };
    assert_eq!(note(&host), None);
    host.write("proc/8/comm", "irqbalance\n");
    assert!(note(&host).unwrap().contains("irqbalance runs"));
    for name in ["irqs", "workqueues"] {
        for none in [None, Some("".parse().unwrap())] {
            let stages = stages(&TuningChoices::default(), none.as_ref());
            let entry = stages
                .iter()
                .flatten()
                .find(|entry| entry.knob.name() == name);
            let wish = entry.unwrap().knob.wish(&host.place());
            assert!(matches!(wish, Wish::Absent(_)), "{name}: nowhere to go");
        }
    }
}

#[test]
fn deep_idle_states_and_the_page_cache() {
    let host = FakeHost::noisy();
    let held = wish(&host, "cstates", &TuningChoices::default());
    let Wish::Hold { file, content, .. } = held else {
        panic!("{held:?}");
    };
    assert_eq!(file, Path::new("/dev/cpu_dma_latency"));
    assert_eq!(i32::from_ne_bytes(content), 2);
    let drop = wish(&host, "page-cache", &TuningChoices::default());
    assert!(matches!(drop, Wish::Once(setting) if setting.wanted == "1"));
    for name in ["cstates", "page-cache"] {
        assert!(unavailable(&FakeHost::bare(), name).starts_with("no /"));
    }
}

#[test]
fn a_name_is_a_knobs_alone() {
    let stages = stages(&TuningChoices::default(), None);
    let names: Vec<_> = stages
        .iter()
        .flatten()
        .map(|entry| entry.knob.name())
        .collect();
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}
