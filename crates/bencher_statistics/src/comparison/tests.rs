use super::*;
use crate::bootstrap::{Center, Levels};
use crate::random::Random;
use crate::settings::{Better, Clock, Interest};
use crate::simulation::Shape;
use proptest::prelude::*;

fn of(values: &[f64]) -> Samples {
    Samples::of_invocations(values).expect("finite")
}

fn independent(baseline: &Samples, candidate: &Samples) -> Result<Comparison, ComparisonError> {
    compare(
        baseline,
        candidate,
        Design::Independent,
        &Settings::default(),
    )
}

fn in_turns(shape: Shape, seed: u64, pairs: usize, ratio: f64, settings: &Settings) -> Comparison {
    let pair = shape.pair(&mut Random::new(seed), pairs, 3, ratio);
    let design = Design::Interleaved(&pair.orders);
    compare(&pair.baseline, &pair.candidate, design, settings).expect("they scatter")
}

#[test]
fn what_means_nothing_is_refused_in_clear_words() {
    let (right, one, zero) = (of(&[1.0, 2.0]), of(&[1.0]), of(&[1.0, 0.0]));
    let coarse = Samples::of_invocations(&[[2.0; 19].as_slice(), &[3.0]].concat()).expect("finite");
    let medians = Settings {
        center: Center::Median,
        ..Settings::default()
    };
    for (found, expected) in [
        (
            independent(&one, &right),
            "the baseline has one value only, which says nothing about its spread; measure at least 5 \
             times",
        ),
        (
            independent(&right, &zero),
            "iteration 1 of invocation 2 of the candidate is 0; ratios need values above zero, so leave \
             it out or compare another metric",
        ),
        (
            compare(
                &right,
                &right,
                Design::Interleaved(&[Order::BaselineFirst]),
                &medians,
            ),
            "2 invocations of the baseline and 2 of the candidate are not 1 pairs; leave out those \
             without a neighbour or compare them as independent",
        ),
        (
            compare(&coarse, &coarse, Design::Independent, &medians),
            "the values are too coarse for an interval: almost all of them are equal; measure with a \
             finer clock, a longer benchmark, or compare means instead of medians",
        ),
    ] {
        assert_eq!(found.expect_err(expected).to_string(), expected);
    }
}

#[test]
fn under_a_virtual_clock_a_thousandth_is_seen_in_two_runs() {
    let settings = Settings {
        clock: Clock::Virtual,
        ..Settings::default()
    };
    let compare = |candidate: f64| {
        let (baseline, candidate) = (of(&[4.370_729; 2]), of(&[candidate; 2]));
        compare(&baseline, &candidate, Design::Independent, &settings).expect("exact")
    };
    let slower = compare(4.370_729 * 1.001);
    assert_eq!(
        (slower.method, slower.verdict),
        (Method::Exact, Verdict::Slower)
    );
    assert!((slower.ratio.low - 1.001).abs() < 1e-12);
    assert!((slower.ratio.high - 1.001).abs() < 1e-12);
    let equal = compare(4.370_729);
    assert_eq!(equal.verdict, Verdict::NoDifferenceSeen);
    assert!((equal.p_value - 1.0).abs() < 1e-12);
}

#[test]
fn elsewhere_what_is_the_same_each_time_takes_five_runs_and_a_difference_of_interest() {
    // Memory in pages: one more of 1,000 is the same each time as well.
    let pages = |count: f64, runs: usize| of(&vec![4096.0 * count; runs]);
    for (candidate, verdict) in [
        (1001.0, Verdict::NoDifferenceSeen),
        (1009.0, Verdict::NoDifferenceSeen),
        (1011.0, Verdict::Slower),
        (995.0, Verdict::NoDifferenceSeen),
        (980.0, Verdict::Faster),
    ] {
        let found = independent(&pages(1000.0, 5), &pages(candidate, 5)).expect("exact");
        assert_eq!((found.method, found.verdict), (Method::Exact, verdict));
        // Two of 252 orders are as extreme.
        assert!((found.p_value - 2.0 / 252.0).abs() < 1e-12, "{found:?}");
    }
    for candidate in [1000.0, 1200.0] {
        let error = independent(&pages(1000.0, 9), &pages(candidate, 4)).expect_err("they are few");
        assert_eq!(
            error.to_string(),
            "the values are the same each time, but of 4 invocations that says little; measure at least \
             5 times"
        );
    }
}

