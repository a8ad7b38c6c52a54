//! The scenarios as text: for `--list`, and for the documentation.

use super::scenario::Scenario;
use crate::table::Table;

/// A table of `scenarios`: name, backends, what is promised.
pub(crate) fn render(scenarios: &[&Scenario]) -> String {
    let mut table = Table::new(["scenario", "backends", "what is promised"]);
    for scenario in scenarios {
        table.row([
            scenario.name.to_owned(),
            backends(scenario),
            scenario.about.to_owned(),
        ]);
    }
    table.render()
}

fn backends(scenario: &Scenario) -> String {
    let names: Vec<_> = scenario
        .on
        .backends()
        .into_iter()
        .map(super::backend::Backend::name)
        .collect();
    names.join(",")
}
