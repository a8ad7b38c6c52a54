//! `runner history`.

use std::io::IsTerminal as _;

use bencher_report::history::{HistoryOptions, history};

use crate::arguments::History;
use crate::terminal::Terminal;
use crate::{FAILED, compare, output};

pub(crate) fn run(arguments: &History, terminal: &Terminal) -> u8 {
    match attempt(arguments) {
        Ok(()) => 0,
        Err(message) => {
            terminal.error(&message);
            FAILED
        }
    }
}

fn attempt(arguments: &History) -> Result<(), String> {
    let results = arguments
        .files
        .iter()
        .map(|file| compare::recorded(file, arguments.adapter.as_ref()));
    let options = HistoryOptions {
        metric: arguments.metric.clone(),
        p_value: arguments.p_value,
        least: arguments.least.unwrap_or_default(),
        force: arguments.force,
    };
    let found =
        history(results.collect::<Result<_, _>>()?, &options).map_err(|error| error.to_string())?;
    let bars = std::io::stdout().is_terminal();
    output::print(&found, arguments.json, |found| found.for_people(bars))
}
