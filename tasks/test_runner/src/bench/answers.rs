//! `statistics`: what the answers of `bencher_statistics` keep of what they promise, on made-up noise.
//!
//! All but the times follows from seeds and is the same on any host.

mod changes;
mod coverage;
mod power;
mod speed;
mod stopping;

use bencher_statistics::simulation::Pair;
use bencher_statistics::{Comparison, ComparisonError, Design, Settings, compare};

use crate::console;

/// How often each row of a table is tried.
const TRIALS: u32 = 2000;

/// All tables, as Markdown; `rounds` is how often times are measured.
pub(super) fn run(rounds: u32) -> String {
    console::heading("Statistics");
    let tables: [(&str, &dyn Fn() -> String); 5] = [
        ("coverage and false alarms", &coverage::table),
        ("power", &power::table),
        ("stopping", &stopping::table),
        ("change points", &changes::table),
        ("speed", &|| speed::table(rounds)),
    ];
    let mut text = String::new();
    for (name, table) in tables {
        console::note(name);
        text.push_str(&table());
        text.push('\n');
    }
    text
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
