//! How a job was measured, in words.

use bencher_report::quantity;
use bencher_server_api::{CLEAR, Doubts, Measured};

/// Where a job ran and what its iterations used: names, and what is to be said of them.
pub(crate) fn rows(measured: &Measured) -> Vec<(&str, String)> {
    let mut rows = vec![("machine", measured.machine.machine())];
    rows.extend(measured.machine.host().map(|host| ("host", host)));
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
    let doubts = Doubts::of([measured]).all();
    if doubts.is_empty() {
        CLEAR.to_owned()
    } else {
        doubts.join("; ")
    }
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
        let quiet = measured(|it| it.machine.vcpus = Some(2));
        assert_eq!(
            rows(&quiet),
            [
                (
                    "machine",
                    "a microVM of Firecracker with KVM (2 vCPUs)".to_owned()
                ),
                ("host", "CPU".to_owned()),
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
        assert_eq!(trust(&quiet), CLEAR);
        let noisy = measured(|it| {
            it.comparable = false;
            it.reasons = vec!["emulated".to_owned()];
            it.suspect_iterations = 3;
            it.suspicions = vec![Suspicion {
                kind: "other_load".to_owned(),
                text: "others took 5 %".to_owned(),
                iterations: 3,
            }];
            it.machine.cpu_model = None;
            it.metrics[0].values = 1;
        });
        let rows = rows(&noisy);
        assert_eq!(rows[1], ("wall", "2.000 ms".to_owned()));
        assert_eq!(
            trust(&noisy),
            "the times can not be compared with those of other machines: emulated; 3 iterations are suspect: \
             others took 5 % (and in 2 more)"
        );
    }
}
