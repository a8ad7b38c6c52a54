//! `statistics`: what the answers of `bencher_statistics` keep of what they promise, on made-up noise and on
//! real runs.
//!
//! On made-up noise all but the times follows from seeds and is the same on any host.

mod changes;
mod coverage;
mod power;
mod real;
mod speed;
mod stopping;

use bencher_statistics::simulation::Pair;
use bencher_statistics::{Comparison, ComparisonError, Design, Settings, compare};

use crate::console;
use crate::workspace::Workspace;

/// How often each row of a table is tried.
const TRIALS: u32 = 2000;

/// All tables, as Markdown; `rounds` is how often times and real runs are measured.
///
/// # Errors
///
/// When the real runs fail.
pub(super) fn run(workspace: &Workspace, rounds: u32) -> anyhow::Result<String> {
    console::heading("Statistics");
    let tables: [(&str, &dyn Fn() -> anyhow::Result<String>); 6] = [
        ("real runs", &|| real::table(workspace, rounds)),
        ("coverage and false alarms", &|| Ok(coverage::table())),
        ("power", &|| Ok(power::table())),
        ("stopping", &|| Ok(stopping::table())),
        ("change points", &|| Ok(changes::table())),
        ("speed", &|| Ok(speed::table(rounds))),
    ];
    let mut text = String::new();
    for (name, table) in tables {
        console::note(name);
        text.push_str(&table()?);
        text.push('\n');
    }
    Ok(text)
}

/// Compares both sides of a pair.
fn of(pair: &Pair, settings: &Settings) -> Result<Comparison, ComparisonError> {
    let design = Design::Interleaved(&pair.orders);
    compare(&pair.baseline, &pair.candidate, design, settings)
}

/// `count` of `all` in percent.
fn percent(count: u32, all: u32) -> String {
    format!("{:.1}", 100.0 * f64::from(count) / f64::from(all))
}
