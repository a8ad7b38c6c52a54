use bencher_runner::result::Metric;

use crate::comparison::{Input, Options, compare};
use crate::samples::tests::{input, options};

const WALL: [u64; 8] = [1000, 1010, 990, 1005, 995, 1002, 1008, 998];

#[test]
fn the_side_that_failed_is_blamed_and_not_its_partner() {
    let failed = |label: &str, places: &[usize]| {
        let mut input = input(label, &WALL);
        for &place in places {
            input.result.iterations.0[place].exit_code = 7;
        }
        input
    };
    let all: Vec<usize> = (0..8).collect();
    let error = compare(&failed("old", &[]), &failed("new", &all), &options(8));
    assert_eq!(
        error.expect_err("none is left").to_string(),
        "new has no iteration to compare: its command failed in each of 8 iterations, the last time with \
         code 7"
    );
    let error = compare(
        &failed("old", &all[..3]),
        &failed("new", &all[3..]),
        &options(8),
    );
    assert_eq!(
        error.expect_err("no pair is left").to_string(),
        "in none of 8 pairs did both old and new end well: their results say why iterations failed"
    );
    let found = compare(&failed("old", &[1]), &failed("new", &[4, 5]), &options(8));
    let found = found.expect("five pairs are left");
    for warning in [
        "A: iterations left out: 3 (1 failed; of the others, those that they are compared with failed or \
         are missing)",
        "B: iterations left out: 3 (2 failed; of the others, those that they are compared with failed or \
         are missing)",
    ] {
        assert!(
            found.warnings.iter().any(|text| text == warning),
            "{:?}",
            found.warnings
        );
    }
}

#[test]
fn a_result_that_lacks_iterations_is_said_to() {
    let mut short = input("new", &WALL);
    short.result.outcome.iterations_left_out = Some(92);
    let found = compare(&input("old", &WALL), &short, &options(8)).expect("there is enough");
    let warning = "B: the last 92 iterations are not in its result, which had to be short";
    assert!(
        found.warnings.iter().any(|text| text == warning),
        "{:?}",
        found.warnings
    );
    assert!(
        !found
            .warnings
            .iter()
            .any(|text| text.starts_with("A: the last"))
    );
}

#[test]
fn what_depends_on_time_is_told_where_it_matters() {
    // Equal sides on a host that becomes slower by 1 % an iteration.
    let noise = [0, 3, 1, 4, 1, 5, 2, 6, 3, 5, 0, 2];
    let drift = |label: &str| {
        let walls = (0..)
            .zip(noise)
            .map(|(place, noise)| 100_000 + 1000 * place + 7 * noise);
        input(label, &walls.collect::<Vec<u64>>())
    };
    let mut other = drift("new");
    other.result.iterations.0.reverse();
    let told = |candidate: &Input, options: &Options| {
        let asked = Options {
            metrics: vec![Metric::Wall.into()],
            ..options.clone()
        };
        let found = compare(&drift("old"), candidate, &asked).expect("it is one");
        let of_wall = found
            .warnings
            .iter()
            .filter(|text| text.starts_with("wall: "));
        (of_wall.cloned().collect::<Vec<_>>(), found.metrics)
    };
    let apart = Options {
        interleaved: None,
        ..options(0)
    };
    let (warnings, metrics) = told(&drift("new"), &apart);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(
        warnings[0],
        "wall: A rises from iteration to iteration (rank correlation +1.00), which is in the ratio: let the \
         sides take turns"
    );
    assert!(metrics[0].pairs.is_none() && metrics[0].baseline.time.is_some());
    // In turns both share it.
    let mut alike = drift("new");
    for (iteration, noise) in alike
        .result
        .iterations
        .0
        .iter_mut()
        .zip([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8])
    {
        iteration
            .resources
            .as_mut()
            .expect("there are some")
            .wall_ns += 11 * noise;
    }
    let (warnings, metrics) = told(&alike, &options(12));
    assert_eq!(warnings, [""; 0], "both share it");
    assert!(metrics[0].pairs.is_some() && metrics[0].baseline.time.is_some());
    // Unless it goes up for one and down for the other.
    let (warnings, _) = told(&other, &options(12));
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("wall: the ratio of the pairs falls from the first to the last"),
        "{warnings:?}"
    );
}
