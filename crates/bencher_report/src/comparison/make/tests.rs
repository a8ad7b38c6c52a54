use bencher_runner::result::EndedBy;
use bencher_statistics::Plan;

use super::*;
use crate::comparison::{Method, Threshold, Verdict};
use crate::samples::tests::{document, input, options};

const WALL: [u64; 8] = [1000, 1010, 990, 1005, 995, 1002, 1008, 998];

/// The same by so many percent slower, and a little noise.
fn slowed(percent: u64) -> Vec<u64> {
    let noise = [1, 0, 2, 0, 1, 2, 0, 1];
    let walls = WALL.iter().zip(noise);
    walls
        .map(|(wall, noise)| wall * (100 + percent) / 100 + noise)
        .collect()
}

fn compared(candidate: &[u64], options: &Options) -> Result<Comparison, CompareError> {
    compare(&input("old", &WALL), &input("new", candidate), options)
}

#[test]
fn a_slower_candidate_fails_the_threshold_that_it_exceeds() {
    for (percent, threshold, metrics, failed) in [
        (10, 0.03, vec![], &["wall"][..]),
        (10, 0.2, vec![], &[]),
        (0, 0.03, vec![], &[]),
        // Of those that are named each one decides.
        (
            10,
            0.03,
            vec![Metric::Rss.into(), Metric::Wall.into()],
            &["wall"],
        ),
        (10, 0.03, vec![Metric::Rss.into()], &[]),
    ] {
        let asked = Options {
            threshold: Some(Threshold(threshold)),
            metrics: metrics.clone(),
            ..options(8)
        };
        let found = compared(&slowed(percent), &asked).expect("it is one");
        let gate = found.gate.expect("it was asked for");
        assert_eq!(gate.failed, failed, "{percent} {threshold} {metrics:?}");
        assert_eq!(gate.passed(), failed.is_empty());
    }
}

#[test]
fn a_threshold_finer_than_what_is_usually_of_interest_holds() {
    // All differ by 0.8 %, and hardly more.
    let before: Vec<u64> = (0..8).map(|index| 100_000 + 10 * index).collect();
    let noisy = before.iter().zip([1, 3, 0, 2, 4, 1, 0, 2]);
    let after: Vec<u64> = noisy
        .map(|(wall, noise)| wall * 1008 / 1000 + noise)
        .collect();
    for (threshold, failed) in [(0.005, &["wall"][..]), (0.02, &[])] {
        let asked = Options {
            threshold: Some(Threshold(threshold)),
            ..options(8)
        };
        let sides = [input("old", &before), input("new", &after)];
        let found = compare(&sides[0], &sides[1], &asked).expect("it is one");
        assert_eq!(found.gate.expect("it was asked for").failed, failed);
    }
}

#[test]
fn a_threshold_finer_than_the_noise_is_said_to_be_blind() {
    let noisy = [700, 1400, 900, 1300, 650, 1500, 1000, 800];
    let asked = Options {
        threshold: Some(Threshold(0.01)),
        ..options(8)
    };
    let found = compare(&input("old", &noisy), &input("new", &WALL), &asked).expect("it is one");
    let answer = found.metrics[0].answer.expect("there is one");
    assert_eq!(answer.verdict, Verdict::TooNoisy);
    assert_eq!(found.gate.expect("it was asked for").blind, ["wall"]);
}

#[test]
fn what_has_no_number_has_words() {
    let asked = |metric: Metric| Options {
        metrics: vec![metric.into()],
        interleaved: None,
        ..options(0)
    };
    let problem = |baseline: &[u64], candidate: &[u64], metric| {
        let sides = [input("old", baseline), input("new", candidate)];
        let found = compare(&sides[0], &sides[1], &asked(metric)).expect("it is one");
        assert!(found.metrics[0].answer.is_none());
        found.metrics[0]
            .problem
            .clone()
            .expect("there is no answer")
    };
    let one = problem(&[5], &WALL, Metric::Wall);
    assert!(one.contains("one iteration only"), "{one}");
    let missing = problem(&WALL, &WALL, Metric::Cycles);
    assert_eq!(
        missing,
        "neither side measured cycles: --perf-counters asks for it"
    );
    let nothing = problem(&WALL, &WALL, Metric::MajorFaults);
    assert_eq!(nothing, "it is 0 on both sides");
    let zero = problem(&[0, 4, 5], &[3, 4, 5], Metric::Wall);
    assert!(zero.contains("measured 0: there is no ratio"), "{zero}");
    let undecided = Options {
        threshold: Some(Threshold(0.1)),
        ..asked(Metric::Cycles)
    };
    let error = compared(&WALL, &undecided).expect_err("it can not be decided");
    assert!(
        error
            .to_string()
            .starts_with("--fail-if-slower can not be decided by cycles")
    );
}

