//! How the sides of a comparison compare: as `runner comparisons report` has it of the same jobs.
//!
//! ```text
//!  turns         A  B     B  A     A  B
//!  pairs         1.AB     2.BA     3.AB      each with its order; iterations of a pair of jobs are pairs, too
//!  one measure   ratio of the pairs that both sides measured
//!  all measures  what differs is corrected for their number
//! ```

use std::collections::BTreeMap;

use bencher_statistics::{
    Clock, Comparison, Design, Interest, Order, Samples, Settings, compare, correct,
};

use super::sides::{Compared, Measured, Told, Turn};
use crate::evidence;

/// Pairs of values from which intervals are drawn for one page, at most: it takes a second or two.
const MAX_PAIRS: usize = 200_000;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Too little or nothing of use is known.
    Few,
    /// It is not known of all jobs how they were measured, and this is the runner's own measure.
    Untold,
    /// It is more than a page is drawn of.
    Many,
}

/// Has each measure answered: how each side compares with the first one that has values.
pub(super) fn answer(measures: &mut [Compared], jobs: &[Turn]) {
    let settings = settings(jobs);
    let mut room = MAX_PAIRS;
    for measure in &mut *measures {
        let sides: Vec<usize> = measure.sides().into_keys().collect();
        let Some((&first, others)) = sides.split_first() else {
            continue;
        };
        for &side in others {
            let pairs = Pairs::of(jobs, first, side);
            let found = one(measure, &pairs, &settings, &mut room);
            measure.answers.insert(side, found);
        }
    }
    // What the report has unless it is asked for something else is corrected together, and the rest is as if
    // each were asked for alone.
    let is_usual = |measure: &Compared| measure.own.is_none_or(evidence::Metric::is_usual);
    let (usual, others): (Vec<_>, Vec<_>) = measures.iter_mut().partition(|one| is_usual(one));
    corrected(usual, &settings);
    for measure in others {
        corrected(vec![measure], &settings);
    }
}

fn corrected(measures: Vec<&mut Compared>, settings: &Settings) {
    let answers = measures
        .into_iter()
        .flat_map(|one| one.answers.values_mut());
    let mut answers: Vec<&mut Comparison> = answers.filter_map(|one| one.as_mut().ok()).collect();
    let mut found: Vec<Comparison> = answers.iter().map(|one| (**one).clone()).collect();
    correct(&mut found, settings);
    for (answer, found) in answers.iter_mut().zip(found) {
        **answer = found;
    }
}

/// With the clock that all jobs of the comparison say that they have.
fn settings(jobs: &[Turn]) -> Settings {
    let mut told = jobs.iter().filter(|job| job.told != Told::Open).peekable();
    if told.peek().is_none() || !told.all(|job| job.told == Told::Virtual) {
        return Settings::default();
    }
    Settings {
        clock: Clock::Virtual,
        interest: Interest::VIRTUAL_CLOCK,
        ..Settings::default()
    }
}

/// The jobs of two sides that ran next to each other, by their turns.
struct Pairs {
    jobs: Vec<([usize; 2], Order)>,
    /// Whether all jobs of both sides that are over say how they were measured.
    are_told: bool,
}

impl Pairs {
    fn of(jobs: &[Turn], first: usize, side: usize) -> Self {
        let of = |side: usize| {
            let turns = jobs.iter().enumerate();
            turns.filter(move |(_, job)| job.side == side)
        };
        let pairs = of(first).zip(of(side)).map(|((one, _), (other, _))| {
            let order = if one < other {
                Order::BaselineFirst
            } else {
                Order::CandidateFirst
            };
            ([one, other], order)
        });
        let mut both = of(first).chain(of(side));
        Self {
            jobs: pairs.collect(),
            are_told: both.all(|(_, job)| job.told != Told::Nothing),
        }
    }

    /// The values of the pairs of which both sides have one, with their orders.
    fn values(&self, values: &[Measured]) -> ([Vec<f64>; 2], Vec<Order>) {
        let of = |job: usize| -> &[Measured] {
            let begin = values.partition_point(|one| one.job < job);
            let rest = &values[begin..];
            &rest[..rest.partition_point(|one| one.job == job)]
        };
        let (mut sides, mut orders) = ([Vec::new(), Vec::new()], Vec::new());
        for &([one, other], order) in &self.jobs {
            let others: BTreeMap<usize, f64> = of(other)
                .iter()
                .map(|measured| (measured.iteration, measured.value))
                .collect();
            for measured in of(one) {
                if let Some(&value) = others.get(&measured.iteration) {
                    sides[0].push(measured.value);
                    sides[1].push(value);
                    orders.push(order);
                }
            }
        }
        (sides, orders)
    }
}

