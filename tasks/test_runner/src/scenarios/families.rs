//! Every scenario there is, one file for each family.

mod adapters;
mod clock;
mod command;
mod comparing;
mod content;
mod cpus;
mod environment;
mod execution;
mod files;
mod filesystem;
mod hostile;
mod interrupts;
mod isolation;
mod iterations;
mod jail;
mod kills;
mod life;
mod metrics;
mod network;
mod output;
mod registry;
mod resources;
mod services;
mod timeouts;
mod tuning;
mod up;
mod up_evidence;
mod up_kills;
mod updates;

use super::scenario::Scenario;

/// The families in the order in which they are run.
const FAMILIES: [&[Scenario]; 29] = [
    execution::SCENARIOS,
    output::SCENARIOS,
    timeouts::SCENARIOS,
    interrupts::SCENARIOS,
    files::SCENARIOS,
    filesystem::SCENARIOS,
    resources::SCENARIOS,
    command::SCENARIOS,
    environment::SCENARIOS,
    content::SCENARIOS,
    registry::SCENARIOS,
    isolation::SCENARIOS,
    network::SCENARIOS,
    jail::SCENARIOS,
    life::SCENARIOS,
    hostile::SCENARIOS,
    metrics::SCENARIOS,
    adapters::SCENARIOS,
    iterations::SCENARIOS,
    clock::SCENARIOS,
    comparing::SCENARIOS,
    cpus::SCENARIOS,
    tuning::SCENARIOS,
    kills::SCENARIOS,
    up::SCENARIOS,
    up_evidence::SCENARIOS,
    up_kills::SCENARIOS,
    updates::SCENARIOS,
    services::SCENARIOS,
];

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    FAMILIES.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_plain_and_unique() {
        let mut names = BTreeSet::new();
        for scenario in all() {
            let is_plain = |character: char| character.is_ascii_lowercase() || character == '_';
            let plain = |character: char| is_plain(character) || character.is_ascii_digit();
            assert!(scenario.name.chars().all(plain), "{}", scenario.name);
            assert!(names.insert(scenario.name), "{} twice", scenario.name);
        }
    }

    #[test]
    fn each_says_in_one_line_what_is_promised() {
        for scenario in all() {
            let about = scenario.about;
            assert!(
                (20..110).contains(&about.len()),
                "{}: {about}",
                scenario.name
            );
            assert!(!about.ends_with('.'), "{}", scenario.name);
            assert!(!about.contains('\n'), "{}", scenario.name);
        }
    }
}
