//! Turns: every contestant once a round, each round begun by another one.

use std::time::Instant;

use anyhow::Context as _;

use super::statistics::Samples;
use crate::console;
use crate::process;

/// Somebody who can be timed.
pub(crate) struct Contestant<'a> {
    name: String,
    /// Does the work of the round of this number and returns the measure.
    work: Box<dyn FnMut(u32) -> anyhow::Result<f64> + 'a>,
}

impl<'a> Contestant<'a> {
    /// Measures by itself.
    pub(crate) fn new(
        name: impl Into<String>,
        work: impl FnMut(u32) -> anyhow::Result<f64> + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            work: Box::new(work),
        }
    }

    /// Is timed in seconds.
    pub(crate) fn timed(
        name: impl Into<String>,
        mut work: impl FnMut(u32) -> anyhow::Result<()> + 'a,
    ) -> Self {
        Self::new(name, move |round| {
            let started = Instant::now();
            work(round)?;
            Ok(started.elapsed().as_secs_f64())
        })
    }

    /// A program whose output does not matter is timed in seconds.
    pub(crate) fn program(
        name: impl Into<String>,
        mut command: impl FnMut(u32) -> std::process::Command + 'a,
    ) -> Self {
        Self::timed(name, move |round| {
            process::capture(&mut command(round)).map(|_| ())
        })
    }
}

/// Lets `contestants` take turns and returns what was measured of each, in their order.
///
/// # Errors
///
/// When one of them fails.
pub(crate) fn take_turns(
    rounds: u32,
    contestants: Vec<Contestant<'_>>,
) -> anyhow::Result<Vec<(String, Samples)>> {
    let measured = by_rounds(rounds, contestants)?;
    Ok(measured
        .into_iter()
        .filter_map(|(name, measures)| Some((name, Samples::new(measures)?)))
        .collect())
}

/// The same with the measures of each in the order of the rounds.
///
/// # Errors
///
/// When one of them fails.
pub(crate) fn by_rounds(
    rounds: u32,
    mut contestants: Vec<Contestant<'_>>,
) -> anyhow::Result<Vec<(String, Vec<f64>)>> {
    let mut measures = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        console::note(&format!("round {} of {rounds}", round + 1));
        for index in order(round, contestants.len()) {
            let contestant = &mut contestants[index];
            // What one has written is not to be paid for by the next.
            nix::unistd::sync();
            let measure = (contestant.work)(round)
                .with_context(|| format!("{} failed in round {}", contestant.name, round + 1))?;
            measures[index].push(measure);
        }
    }
    Ok(contestants
        .into_iter()
        .zip(measures)
        .map(|(contestant, measures)| (contestant.name, measures))
        .collect())
}

/// The order of a round: one further each time.
fn order(round: u32, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| (index + round as usize) % count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn everyone_begins_once() {
        let log = RefCell::new(String::new());
        let contestant = |name: char| {
            let log = &log;
            Contestant::new(name, move |round| {
                log.borrow_mut().push(name);
                Ok(f64::from(round))
            })
        };
        let measured = take_turns(3, vec![contestant('a'), contestant('b'), contestant('c')])
            .expect("nobody fails");
        assert_eq!(*log.borrow(), "abcbcacab");
        assert_eq!(measured.len(), 3);
        for (_, samples) in measured {
            assert!((samples.median() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_failure_names_the_contestant() {
        let fails = Contestant::program("no such program", |_| process::command("/no/such"));
        let error = take_turns(1, vec![fails]).expect_err("it can not be started");
        assert_eq!(error.to_string(), "no such program failed in round 1");
    }
}