fn one(
    measure: &Compared,
    pairs: &Pairs,
    settings: &Settings,
    room: &mut usize,
) -> Result<Comparison, Unanswered> {
    if measure.own.is_some() && !pairs.are_told {
        return Err(Unanswered::Untold);
    }
    let ([baseline, candidate], orders) = pairs.values(&measure.values);
    *room = room.checked_sub(orders.len()).ok_or(Unanswered::Many)?;
    // An iteration has a machine of its own.
    let samples = |values: &[f64]| Samples::of_invocations(values).map_err(|_| Unanswered::Few);
    let (baseline, candidate) = (samples(&baseline)?, samples(&candidate)?);
    let design = Design::Interleaved(&orders);
    compare(&baseline, &candidate, design, settings).map_err(|_| Unanswered::Few)
}

#[cfg(test)]
mod tests {
    use bencher_channel_protocol::IterationOutput;
    use bencher_statistics::{Method, Verdict};
    use serde_json::json;

    use super::*;
    use crate::evidence::{Evidence, Metric};
    use crate::web::sides::Taken;

    /// As the sides of two take turns.
    const TURNS: [usize; 8] = [0, 1, 1, 0, 0, 1, 1, 0];

    fn output(values: &[(&str, f64)]) -> IterationOutput {
        let measures: BTreeMap<_, _> = values
            .iter()
            .map(|(name, value)| (*name, json!({"value": value})))
            .collect();
        IterationOutput {
            stdout: Some(json!({"b": measures}).to_string()),
            ..IterationOutput::default()
        }
    }

    /// What a runner says of an iteration, by a clock of this kind.
    fn evidence(clock: &str, wall_ns: u64, rss: u64) -> Evidence {
        let document = json!({
            "version": 1, "machine": {"clock": clock},
            "iterations": [{
                "ended_by": "exit", "exit_code": 0, "instructions": wall_ns,
                "resources": {"wall_ns": wall_ns, "max_rss_bytes": rss, "memory_peak_bytes": 1},
            }],
        });
        Evidence::read(document.to_string().as_bytes()).expect("a document")
    }

