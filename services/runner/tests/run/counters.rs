//! What the host counts of a command: `--perf-counters`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Image, Ordinary, Ran, Runner, no_image, no_vm, skip};

/// Events that the processor counts.
const HARDWARE: [&str; 6] = [
    "instructions",
    "cycles",
    "branches",
    "branch_misses",
    "cache_references",
    "cache_misses",
];

/// Events that the kernel counts.
const SOFTWARE: [(&str, &str); 3] = [
    ("task_clock_ns", "nanoseconds"),
    ("context_switches", "switches"),
    ("cpu_migrations", "migrations"),
];

/// Work that is done by a child of the command's.
const BUSY: &str = "(i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done) & wait";

/// `kernel.perf_event_paranoid`, if this machine's kernel counts at all.
fn paranoid() -> Option<i64> {
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?;
    level.trim().parse().ok()
}

/// Why this process may count less than everything; printed where a test skips itself.
fn may_not_count() -> bool {
    /// `CAP_PERFMON` and `CAP_SYS_ADMIN` of `linux/capability.h`.
    const RIGHTS: u64 = 1 << 38 | 1 << 21;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let rights = u64::from_str_radix(rights.unwrap().trim(), 16).unwrap();
    let may = rights & RIGHTS != 0 || paranoid().is_some_and(|level| level <= 1);
    skip((!may).then_some("this process may not count everything"))
}

/// Iterations of `script` with counters, and the document, which follows its schema.
fn counted(arguments: &[&str], script: &str) -> (Ran, Value) {
    let words = [arguments, &["--format", "json", "--", "sh", "-c", script]].concat();
    let ran = Runner::new().run(&Image::new(&json!({})), &words).exits(0);
    let document = ran.json();
    follows_schema(&document);
    (ran, document)
}

#[track_caller]
fn follows_schema(document: &Value) {
    let schema = fs::read(crate::schema::PUBLISHED).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(document).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// An iteration's counters.
fn counters(document: &Value, iteration: usize) -> &Value {
    let counters = &document["iterations"][iteration]["perf_counters"];
    assert!(counters.is_object(), "{counters}");
    counters
}

fn value(counters: &Value, name: &str) -> u64 {
    let value = counters[name]["value"].as_u64();
    value.unwrap_or_else(|| panic!("{name}: {counters}"))
}

/// Each of the kernel's counters is there, of `what`; each of the processor's is, or is named in a
/// line that was printed once.
#[track_caller]
fn everything_is_there_or_said(ran: &Ran, counters: &Value, what: &str) {
    for (name, unit) in SOFTWARE {
        let counter = &counters[name];
        assert_eq!(counter["unit"], unit, "{counters}");
        assert_eq!(counter["source"], "host_kernel");
        assert_eq!(counter["of"], what);
        assert!(counter["measured_share"].as_f64().unwrap() > 0.99);
    }
    let lines: Vec<_> = counters["compromises"].as_array().unwrap().iter().collect();
    for name in HARDWARE {
        let is_said = lines
            .iter()
            .any(|line| line.as_str().unwrap().contains(name));
        assert_ne!(counters[name].is_object(), is_said, "{name}: {counters}");
    }
    for line in lines {
        let line = format!("runner: performance counters: {}\n", line.as_str().unwrap());
        assert_eq!(ran.stderr.matches(&line).count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn a_command_on_the_host_is_counted_with_its_children_from_its_start_on() {
    if no_image() || may_not_count() {
        return;
    }
    let arguments = ["--sandbox", "none", "--perf-counters", "--iter", "2"];
    let (ran, document) = counted(&arguments, BUSY);
    for iteration in 0..2 {
        let counters = counters(&document, iteration);
        everything_is_there_or_said(&ran, counters, "command");
        assert!(value(counters, "context_switches") > 0, "{counters}");
        // What the guest's side counted of the same processes, by another way.
        let own = value(counters, "task_clock_ns") / 1000;
        let resources = &document["iterations"][iteration]["resources"];
        let cpu = resources["cpu_us"].as_u64().unwrap();
        assert!((cpu * 3 / 4..cpu * 5 / 4).contains(&own), "{own} {cpu}");
    }
    let (quiet, idle) = counted(&["--sandbox", "none", "--perf-counters"], "sleep 0.2");
    let (idle, busy) = (counters(&idle, 0), counters(&document, 0));
    assert!(value(idle, "task_clock_ns") < value(busy, "task_clock_ns"));
    assert_eq!(document["iterations"][0]["vm_exits"], Value::Null);

    let clock = format!("task_clock_ns {}, ", value(idle, "task_clock_ns"));
    assert!(quiet.stderr.contains(&clock), "{}", quiet.stderr);

    let (ran, document) = counted(&["--sandbox", "none"], "true");
    assert_eq!(document["iterations"][0]["perf_counters"], Value::Null);
    assert!(!ran.stderr.contains("performance counters"));
}

#[test]
fn of_an_emulated_guest_the_threads_are_counted_and_nothing_else() {
    if no_vm() || may_not_count() {
        return;
    }
    let emulated = ["--sandbox", "qemu", "--accelerator", "tcg"];
    let arguments = [&emulated[..], &["--vcpus", "2", "--perf-counters"]].concat();
    let (ran, busy) = counted(&arguments, BUSY);
    let (_, idle) = counted(&arguments, "sleep 0.2");
    let (busy, idle) = (counters(&busy, 0), counters(&idle, 0));
    everything_is_there_or_said(&ran, busy, "vcpu_threads");
    for name in HARDWARE {
        assert_eq!(busy[name], Value::Null);
    }
    let line = busy["compromises"][0].as_str().unwrap();
    assert!(line.contains("QEMU TCG emulates the guest"), "{line}");
    assert!(value(busy, "task_clock_ns") > value(idle, "task_clock_ns"));
    assert!(value(busy, "context_switches") > 0);
}

#[test]
fn an_ordinary_user_counts_what_the_kernel_allows() {
    if no_image() {
        return;
    }
    let (Some(user), Some(level)) = (Ordinary::new(), paranoid()) else {
        return;
    };
    let words = ["--sandbox", "none", "--perf-counters", "--format", "json"];
    let command = ["--", "sh", "-c", BUSY];
    let ran = user.run(&Image::new(&json!({})), &[&words[..], &command].concat());
    if ran.stderr.contains("user namespace") {
        skip(Some(
            "this host lets no ordinary user make a user namespace",
        ));
        return;
    }
    let document = ran.exits(0).json();
    follows_schema(&document);
    let counters = counters(&document, 0);
    let lines = counters["compromises"].to_string();
    assert_eq!(counters["task_clock_ns"].is_object(), level <= 2, "{lines}");
    assert_eq!(
        counters["context_switches"].is_object(),
        level <= 1,
        "{lines}"
    );
    if level > 1 {
        let reason = format!(
            "context_switches, cpu_migrations (kernel.perf_event_paranoid is {level}: run as root, \
             or have root set it to 1 (runner tune apply --perf-event-paranoid 1))"
        );
        assert!(lines.contains(&reason), "{lines}");
    }
}