#[test]
fn pairs_that_are_all_equal_are_no_difference() {
    let orders: Vec<Order> = crate::Plan::new(3).take(6).collect();
    let values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6];
    let times = |ratio: f64| of(&values.map(|value| value * ratio));
    let design = Design::Interleaved(&orders);
    let settings = Settings::default();
    let found = compare(&times(1.0), &times(1.0), design, &settings).expect("all are equal");
    assert_eq!(
        (found.method, found.verdict),
        (Method::Exact, Verdict::NoDifferenceSeen)
    );
    assert!((found.p_value - 1.0).abs() < 1e-12);
    let found = compare(&times(1.0), &times(1.1), design, &settings).expect("all differ alike");
    assert_eq!(found.verdict, Verdict::Slower);
    // Without pairs the same values say nothing.
    let found = independent(&times(1.0), &times(1.1)).expect("they scatter");
    assert_eq!(found.verdict, Verdict::TooNoisy);
}

#[test]
fn with_the_noise_of_a_virtual_clock_too_and_without_a_false_alarm() {
    // 0.0004 %: what was measured where the guest's storage is not quite deterministic.
    let settings = Settings {
        interest: Interest::VIRTUAL_CLOCK,
        ..Settings::default()
    };
    let mut random = Random::new(11);
    let mut five = |ratio: f64| {
        let mut value = || ratio * (1.0 + 4e-6 * random.normal());
        of(&[value(), value(), value(), value(), value()])
    };
    for pair in 0..200 {
        let (baseline, equal, slower) = (five(1.0), five(1.0), five(1.001));
        let of = |candidate| compare(&baseline, candidate, Design::Independent, &settings);
        let verdict = |candidate| of(candidate).expect("they scatter").verdict;
        assert_eq!(verdict(&equal), Verdict::NoDifferenceSeen, "{pair}");
        assert_eq!(verdict(&slower), Verdict::Slower, "{pair}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let of = |seed| {
        let settings = Settings {
            seed,
            ..Settings::default()
        };
        in_turns(Shape::LogNormal, 5, 9, 1.0, &settings)
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1).ratio.low.to_bits(), of(2).ratio.low.to_bits());
}

#[test]
fn answers_are_the_same_on_any_host() {
    // Written down once; another C library or processor must not change a bit.
    let found = in_turns(Shape::Bimodal, 5, 8, 1.02, &Settings::default());
    let ends = [found.ratio.value, found.ratio.low, found.ratio.high].map(f64::to_bits);
    assert_eq!(ends, BITS, "{:?}", found.ratio);
}

/// Of the test above.
const BITS: [u64; 3] = [
    0x3ff0_76a0_aa42_5faa,
    0x3ff0_3853_0731_46f8,
    0x3ff0_b5dd_9e07_a018,
];

#[test]
fn the_method_follows_from_the_samples() {
    let several = of(&[1.0, 1.1, 1.2, 0.9, 1.0]);
    let iterations = Samples::of_iterations(&[1.0, 1.1, 1.2, 0.9, 1.0]).expect("finite");
    for (candidate, expected) in [
        (&several, Method::Independent),
        (&iterations, Method::WithinInvocation),
    ] {
        let found = independent(&several, candidate).expect("they scatter");
        assert_eq!(found.method, expected);
    }
    let found = in_turns(Shape::Normal, 1, 5, 1.0, &Settings::default());
    assert_eq!(found.method, Method::Paired);
}

#[test]
fn turns_take_a_drift_out() {
    let pair = Shape::Drifting.pair(&mut Random::new(2), 20, 3, 1.0);
    let half_width = |design| {
        compare(
            &pair.baseline,
            &pair.candidate,
            design,
            &Settings::default(),
        )
        .expect("they scatter")
        .ratio
        .half_width()
    };
    let paired = half_width(Design::Interleaved(&pair.orders));
    let independent = half_width(Design::Independent);
    assert!(2.0 * paired < independent, "{paired} {independent}");
}

#[test]
fn a_drift_from_the_first_to_the_second_of_a_pair_is_no_spread() {
    let orders: Vec<Order> = crate::Plan::new(3).take(8).collect();
    let mut random = Random::new(9);
    let mut sides = [Vec::new(), Vec::new()];
    for (time, side) in (0_i32..).zip(orders.iter().flat_map(|order| order.sides())) {
        let value = (1.0 + 1e-4 * random.normal()) * (1.0 + 0.01 * f64::from(time));
        sides[usize::from(side == crate::Side::Candidate)].push(value);
    }
    let [baseline, candidate] = sides.map(|values| of(&values));
    let design = Design::Interleaved(&orders);
    let found = compare(&baseline, &candidate, design, &Settings::default()).expect("they scatter");
    // Each pair differs by 1 % of the drift, the two orders in opposite directions.
    assert!(found.ratio.half_width() < 0.003, "{:?}", found.ratio);
    assert!(found.ratio.covers(1.0), "{:?}", found.ratio);
}