    fn measure<'a>(compared: &'a [Compared], name: &str) -> &'a Compared {
        let mut all = compared.iter();
        all.find(|one| one.measure == name).expect("it is there")
    }

    fn verdict(compared: &Compared, side: usize) -> Result<Verdict, Unanswered> {
        let answer = compared.answers.get(&side).expect("a side");
        answer
            .as_ref()
            .map(|answer| answer.verdict)
            .map_err(|reason| *reason)
    }

    #[test]
    fn what_a_machine_does_to_both_of_a_pair_is_no_difference_between_them() {
        let mut taken = Taken::default();
        // It becomes slower by a half, and the second side is slower by a twentieth.
        let noise = [0.1, -0.2, 0.0, 0.1, 0.2, -0.1, 0.1, -0.1];
        for ((turn, side), noise) in (0..).zip(TURNS).zip(noise) {
            let cost = [100.0, 105.0][side] + noise;
            let speed = 1.0 + f64::from(turn) / 14.0;
            taken.take(side, &[output(&[("m", cost * speed), ("zero", 0.0)])], None);
        }
        let (compared, _) = taken.compared();
        let answer = measure(&compared, "m").answers[&1]
            .as_ref()
            .expect("an answer");
        assert_eq!(answer.method, Method::Paired);
        assert_eq!(answer.verdict, Verdict::Slower, "{answer:?}");
        assert!((answer.ratio.value - 1.05).abs() < 0.01, "{answer:?}");
        // Neither the first one with itself, nor what has no ratio.
        assert!(!measure(&compared, "m").answers.contains_key(&0));
        assert_eq!(verdict(measure(&compared, "zero"), 1), Err(Unanswered::Few));
    }

    #[test]
    fn what_failed_or_is_not_there_is_left_out_with_its_neighbour() {
        let mut taken = Taken::default();
        let failed = || IterationOutput {
            exit_code: 1,
            ..output(&[("m", 1e9)])
        };
        for (turn, side) in (0..).zip(TURNS) {
            let value = [100.0, 110.0][side] + f64::from(turn % 3);
            match turn {
                // The second of the first pair fails, and a job of the second one has a second iteration.
                1 => taken.take(side, &[failed()], None),
                2 => taken.take(
                    side,
                    &[output(&[("m", value)]), output(&[("m", 1e9)])],
                    None,
                ),
                // The first of the last pair has nothing at all.
                7 => taken.pass_over(side, Told::Nothing),
                _ => taken.take(side, &[output(&[("m", value)])], None),
            }
        }
        let (compared, _) = taken.compared();
        let answer = compared[0].answers[&1].as_ref().expect("an answer");
        // Of turns 3 and 4, and of turns 2 and 5.
        assert_eq!(
            (answer.baseline.mean, answer.candidate.mean),
            (100.5, 112.0)
        );
    }

    #[test]
    fn under_a_virtual_clock_two_rounds_are_enough() {
        let of = |clocks: [&str; 4]| {
            let mut taken = Taken::default();
            for (side, clock) in [0, 1, 1, 0].into_iter().zip(clocks) {
                let wall = [1_000_000, 1_000_100][side];
                taken.take(side, &[output(&[])], Some(&evidence(clock, wall, 4096)));
            }
            verdict(measure(&taken.compared().0, "wall time"), 1)
        };
        assert_eq!(of(["virtual"; 4]), Ok(Verdict::Slower));
        // Values that are the same each time say little of other clocks.
        assert_eq!(of(["wall"; 4]), Err(Unanswered::Few));
        assert_eq!(
            of(["virtual", "virtual", "wall", "virtual"]),
            Err(Unanswered::Few)
        );
    }

    #[test]
    fn what_the_runner_measured_is_compared_where_all_jobs_have_it() {
        let with = |last: Option<Evidence>| {
            let mut taken = Taken::default();
            for (turn, side) in (0..).zip(TURNS) {
                let noise = turn % 3;
                let evidence = evidence("wall", [1_000_000, 1_200_000][side] + noise, 4096 + noise);
                let evidence = if turn == 7 {
                    last.as_ref()
                } else {
                    Some(&evidence)
                };
                taken.take(side, &[output(&[("m", 1.0)])], evidence);
            }
            verdict(measure(&taken.compared().0, "wall time"), 1)
        };
        assert_eq!(with(None), Err(Unanswered::Untold));
        let other = json!({"version": 2}).to_string();
        assert_eq!(
            with(Evidence::read(other.as_bytes())),
            Err(Unanswered::Untold)
        );
        assert_eq!(
            with(Some(evidence("wall", 1_000_001, 4096))),
            Ok(Verdict::Slower)
        );
    }

    #[test]
    fn differences_that_are_chance_among_many_measures_are_none() {
        let names: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
        // One measure differs just so much that alone it would be believed.
        let doubtful = [0.0, 3.0, 3.0, 0.0, 0.0, 2.0, 2.0, 0.0];
        let noise = [0.0, 3.0, -3.0, 1.0, 2.0, -2.0, 0.5, -1.0];
        let of = |names: &[String]| {
            let mut taken = Taken::default();
            for (turn, side) in TURNS.into_iter().enumerate() {
                let value = |place: usize| match place {
                    0 => 100.0 + doubtful[turn],
                    _ => 100.0 + noise[(turn * (place + 2) + place) % 8],
                };
                let values = (0..)
                    .zip(names)
                    .map(|(place, name)| (name.as_str(), value(place)));
                taken.take(side, &[output(&values.collect::<Vec<_>>())], None);
            }
            taken.compared().0
        };
        let alone = of(&names[..1]);
        assert_eq!(verdict(&alone[0], 1), Ok(Verdict::Slower), "{alone:?}");
        let among = of(&names);
        assert_eq!(
            verdict(&among[0], 1),
            Ok(Verdict::TooNoisy),
            "{:?}",
            among[0].answers
        );
        let [one, other] = [&alone, &among].map(|all| all[0].answers[&1].clone().expect("one"));
        assert_eq!(one.ratio, other.ratio);
        assert!(other.adjusted_p_value > Some(0.05), "{other:?}");
    }

    #[test]
    fn more_than_a_page_is_drawn_of_is_not_drawn() {
        let iterations = MAX_PAIRS / 2 + 1;
        let values: Vec<Measured> = [0, 1]
            .into_iter()
            .flat_map(|side| {
                (0..iterations).map(move |iteration| Measured {
                    side,
                    job: side,
                    iteration,
                    turn: side * iterations + iteration,
                    value: 1.0,
                    is_suspect: false,
                })
            })
            .collect();
        let one = |own: Option<Metric>, measure: &str| Compared {
            own,
            benchmark: "b".to_owned(),
            measure: measure.to_owned(),
            values: values.clone(),
            answers: BTreeMap::new(),
        };
        let mut measures = [one(Some(Metric::Wall), "wall"), one(None, "m")];
        let jobs = [0, 1].map(|side| Turn {
            side,
            told: Told::Wall,
        });
        answer(&mut measures, &jobs);
        let [first, second] = measures.map(|one| verdict(&one, 1));
        assert_eq!(
            (first, second),
            (Ok(Verdict::NoDifferenceSeen), Err(Unanswered::Many))
        );
    }
}