#[test]
fn a_metric_of_one_side_only_is_named_with_the_side() {
    let mut other = input("new", &slowed(10));
    for iteration in &mut other.result.iterations.0 {
        iteration.instructions = Some(1000);
    }
    for interleaved in [None, options(8).interleaved] {
        let asked = Options {
            metrics: vec![Metric::Instructions.into(), Metric::Wall.into()],
            interleaved,
            ..options(0)
        };
        let found = compare(&input("old", &WALL), &other, &asked).expect("it is one");
        let problem = found.metrics[0]
            .problem
            .as_deref()
            .expect("there is no answer");
        assert!(
            problem.starts_with("A did not measure instructions"),
            "{problem}"
        );
        assert!(found.metrics[1].answer.is_some());
    }
}

#[test]
fn exactly_the_same_each_time_is_known_exactly_and_matters_under_a_virtual_clock() {
    let compared = |clock, candidate, count: usize| {
        let times = |time| input("side", &vec![time; count]);
        let mut sides = [times(1000), times(candidate)];
        for side in &mut sides {
            let setup = side.result.setup.as_mut().expect("it ran");
            setup.machine.description.clock = clock;
        }
        compare(&sides[0], &sides[1], &options(count)).expect("it is one")
    };
    for (clock, candidate, verdict) in [
        (ClockKind::Virtual, 1000, Verdict::NoDifferenceSeen),
        (ClockKind::Virtual, 1001, Verdict::Slower),
        (ClockKind::Virtual, 999, Verdict::Faster),
        (ClockKind::Wall, 1000, Verdict::NoDifferenceSeen),
        (ClockKind::Wall, 1001, Verdict::NoDifferenceSeen),
        (ClockKind::Wall, 1011, Verdict::Slower),
    ] {
        let found = compared(clock, candidate, 5);
        let answer = found.metrics[0].answer.expect("there is one");
        assert_eq!(answer.verdict, verdict, "{clock:?} {candidate}");
        assert_eq!(answer.method, Method::Exact);
    }
    assert!(
        compared(ClockKind::Virtual, 1000, 2).metrics[0]
            .answer
            .is_some()
    );
    let few = compared(ClockKind::Wall, 1000, 2);
    assert_eq!(
        few.metrics[0].problem.as_deref(),
        Some(
            "it was the same in each of 2 iterations, which says little of so few: --iter 10 measures \
             more"
        )
    );
}

#[test]
fn who_has_too_few_values_is_named() {
    let with = |label: &str, measured: &[usize]| {
        let mut input = input(label, &WALL);
        for &place in measured {
            input.result.iterations.0[place].instructions = Some(1000 + place as u64);
        }
        input
    };
    let all: Vec<usize> = (0..8).collect();
    for (baseline, candidate, in_turns, apart) in [
        (
            &all[..],
            &[3][..],
            "B measured instructions in 1 of 8 iterations, which says nothing",
            "B measured instructions in 1 of 8 iterations, which says nothing",
        ),
        (
            &[3],
            &all,
            "A measured instructions in 1 of 8 iterations, which says nothing",
            "A measured instructions in 1 of 8 iterations, which says nothing",
        ),
        (
            &[3],
            &[4],
            "A measured instructions in 1 of 8 iterations, and B measured instructions in 1 of 8",
            "A measured instructions in 1 of 8 iterations, and B measured instructions in 1 of 8",
        ),
        (
            &all,
            &[],
            "B did not measure instructions",
            "B did not measure instructions",
        ),
        (
            &all[..4],
            &all[4..],
            "no pair measured instructions on both sides",
            "",
        ),
        (
            &all[..5],
            &all[4..],
            "one pair only measured instructions on both sides",
            "",
        ),
    ] {
        for (interleaved, expected) in [(options(8).interleaved, in_turns), (None, apart)] {
            let asked = Options {
                metrics: vec![Metric::Instructions.into()],
                interleaved,
                ..options(0)
            };
            let sides = [with("old", baseline), with("new", candidate)];
            let found = compare(&sides[0], &sides[1], &asked).expect("it is one");
            let problem = found.metrics[0].problem.clone().unwrap_or_default();
            assert!(problem.starts_with(expected), "{problem}: {expected}");
            assert_eq!(problem.is_empty(), expected.is_empty(), "{problem}");
        }
    }
}

