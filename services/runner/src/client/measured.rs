//! How a job was measured, in words.

use bencher_report::quantity;
use bencher_server_api::{Measured, MeasuredMachine};

/// What is known of how a job was measured: names, and what is to be said of them.
pub(crate) fn rows(measured: &Measured) -> Vec<(&str, String)> {
    let mut rows = vec![("machine", machine(&measured.machine))];
    for metric in &measured.metrics {
        let text = |value| quantity(&metric.unit, value, metric.most);
        let (least, most) = (text(metric.least), text(metric.most));
        let range = match measured.iterations {
            0 | 1 => String::new(),
            count => format!(" (median of {count}; {least} to {most})"),
        };
        rows.push((&metric.name, text(metric.median) + &range));
    }
    let doubts = doubts(measured);
    let trust = if doubts.is_empty() {
        "nothing was seen that speaks against these numbers".to_owned()
    } else {
        doubts.join("; ")
    };
    rows.push(("trust", trust));
    rows
}

/// What speaks against the numbers.
pub(crate) fn doubts(measured: &Measured) -> Vec<String> {
    let mut doubts = Vec::new();
    if !measured.comparable {
        let reasons = measured.reasons.join("; ");
        doubts.push(format!(
            "the times can not be compared with those of other machines: {reasons}"
        ));
    }
    if measured.suspect_iterations > 0 {
        let what = match measured.suspect_iterations {
            1 => "1 iteration is suspect".to_owned(),
            count => format!("{count} iterations are suspect"),
        };
        let why = measured.suspicions.join("; ");
        doubts.push(format!("{what}, since the host was not quiet: {why}"));
    }
    doubts
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
    let cpu = machine.cpu_model.as_deref();
    let cpu = cpu.map_or_else(String::new, |cpu| format!(" on {cpu}"));
    format!("{sandbox}{how}{cpu}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn measured(change: impl FnOnce(&mut Measured)) -> Measured {
        let mut measured = serde_json::from_value(json!({
            "machine": {"sandbox": "firecracker", "accelerator": "kvm", "clock": "wall", "cpu_model": "CPU"},
            "comparable": true, "reasons": [], "iterations": 5, "suspect_iterations": 0, "suspicions": [],
            "metrics": [
                {"name": "wall", "unit": "nanoseconds", "median": 2e6, "least": 1.5e6, "most": 4e6},
                {"name": "memory", "unit": "bytes", "median": 1024, "least": 1024, "most": 1_048_576},
            ],
        }))
        .expect("measures");
        change(&mut measured);
        measured
    }

    #[test]
    fn measures_and_trust() {
        let quiet = measured(|_| ());
        assert_eq!(
            rows(&quiet),
            [
                ("machine", "firecracker (kvm) on CPU".to_owned()),
                (
                    "wall",
                    "2.000 ms (median of 5; 1.500 ms to 4.000 ms)".to_owned()
                ),
                (
                    "memory",
                    "0.001 MiB (median of 5; 0.001 MiB to 1.000 MiB)".to_owned()
                ),
                (
                    "trust",
                    "nothing was seen that speaks against these numbers".to_owned()
                ),
            ]
        );
        assert!(doubts(&quiet).is_empty());
        let noisy = measured(|it| {
            it.iterations = 1;
            it.comparable = false;
            it.reasons = vec!["emulated".to_owned()];
            it.suspect_iterations = 1;
            it.suspicions = vec!["others took 5 %".to_owned()];
            it.machine.sandbox = Some("none".to_owned());
            it.machine.accelerator = Some("none".to_owned());
        });
        let rows = rows(&noisy);
        assert_eq!(rows[0].1, "the host's own kernel on CPU");
        assert_eq!(rows[1].1, "2.000 ms");
        assert_eq!(
            rows[3].1,
            "the times can not be compared with those of other machines: emulated; 1 iteration is suspect, \
             since the host was not quiet: others took 5 %"
        );
    }
}
