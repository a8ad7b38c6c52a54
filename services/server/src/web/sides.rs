//! What the sides of a comparison have measured.

use std::collections::BTreeMap;

use bencher_channel_protocol::IterationOutput;
use bencher_statistics::Comparison;

use super::answers::{Unanswered, answer};
use super::measures::measures;
use crate::evidence::{self, Evidence};

/// Measures that are shown, at most: the rest is counted.
const MAX_SHOWN: usize = 24;

/// The jobs' results in the order of their turns, taken in one by one.
#[derive(Debug, Default)]
pub(super) struct Taken {
    measured: BTreeMap<Name, Series>,
    jobs: Vec<Turn>,
    /// Iterations of all jobs.
    iterations: usize,
    /// Series of one job that were too many to be taken, at the most.
    dropped: usize,
}

/// By whether it is not the runner's own, benchmark and measure.
type Name = (bool, String, String);

#[derive(Debug, Default)]
struct Series {
    own: Option<evidence::Metric>,
    values: Vec<Measured>,
}

/// A job, in its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// From 0.
    pub(super) side: usize,
    pub(super) told: Told,
}

/// What is known of how a job was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It is not over, or its results are not read: it has its turn, and says nothing.
    Open,
    /// Its runner has not said it, or not of all iterations.
    Nothing,
    /// By a clock of hardware.
    Wall,
    /// By one that follows from the instructions.
    Virtual,
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// From 0.
    pub(super) side: usize,
    /// The place of its job among all of the comparison, from 0.
    pub(super) job: usize,
    /// The number of its iteration in its job, from 0.
    pub(super) iteration: usize,
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
    /// Which one of the runner's own it is, if it is one.
    pub(super) own: Option<evidence::Metric>,
    pub(super) benchmark: String,
    pub(super) measure: String,
    /// In the order of their turns.
    pub(super) values: Vec<Measured>,
    /// How each side but the first compares with that one.
    pub(super) answers: BTreeMap<usize, Result<Comparison, Unanswered>>,
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
        let job = self.jobs.len();
        for series in taken {
            let name = (series.own.is_none(), series.benchmark, series.measure);
            let kept = self.measured.entry(name).or_default();
            kept.own = series.own;
            let ended_well = series.points.iter().filter(|point| !point.is_failed);
            kept.values.extend(ended_well.map(|point| Measured {
                side,
                job,
                iteration: point.iteration,
                turn: self.iterations + point.iteration,
                value: point.value,
                is_suspect: point.is_suspect,
            }));
        }
        self.iterations += results.len();
        let of_all = |evidence: &&Evidence| evidence.of_results().count() >= results.len();
        let told = match evidence.filter(of_all) {
            None => Told::Nothing,
            Some(evidence) if evidence.has_virtual_clock() => Told::Virtual,
            Some(_) => Told::Wall,
        };
        self.jobs.push(Turn { side, told });
    }

    /// Leaves its turn to a job of which there is nothing to take in.
    pub(super) fn pass_over(&mut self, side: usize, told: Told) {
        self.jobs.push(Turn { side, told });
    }

    /// What more than one side has measured, by its name, with how they compare, and how many more there are.
    pub(super) fn compared(self) -> (Vec<Compared>, usize) {
        let dropped = self.dropped;
        let mut found: Vec<_> = self
            .measured
            .into_iter()
            .map(|((_, benchmark, measure), series)| Compared {
                own: series.own,
                benchmark,
                measure,
                values: series.values,
                answers: BTreeMap::new(),
            })
            .filter(|compared| compared.sides().len() > 1)
            .collect();
        let left_out = found.len().saturating_sub(MAX_SHOWN) + dropped;
        found.truncate(MAX_SHOWN);
        answer(&mut found, &self.jobs);
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
}

#[cfg(test)]
mod tests {
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