#[test]
fn a_threshold_is_not_passed_by_what_was_not_measured() {
    let bare = |label: &str| {
        let mut input = input(label, &WALL);
        for iteration in &mut input.result.iterations.0 {
            iteration.resources = None;
        }
        input
    };
    let error = compare(&bare("old"), &bare("new"), &options(8)).expect_err("there is nothing");
    assert_eq!(
        error.to_string(),
        "neither old nor new measured wall, cpu, rss: name another metric with --metric"
    );
    // What was measured is not what decides.
    let with_memory = |label: &str| {
        let mut input = bare(label);
        for (place, iteration) in (0..).zip(&mut input.result.iterations.0) {
            iteration.instructions = Some(1000 + place);
        }
        input
    };
    let asked = Options {
        metrics: vec![Metric::Instructions.into()],
        ..options(8)
    };
    let found = compare(&with_memory("old"), &with_memory("new"), &asked).expect("it is one");
    let error = gate(Threshold(0.03), &[], &found.metrics);
    assert_eq!(
        error.expect_err("the wall time decides").to_string(),
        "--fail-if-slower can not be decided by wall: neither side measured it; name another one with \
         --metric"
    );
}

#[test]
fn other_machines_are_refused_unless_forced_and_then_marked() {
    let mut other = input("new", &WALL);
    other.result.host.cpu_model = Some("Other".to_owned());
    let error = compare(&input("old", &WALL), &other, &options(8)).expect_err("they differ");
    assert_eq!(
        error.to_string(),
        "old and new are not of the same machine or clock: processor (AMD EPYC and Other); --force \
         compares them all the same, and marks the comparison"
    );
    let forced = Options {
        force: true,
        ..options(8)
    };
    let found = compare(&input("old", &WALL), &other, &forced).expect("it is forced");
    assert!(found.forced);
    assert!(found.warnings[0].contains("different machines or clocks"));
    let same = compared(&slowed(1), &forced).expect("it is one");
    assert!(!same.forced, "there was nothing to force");
}

#[test]
fn failed_iterations_are_left_out_with_their_partners() {
    let mut other = input("new", &slowed(10));
    other.result.iterations.0[2].exit_code = 1;
    other.result.iterations.0[5].ended_by = EndedBy::Timeout;
    let found = compare(&input("old", &WALL), &other, &options(8)).expect("it is one");
    for side in [&found.baseline, &found.candidate] {
        assert_eq!((side.iterations, side.left_out), (6, 2));
    }
    assert_eq!(found.design.orders.len(), 6);
    for warning in [
        "A: iterations left out: 2 (those that they are compared with failed or are missing)",
        "B: iterations left out: 2 (they failed)",
    ] {
        assert!(
            found.warnings.iter().any(|text| text == warning),
            "{:?}",
            found.warnings
        );
    }
    for iteration in &mut other.result.iterations.0 {
        iteration.exit_code = 7;
    }
    let error = compare(&input("old", &WALL), &other, &options(8)).expect_err("none is left");
    assert!(
        error.to_string().contains("no iteration to compare"),
        "{error}"
    );
}

#[test]
fn the_answer_is_that_of_the_statistics() {
    let candidate = slowed(10);
    let found = compared(&candidate, &options(8)).expect("it is one");
    let samples = |values: &[u64]| {
        let values: Vec<f64> = document(values)
            .iterations
            .0
            .iter()
            .filter_map(|iteration| Metric::Wall.of(iteration))
            .collect();
        statistics::Samples::of_invocations(&values).expect("they are finite")
    };
    let orders: Vec<_> = Plan::new(7).take(8).collect();
    let expected = statistics::compare(
        &samples(&WALL),
        &samples(&candidate),
        statistics::Design::Interleaved(&orders),
        &statistics::Settings::default(),
    )
    .expect("it is one");
    let answer = found.metrics[0].answer.expect("there is one");
    assert!((answer.ratio.low - expected.ratio.low).abs() < 1e-12);
    assert!((answer.p_value - expected.p_value).abs() < 1e-12);
    assert!(answer.adjusted_p_value >= answer.p_value);
}