#[test]
fn a_change_in_one_metric_of_twenty_may_be_chance() {
    let settings = Settings::default();
    let mut one = in_turns(Shape::Normal, 1, 10, 1.0, &settings);
    one.p_value = 0.03;
    one.verdict = Verdict::Slower;
    let mut clear = one.clone();
    clear.p_value = 1e-6;
    let mut equal = one.clone();
    equal.p_value = 0.7;
    equal.verdict = Verdict::TooNoisy;
    let mut all = vec![one.clone(), clear];
    all.extend(std::iter::repeat_n(equal, 18));
    correct(&mut all, &settings);
    assert!(!all[0].verdict.is_change(), "{:?}", all[0]);
    assert_eq!(all[1].verdict, Verdict::Slower);
    let mut alone = [one];
    correct(&mut alone, &settings);
    assert_eq!(alone[0].verdict, Verdict::Slower);
    assert_eq!(alone[0].adjusted_p_value, Some(0.03));
}

#[test]
fn a_change_that_may_be_chance_is_not_said_to_be_none() {
    let settings = Settings::default();
    let mut one = in_turns(Shape::Normal, 1, 10, 1.0, &settings);
    one.p_value = 0.03;
    one.verdict = Verdict::Slower;
    one.ratio = Estimate {
        value: 1.02,
        low: 1.012,
        high: 1.028,
    };
    let mut equal = one.clone();
    equal.p_value = 0.9;
    equal.verdict = Verdict::TooNoisy;
    let mut all = vec![one];
    all.extend(std::iter::repeat_n(equal, 9));
    correct(&mut all, &settings);
    assert_eq!(
        all[0].verdict,
        Verdict::TooNoisy,
        "narrow, but all of it matters"
    );
}

/// How often, of `trials`, the interval covers the true ratio.
fn covered(shape: Shape, settings: &Settings, trials: u64) -> u64 {
    (0..trials)
        .filter(|&seed| {
            let found = in_turns(shape, 1000 + seed, 10, 1.05, settings);
            found.ratio.covers(1.05)
        })
        .count() as u64
}

#[test]
fn intervals_cover_the_true_ratio_as_often_as_promised() {
    let settings = Settings {
        rounds: 300,
        ..Settings::default()
    };
    for shape in Shape::ALL {
        // 95 % of 400, four standard errors on either side.
        let found = covered(shape, &settings, 400);
        assert!((362..=398).contains(&found), "{shape:?}: {found} of 400");
    }
}

#[test]
fn drawing_both_levels_covers_more_than_promised() {
    let settings = Settings {
        rounds: 300,
        levels: Levels::Both,
        ..Settings::default()
    };
    let found = covered(Shape::Normal, &settings, 400);
    assert!(found >= 390, "{found} of 400");
}

#[test]
fn equal_sides_are_seldom_told_apart_and_different_ones_mostly() {
    let settings = Settings {
        rounds: 300,
        ..Settings::default()
    };
    let changes = |ratio| {
        let verdicts =
            (0..200).map(|seed| in_turns(Shape::Drifting, seed, 20, ratio, &settings).verdict);
        verdicts
            .filter(|&verdict| verdict == Verdict::Slower)
            .count()
    };
    assert!(
        changes(1.0) <= 12,
        "2.5 % of 200, three standard errors above"
    );
    assert!(changes(1.02) >= 180, "a change of 2 % is seen");
}

proptest! {
    #[test]
    fn swapping_sides_inverts_the_ratio(
        baseline in prop::collection::vec(0.5_f64..2.0, 3..12),
        candidate in prop::collection::vec(0.5_f64..2.0, 3..12),
    ) {
        let (baseline, candidate) = (of(&baseline), of(&candidate));
        let settings = Settings { rounds: 100, ..Settings::default() };
        let there = compare(&baseline, &candidate, Design::Independent, &settings).expect("fine");
        let back = compare(&candidate, &baseline, Design::Independent, &settings).expect("fine");
        prop_assert!((there.ratio.value * back.ratio.value - 1.0).abs() < 1e-12);
        prop_assert!(there.ratio.low <= there.ratio.value && there.ratio.value <= there.ratio.high);
    }

    #[test]
    fn the_unit_does_not_matter(
        values in prop::collection::vec(0.5_f64..2.0, 8),
        unit in 1e-9_f64..1e9,
        median: bool,
    ) {
        let settings = Settings {
            rounds: 100,
            center: if median { Center::Median } else { Center::Mean },
            better: Better::Higher,
            ..Settings::default()
        };
        let of_unit = |unit: f64| {
            let values: Vec<f64> = values.iter().map(|value| unit * value).collect();
            compare(&of(&values[..4]), &of(&values[4..]), Design::Independent, &settings)
        };
        let (one, other) = (of_unit(1.0).expect("fine"), of_unit(unit).expect("fine"));
        prop_assert!((one.ratio.low / other.ratio.low - 1.0).abs() < 1e-9);
        prop_assert!((one.ratio.high / other.ratio.high - 1.0).abs() < 1e-9);
        prop_assert_eq!(one.verdict, other.verdict);
    }
}
