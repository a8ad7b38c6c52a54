//! What can not be read, and what can not be asked for.

use super::tools::image;
use super::*;
use crate::support::no_image;

#[test]
fn an_output_without_metrics_ends_the_run_and_nothing_of_it_is_lost() {
    if no_image() {
        return;
    }
    let image = image();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = [
        "--adapter",
        "auto",
        "--iter",
        "3",
        "--output-dir",
        out.to_str().unwrap(),
    ];
    let ran = run(&image, &arguments, &["echo", "hello world"]).exits(125);
    assert_eq!(ran.text(), "hello world\n");
    for part in [
        "iteration 1 has no metrics of a harness: no adapter understands standard output; tried were bencher,",
        "--adapter NAME=FILE",
        "`runner compare --adapter`",
    ] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    assert_eq!(
        fs::read_to_string(out.join("1/stdout")).unwrap(),
        "hello world\n"
    );
    let document: Value =
        serde_json::from_slice(&fs::read(out.join("result.json")).unwrap()).unwrap();
    assert_eq!(document["iterations"].as_array().unwrap().len(), 1);
    assert_eq!(document["iterations"][0]["exit_code"], 0);
    let reason = document["iterations"][0]["harness"]["error"]
        .as_str()
        .unwrap();
    assert!(
        reason.starts_with("no adapter understands standard output"),
        "{reason}"
    );
    assert!(
        document["outcome"]["error"]
            .as_str()
            .unwrap()
            .contains(reason)
    );

    let arguments = [
        "--adapter",
        "auto",
        "--iter",
        "2",
        "--allow-failure",
        "--format",
        "json",
    ];
    let ran = run(&image, &arguments, &["echo", "hello world"]).exits(0);
    assert!(
        ran.stderr.contains("warning: iteration 2 has no metrics"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.json()["iterations"].as_array().unwrap().len(), 2);
}

#[test]
fn bad_numbers_and_names_are_refused_with_their_place() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let many = "i=0; while [ $i -lt 10001 ]; do echo b$i 1 ns; i=$((i+1)); done";
    let long = "echo $(printf %01100d 7) 1 ns";
    for (script, expected) in [
        (
            "echo sort NaN ns",
            "\"latency\" of \"sort\" is \"NaN\", which is no finite number",
        ),
        (
            "echo sort inf ns",
            "\"latency\" of \"sort\" is \"inf\", which is no finite number",
        ),
        (
            "echo sort 1e300 points",
            "sort/value is 1e300, which is no measurement",
        ),
        (
            "echo sort 1 MB/s; echo sort 1 kB/s",
            "is in \"MB/s\" and in \"kB/s\"",
        ),
        (
            "echo a/latency 1 points; echo 'a 1 ns'; echo sort x",
            "no `name value unit`",
        ),
        (many, "there are 10001 metrics, and 10000 are kept at most"),
        (
            long,
            "has more than 1024 bytes: give the benchmark a shorter one",
        ),
        (
            "yes | head -c 17000000",
            "has more than the 16777216 bytes that adapters read",
        ),
    ] {
        let ran = run(&image, &["--adapter", "lines"], &["sh", "-c", script]).exits(125);
        assert!(ran.stderr.contains(expected), "{script}: {}", ran.stderr);
    }
    let arguments = [
        "--adapter",
        "lines",
        "--max-output-size",
        "8B",
        "--format",
        "json",
    ];
    let ran = run(
        &image,
        &arguments,
        &["sh", "-c", "echo sort 1 ns; echo find 1 ns"],
    )
    .exits(125);
    assert!(
        ran.stderr.contains("standard output was cut"),
        "{}",
        ran.stderr
    );
    let arguments = ["--adapter", "lines=/tmp/none"];
    let ran = run(&image, &arguments, &["true"]).exits(125);
    assert!(
        ran.stderr.contains("/tmp/none was not read: "),
        "{}",
        ran.stderr
    );
    // A command that fails is not the adapter's business.
    let ran = run(
        &image,
        &["--adapter", "auto", "--format", "json"],
        &["sh", "-c", "exit 3"],
    )
    .exits(3);
    assert_eq!(ran.json()["iterations"][0]["harness"], Value::Null);
    let arguments = ["--adapter", "auto", "--format", "json"];
    let script = r"printf 'so\033[2Jrt 1 ns\n'";
    let document = result(&run(&image, &arguments, &["sh", "-c", script]).exits(0));
    let benchmark = &document["iterations"][0]["harness"]["metrics"][0]["benchmark"];
    assert_eq!(benchmark, r"so\u{1b}[2Jrt");
}

#[test]
fn wrong_choices_are_refused_before_anything_runs() {
    for (arguments, expected) in [
        (
            &["run", "--image", "x", "--adapter", "speed"][..],
            "\"speed\" is no adapter: it is auto or one of",
        ),
        (
            &["run", "--image", "x", "--adapter", "go="],
            "names no file",
        ),
        (
            &[
                "run",
                "--image",
                "x",
                "--until-ci",
                "1%",
                "--metric",
                "sort/latency",
            ],
            "sort/latency is a metric of a harness, and nothing reads those: add --adapter",
        ),
        (
            &["compare", "x", "y", "--metric", "sort/latency"],
            "sort/latency is a metric of a harness, and nothing reads those: add --adapter",
        ),
        (
            &["history", "x", "--metric", "speed"],
            "or a harness's as BENCHMARK/MEASURE",
        ),
    ] {
        let ran = runner(arguments, &[]);
        assert!(ran.code == 2 || ran.code == 125, "{}", ran.code);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
