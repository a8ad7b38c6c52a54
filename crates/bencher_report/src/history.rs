//! A series of results, and where it changed.

use bencher_runner::result::{MetricName, RunnerIdentity};
use bencher_statistics::{ChangeSettings, Settings, changes, estimate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::comparison::{Difference, Input, Interval, differences};
use crate::date::date;
use crate::quantity::{Scale, change, probability};
use crate::samples;
use crate::text::{one_line, sparkline, table};
use crate::unit::MetricUnit;

/// The version of this document's layout. Fields are added without a new version; a field that
/// changes its meaning or goes raises it.
pub const VERSION: u32 = 1;

/// What `runner history` found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The version of this document's layout.
    pub version: u32,
    /// The program that made this document.
    pub runner: RunnerIdentity,
    /// The metric.
    pub metric: MetricName,
    /// What its values count.
    pub unit: MetricUnit,
    /// The results, by the time at which their runs began.
    pub results: Vec<Entry>,
    /// Where the series changed.
    pub changes: Vec<Change>,
    /// The largest p-value of a change.
    pub p_value: f64,
    /// The smallest change that is told, as a share.
    pub least: f64,
    /// Whether results of different machines or clocks are in it all the same.
    pub forced: bool,
}

/// A result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// What people call it.
    pub label: String,
    /// The file that it came from.
    pub file: Option<String>,
    /// When its run began, in seconds since 1970-01-01 UTC.
    pub started_at: u64,
    /// Iterations that count.
    pub iterations: u32,
    /// Their mean.
    pub mean: f64,
    /// The 95 % interval of the mean; absent of a single iteration.
    pub interval: Option<Interval>,
}

/// A place where the series changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The place of the first result after the change, from 0.
    pub index: u32,
    /// What people call that result.
    pub label: String,
    /// What people call the one before it.
    pub last_before: String,
    /// The mean of the results since the change before.
    pub before: f64,
    /// The mean of the results until the next change.
    pub after: f64,
    /// How many times as large it became.
    pub ratio: f64,
    /// The p-value of Student's t-test between both.
    pub p_value: f64,
}

/// What is asked of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryOptions {
    /// The metric.
    pub metric: MetricName,
    /// The largest p-value of a change.
    pub p_value: f64,
    /// The smallest change, as a share.
    pub least: f64,
    /// Whether results of different machines or clocks are one series all the same.
    pub force: bool,
}

/// Why results are no series.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// Too few.
    #[error("a series takes {FEWEST} results at least, and here are {count}")]
    Few {
        /// How many there are.
        count: usize,
    },
    /// One has nothing to show.
    #[error("{label} has no iteration that measured {metric} and ended well: leave it out")]
    Nothing {
        /// The result.
        label: String,
        /// The metric.
        metric: MetricName,
    },
    /// They are not in one unit.
    #[error("{metric} is in {:?} and in {:?}: leave the results of one of them out", units[0], units[1])]
    Units {
        /// The metric.
        metric: MetricName,
        /// Two of its units.
        units: [String; 2],
    },
    /// They are of different machines or clocks.
    #[error(
        "{one} and {other} are not of the same machine or clock: {} ({} and {}); --force takes them all \
         the same", difference.what, difference.baseline, difference.candidate
    )]
    Different {
        /// A result.
        one: String,
        /// The next one.
        other: String,
        /// What differs.
        difference: Box<Difference>,
    },
}

/// The fewest results of which a change can be told.
const FEWEST: usize = 4;

