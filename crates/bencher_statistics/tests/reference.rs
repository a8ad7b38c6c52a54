//! Compared with NumPy, SciPy and Apache Otava: `data/reference.py` says what they computed.

use bencher_statistics::{
    ChangeSettings, Design, RankTest, Samples, Settings, Sorted, TimeDependence, changes, compare,
    discovery, distributions,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    normal_below: Vec<[f64; 2]>,
    student_beyond: Vec<[f64; 3]>,
    student_quantile: Vec<[f64; 3]>,
    samples: Vec<Described>,
    ranks: Vec<Ranked>,
    welch: Vec<Welch>,
    discovery: Discovery,
    series: Vec<Series>,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    values: Vec<f64>,
    mean: f64,
    median: f64,
    standard_deviation: f64,
    variation: f64,
    median_deviation: f64,
    quantiles: Vec<[f64; 2]>,
    lag_one: Option<f64>,
    trend: Option<f64>,
    trend_p_value: Option<f64>,
}

#[derive(Deserialize)]
struct Ranked {
    name: String,
    first: Vec<f64>,
    second: Vec<f64>,
    exact: bool,
    u: f64,
    p_value: f64,
    cliffs_delta: f64,
    shift: f64,
}

#[derive(Deserialize)]
struct Welch {
    name: String,
    first: Vec<f64>,
    second: Vec<f64>,
    ratio: f64,
    low: f64,
    high: f64,
    p_value: f64,
}

#[derive(Deserialize)]
struct Discovery {
    p_values: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct Series {
    name: String,
    values: Vec<f64>,
    made: Vec<usize>,
    found: Vec<usize>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("data/reference.json")).expect("the script writes JSON")
}

/// Equal to `tolerance`, relative to the larger of the reference and `scale`.
#[track_caller]
fn near(found: f64, expected: f64, scale: f64, tolerance: f64, what: &str) {
    let bound = tolerance * expected.abs().max(scale);
    assert!(
        (found - expected).abs() <= bound,
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn distributions_are_those_of_scipy() {
    let reference = reference();
    for [value, expected] in reference.normal_below {
        let found = distributions::normal_below(value);
        near(found, expected, 0.0, 1e-12, &format!("normal {value}"));
    }
    for [value, degrees, expected] in reference.student_beyond {
        let found = distributions::student_beyond(value, degrees);
        near(
            found,
            expected,
            0.0,
            1e-11,
            &format!("student {value} {degrees}"),
        );
    }
    for [beyond, degrees, expected] in reference.student_quantile {
        let found = distributions::student_quantile(beyond, degrees);
        near(
            found,
            expected,
            0.0,
            1e-9,
            &format!("quantile {beyond} {degrees}"),
        );
    }
}

#[test]
fn descriptions_are_those_of_numpy_and_scipy() {
    for expected in reference().samples {
        let name = &expected.name;
        let sorted = Sorted::new(expected.values.clone()).expect("finite");
        let scale = expected.median_deviation;
        for (found, expected) in [
            (sorted.mean(), expected.mean),
            (sorted.median(), expected.median),
            (sorted.standard_deviation(), expected.standard_deviation),
            (sorted.median_deviation(), expected.median_deviation),
            (
                sorted.variation().expect("no mean is 0"),
                expected.variation,
            ),
        ] {
            near(found, expected, scale, 1e-9, name);
        }
        for [part, quantile] in expected.quantiles {
            near(sorted.quantile(part), quantile, scale, 1e-12, name);
        }
        let found = TimeDependence::of(&expected.values);
        assert_eq!(found.is_some(), expected.trend.is_some(), "{name}");
        if let Some(found) = found {
            near(
                found.lag_one,
                expected.lag_one.expect("it is there"),
                1.0,
                1e-9,
                name,
            );
            near(
                found.trend,
                expected.trend.expect("it is there"),
                1.0,
                1e-12,
                name,
            );
            let p_value = expected.trend_p_value.expect("it is there");
            near(found.trend_p_value, p_value, 1e-9, 1e-6, name);
        }
    }
}

#[test]
fn ranks_are_those_of_scipy() {
    for expected in reference().ranks {
        let name = &expected.name;
        let found = RankTest::of(&expected.first, &expected.second).expect("finite");
        assert_eq!(found.exact, expected.exact, "{name}");
        near(found.u, expected.u, 1.0, 1e-12, name);
        near(found.p_value, expected.p_value, 0.0, 1e-10, name);
        near(
            found.cliffs_delta(),
            expected.cliffs_delta,
            1.0,
            1e-12,
            name,
        );
        near(found.shift, expected.shift, 1e-3, 1e-9, name);
    }
}

#[test]
fn adjusted_p_values_are_those_of_scipy() {
    let expected = reference().discovery;
    let found = discovery::adjust(&expected.p_values);
    assert_eq!(found.len(), expected.adjusted.len());
    for (found, expected) in found.into_iter().zip(expected.adjusted) {
        near(found, expected, 0.0, 1e-12, "q");
    }
}

#[test]
fn the_bootstrap_of_means_comes_to_what_theory_says() {
    let settings = Settings {
        rounds: 40_000,
        ..Settings::default()
    };
    for expected in reference().welch {
        let name = &expected.name;
        let side = |values: &[f64]| Samples::of_invocations(values).expect("finite");
        let (first, second) = (side(&expected.first), side(&expected.second));
        let found = compare(&first, &second, Design::Independent, &settings).expect("they scatter");
        near(found.ratio.value, expected.ratio, 0.0, 1e-12, name);
        // The delta method is an approximation of the first order, and draws scatter.
        let width = expected.high - expected.low;
        near(found.ratio.low, expected.low, width, 0.02, name);
        near(found.ratio.high, expected.high, width, 0.02, name);
        near(found.ratio.high - found.ratio.low, width, 0.0, 0.02, name);
        near(found.p_value, expected.p_value, 1e-6, 0.1, name);
    }
}

#[test]
fn changes_are_where_otava_finds_them() {
    for series in reference().series {
        let found: Vec<usize> = changes(&series.values, &ChangeSettings::default())
            .expect("finite")
            .iter()
            .map(|point| point.index)
            .collect();
        assert_eq!(found, series.found, "{}", series.name);
        // One of the series has noise that is a change for both.
        let all = series.made.iter().all(|index| found.contains(index));
        assert!(all, "{}: {found:?}, made {:?}", series.name, series.made);
    }
}
