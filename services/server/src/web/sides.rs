//! What the sides of a comparison have measured.

use std::collections::BTreeMap;

use bencher_channel_protocol::IterationOutput;
use bencher_statistics::{Comparison, Design, Samples, Settings, compare};

use super::measures::measures;
use crate::evidence::Evidence;

/// Measures that are shown, at most: the rest is counted.
const MAX_SHOWN: usize = 24;

/// The jobs' results in the order of their turns, taken in one by one.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// By whether it is not the runner's own, benchmark and measure.
    measured: BTreeMap<(bool, String, String), Vec<Measured>>,
    turns: usize,
    /// Series of one job that were too many to be taken, at the most.
    dropped: usize,
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// From 0.
    pub(super) side: usize,
    /// The place of its iteration among all of the comparison, from 0.
    pub(super) turn: usize,
    /// Finite.
    pub(super) value: f64,
    /// Whether something speaks against it.
    pub(super) is_suspect: bool,
}

/// One measure of one benchmark on all sides.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Compared {
    pub(super) benchmark: String,
    pub(super) measure: String,
    /// In the order of their turns.
    pub(super) values: Vec<Measured>,
}

impl Taken {
    /// Takes in what a job of a side has measured. Iterations that failed are not compared.
    pub(super) fn take(
        &mut self,
        side: usize,
        results: &[IterationOutput],
        evidence: Option<&Evidence>,
    ) {
        let (taken, dropped) = measures(results, evidence);
        self.dropped = self.dropped.max(dropped);
        for series in taken {
            let values = self
                .measured
                .entry((!series.is_own, series.benchmark, series.measure))
                .or_default();
            let ended_well = series.points.iter().filter(|point| !point.is_failed);
            values.extend(ended_well.map(|point| Measured {
                side,
                turn: self.turns + point.iteration,
                value: point.value,
                is_suspect: point.is_suspect,
            }));
        }
        self.turns += results.len();
    }

    /// What more than one side has measured, by its name, and how many more there are.
    pub(super) fn compared(self) -> (Vec<Compared>, usize) {
        let dropped = self.dropped;
        let mut found: Vec<_> = self
            .measured
            .into_iter()
            .map(|((_, benchmark, measure), values)| Compared {
                benchmark,
                measure,
                values,
            })
            .filter(|compared| compared.sides().len() > 1)
            .collect();
        let left_out = found.len().saturating_sub(MAX_SHOWN) + dropped;
        found.truncate(MAX_SHOWN);
        (found, left_out)
    }
}

impl Compared {
    /// Each side that has values, with these.
    pub(super) fn sides(&self) -> BTreeMap<usize, Vec<f64>> {
        let mut sides: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for measured in &self.values {
            sides.entry(measured.side).or_default().push(measured.value);
        }
        sides
    }

    /// How `side` compares with the first one; nothing where too little or nothing of use is known.
    pub(super) fn answer(&self, side: usize) -> Option<Comparison> {
        let sides = self.sides();
        let (first, baseline) = sides.first_key_value()?;
        if *first == side {
            return None;
        }
        // An iteration has a machine of its own.
        let baseline = Samples::of_invocations(baseline).ok()?;
        let candidate = Samples::of_invocations(sides.get(&side)?).ok()?;
        let settings = Settings::default();
        compare(&baseline, &candidate, Design::Independent, &settings).ok()
    }
}

#[cfg(test)]
mod tests {
    use bencher_statistics::Verdict;

    use super::*;

    fn output(exit_code: i32, values: &[(&str, f64)]) -> IterationOutput {
        let measures: BTreeMap<_, _> = values
            .iter()
            .map(|(name, value)| (*name, serde_json::json!({"value": value})))
            .collect();
        IterationOutput {
            exit_code,
            stdout: Some(serde_json::json!({"b": measures}).to_string()),
            ..IterationOutput::default()
        }
    }

    #[test]
    fn values_are_those_of_their_sides_in_turns() {
        let mut taken = Taken::default();
        taken.take(0, &[output(0, &[("m", 1.0), ("alone", 1.0)])], None);
        taken.take(
            1,
            &[output(0, &[("m", 2.0)]), output(1, &[("m", 9.0)])],
            None,
        );
        taken.take(1, &[output(0, &[("m", 3.0)])], None);
        taken.take(0, &[output(0, &[("m", 4.0)])], None);
        let (compared, left_out) = taken.compared();
        assert_eq!(left_out, 0);
        assert_eq!(compared.len(), 1, "only one side has the other");
        let places: Vec<_> = compared[0]
            .values
            .iter()
            .map(|measured| (measured.side, measured.turn))
            .collect();
        assert_eq!(places, [(0, 0), (1, 1), (1, 3), (0, 4)]);
        assert_eq!(
            compared[0].sides(),
            [(0, vec![1.0, 4.0]), (1, vec![2.0, 3.0])].into()
        );
    }

    #[test]
    fn answers_are_those_of_the_statistics() {
        let mut taken = Taken::default();
        for round in 0..10 {
            let noise = f64::from(round % 3) / 100.0;
            taken.take(0, &[output(0, &[("m", 10.0 + noise), ("zero", 0.0)])], None);
            taken.take(1, &[output(0, &[("m", 11.0 + noise), ("zero", 0.0)])], None);
            taken.take(2, &[output(0, &[("m", 10.0 + noise), ("zero", 0.0)])], None);
        }
        let (compared, _) = taken.compared();
        let answer = compared[0].answer(1).expect("there are enough");
        assert!((answer.ratio.value - 1.1).abs() < 0.001, "{answer:?}");
        assert_eq!(answer.verdict, Verdict::Slower);
        let same = compared[0].answer(2).expect("there are enough");
        assert_eq!(same.verdict, Verdict::NoDifferenceSeen);
        // Neither the first one with itself, nor one that is not there, nor what has no ratio.
        assert!(compared[0].answer(0).is_none() && compared[0].answer(7).is_none());
        assert_eq!(compared[1].measure, "zero");
        assert!(compared[1].answer(1).is_none());
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let names: Vec<_> = (0..20).map(|number| format!("{number:02}")).collect();
        let values: Vec<_> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
        let mut taken = Taken::default();
        for side in [0, 1] {
            for half in ["x", "y"] {
                let measured: Vec<_> = values
                    .iter()
                    .map(|(name, value)| (format!("{half}{name}"), *value))
                    .collect();
                let measured: Vec<_> = measured
                    .iter()
                    .map(|(name, value)| (name.as_str(), *value))
                    .collect();
                taken.take(side, &[output(0, &measured)], None);
            }
        }
        let (compared, left_out) = taken.compared();
        assert_eq!((compared.len(), left_out), (MAX_SHOWN, 16));
    }
}
