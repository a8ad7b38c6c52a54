//! A side of which only what its iterations wrote is known, as a server keeps it of a runner's jobs.

use bencher_runner::result::{
    Host, Iteration, Iterations, Limits, ResultDocument, RunnerIdentity, Trust, VERSION,
};
use bencher_runner::units::ByteSize;

use super::Input;
use super::input::outcome_of;

/// What speaks against the numbers of such a side.
const REASON: &str = "of its host and its machine nothing is known but what the iterations wrote";

impl Input {
    /// A side whose iterations began to run at `started_at`, in seconds since 1970, on a machine of this
    /// architecture. `adapter` read metrics out of what they wrote, if one was named.
    pub fn of_outputs(
        label: String,
        started_at: u64,
        architecture: String,
        iterations: Vec<Iteration>,
        adapter: Option<String>,
    ) -> Self {
        let none = ByteSize::from_bytes(0);
        let result = ResultDocument {
            version: VERSION,
            runner: RunnerIdentity {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            started_at,
            label: Some(label.clone()),
            adapter,
            setup: None,
            host: Host {
                cpu_model: None,
                cpus: None,
                kernel_release: None,
                architecture,
                tuning: None,
                cpu_layout: None,
            },
            // Not known either: a comparison has none where it is not known what ran.
            limits: Limits {
                timeout_seconds: 0.0,
                boot_timeout_seconds: 0.0,
                grace_period_seconds: 0.0,
                max_output_bytes: none,
                max_file_count: 0,
                max_file_bytes: none,
                max_total_file_bytes: none,
            },
            outcome: outcome_of(&iterations),
            iterations: Iterations(iterations),
            trust: Trust {
                comparable: false,
                reasons: vec![REASON.to_owned()],
                suspect_iterations: 0,
            },
        };
        Self {
            label,
            file: None,
            result,
        }
    }
}

#[cfg(test)]
mod tests {
    use bencher_runner::result::Better;

    use super::*;
    use crate::comparison::{Comparison, Threshold, Verdict, compare};
    use crate::html;
    use crate::reproduce::comparison_words;
    use crate::samples::tests::{harness_metric, of_harness, options};
    use crate::text::{Look, csv, github, human, junit, markdown};

    fn side(label: &str, factor: f64) -> Input {
        let metrics: Vec<_> = [100.0, 101.0, 99.0, 100.5, 99.5, 100.2]
            .map(|value| {
                let kind = ("latency", "ns", Better::Lower);
                vec![harness_metric("sort", kind, &[value * factor])]
            })
            .into();
        let mut iterations = of_harness(label, &metrics).result.iterations.0;
        for iteration in &mut iterations {
            iteration.resources = None;
        }
        Input::of_outputs(
            label.to_owned(),
            1_796_000_000,
            "x86_64".to_owned(),
            iterations,
            None,
        )
    }

    fn compared() -> Comparison {
        let mut asked = options(6);
        asked.threshold = Some(Threshold(0.03));
        asked.interleaved = asked.interleaved.map(|(orders, _)| (orders, None));
        compare(&side("old", 1.0), &side("new", 1.2), &asked).expect("it is one")
    }

    #[test]
    fn what_was_written_is_enough_for_an_answer() {
        let found = compared();
        assert_eq!(found.metrics.len(), 1, "nothing else was measured");
        let answer = found.metrics[0].answer.expect("there is one");
        assert_eq!(answer.verdict, Verdict::Slower);
        assert!(!found.gate.as_ref().expect("it was asked for").passed());
        assert_eq!(found.design.seed, None);
        let warning = format!("A and B: {REASON}");
        assert_eq!(found.warnings, [warning]);
        let document = serde_json::to_value(&found).expect("JSON");
        for unknown in ["image", "machine", "limits"] {
            let value = &document["baseline"][unknown];
            assert!(value.is_null(), "{unknown}: {value}");
        }
        let again: Comparison = serde_json::from_value(document).expect("it can be read again");
        assert!(again.baseline.setup.is_none());
    }

    #[test]
    fn texts_and_pages_do_without_what_is_not_known() {
        let found = compared();
        assert_eq!(comparison_words(&found), None);
        let look = Look {
            width: 80,
            bars: false,
            colours: false,
        };
        let page = html(&found);
        assert!(!page.contains("How to run it again"), "{page}");
        for text in [
            human(&found, look),
            markdown(&found),
            csv(&found),
            github(&found).commands,
            junit(&found),
            page,
        ] {
            assert!(text.contains("sort/latency"), "{text}");
        }
    }
}
