//! Whether an iteration's numbers are to be trusted, and what becomes of one that is suspect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, available_parallelism, spawn};

use serde_json::{Value, json};

use crate::support::{Image, Ran, Runner, no_image};

/// Programs that want all of this host's processors, until dropped.
struct Crowd {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn gather() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let count = 2 * available_parallelism().unwrap().get();
        let busy = |_| {
            let is_over = Arc::clone(&is_over);
            spawn(move || while !is_over.load(Ordering::Relaxed) {})
        };
        let threads = (0..count).map(busy).collect();
        Self { is_over, threads }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// A second of the host's life, as a run sees it.
fn second(arguments: &[&str]) -> (Ran, Value) {
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("result.json");
    let mut words = vec!["--sandbox", "none", "--result", result.to_str().unwrap()];
    words.extend(arguments);
    words.extend(["--", "sleep", "1"]);
    let ran = Runner::new().run(&Image::new(&json!({})), &words);
    let result = std::fs::read(result).unwrap();
    (ran, serde_json::from_slice(&result).unwrap())
}

#[test]
fn an_iteration_on_a_crowded_host_is_suspect() {
    if no_image() {
        return;
    }
    let crowd = Crowd::gather();
    let (ran, result) = second(&[]);
    let ran = ran.exits(0);
    let iteration = &result["iterations"][0];
    let validity = &iteration["validity"];
    assert_eq!(validity["verdict"], "suspect", "{validity}");
    assert_ne!(validity["reasons"], json!([]));
    assert!(validity["span_ms"].as_f64().unwrap() >= 1000.0);
    assert_eq!(iteration["retried"], false);
    assert_eq!(result["trust"]["suspect_iterations"], 1);
    let warning = "warning: iteration 1 is suspect, and its numbers may be off: ";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);

    let (ran, result) = second(&["--on-suspect", "retry:1"]);
    let ran = ran.exits(0);
    let iterations = result["iterations"].as_array().unwrap();
    let retried: Vec<_> = iterations.iter().map(|one| &one["retried"]).collect();
    assert_eq!(retried, [true, false], "one attempt more, and no other");
    assert!(
        ran.stderr.contains("suspect, and will be repeated: "),
        "{}",
        ran.stderr
    );

    let (ran, result) = second(&["--on-suspect", "fail", "--iter", "3"]);
    let ran = ran.exits(125);
    let error = "error: iteration 1 is suspect: ";
    assert!(ran.stderr.contains(error), "{}", ran.stderr);
    assert!(ran.stderr.contains("make the host quieter"));
    assert_eq!(result["outcome"]["iterations_run"], 1);
    drop(crowd);
}

#[test]
fn what_the_machine_costs_the_host_is_counted() {
    if no_image() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("result.json");
    let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let words = ["--sandbox", "none", "--result", result.to_str().unwrap()];
    let command = ["--", "sh", "-c", script];
    Runner::new()
        .run(&Image::new(&json!({})), &[&words[..], &command].concat())
        .exits(0);
    let result: Value = serde_json::from_slice(&std::fs::read(result).unwrap()).unwrap();
    let iteration = &result["iterations"][0];
    let Some(host) = iteration["host_cpu"].as_object() else {
        // Without cgroup v2 nothing counts it.
        assert_eq!(iteration["validity"]["others_ms"], Value::Null);
        return;
    };
    let number = |name: &str| host[name].as_u64().unwrap();
    let command = iteration["resources"]["cpu_us"].as_u64();
    assert!(number("cpu_us") >= command.unwrap_or(1), "{host:?}");
    assert!(number("user_us") <= number("cpu_us"), "{host:?}");
}

#[test]
fn cooling_down_ends_and_the_run_goes_on() {
    if no_image() {
        return;
    }
    let ran = Runner::new().run(
        &Image::new(&json!({})),
        &[
            "--sandbox",
            "none",
            "--iter",
            "2",
            "--cool-down",
            "1ms",
            "--",
            "true",
        ],
    );
    // Hosts tell their temperature or do not; either way both iterations run.
    assert_eq!(
        ran.exits(0).stderr.matches("---BENCHER_METRICS:").count(),
        2
    );
}
