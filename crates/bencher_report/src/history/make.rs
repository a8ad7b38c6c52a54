//! From results to series with their changes.

use std::path::Path;

use bencher_runner::result::{MetricName, RunnerIdentity};
use bencher_statistics::{ChangeSettings, Settings, changes, estimate};
use thiserror::Error;

use super::{Change, Entry, History, Series, VERSION};
use crate::comparison::{Difference, Input, Interval, differences};
use crate::samples;
use crate::unit::MetricUnit;

/// What is asked of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryOptions {
    /// The metric.
    pub metric: MetricName,
    /// The largest p-value of a change.
    pub p_value: f64,
    /// The smallest change, as a share.
    pub least: f64,
    /// Whether results of different machines or clocks are in one series all the same.
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
    /// Enough in all, of too many commands.
    #[error(
        "a series takes {FEWEST} results of the same command at least; here are {count} of {commands} \
         commands, and {longest} of one at most"
    )]
    FewOfOne {
        /// How many there are.
        count: usize,
        /// Of how many commands.
        commands: usize,
        /// How many of one command there are at most.
        longest: usize,
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
pub(super) const FEWEST: usize = 4;

/// Looks for changes in `results`, for each command by the time at which its runs began.
///
/// # Errors
///
/// When there are too few, when one has nothing to show, and when those of a command are of different
/// machines.
pub fn history(results: Vec<Input>, options: &HistoryOptions) -> Result<History, HistoryError> {
    let count = results.len();
    let commands = by_command(results);
    let longest = commands.iter().map(|(_, results)| results.len()).max();
    let longest = longest.unwrap_or_default();
    if longest < FEWEST {
        return Err(if commands.len() > 1 && count >= FEWEST {
            HistoryError::FewOfOne {
                count,
                commands: commands.len(),
                longest,
            }
        } else {
            HistoryError::Few { count }
        });
    }
    let mut forced = false;
    for (_, results) in &commands {
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
    }
    let unit = unit(&commands, &options.metric)?;
    let series = commands
        .into_iter()
        .map(|(ran, results)| series(ran, &results, options))
        .collect::<Result<_, _>>()?;
    Ok(History {
        version: VERSION,
        runner: RunnerIdentity {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        metric: options.metric.clone(),
        unit,
        series,
        p_value: options.p_value,
        least: options.least,
        forced,
    })
}

/// What ran: results of the same are a series.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    command: Vec<String>,
    image: Option<String>,
}

impl Ran {
    fn of(input: &Input) -> Self {
        let setup = input.result.setup.as_ref();
        setup.map_or_else(Self::default, |setup| Self {
            command: setup.command.arguments.clone(),
            image: image_name(&setup.image.reference),
        })
    }
}

/// The name of an image without its tag and digest, which differ from commit to commit. A folder's or an
/// archive's says where it is and not what.
fn image_name(reference: &str) -> Option<String> {
    let is_file = reference.starts_with(['/', '.'])
        || Path::new(reference)
            .extension()
            .is_some_and(|extension| extension == "tar")
        || ["oci:", "oci-archive:", "docker-archive:"]
            .iter()
            .any(|kind| reference.starts_with(kind));
    if is_file {
        return None;
    }
    let name = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    let (place, last) = name
        .rsplit_once('/')
        .map_or(("", name), |(place, last)| (&name[..=place.len()], last));
    let last = last.split_once(':').map_or(last, |(last, _)| last);
    Some(format!("{place}{last}"))
}

/// The results of each command, by the time at which they began.
fn by_command(mut results: Vec<Input>) -> Vec<(Ran, Vec<Input>)> {
    results.sort_by_key(|input| input.result.started_at);
    let mut commands: Vec<(Ran, Vec<Input>)> = Vec::new();
    for input in results {
        let ran = Ran::of(&input);
        match commands.iter_mut().find(|(one, _)| *one == ran) {
            Some((_, results)) => results.push(input),
            None => commands.push((ran, vec![input])),
        }
    }
    commands
}

fn series(ran: Ran, results: &[Input], options: &HistoryOptions) -> Result<Series, HistoryError> {
    let entries = results
        .iter()
        .map(|input| entry(input, &options.metric))
        .collect::<Result<Vec<_>, _>>()?;
    let means: Vec<f64> = entries.iter().map(|entry| entry.mean).collect();
    let settings = ChangeSettings {
        p_value: options.p_value,
        least: options.least,
        ..ChangeSettings::default()
    };
    // Means of measurements are finite.
    let found = changes(&means, &settings).unwrap_or_default();
    Ok(Series {
        command: ran.command,
        image: ran.image,
        changes: found
            .iter()
            .map(|point| Change {
                index: u32::try_from(point.index).unwrap_or(u32::MAX),
                label: entries[point.index].label.clone(),
                last_before: entries[point.index.saturating_sub(1)].label.clone(),
                before: point.before,
                after: point.after,
                ratio: point.ratio(),
                p_value: point.p_value,
            })
            .collect(),
        results: entries,
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
fn unit(commands: &[(Ran, Vec<Input>)], metric: &MetricName) -> Result<MetricUnit, HistoryError> {
    let results = commands.iter().flat_map(|(_, results)| results);
    let all = results.flat_map(|input| &input.result.iterations.0);
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
