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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::scenarios::backend::On;
    use crate::scenarios::families;

    #[test]
    fn a_line_says_where_and_what() {
        let scenario = families::all().next().expect("there are some");
        insta::assert_snapshot!(render(&[scenario]));
    }

    /// Where the list begins and ends in the documentation.
    const MARKS: (&str, &str) = ("<!-- list -->\n", "<!-- end of list -->\n");

    #[test]
    fn the_documentation_lists_every_scenario() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenarios.md");
        let text = std::fs::read_to_string(&path).expect("it is there");
        let (before, rest) = text.split_once(MARKS.0).expect("the list begins");
        let (list, after) = rest.split_once(MARKS.1).expect("the list ends");
        let mut wanted = String::new();
        for scenario in families::all() {
            let on = match scenario.on {
                On::Everywhere => None,
                On::Machines => Some("machines"),
                On::Emulated => Some("emulated"),
                On::Host => Some("host"),
            };
            let changes = scenario.is_alone();
            let places: Vec<_> = on.into_iter().chain(changes.then_some("lab")).collect();
            let place = match places.as_slice() {
                [] => String::new(),
                places => format!(" ({})", places.join(", ")),
            };
            let _ = writeln!(wanted, "* `{}`{place}: {}", scenario.name, scenario.about);
        }
        if std::env::var_os("UPDATE_SCENARIOS").is_some() {
            let text = [before, MARKS.0, &wanted, MARKS.1, after].concat();
            std::fs::write(&path, text).expect("it can be written");
        } else {
            assert!(
                list == wanted,
                "run UPDATE_SCENARIOS=1 cargo test -p test_runner documentation"
            );
        }
    }
}
