//! How often commands are run, and what comes after an iteration.

use std::num::NonZeroU32;
use std::time::Duration;

use bencher_statistics::{Decision, Estimate, Order, Reason, StopRule};

use super::OnSuspect;
use super::turns::Turns;
use crate::result::MetricName;

/// How often each side is run.
#[derive(Debug, Clone, PartialEq)]
pub enum Goal {
    /// So many times.
    Times(NonZeroU32),
    /// Until the interval of a metric is narrow enough.
    Narrow {
        /// The metric.
        metric: MetricName,
        /// When it is enough.
        rule: StopRule,
    },
}

impl Goal {
    /// The most iterations of a side, those to warm up left out.
    pub fn most(&self) -> u32 {
        match self {
            Self::Times(times) => times.get(),
            Self::Narrow { rule, .. } => rule.most,
        }
    }
}

/// Decides which side is run next, and what becomes of an iteration. A side is what is run: there is
/// one, or there are two to be compared, which take turns. A round is an iteration of each side.
#[derive(Debug)]
pub(crate) struct Repetition {
    on_suspect: OnSuspect,
    goal: Goal,
    turns: Turns,
    /// Rounds to warm up that are still to come.
    warmups: u32,
    /// Complete rounds, those to warm up left out.
    rounds: u32,
    /// Rounds after which the goal is reached, or is to be looked at.
    target: u32,
    /// Why enough was measured, where the goal is an interval.
    stopped: Option<Reason>,
    /// Sides whose turns of the current round are still to come, the next one last.
    queue: Vec<usize>,
    /// Whether the current round is to warm up.
    is_warmup: bool,
    /// The number of each side's last iteration.
    indices: [u32; 2],
    /// Iterations that took the place of one.
    retries: u32,
}

/// One iteration to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Whose, from 0.
    pub(crate) side: usize,
    /// Its number among that side's, from 1.
    pub(crate) index: u32,
    /// Whether it is to warm up.
    pub(crate) warmup: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// An iteration.
    Turn(Turn),
    /// A look at the interval: see [`Repetition::look`].
    Look,
    /// Nothing more.
    End,
}

/// What comes after an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It counts.
    Counted,
    /// Another one takes its place.
    Retried,
    /// The run fails because of it.
    Failed,
}

impl Repetition {
    pub(crate) fn new(goal: Goal, warmups: u32, turns: Turns, on_suspect: OnSuspect) -> Self {
        let target = match &goal {
            Goal::Times(times) => times.get(),
            Goal::Narrow { rule, .. } => match rule.decide(0, Duration::ZERO, None) {
                Decision::MeasureUntil(first) => first,
                Decision::Stop(_) => rule.most,
            },
        };
        Self {
            on_suspect,
            goal,
            turns,
            warmups,
            rounds: 0,
            target,
            stopped: None,
            queue: Vec::new(),
            is_warmup: false,
            indices: [0; 2],
            retries: 0,
        }
    }

    /// What is to be done after `elapsed` time of measuring.
    pub(crate) fn step(&mut self, elapsed: Duration) -> Step {
        if self.queue.is_empty() {
            if self.warmups > 0 {
                self.warmups -= 1;
                self.is_warmup = true;
            } else {
                self.is_warmup = false;
                match &self.goal {
                    Goal::Times(_) if self.rounds >= self.target => return Step::End,
                    Goal::Narrow { .. } if self.stopped.is_some() => return Step::End,
                    Goal::Narrow { rule, .. }
                        if self.rounds >= self.target
                            || (self.rounds > 0 && elapsed >= rule.longest) =>
                    {
                        return Step::Look;
                    }
                    _ => {}
                }
            }
            self.queue = self.turns.next(self.is_warmup);
        }
        let side = self.queue.last().copied().unwrap_or(0);
        self.indices[side] += 1;
        Step::Turn(Turn {
            side,
            index: self.indices[side],
            warmup: self.is_warmup,
        })
    }

    /// What becomes of the iteration whose turn it was.
    pub(crate) fn end(&mut self, is_suspect: bool) -> Next {
        match self.on_suspect {
            // Its numbers do not count in any case.
            _ if self.is_warmup => {}
            OnSuspect::Fail if is_suspect => return Next::Failed,
            OnSuspect::Retry(most) if is_suspect && self.retries < most.get() => {
                self.retries += 1;
                return Next::Retried;
            }
            _ => {}
        }
        self.queue.pop();
        self.retries = 0;
        if self.queue.is_empty() && !self.is_warmup {
            self.rounds += 1;
        }
        Next::Counted
    }

    /// Decides whether it was enough, by the interval so far.
    pub(crate) fn look(&mut self, elapsed: Duration, estimate: Option<&Estimate>) {
        if let Goal::Narrow { rule, .. } = &self.goal {
            match rule.decide(self.rounds, elapsed, estimate) {
                Decision::MeasureUntil(rounds) => self.target = rounds,
                Decision::Stop(reason) => self.stopped = Some(reason),
            }
        }
    }

    /// Why enough was measured, where the goal is an interval.
    pub(crate) fn stopped(&self) -> Option<Reason> {
        self.stopped
    }

    /// Complete rounds, and those after which there is the next look.
    pub(crate) fn progress(&self) -> (u32, u32) {
        (self.rounds, self.target)
    }

    /// The orders of the rounds that were begun, where there are two sides.
    pub(crate) fn orders(&self) -> &[Order] {
        self.turns.orders()
    }

    /// The same, when it is over.
    pub(crate) fn into_orders(self) -> Vec<Order> {
        self.turns.into_orders()
    }
}

