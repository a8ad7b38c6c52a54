use bencher_runner::result::{Better, Metric, MetricName};

use super::*;
use crate::comparison::Input;
use crate::samples::tests::{harness_metric, input, of_harness};
use crate::unit::MetricUnit;

const OPTIONS: HistoryOptions = HistoryOptions {
    metric: MetricName::Runner(Metric::Wall),
    p_value: 0.001,
    least: 0.0,
    force: false,
};

/// Results of these means, each begun an hour after the one before.
fn series(means: &[u64]) -> Vec<Input> {
    let number = |(index, mean): (u64, &u64)| {
        let mut input = input(&format!("commit-{index}"), &[mean - 1, *mean, mean + 1]);
        input.result.started_at = 1_795_981_792 + 3600 * index;
        input
    };
    (0..).zip(means).map(number).collect()
}

const STEP: [u64; 12] = [
    1000, 1004, 998, 1001, 997, 1003, 1101, 1100, 1104, 1098, 1097, 1103,
];

#[test]
fn a_change_is_told_with_the_result_that_made_it() {
    let found = history(series(&STEP), &OPTIONS).expect("it is a series");
    assert_eq!(found.series[0].changes.len(), 1);
    let change = &found.series[0].changes[0];
    assert_eq!(
        (
            change.index,
            change.label.as_str(),
            change.last_before.as_str()
        ),
        (6, "commit-6", "commit-5")
    );
    assert!((change.ratio.expect("it was not 0") - 1.1).abs() < 0.001);
    insta::assert_snapshot!(found.for_people(true));
}

#[test]
fn the_order_is_that_of_the_runs() {
    let mut shuffled = series(&STEP);
    shuffled.reverse();
    let found = history(shuffled, &OPTIONS).expect("it is a series");
    assert_eq!(found.series[0].changes[0].label, "commit-6");
}

#[test]
fn small_changes_can_be_left_out() {
    let options = HistoryOptions {
        least: 0.2,
        ..OPTIONS
    };
    let found = history(series(&STEP), &options).expect("it is a series");
    assert!(found.series[0].changes.is_empty());
    assert!(
        found
            .for_people(false)
            .contains("no change found in 12 results")
    );
}

#[test]
fn what_is_no_series_is_refused() {
    let few = history(series(&[1, 2, 3]), &OPTIONS).expect_err("they are few");
    assert_eq!(
        few.to_string(),
        "a series takes 4 results at least, and here are 3"
    );
    let mut other = series(&STEP);
    other[4].result.host.cpu_model = Some("Other".to_owned());
    let error = history(other.clone(), &OPTIONS).expect_err("they differ");
    let expected = "commit-3 and commit-4 are not of the same machine or clock: processor";
    assert!(error.to_string().starts_with(expected), "{error}");
    let force = HistoryOptions {
        force: true,
        ..OPTIONS
    };
    assert!(history(other, &force).expect("it is forced").forced);
    let mut empty = series(&STEP);
    empty[2].result.iterations.0.clear();
    let error = history(empty, &OPTIONS).expect_err("one is empty");
    assert!(
        error.to_string().starts_with("commit-2 has no iteration"),
        "{error}"
    );
}

/// The same with another command and image.
fn of(mut results: Vec<Input>, command: &str, image: &str) -> Vec<Input> {
    for input in &mut results {
        let setup = input.result.setup.as_mut().expect("it ran");
        setup.command.arguments = vec![command.to_owned()];
        setup.image.reference = image.to_owned();
    }
    results
}

#[test]
fn each_command_is_a_series_and_each_image_whatever_its_tag() {
    let flat = [1000, 1004, 998, 1001];
    let mut results = of(series(&STEP), "sort", "app:1");
    for (place, input) in results.iter_mut().enumerate() {
        let setup = input.result.setup.as_mut().expect("it ran");
        setup.image.reference = format!("host:5000/app:{place}@sha256:0");
    }
    results.extend(of(series(&flat), "search", "host:5000/app:1"));
    results.extend(of(series(&flat), "sort", "host:5000/other:1"));
    results.extend(of(series(&flat[..1]), "sort", "oci:folder"));
    let found = history(results, &OPTIONS).expect("they are series");
    let of_each = found.series.iter().map(|series| {
        (
            series.command[0].as_str(),
            series.image.as_deref(),
            series.results.len(),
            series.changes.len(),
        )
    });
    assert_eq!(
        of_each.collect::<Vec<_>>(),
        [
            ("sort", Some("host:5000/app"), 12, 1),
            ("search", Some("host:5000/app"), 4, 0),
            ("sort", Some("host:5000/other"), 4, 0),
            ("sort", None, 1, 0),
        ]
    );
    insta::assert_snapshot!(found.for_people(false));
}

#[test]
fn results_of_too_many_commands_are_too_few_of_each() {
    let mut results = of(series(&[1000, 1001, 1002]), "sort", "app:1");
    results.extend(of(series(&[1000, 1001]), "search", "app:1"));
    let error = history(results, &OPTIONS).expect_err("they are few");
    assert_eq!(
        error.to_string(),
        "a series takes 4 results of the same command at least; here are 5 of 2 commands, and 3 of one at \
         most"
    );
}

#[test]
fn a_change_from_nothing_has_no_ratio() {
    let mut results = series(&STEP);
    for (place, input) in results.iter_mut().enumerate() {
        for iteration in &mut input.result.iterations.0 {
            let resources = iteration.resources.as_mut().expect("there are some");
            resources.major_faults = if place < 6 { 0 } else { 7 };
        }
    }
    let options = HistoryOptions {
        metric: MetricName::Runner(Metric::MajorFaults),
        least: 0.5,
        ..OPTIONS
    };
    let found = history(results, &options).expect("it is a series");
    assert_eq!(found.series[0].changes[0].ratio, None);
    let text = found.for_people(true);
    assert!(text.contains("from 0 to 7 since here"), "{text}");
    let document = serde_json::to_value(&found).expect("it is one");
    assert_eq!(
        document["series"][0]["changes"][0]["ratio"],
        serde_json::Value::Null
    );
}

#[test]
fn a_metric_of_a_harness_has_a_series_in_one_unit() {
    let of = |unit: &str, mean: u64| {
        #[expect(clippy::cast_precision_loss, reason = "they are small")]
        let values = [mean as f64, mean as f64 + 2.0];
        let metric = harness_metric("sort", ("throughput", unit, Better::Higher), &values);
        vec![metric]
    };
    let mut results: Vec<_> = (0..)
        .zip(STEP)
        .map(|(index, mean)| {
            let label = format!("commit-{index}");
            let mut input = of_harness(&label, &[of("MB/s", mean), of("MB/s", mean + 1)]);
            input.result.started_at = index;
            input
        })
        .collect();
    let options = HistoryOptions {
        metric: "sort/throughput".parse().expect("it is a name"),
        ..OPTIONS
    };
    let found = history(results.clone(), &options).expect("it is a series");
    let series = &found.series[0];
    assert_eq!(series.changes[0].label, "commit-6");
    assert_eq!(found.unit, MetricUnit::Other("MB/s".to_owned()));
    assert_eq!(series.results[0].iterations, 2);
    assert!((series.results[0].mean - 1001.5).abs() < 1e-9);
    let text = found.for_people(false);
    assert!(text.contains("sort/throughput"), "{text}");
    assert!(text.contains("kMB/s"), "{text}");
    results[3] = of_harness("odd", &[of("ns", 5)]);
    let error = history(results, &options).expect_err("two units");
    let expected = "is in \"MB/s\" and in \"ns\"";
    assert!(error.to_string().contains(expected), "{error}");
}
