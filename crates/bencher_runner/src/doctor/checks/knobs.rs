//! What host tuning is about: as it is now, and what a run makes of it.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;
use crate::tuning::{KnobOutcome, KnobState};

/// A check of the knob of that name.
macro_rules! check {
    ($constant:ident, $name:literal, $why:literal) => {
        pub(super) const $constant: Check = Check {
            name: $name,
            why: $why,
            examine: |host| examine(host, $name),
        };
    };
}

check!(
    SMT,
    "smt",
    "two threads of a core share its units and caches: what runs on one slows the other"
);

check!(
    TURBO,
    "turbo",
    "how long a frequency above the nominal one lasts depends on heat, power and the other cores"
);

check!(
    GOVERNOR,
    "governor",
    "other governors than `performance` change the frequency with the load, late"
);

check!(
    CSTATES,
    "cstates",
    "a CPU takes up to a tenth of a millisecond to come out of a deep idle state"
);

check!(
    THP,
    "thp",
    "whether a program gets transparent huge pages depends on how fragmented memory is just then"
);

check!(
    KSM,
    "ksm",
    "merging equal pages takes CPU time, and makes the next write to each of them slow"
);

check!(
    NUMA_BALANCING,
    "numa-balancing",
    "the kernel takes pages away to see who uses them, and moves memory and threads"
);

fn examine(host: &Host, name: &str) -> Outcome {
    match (host.knob(name), &host.tuning) {
        (Some(knob), _) => outcome(knob, host.is_root),
        (None, Err(reason)) => Outcome::limited(reason.clone()),
        (None, Ok(_)) => Outcome::limited("nothing is known of it"),
    }
}

fn outcome(knob: &KnobState, is_root: bool) -> Outcome {
    let reason = || knob.reason.clone().unwrap_or_default();
    let now = knob.distinct(|setting| setting.value.as_ref()).join(", ");
    match knob.outcome {
        KnobOutcome::Absent => Outcome::pass(reason()),
        KnobOutcome::Unavailable | KnobOutcome::Refused => Outcome::limited(reason()),
        KnobOutcome::Tuned | KnobOutcome::AsWanted | KnobOutcome::Kept => Outcome::pass(now),
        KnobOutcome::Untouched => {
            let wanted = knob.distinct(|setting| setting.wanted.as_ref()).join(", ");
            let found = if now.is_empty() {
                // What is kept open has no value of its own.
                "root's runs turn it off while they last".to_owned()
            } else {
                format!("{now}; root's runs make it {wanted} while they last")
            };
            if is_root {
                Outcome::pass(found)
            } else {
                Outcome::warn(found, "run as root, or once as root: runner tune apply")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;
    use crate::doctor::host::fake::FakeHost;
    use crate::tuning::SettingState;

    fn knob(outcome: KnobOutcome, reason: Option<&str>) -> KnobState {
        let setting = |value: &str| SettingState {
            file: "/sys/x".into(),
            value: Some(value.to_owned()),
            wanted: Some("performance".to_owned()),
            original: None,
        };
        KnobState {
            name: "governor".to_owned(),
            outcome,
            reason: reason.map(str::to_owned),
            settings: vec![setting("schedutil"), setting("schedutil")],
        }
    }

    #[test]
    fn what_a_run_mends_is_no_fault_of_roots_host() {
        let untouched = knob(KnobOutcome::Untouched, None);
        let text = "schedutil; root's runs make it performance while they last";
        assert_eq!(outcome(&untouched, true), Outcome::pass(text));
        let users = outcome(&untouched, false);
        assert_eq!((users.status, users.found.as_str()), (Status::Warn, text));
        let held = KnobState {
            settings: Vec::new(),
            ..knob(KnobOutcome::Untouched, None)
        };
        let text = "root's runs turn it off while they last";
        assert_eq!(outcome(&held, true), Outcome::pass(text));
        let wanted = knob(KnobOutcome::AsWanted, None);
        assert_eq!(outcome(&wanted, false), Outcome::pass("schedutil"));
        let without = knob(KnobOutcome::Unavailable, Some("no cpufreq"));
        assert_eq!(outcome(&without, true), Outcome::limited("no cpufreq"));
    }

    #[test]
    fn a_host_that_tells_nothing_is_not_praised() {
        let mut host = FakeHost::new("0", &[]).host;
        assert_eq!(examine(&host, "smt").status, Status::Warn);
        host.tuning = Err("the journal is damaged".to_owned());
        let outcome = examine(&host, "smt");
        assert_eq!(outcome, Outcome::limited("the journal is damaged"));
    }

    #[test]
    fn every_name_is_one_of_a_knob() {
        let place = crate::tuning::Place::this_host();
        let choices = crate::tuning::TuningChoices::default();
        let state = crate::tuning::status_of_host(&place, &choices, None).unwrap();
        for check in [SMT, TURBO, GOVERNOR, CSTATES, THP, KSM, NUMA_BALANCING] {
            let is_it = |knob: &KnobState| knob.name == check.name;
            assert!(state.knobs.iter().any(is_it), "{}", check.name);
        }
    }
}