#[cfg(test)]
mod tests {
    use bencher_statistics::Plan;

    use super::*;
    use crate::result::Metric;

    fn times(iterations: u32) -> Goal {
        Goal::Times(NonZeroU32::new(iterations).unwrap())
    }

    /// What becomes of iterations of which these are suspect: `c`ounted, `r`etried, `f`ailed.
    fn course(iterations: u32, on_suspect: &str, suspect: &[u32]) -> String {
        let on_suspect = on_suspect.parse().unwrap();
        let mut repetition = Repetition::new(times(iterations), 0, Turns::One, on_suspect);
        let mut course = String::new();
        while let Step::Turn(turn) = repetition.step(Duration::ZERO) {
            course.push(match repetition.end(suspect.contains(&turn.index)) {
                Next::Counted => 'c',
                Next::Retried => 'r',
                Next::Failed => return course + "f",
            });
        }
        course
    }

    /// The turns of two sides, of which these are suspect: `A1`, `a1` to warm up.
    fn turns(iterations: u32, warmups: u32, suspect: &[&str]) -> (String, Vec<Order>) {
        let turns = Turns::pairs(1);
        let on_suspect = "retry".parse().unwrap();
        let mut repetition = Repetition::new(times(iterations), warmups, turns, on_suspect);
        let mut names = Vec::new();
        while let Step::Turn(turn) = repetition.step(Duration::ZERO) {
            let letter = match (turn.side, turn.warmup) {
                (0, false) => 'A',
                (0, true) => 'a',
                (_, false) => 'B',
                (_, true) => 'b',
            };
            let name = format!("{letter}{}", turn.index);
            repetition.end(suspect.contains(&name.as_str()));
            names.push(name);
        }
        (names.join(" "), repetition.into_orders())
    }

    #[test]
    fn suspect_iterations_are_kept_replaced_or_the_end() {
        for (iterations, on_suspect, suspect, expected) in [
            (3, "keep", &[1, 3][..], "ccc"),
            (3, "fail", &[], "ccc"),
            (3, "fail", &[2], "cf"),
            (2, "retry", &[1], "rcc"),
            // Not for ever: the last attempt counts, suspect as it is.
            (2, "retry:2", &[1, 2, 3], "rrcc"),
            // Each iteration has its own retries.
            (2, "retry:1", &[1, 3], "rcrc"),
        ] {
            let course = course(iterations, on_suspect, suspect);
            assert_eq!(course, expected, "{on_suspect} {suspect:?}");
        }
    }

    #[test]
    fn two_sides_take_turns_as_planned() {
        let (names, orders) = turns(4, 0, &[]);
        let planned: Vec<Order> = Plan::new(1).take(4).collect();
        assert_eq!(orders, planned);
        let octet = if planned[0] == Order::BaselineFirst {
            "A1 B1 B2 A2 B3 A3 A4 B4"
        } else {
            "B1 A1 A2 B2 A3 B3 B4 A4"
        };
        assert_eq!(names, octet);
    }

    #[test]
    fn warming_up_is_no_part_of_the_plan_and_never_suspect() {
        let (plain, planned) = turns(2, 0, &[]);
        let (names, orders) = turns(2, 1, &["a1", "b1"]);
        assert_eq!(orders, planned);
        let shifted = plain.replace('2', "3").replace('1', "2");
        assert_eq!(names, format!("a1 b1 {shifted}"));
    }

    #[test]
    fn another_attempt_of_a_side_comes_before_the_other_side() {
        let (plain, _) = turns(1, 0, &[]);
        let first = plain.split(' ').next().unwrap();
        let (names, _) = turns(1, 0, &[first]);
        let again = first.replace('1', "2");
        assert!(names.starts_with(&format!("{first} {again} ")), "{names}");
        assert_eq!(names.split(' ').count(), 3);
    }

    #[test]
    fn an_interval_is_looked_at_when_the_rule_says_so() {
        let rule = StopRule {
            half_width: 0.01,
            most: 30,
            longest: Duration::from_mins(1),
        };
        let wide = Estimate {
            value: 1.0,
            low: 0.9,
            high: 1.1,
        };
        let narrow = Estimate {
            value: 1.0,
            low: 0.999,
            high: 1.001,
        };
        for (narrow_from, time_over_at, expected, reason) in [
            (0, None, &[10][..], Reason::Narrow),
            (24, None, &[10, 16, 24], Reason::Narrow),
            (99, None, &[10, 16, 24, 30], Reason::Most),
            (99, Some(12), &[10, 12], Reason::Time),
            (0, Some(3), &[3], Reason::Time),
        ] {
            let metric = Metric::Wall.into();
            let goal = Goal::Narrow { metric, rule };
            let mut repetition = Repetition::new(goal, 1, Turns::One, OnSuspect::Keep);
            let mut looks = Vec::new();
            loop {
                let (rounds, _) = repetition.progress();
                let is_over = time_over_at.is_some_and(|at| rounds >= at);
                let elapsed = if is_over {
                    rule.longest
                } else {
                    Duration::ZERO
                };
                match repetition.step(elapsed) {
                    Step::Turn(turn) => {
                        assert_eq!(turn.warmup, turn.index == 1);
                        repetition.end(false);
                    }
                    Step::Look => {
                        looks.push(rounds);
                        let estimate = if rounds >= narrow_from { narrow } else { wide };
                        repetition.look(elapsed, Some(&estimate));
                    }
                    Step::End => break,
                }
            }
            assert_eq!(looks, expected, "{narrow_from} {time_over_at:?}");
            assert_eq!(repetition.stopped(), Some(reason));
        }
    }
}
