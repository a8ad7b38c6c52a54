//! From results to the comparison, where the user wants it.

use std::path::Path;

use bencher_report::comparison::{Comparison, Input, Options, compare_what_there_is};
use bencher_report::text;

use super::fresh::Failure;
use crate::arguments::{ComparisonFormat, ComparisonOutput};
use crate::output;
use crate::terminal::Terminal;

/// Says why there is no answer, and returns the exit code.
pub(crate) fn told(outcome: Result<u8, Failure>, terminal: &Terminal) -> u8 {
    outcome.unwrap_or_else(|failure| {
        terminal.error(&failure.message);
        failure.code
    })
}

/// Whether what is to come can be written.
pub(crate) fn check(places: &ComparisonOutput) -> Result<(), String> {
    let mut files = places.result.iter().chain(&places.report);
    files.try_for_each(|file| output::check_file(file))
}

/// Compares what there is, lets `finish` add to it, and puts it into its places. It is returned if it is
/// all that was asked for: else `cut` says why not.
pub(crate) fn conclude(
    [baseline, candidate]: &[Input; 2],
    options: &Options,
    cut: Option<Failure>,
    finish: impl FnOnce(&mut Comparison),
    places: &ComparisonOutput,
) -> Result<Comparison, Failure> {
    let reason = cut.as_ref().map(|cut| cut.message.as_str());
    let compared = compare_what_there_is(baseline, candidate, options, reason);
    let mut comparison = match compared {
        Ok(comparison) => comparison,
        Err(error) => return Err(cut.unwrap_or_else(|| error.to_string().into())),
    };
    finish(&mut comparison);
    let delivered = deliver(&comparison, places);
    let incomplete = comparison.incomplete.clone().map(Failure::from);
    match (cut.or(incomplete), delivered) {
        (None, Ok(())) => Ok(comparison),
        (None, Err(error)) => Err(error.into()),
        (Some(cut), Ok(())) => Err(cut),
        (Some(cut), Err(error)) => Err(Failure {
            message: format!("{}; {error}", cut.message),
            ..cut
        }),
    }
}

/// A place that can not be written does not keep the comparison from the others.
fn deliver(comparison: &Comparison, places: &ComparisonOutput) -> Result<(), String> {
    let result = places.result.as_deref().map_or(Ok(()), |file| {
        output::json(comparison).and_then(|text| output::to_file(file, &text))
    });
    let report = places.report.as_deref().map_or(Ok(()), |file| {
        output::to_file(file, &bencher_report::html(comparison))
    });
    let printed = print(comparison, places.format);
    result.and(report).and(printed)
}

fn print(comparison: &Comparison, format: ComparisonFormat) -> Result<(), String> {
    match format {
        ComparisonFormat::Human => output::text(&text::human(comparison, output::look())),
        ComparisonFormat::Json => output::text(&output::json(comparison)?),
        ComparisonFormat::Csv => output::text(&text::csv(comparison)),
        ComparisonFormat::Markdown => output::text(&text::markdown(comparison)),
        ComparisonFormat::Junit => output::text(&text::junit(comparison)),
        ComparisonFormat::Github => {
            let annotations = text::github(comparison);
            let printed = output::text(&annotations.commands);
            if let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY") {
                output::append(Path::new(&file), &annotations.summary)?;
            }
            printed
        }
    }
}
