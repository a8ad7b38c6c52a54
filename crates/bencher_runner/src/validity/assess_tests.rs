use std::time::Instant;

use super::super::counters::CpuTime;
use super::super::observation::Stalled;
use super::super::sensors::Frequency;
use super::*;

/// A quiet host, ten seconds long, on two CPUs.
fn quiet() -> (Observation, Observation) {
    let at = Instant::now();
    let before = Observation {
        at,
        times: BTreeMap::from([(2, time(1000, 50)), (3, time(2000, 70))]),
        switches: BTreeMap::from([(2, 10), (3, 20)]),
        interrupts: BTreeMap::from([(2, 100), (3, 200)]),
        frequencies: BTreeMap::from([(2, pinned(3_000_000)), (3, pinned(3_010_000))]),
        throttlings: Some(4),
        temperature: Some(41_000),
        swapped_in: Some(7),
        stalled: Stalled {
            cpu: Some(1_000_000),
            memory: Some(2_000_000),
            io: None,
        },
        clock_source: Some("tsc".to_owned()),
        trouble: vec!["of the time before".to_owned()],
    };
    let after = Observation {
        at: at + Duration::from_secs(10),
        times: BTreeMap::from([(2, time(1900, 50)), (3, time(2010, 71))]),
        switches: BTreeMap::from([(2, 15), (3, 27)]),
        interrupts: BTreeMap::from([(2, 2600), (3, 2700)]),
        temperature: Some(44_500),
        trouble: Vec::new(),
        ..before.clone()
    };
    (before, after)
}

fn time(busy: u64, steal: u64) -> CpuTime {
    CpuTime { busy, steal }
}

fn pinned(current: u64) -> Frequency {
    Frequency {
        current,
        pinned: Some(3_000_000),
    }
}

fn assess(before: &Observation, after: &Observation) -> Validity {
    Assessment {
        before,
        after,
        own: Some(Duration::from_secs(9)),
    }
    .validity()
}

#[test]
fn a_quiet_host_is_no_reason_for_suspicion() {
    let (before, after) = quiet();
    let validity = assess(&before, &after);
    assert_eq!(validity.verdict, Verdict::Valid);
    assert_eq!(validity.reasons, []);
    assert_eq!(validity.cpus, "2-3");
    let close = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() < 1e-6;
    // 900 and 10 ticks, less the machine's own nine seconds.
    assert!(close(validity.others_ms, 100.0), "{validity:?}");
    assert!(close(validity.steal_ms, 10.0), "{validity:?}");
    assert_eq!(validity.interrupts, Some(5000));
    assert_eq!(validity.context_switches, Some(12));
    assert_eq!(validity.throttlings, Some(0));
    assert_eq!(validity.io_pressure_ms, None);
    assert_eq!(validity.frequency_before_khz, Some(3_000_000));
    assert!(close(validity.temperature_after, 44.5));
}

#[test]
fn each_trouble_is_a_suspicion_of_its_own() {
    type Change = fn(&mut Observation);
    let cases: [(SuspicionKind, &str, Change); 11] = [
        (SuspicionKind::Throttled, "2 times", |after| {
            after.throttlings = Some(6);
        }),
        (SuspicionKind::Slow, "CPU 3 ran at 2000000 kHz", |after| {
            after.frequencies.insert(3, pinned(2_000_000));
        }),
        (SuspicionKind::Steal, "took 500 ms", |after| {
            after.times.insert(2, time(1900, 99));
        }),
        (SuspicionKind::OtherLoad, "took 1100 ms", |after| {
            after.times.insert(3, time(2110, 71));
        }),
        (SuspicionKind::CpuPressure, "2000 ms (20.0 %)", |after| {
            after.stalled.cpu = Some(3_000_000);
        }),
        (SuspicionKind::MemoryPressure, "for memory", |after| {
            after.stalled.memory = Some(2_200_000);
        }),
        (SuspicionKind::Swapping, "3 pages", |after| {
            after.swapped_in = Some(10);
        }),
        (SuspicionKind::Interrupts, "interrupts a second", |after| {
            after.interrupts.insert(2, 300_000);
        }),
        (SuspicionKind::ClockSource, "from tsc to hpet", |after| {
            after.clock_source = Some("hpet".to_owned());
        }),
        (SuspicionKind::KernelMessage, "said: throttled", |after| {
            after.trouble = vec!["throttled".to_owned()];
        }),
        (SuspicionKind::KernelMessage, "said: again", |after| {
            after.trouble = vec!["again".to_owned()];
        }),
    ];
    for (kind, words, change) in cases {
        let (before, mut after) = quiet();
        change(&mut after);
        let validity = assess(&before, &after);
        assert_eq!(validity.verdict, Verdict::Suspect, "{kind:?}");
        let [reason] = validity.reasons.as_slice() else {
            panic!("{kind:?}: {:?}", validity.reasons);
        };
        assert_eq!(reason.kind, kind);
        assert!(reason.text.contains(words), "{reason:?}");
    }
}

#[test]
fn a_poor_clock_is_suspect_although_nothing_changed() {
    let (mut before, mut after) = quiet();
    before.clock_source = Some("acpi_pm".to_owned());
    after.clock_source = Some("acpi_pm".to_owned());
    let [reason] = &assess(&before, &after).reasons[..] else {
        panic!("one reason");
    };
    assert_eq!(reason.kind, SuspicionKind::ClockSource);
}

#[test]
fn what_a_host_does_not_tell_raises_no_suspicion() {
    let at = Instant::now();
    let nothing = |at| Observation {
        at,
        times: BTreeMap::new(),
        switches: BTreeMap::new(),
        interrupts: BTreeMap::new(),
        frequencies: BTreeMap::new(),
        throttlings: None,
        temperature: None,
        swapped_in: None,
        stalled: Stalled::default(),
        clock_source: None,
        trouble: Vec::new(),
    };
    let validity = assess(&nothing(at), &nothing(at + Duration::from_secs(1)));
    assert_eq!(validity.verdict, Verdict::Valid);
    assert_eq!(validity.others_ms, None);
    assert_eq!(validity.steal_ms, None);
    assert_eq!(validity.cpus, "");
}

#[test]
fn what_is_too_short_for_the_counters_is_not_judged_by_them() {
    let (before, mut after) = quiet();
    after.at = before.at + Duration::from_millis(20);
    // One tick each: more than a tenth of the time, and no more than rounding.
    after.times = BTreeMap::from([(2, time(1001, 51)), (3, time(2001, 71))]);
    after.interrupts = before.interrupts.clone();
    let validity = Assessment {
        before: &before,
        after: &after,
        own: Some(Duration::ZERO),
    }
    .validity();
    assert_eq!(validity.reasons, []);
}