/// Looks for changes in `results`, by the time at which they began.
///
/// # Errors
///
/// When there are too few, when one has nothing to show, and when they are of different machines.
pub fn history(mut results: Vec<Input>, options: &HistoryOptions) -> Result<History, HistoryError> {
    if results.len() < FEWEST {
        let count = results.len();
        return Err(HistoryError::Few { count });
    }
    results.sort_by_key(|input| input.result.started_at);
    let mut forced = false;
    for pair in results.windows(2) {
        if let Some(difference) = matters(&pair[0], &pair[1]) {
            if !options.force {
                return Err(HistoryError::Different {
                    one: pair[0].label.clone(),
                    other: pair[1].label.clone(),
                    difference: Box::new(difference),
                });
            }
            forced = true;
        }
    }
    let entries = results
        .iter()
        .map(|input| entry(input, &options.metric))
        .collect::<Result<Vec<_>, _>>()?;
    let unit = unit(&results, &options.metric)?;
    let series: Vec<f64> = entries.iter().map(|entry| entry.mean).collect();
    let settings = ChangeSettings {
        p_value: options.p_value,
        least: options.least,
        ..ChangeSettings::default()
    };
    // Means of measurements are finite.
    let found = changes(&series, &settings).unwrap_or_default();
    Ok(History {
        version: VERSION,
        runner: RunnerIdentity {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        metric: options.metric.clone(),
        unit,
        changes: found
            .iter()
            .map(|point| Change {
                index: u32::try_from(point.index).unwrap_or(u32::MAX),
                label: entries[point.index].label.clone(),
                last_before: entries[point.index.saturating_sub(1)].label.clone(),
                before: point.before,
                after: point.after,
                ratio: point.after / point.before,
                p_value: point.p_value,
            })
            .collect(),
        results: entries,
        p_value: options.p_value,
        least: options.least,
        forced,
    })
}

fn matters(one: &Input, other: &Input) -> Option<Difference> {
    let setups = [one, other].map(|input| Some((input.result.setup.as_ref()?, &input.result.host)));
    let [Some(one), Some(other)] = setups else {
        return None;
    };
    differences(one, other)
        .into_iter()
        .find(|difference| difference.matters)
}

/// The unit of `metric` in all results.
fn unit(results: &[Input], metric: &MetricName) -> Result<MetricUnit, HistoryError> {
    let all = results.iter().flat_map(|input| &input.result.iterations.0);
    let counting: Vec<_> = all.filter(|iteration| iteration.counts()).collect();
    MetricUnit::of(metric, &counting).map_err(|units| HistoryError::Units {
        metric: metric.clone(),
        units,
    })
}

fn entry(input: &Input, metric: &MetricName) -> Result<Entry, HistoryError> {
    let nothing = || HistoryError::Nothing {
        label: input.label.clone(),
        metric: metric.clone(),
    };
    let iterations = &input.result.iterations.0;
    let samples = samples::of_result(metric, iterations).ok_or_else(nothing)?;
    let interval = estimate(&samples, &Settings::default()).ok();
    Ok(Entry {
        label: input.label.clone(),
        file: input.file.clone(),
        started_at: input.result.started_at,
        iterations: u32::try_from(samples.invocations().len()).unwrap_or(u32::MAX),
        mean: bencher_statistics::Summary::of(&samples).mean,
        interval: interval.map(|found| Interval {
            value: found.value,
            low: found.low,
            high: found.high,
        }),
    })
}

impl History {
    /// The series as a table, with a line below each change, and bars if there are to be some.
    pub fn for_people(&self, bars: bool) -> String {
        let largest = self.results.iter().map(|entry| entry.mean);
        let scale = Scale::of(&self.unit, largest.fold(0.0, f64::max));
        let mut index = 0;
        let rows = self.results.iter().map(|entry| {
            let changed = self.changes.iter().find(|change| change.index == index);
            index += 1;
            [
                date(entry.started_at),
                one_line(&entry.label),
                scale.show(entry.mean),
                entry.iterations.to_string(),
                changed.map_or_else(String::new, |one| {
                    format!(
                        "{} % since here, p {}",
                        change(one.ratio, 2),
                        probability(one.p_value)
                    )
                }),
            ]
        });
        let titles = ["DATE", "RESULT", "MEAN", "ITERATIONS", "CHANGE"];
        let mut text = format!("{}\n\n", self.metric);
        text += &table(titles, &["MEAN", "ITERATIONS"], rows);
        if bars {
            let means: Vec<f64> = self.results.iter().map(|entry| entry.mean).collect();
            let least = means.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = means.iter().copied().fold(0.0, f64::max);
            text += &format!("\n{}\n", sparkline(&means, 60, (least, greatest)));
        }
        text += &match self.changes.len() {
            0 => format!(
                "\nno change found in {} results (p at most {})\n",
                self.results.len(),
                self.p_value
            ),
            1 => format!("\n1 change in {} results\n", self.results.len()),
            count => format!("\n{count} changes in {} results\n", self.results.len()),
        };
        if self.forced {
            text += "! the results are of different machines or clocks: a change may be the machine's\n";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use bencher_runner::result::{Better, Metric};

    use super::*;
    use crate::samples::tests::{harness_metric, input, of_harness};

    const OPTIONS: HistoryOptions = HistoryOptions {
        metric: MetricName::Runner(Metric::Wall),
        p_value: 0.001,
        least: 0.0,
        force: false,
    };

    /// Results of these means, each begun an hour after the one before.
    fn series(means: &[u64]) -> Vec<Input> {
        let number = |(index, mean): (u64, &u64)| {
            let mut input = input(&format!("commit-{index}"), &[mean - 1, *mean, mean + 1]);
            input.result.started_at = 1_795_981_792 + 3600 * index;
            input
        };
        (0..).zip(means).map(number).collect()
    }

    const STEP: [u64; 12] = [
        1000, 1004, 998, 1001, 997, 1003, 1101, 1100, 1104, 1098, 1097, 1103,
    ];

    #[test]
    fn a_change_is_told_with_the_result_that_made_it() {
        let found = history(series(&STEP), &OPTIONS).expect("it is a series");
        assert_eq!(found.changes.len(), 1);
        let change = &found.changes[0];
        assert_eq!(
            (
                change.index,
                change.label.as_str(),
                change.last_before.as_str()
            ),
            (6, "commit-6", "commit-5")
        );
        assert!((change.ratio - 1.1).abs() < 0.001);
        insta::assert_snapshot!(found.for_people(true));
    }

    #[test]
    fn the_order_is_that_of_the_runs() {
        let mut shuffled = series(&STEP);
        shuffled.reverse();
        let found = history(shuffled, &OPTIONS).expect("it is a series");
        assert_eq!(found.changes[0].label, "commit-6");
    }

    #[test]
    fn small_changes_can_be_left_out() {
        let options = HistoryOptions {
            least: 0.2,
            ..OPTIONS
        };
        let found = history(series(&STEP), &options).expect("it is a series");
        assert!(found.changes.is_empty());
        assert!(
            found
                .for_people(false)
                .contains("no change found in 12 results")
        );
    }

    #[test]
    fn a_metric_of_a_harness_has_a_series_in_one_unit() {
        let of = |unit: &str, mean: u64| {
            #[expect(clippy::cast_precision_loss, reason = "they are small")]
            let values = [mean as f64, mean as f64 + 2.0];
            let metric = harness_metric("sort", ("throughput", unit, Better::Higher), &values);
            vec![metric]
        };
        let mut results: Vec<_> = (0..)
            .zip(STEP)
            .map(|(index, mean)| {
                let mut input = of_harness(
                    &format!("commit-{index}"),
                    &[of("MB/s", mean), of("MB/s", mean + 1)],
                );
                input.result.started_at = index;
                input
            })
            .collect();
        let options = HistoryOptions {
            metric: "sort/throughput".parse().expect("it is a name"),
            ..OPTIONS
        };
        let found = history(results.clone(), &options).expect("it is a series");
        assert_eq!(found.changes[0].label, "commit-6");
        assert_eq!(found.unit, MetricUnit::Other("MB/s".to_owned()));
        assert_eq!(found.results[0].iterations, 2);
        assert!((found.results[0].mean - 1001.5).abs() < 1e-9);
        let text = found.for_people(false);
        assert!(
            text.starts_with("sort/throughput\n") && text.contains("1.101 k MB/s")
                || text.contains("1.103 kMB/s"),
            "{text}"
        );
        results[3] = of_harness("odd", &[of("ns", 5)]);
        let error = history(results, &options).expect_err("two units");
        assert!(
            error.to_string().contains("is in \"MB/s\" and in \"ns\""),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_series_is_refused() {
        let few = history(series(&[1, 2, 3]), &OPTIONS).expect_err("they are few");
        assert_eq!(
            few.to_string(),
            "a series takes 4 results at least, and here are 3"
        );
        let mut other = series(&STEP);
        other[4].result.host.cpu_model = Some("Other".to_owned());
        let error = history(other.clone(), &OPTIONS).expect_err("they differ");
        let expected = "commit-3 and commit-4 are not of the same machine or clock: processor";
        assert!(error.to_string().starts_with(expected), "{error}");
        let force = HistoryOptions {
            force: true,
            ..OPTIONS
        };
        assert!(history(other, &force).expect("it is forced").forced);
        let mut empty = series(&STEP);
        empty[2].result.iterations.0.clear();
        let error = history(empty, &OPTIONS).expect_err("one is empty");
        assert!(
            error.to_string().starts_with("commit-2 has no iteration"),
            "{error}"
        );
    }
}
