//! How narrow the interval is of what was measured so far.

use std::borrow::Cow;

use bencher_statistics::{
    Design, Estimate, FIRST_LOOK, Order, Reason, Samples, Settings, compare, estimate,
};

use super::RunError;
use super::repetition::{Goal, Repetition};
use crate::Reporter;
use crate::result::{HarnessMetric, Iteration, Precision, StopReason};

/// Those of an iteration: one, or the samples of a harness.
type Values = Vec<f64>;

/// The values of the metric that is to be measured precisely.
#[derive(Debug)]
pub(crate) struct Course {
    goal: Goal,
    /// The values of each side's iterations that are neither to warm up nor replaced; `None` of one
    /// that failed.
    values: Vec<Vec<Option<Values>>>,
    last: Option<Estimate>,
}

impl Course {
    pub(crate) fn new(goal: Goal, sides: usize) -> Self {
        Self {
            goal,
            values: vec![Vec::new(); sides],
            last: None,
        }
    }

    /// Takes in an iteration of `side`.
    pub(crate) fn push(&mut self, side: usize, iteration: &Iteration) {
        if let Goal::Narrow { metric, .. } = &self.goal
            && !iteration.warmup
            && !iteration.retried
        {
            let values = metric.values(iteration).filter(|_| iteration.counts());
            self.values[side].push(values.map(Cow::into_owned));
        }
    }

    /// The error of an iteration that measured all but the metric that is looked at: no other one will.
    pub(crate) fn check(&self, iteration: &Iteration) -> Result<(), RunError> {
        let Goal::Narrow { metric, .. } = &self.goal else {
            return Ok(());
        };
        match &iteration.harness {
            Some(harness)
                if harness.error.is_none()
                    && metric.is_of_harness()
                    && metric.of(iteration).is_none() =>
            {
                Err(RunError::NoSuchMetric {
                    metric: metric.to_string(),
                    index: iteration.index,
                    there: names(&harness.metrics),
                })
            }
            _ => Ok(()),
        }
    }

    /// The interval of the value of one side, or of the ratio of two whose pairs came in `orders`.
    pub(crate) fn estimate(&mut self, orders: &[Order]) -> Option<Estimate> {
        let settings = Settings::default();
        self.last = match self.values.as_slice() {
            [one] => {
                let values = one.iter().flatten().cloned().collect();
                let samples = Samples::new(values).ok()?;
                estimate(&samples, &settings).ok()
            }
            [baseline, candidate] => ratio(baseline, candidate, orders, &settings),
            _ => None,
        };
        self.last
    }

    /// Says how far it is.
    pub(crate) fn tell(
        &self,
        repetition: &Repetition,
        estimate: Option<&Estimate>,
        reporter: &dyn Reporter,
    ) {
        let Goal::Narrow { metric, rule } = &self.goal else {
            return;
        };
        let wanted = percent(rule.half_width);
        let (rounds, target) = repetition.progress();
        let found = estimate.map_or_else(
            || format!("there is no interval of {metric} yet"),
            |estimate| format!("{metric} is known to ± {}", percent(estimate.half_width())),
        );
        let head = format!("after {rounds} iterations {found}");
        let stopped = repetition.stopped();
        let text = format!("{head}{}", outcome(stopped, rounds, target, &wanted));
        if matches!(stopped, Some(Reason::Most | Reason::Time)) {
            reporter.warning(&text);
        } else {
            reporter.info(&text);
        }
    }

    /// What it came to, for the result.
    pub(crate) fn precision(&self, repetition: &Repetition) -> Option<Precision> {
        let Goal::Narrow { metric, rule } = &self.goal else {
            return None;
        };
        Some(Precision {
            metric: metric.clone(),
            wanted: rule.half_width,
            reached: self.last.as_ref().map(Estimate::half_width),
            stopped_by: repetition.stopped().map(|reason| match reason {
                Reason::Narrow => StopReason::Narrow,
                Reason::Most => StopReason::Iterations,
                Reason::Time => StopReason::Time,
            }),
        })
    }
}

/// What comes of `rounds` rounds, as the end of a sentence.
fn outcome(stopped: Option<Reason>, rounds: u32, target: u32, wanted: &str) -> String {
    let option = match stopped {
        None => return format!(", and is to be to ± {wanted}: the next look is after {target}"),
        Some(Reason::Narrow) => return ", as precise as asked for".to_owned(),
        Some(Reason::Most) => "--max-iter",
        Some(Reason::Time) => "--max-time",
    };
    // Of so few rounds a narrow interval is chance as well as a wide one.
    if rounds < FIRST_LOOK {
        format!(", but fewer than {FIRST_LOOK} say little of that: raise {option}")
    } else {
        format!(", not to the ± {wanted} that were asked for: raise {option}")
    }
}

/// Of pairs in which both sides have a value.
fn ratio(
    baseline: &[Option<Values>],
    candidate: &[Option<Values>],
    orders: &[Order],
    settings: &Settings,
) -> Option<Estimate> {
    let pairs = baseline.iter().zip(candidate).zip(orders);
    let whole: Vec<(&Values, &Values, Order)> = pairs
        .filter_map(|((one, other), &order)| Some((one.as_ref()?, other.as_ref()?, order)))
        .collect();
    let orders: Vec<Order> = whole.iter().map(|pair| pair.2).collect();
    let baseline = Samples::new(whole.iter().map(|pair| pair.0.clone()).collect()).ok()?;
    let candidate = Samples::new(whole.iter().map(|pair| pair.1.clone()).collect()).ok()?;
    let design = Design::Interleaved(&orders);
    let found = compare(&baseline, &candidate, design, settings).ok()?;
    Some(found.ratio)
}

