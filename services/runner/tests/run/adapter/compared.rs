//! Metrics of a harness in comparisons, and until they are known.

use super::*;
use crate::support::no_image;

#[test]
fn metrics_of_a_harness_are_compared_with_their_samples_and_decide() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let compare = |arguments: &[&str], [one, other]: [&str; 2]| {
        let mut command = Runner::new().command();
        command
            .args(["compare", "--sandbox", "none", "--adapter", "auto"])
            .args(arguments);
        command.arg("--image").arg(image.path());
        command.args(["--", "sh", "-c", one, "--vs", "sh", "-c", other]);
        Ran::of(command.output().unwrap())
    };
    let (fast, slow) = (go(5000), go(6000));
    let arguments = ["--iter", "6", "--fail-if-slower", "5%", "--format", "json"];
    let document = compare(&arguments, [&fast, &slow]).exits(1).json();
    let metrics = document["metrics"].as_array().unwrap();
    let named = |name: &str| {
        metrics
            .iter()
            .find(|metric| metric["name"] == name)
            .unwrap()
    };
    for (name, unit, better, ratio) in [
        ("BenchmarkSort-2/latency", "nanoseconds", "lower", 1.2),
        ("BenchmarkSort-2/throughput", "MB/s", "higher", 1.0 / 1.2),
    ] {
        let metric = named(name);
        assert_eq!(
            (&metric["unit"], &metric["better"]),
            (&json!(unit), &json!(better))
        );
        assert_eq!(metric["answer"]["verdict"], "slower", "{metric:#}");
        let found = metric["answer"]["ratio"]["value"].as_f64().unwrap();
        assert!((found - ratio).abs() < 0.05, "{metric:#}");
        assert_eq!(
            metric["baseline"]["points"][0]["samples"]
                .as_array()
                .unwrap()
                .len(),
            3
        );
        let failed = document["gate"]["failed"].as_array().unwrap();
        assert!(failed.contains(&json!(name)), "{failed:?}");
    }
    assert!(named("wall")["answer"].is_object());
    assert_eq!(document["settings"]["levels"], "iterations");

    let wanted = ["--until-ci", "5%", "--max-iter", "20", "--format", "json"];
    let arguments = [
        &wanted[..],
        &["--metric", "BenchmarkSort-2/latency", "--levels", "both"],
    ]
    .concat();
    let document = compare(&arguments, [&fast, &slow]).exits(0).json();
    assert_eq!(document["precision"]["metric"], "BenchmarkSort-2/latency");
    assert_eq!(document["precision"]["stopped_by"], "narrow");
    assert_eq!(document["settings"]["levels"], "both");
    let ran = compare(&["--iter", "3", "--metric", "no/such"], [&fast, &slow]).exits(0);
    assert!(
        ran.text().contains("neither side measured no/such"),
        "{}",
        ran.text()
    );
}

#[test]
fn a_run_goes_on_until_a_metric_of_the_harness_is_known() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let until = |metric: &str| {
        let arguments = [
            "--adapter",
            "go",
            "--until-ci",
            "5%",
            "--metric",
            metric,
            "--format",
            "json",
        ];
        run(&image, &arguments, &["sh", "-c", &go(5000)])
    };
    let ran = until("BenchmarkSort-2/latency").exits(0);
    let document = result(&ran);
    let precision = &document["outcome"]["precision"];
    assert_eq!(precision["metric"], "BenchmarkSort-2/latency");
    assert_eq!(precision["stopped_by"], "narrow");
    assert!(
        ran.stderr.contains("BenchmarkSort-2/latency is known to"),
        "{}",
        ran.stderr
    );
    let ran = until("BenchmarkFind-2/latency").exits(125);
    let told = "iteration 1 has no metric BenchmarkFind-2/latency: it has BenchmarkSort-2/latency, \
                BenchmarkSort-2/throughput; name one of them with --metric";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert_eq!(ran.json()["iterations"].as_array().unwrap().len(), 1);
}
