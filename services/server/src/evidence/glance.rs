//! What people are told of a document at a glance.

use std::collections::{BTreeMap, BTreeSet};

use bencher_server_api::{self as api, Measured, MeasuredMachine, MeasuredMetric, MeasuredTuning};

use super::{Evidence, Iteration, MAX_TEXTS, Metric, Tuning, number, short};

/// The most knobs whose names are told.
const MAX_KNOBS: usize = 32;

impl Evidence {
    /// What people are told of it at a glance; nothing, where it is not understood.
    pub(crate) fn measured(&self) -> Option<Measured> {
        self.is_understood().then(|| self.at_a_glance())
    }

    fn at_a_glance(&self) -> Measured {
        let counting: Vec<&Iteration> = self
            .iterations
            .iter()
            .filter(|iteration| !iteration.is_extra() && iteration.ended_well())
            .collect();
        let real = self.iterations.iter().filter(|it| !it.warmup);
        let suspects: Vec<&Iteration> = real.filter(|it| it.is_suspect()).collect();
        let mut kinds: BTreeMap<&str, api::Suspicion> = BTreeMap::new();
        for iteration in &suspects {
            let mut seen = BTreeSet::new();
            for reason in iteration.suspicions() {
                if !seen.insert(&reason.kind) {
                    continue;
                }
                let first = || api::Suspicion {
                    kind: short(&reason.kind),
                    text: short(&reason.text),
                    iterations: 0,
                };
                kinds.entry(&reason.kind).or_insert_with(first).iterations += 1;
            }
        }
        let unjudged = counting.iter().filter(|it| it.validity.is_none());
        let text = |text: &Option<String>| text.as_deref().map(short);
        Measured {
            machine: MeasuredMachine {
                sandbox: text(&self.machine.sandbox),
                accelerator: text(&self.machine.accelerator),
                clock: text(&self.machine.clock),
                cpu_model: text(&self.host.cpu_model),
                vcpus: self.machine.vcpus,
                memory_bytes: self.machine.memory_bytes,
                host_kernel: text(&self.host.kernel_release),
                tuning: self.host.tuning.as_ref().map(Tuning::at_a_glance),
                kernel: self
                    .machine
                    .kernel
                    .as_ref()
                    .and_then(|it| text(&it.release)),
            },
            comparable: self.trust.comparable,
            reasons: few(self.trust.reasons.iter()),
            iterations: number(counting.len()),
            iterations_left_out: self.outcome.iterations_left_out.unwrap_or_default(),
            unjudged_iterations: number(unjudged.count()),
            // Of those that were left out the document has the number.
            suspect_iterations: number(suspects.len()).max(self.trust.suspect_iterations),
            suspicions: kinds.into_values().take(MAX_TEXTS).collect(),
            metrics: Metric::AT_A_GLANCE
                .into_iter()
                .filter_map(|metric| summary(metric, &counting))
                .collect(),
        }
    }
}

impl Metric {
    fn unit(self) -> &'static str {
        match self {
            Self::Wall | Self::Cpu => "nanoseconds",
            Self::Memory | Self::Rss => "bytes",
            Self::Instructions => "instructions",
        }
    }
}

impl Tuning {
    fn at_a_glance(&self) -> MeasuredTuning {
        let knobs = || self.knobs.iter();
        let is_quiet = |outcome: &str| matches!(outcome, "tuned" | "as_wanted");
        let is_noisy = |outcome: &str| matches!(outcome, "unavailable" | "refused");
        let noisy = knobs().filter(|knob| is_noisy(&knob.outcome));
        MeasuredTuning {
            tuned_by: short(&self.tuned_by),
            quiet: number(knobs().filter(|knob| is_quiet(&knob.outcome)).count()),
            noisy: noisy
                .take(MAX_KNOBS)
                .map(|knob| short(&knob.name))
                .collect(),
        }
    }
}

fn summary(metric: Metric, iterations: &[&Iteration]) -> Option<MeasuredMetric> {
    let values = iterations.iter().filter_map(|it| metric.of(it));
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (&least, &most) = (values.first()?, values.last()?);
    let upper = values.len() / 2;
    let lower = (values.len() - 1) / 2;
    Some(MeasuredMetric {
        name: metric.name().to_owned(),
        unit: metric.unit().to_owned(),
        values: number(values.len()),
        median: f64::midpoint(values[lower], values[upper]),
        least,
        most,
    })
}