/// The first names of metrics, as a list to read.
fn names(metrics: &[HarnessMetric]) -> String {
    const MOST: usize = 10;
    let first: Vec<String> = metrics.iter().take(MOST).map(HarnessMetric::name).collect();
    let more = metrics.len().saturating_sub(MOST);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    first.join(", ") + &rest
}

/// A share in words, with three significant digits.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let decimals = if percent >= 10.0 {
        1
    } else if percent >= 1.0 {
        2
    } else {
        3
    };
    format!("{percent:.decimals$} %")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bencher_statistics::{Plan, StopRule};

    use super::*;
    use crate::result::{Better, EndedBy, Harness, Metric, Resources};

    fn iteration(wall_ns: u64) -> Iteration {
        Iteration {
            resources: Some(Resources {
                wall_ns,
                ..Resources::default()
            }),
            ..Iteration::default()
        }
    }

    fn goal() -> Goal {
        Goal::Narrow {
            metric: Metric::Wall.into(),
            rule: StopRule {
                half_width: 0.01,
                most: 100,
                longest: Duration::from_mins(1),
            },
        }
    }

    #[test]
    fn only_what_counts_is_in_the_interval() {
        let mut course = Course::new(goal(), 1);
        for wall in [100, 102, 98, 101] {
            course.push(0, &iteration(wall));
        }
        let before = course.estimate(&[]);
        assert!(before.is_some_and(|estimate| estimate.covers(100.0)));
        let without: [fn(&mut Iteration); 3] = [
            |iteration| iteration.warmup = true,
            |iteration| iteration.retried = true,
            |iteration| iteration.ended_by = EndedBy::Timeout,
        ];
        for change in without {
            let mut other = iteration(9_999);
            change(&mut other);
            course.push(0, &other);
        }
        assert_eq!(course.estimate(&[]), before);
    }

    #[test]
    fn pairs_without_a_partner_are_left_out_with_their_order() {
        let orders: Vec<Order> = Plan::new(3).take(6).collect();
        let baseline = [100, 101, 99, 100, 102, 98];
        let mut whole = Course::new(goal(), 2);
        let mut partial = Course::new(goal(), 2);
        for (place, wall) in baseline.into_iter().enumerate() {
            for (side, wall) in [(0, wall), (1, wall + 10 + wall % 3)] {
                let mut one = iteration(wall);
                if place != 2 {
                    whole.push(side, &one);
                }
                if place == 2 && side == 1 {
                    one.exit_code = 1;
                }
                partial.push(side, &one);
            }
        }
        let mut without = orders.clone();
        without.remove(2);
        let expected = whole.estimate(&without);
        assert!(expected.is_some_and(|ratio| ratio.low > 1.05));
        assert_eq!(partial.estimate(&orders), expected);
    }

    #[test]
    fn what_ends_before_the_first_look_is_not_said_to_be_wide() {
        for (stopped, rounds, expected) in [
            (
                None,
                16,
                ", and is to be to ± 1 %: the next look is after 24",
            ),
            (Some(Reason::Narrow), 16, ", as precise as asked for"),
            (
                Some(Reason::Most),
                9,
                ", but fewer than 10 say little of that: raise --max-iter",
            ),
            (
                Some(Reason::Time),
                3,
                ", but fewer than 10 say little of that: raise --max-time",
            ),
            (
                Some(Reason::Most),
                10,
                ", not to the ± 1 % that were asked for: raise --max-iter",
            ),
        ] {
            assert_eq!(outcome(stopped, rounds, 24, "1 %"), expected);
        }
    }

    #[test]
    fn a_metric_that_the_harness_has_not_is_told_with_those_that_it_has() {
        let goal = |metric: &str| Goal::Narrow {
            metric: metric.parse().unwrap(),
            rule: StopRule {
                half_width: 0.01,
                most: 100,
                longest: Duration::from_mins(1),
            },
        };
        let metrics = (0..12).map(|index| HarnessMetric {
            benchmark: format!("b{index:02}"),
            measure: "latency".to_owned(),
            unit: "ns".to_owned(),
            better: Better::Lower,
            values: vec![5.0 + f64::from(index), 6.0],
            samples: 2,
            low: None,
            high: None,
        });
        let one = Iteration {
            harness: Some(Harness {
                metrics: metrics.collect(),
                ..Harness::default()
            }),
            ..iteration(5)
        };
        let error = Course::new(goal("sort/latency"), 1)
            .check(&one)
            .unwrap_err();
        assert!(
            error.to_string().starts_with(
                "iteration 0 has no metric sort/latency: it has b00/latency, b01/latency,"
            ) && error.to_string().contains("b09/latency and 2 more"),
            "{error}"
        );
        assert!(Course::new(goal("wall"), 1).check(&one).is_ok());
        let mut course = Course::new(goal("b01/latency"), 1);
        assert!(course.check(&one).is_ok());
        assert!(
            course.check(&iteration(5)).is_ok(),
            "it has no metrics at all"
        );
        course.push(0, &one);
        course.push(0, &one);
        let estimate = course.estimate(&[]).unwrap();
        assert!(
            estimate.covers(6.0) && estimate.half_width() < 1e-9,
            "{estimate:?}"
        );
    }

    #[test]
    fn one_value_has_no_interval() {
        let mut course = Course::new(goal(), 1);
        course.push(0, &iteration(5));
        assert_eq!(course.estimate(&[]), None);
    }

    #[test]
    fn shares_are_rounded_to_what_matters() {
        for (share, text) in [(0.2341, "23.4 %"), (0.01234, "1.23 %"), (0.0005, "0.050 %")] {
            assert_eq!(percent(share), text);
        }
    }
}
