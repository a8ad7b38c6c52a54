//! How a job was measured, in words.

use bencher_report::quantity;
use bencher_server_api::{Measured, MeasuredMachine};

/// Where a job ran and what its iterations used: names, and what is to be said of them.
pub(crate) fn rows(measured: &Measured) -> Vec<(&str, String)> {
    let mut rows = vec![("machine", machine(&measured.machine))];
    for metric in &measured.metrics {
        let text = |value| quantity(&metric.unit, value, metric.most);
        let (least, most) = (text(metric.least), text(metric.most));
        let range = match metric.values {
            0 | 1 => String::new(),
            count => format!(" (median of {count}; {least} to {most})"),
        };
        rows.push((&metric.name, text(metric.median) + &range));
    }
    rows
}

/// Whether the numbers can be trusted, in one text.
pub(crate) fn trust(measured: &Measured) -> String {
    let doubts = doubts(measured);
    if doubts.is_empty() {
        "nothing was seen that speaks against these numbers".to_owned()
    } else {
        doubts.join("; ")
    }
}

/// What speaks against the numbers.
pub(crate) fn doubts(measured: &Measured) -> Vec<String> {
    let mut doubts = Vec::new();
    if !measured.comparable {
        let reasons = match measured.reasons.join("; ") {
            none if none.is_empty() => "the runner does not say why".to_owned(),
            reasons => reasons,
        };
        doubts.push(format!(
            "the times can not be compared with those of other machines: {reasons}"
        ));
    }
    if measured.suspect_iterations > 0 {
        let kinds = measured.suspicions.iter().map(|it| match it.iterations {
            0 | 1 => it.text.clone(),
            count => format!("{} (and in {} more)", it.text, count - 1),
        });
        let kinds: Vec<_> = kinds.collect();
        let colon = if kinds.is_empty() { "" } else { ": " };
        let what = iterations(measured.suspect_iterations, "is suspect", "are suspect");
        doubts.push(format!("{what}{colon}{}", kinds.join("; ")));
    }
    if measured.unjudged_iterations > 0 {
        let what = iterations(measured.unjudged_iterations, "counts", "count");
        doubts.push(format!(
            "{what} of which nobody knows what the host went through meanwhile"
        ));
    }
    if measured.iterations_left_out > 0 {
        let count = measured.iterations_left_out;
        let what = iterations(count, "at the end is", "at the end are");
        doubts.push(format!(
            "{what} not in these numbers: there are too many to tell of"
        ));
    }
    if measured.iterations == 0 {
        doubts.push("no iteration ended well, so there are no numbers that count".to_owned());
    }
    doubts
}

fn iterations(count: u32, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 iteration {one}"),
        count => format!("{count} iterations {many}"),
    }
}

fn machine(machine: &MeasuredMachine) -> String {
    let sandbox = match machine.sandbox.as_deref() {
        Some("none") => "the host's own kernel",
        Some(name) => name,
        None => "not known",
    };
    let how = [&machine.accelerator, &machine.clock].map(|text| text.as_deref());
    let how = match how {
        [Some("none") | None, Some("virtual")] => " (virtual clock)".to_owned(),
        [Some("none") | None, _] => String::new(),
        [Some(accelerator), Some("virtual")] => format!(" ({accelerator}, virtual clock)"),
        [Some(accelerator), _] => format!(" ({accelerator})"),
    };
    let vcpus = machine.vcpus.map(|count| format!("{count} vCPU"));
    let memory = machine
        .memory_bytes
        .map(|bytes| format!("{} MiB", bytes >> 20));
    let kernel = machine
        .kernel
        .as_ref()
        .map(|release| format!("Linux {release}"));
    let cpu = machine.cpu_model.as_ref().map(|cpu| format!("on {cpu}"));
    let parts = [vcpus, memory, kernel, cpu].into_iter().flatten();
    parts.fold(format!("{sandbox}{how}"), |text, part| {
        format!("{text}, {part}")
    })
}

#[cfg(test)]
mod tests {
    use bencher_server_api::Suspicion;
    use serde_json::json;

    use super::*;

    fn measured(change: impl FnOnce(&mut Measured)) -> Measured {
        let mut measured = serde_json::from_value(json!({
            "machine": {"sandbox": "firecracker", "accelerator": "kvm", "clock": "wall", "cpu_model": "CPU"},
            "comparable": true, "reasons": [], "iterations": 5, "suspect_iterations": 0, "suspicions": [],
            "metrics": [
                {"name": "wall", "unit": "nanoseconds", "values": 5, "median": 2e6, "least": 1.5e6, "most": 4e6},
                {"name": "memory", "unit": "bytes", "values": 4, "median": 1024, "least": 1024, "most": 1_048_576},
            ],
        }))
        .expect("measures");
        change(&mut measured);
        measured
    }

    #[test]
    fn measures_and_trust() {
        let quiet = measured(|it| {
            it.machine.vcpus = Some(2);
            it.machine.memory_bytes = Some(512 << 20);
            it.machine.kernel = Some("6.1".to_owned());
        });
        assert_eq!(
            rows(&quiet),
            [
                (
                    "machine",
                    "firecracker (kvm), 2 vCPU, 512 MiB, Linux 6.1, on CPU".to_owned()
                ),
                (
                    "wall",
                    "2.000 ms (median of 5; 1.500 ms to 4.000 ms)".to_owned()
                ),
                (
                    "memory",
                    "0.001 MiB (median of 4; 0.001 MiB to 1.000 MiB)".to_owned()
                ),
            ]
        );
        assert!(doubts(&quiet).is_empty());
        let noisy = measured(|it| {
            it.comparable = false;
            it.reasons = vec!["emulated".to_owned()];
            it.suspect_iterations = 3;
            it.suspicions = vec![Suspicion {
                kind: "other_load".to_owned(),
                text: "others took 5 %".to_owned(),
                iterations: 3,
            }];
            it.machine.sandbox = Some("none".to_owned());
            it.machine.accelerator = Some("none".to_owned());
            it.metrics[0].values = 1;
        });
        let rows = rows(&noisy);
        assert_eq!(rows[0].1, "the host's own kernel, on CPU");
        assert_eq!(rows[1].1, "2.000 ms");
        assert_eq!(
            trust(&noisy),
            "the times can not be compared with those of other machines: emulated; 3 iterations are suspect: \
             others took 5 % (and in 2 more)"
        );
    }

    #[test]
    fn only_what_was_looked_at_is_clear() {
        type Change = fn(&mut Measured);
        const CLEAR: &str = "nothing was seen that speaks against these numbers";
        assert_eq!(trust(&measured(|_| ())), CLEAR);
        let doubtful: [(Change, &str); 5] = [
            (|it| it.iterations = 0, "no iteration ended well"),
            (
                |it| it.unjudged_iterations = 2,
                "2 iterations count of which nobody knows",
            ),
            (
                |it| it.iterations_left_out = 1,
                "1 iteration at the end is not in these numbers",
            ),
            (
                |it| it.comparable = false,
                "other machines: the runner does not say why",
            ),
            (|it| it.suspect_iterations = 1, "1 iteration is suspect"),
        ];
        for (change, expected) in doubtful {
            let text = trust(&measured(change));
            assert!(text.contains(expected), "{expected} is not in {text}");
            assert!(!text.contains(CLEAR), "{text}");
        }
    }
}