fn few<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    texts.take(MAX_TEXTS).map(|text| short(text)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::evidence) fn iteration(wall_ns: u64) -> Value {
        json!({
            "index": 1, "ended_by": "exit", "exit_code": 0, "retried": false,
            "resources": {"wall_ns": wall_ns, "cpu_us": 5, "memory_peak_bytes": 4096},
            "validity": {"verdict": "valid", "reasons": []},
        })
    }

    pub(in crate::evidence) fn with(mut iteration: Value, field: &str, value: Value) -> Value {
        iteration[field] = value;
        iteration
    }

    pub(in crate::evidence) fn measured(document: &Value) -> Measured {
        let text = document.to_string();
        let evidence = Evidence::read(text.as_bytes()).expect("a document");
        evidence.measured().expect("it is understood")
    }

    #[test]
    fn a_document_at_a_glance() {
        let suspect = json!({"verdict": "suspect", "reasons": [
            {"kind": "steal", "text": "a hypervisor took 3 %"},
            {"kind": "other_load", "text": "others took 5 %"},
        ]});
        let found = measured(&json!({
            "version": 1,
            "machine": {
                "sandbox": "qemu", "accelerator": "tcg", "clock": "wall", "vcpus": 2,
                "memory_bytes": 512 << 20, "kernel": {"release": "6.1", "sha256": "x"},
            },
            "host": {"cpu_model": "Some CPU", "kernel_release": "6.12", "tuning": {"tuned_by": "run", "knobs": [
                {"name": "thp", "outcome": "tuned"},
                {"name": "ksm", "outcome": "as_wanted"},
                {"name": "smt", "outcome": "kept"},
                {"name": "irqs", "outcome": "refused"},
                {"name": "cstates", "outcome": "unavailable"},
            ]}},
            "trust": {"comparable": false, "reasons": ["it was emulated"], "suspect_iterations": 2},
            "iterations": [
                with(iteration(900), "warmup", json!(true)),
                with(iteration(100), "validity", suspect.clone()),
                with(with(iteration(7), "validity", suspect), "retried", json!(true)),
                iteration(200),
                with(iteration(3), "exit_code", json!(1)),
                with(iteration(4), "ended_by", json!("timeout")),
                iteration(400),
            ],
        }));
        assert_eq!(
            serde_json::to_value(&found).expect("JSON"),
            json!({
                "machine": {
                    "sandbox": "qemu", "accelerator": "tcg", "clock": "wall", "cpu_model": "Some CPU",
                    "vcpus": 2, "memory_bytes": 512 << 20, "kernel": "6.1", "host_kernel": "6.12",
                    "tuning": {"tuned_by": "run", "quiet": 2, "noisy": ["irqs", "cstates"]},
                },
                "comparable": false,
                "reasons": ["it was emulated"],
                "iterations": 3,
                "suspect_iterations": 2,
                "suspicions": [
                    {"kind": "other_load", "text": "others took 5 %", "iterations": 2},
                    {"kind": "steal", "text": "a hypervisor took 3 %", "iterations": 2},
                ],
                "metrics": [
                    {"name": "wall", "unit": "nanoseconds", "values": 3, "median": 200.0, "least": 100.0, "most": 400.0},
                    {"name": "cpu", "unit": "nanoseconds", "values": 3, "median": 5000.0, "least": 5000.0, "most": 5000.0},
                    {"name": "memory", "unit": "bytes", "values": 3, "median": 4096.0, "least": 4096.0, "most": 4096.0},
                ],
            })
        );
    }

    #[test]
    fn what_was_left_out_and_not_looked_at_is_told() {
        let found = measured(&json!({
            "version": 1,
            "outcome": {"iterations_left_out": 4150},
            "trust": {"comparable": true, "reasons": [], "suspect_iterations": 300},
            "iterations": [iteration(1), with(iteration(2), "validity", json!(null))],
        }));
        assert_eq!(found.iterations_left_out, 4150);
        assert_eq!(found.suspect_iterations, 300);
        assert_eq!((found.iterations, found.unjudged_iterations), (2, 1));
    }
}
