//! `scenarios`: what the runner promises, tried as a user would, and compared to the byte.
//!
//! ```text
//! families ──> scenario ──> stage ──> record ──> check ──> outcome ──> report
//!                image ──────┘          └─ recorded ones, and broken ones, in tests
//! ```
//!
//! A scenario never talks to the runner's code: it starts the binary with an image that a real
//! builder made of a real Dockerfile, and looks at what comes out.

mod agreement;
mod backend;
mod bytes;
mod cpus;
mod expect;
mod families;
mod features;
mod fleet;
mod hand_made;
mod image;
mod invocation;
mod junit;
mod knobs;
mod list;
mod options;
mod outcome;
mod places;
mod processes;
mod record;
mod report;
mod running;
mod scenario;
mod schema;
mod stage;
mod suite;
mod surroundings;

#[cfg(test)]
mod broken;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

pub(crate) use options::Options;
use outcome::Finished;
use places::Places;
pub(crate) use report::{counts, reasons};
use scenario::Scenario;
use suite::Suite;
use surroundings::Need;

use crate::console;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// Does what `options` say. Returns whether nothing failed.
///
/// # Errors
///
/// When there is no such scenario, the runner can not be built, or a report can not be written.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let chosen = choose(&options.scenarios)?;
    if options.list {
        print!("{}", list::render(&chosen));
        return Ok(true);
    }
    let places = Places::of(options)?;
    if options.build_only {
        places.build_images(&chosen)?;
        println!("{}", places.images.display());
        return Ok(true);
    }
    let runner = places.runner(options)?;
    let finished = carry_out(&Suite::new(options, places, runner)?, &chosen)?;
    if let Some(path) = &options.report {
        write(path, &report::document(&finished).to_string())?;
    }
    if let Some(path) = &options.junit {
        write(path, &junit::render(&finished))?;
    }
    Ok(counts(&finished).failed == 0)
}

/// Runs every scenario on the best machine of this host and on the host itself.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn all(workspace: &Workspace, runner: &Runner) -> anyhow::Result<Vec<Finished>> {
    let options = Options::default();
    let places = Places::in_workspace(workspace)?;
    carry_out(
        &Suite::new(&options, places, runner.clone())?,
        &choose(&[])?,
    )
}

fn carry_out(suite: &Suite<'_>, chosen: &[&'static Scenario]) -> anyhow::Result<Vec<Finished>> {
    let finished = suite.run(chosen)?;
    println!("\n{}", report::summary(&finished));
    Ok(finished)
}

/// What a scenario needs of the place that it is sent to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// So many CPUs.
    pub(crate) cpus: usize,
    /// A host that may be changed: its knobs are turned, or services are installed.
    pub(crate) own_host: bool,
    /// `bencher-server`.
    pub(crate) server: bool,
}

/// What the scenario `name` needs; nothing where there is none.
pub(crate) fn needs(name: &str) -> Needs {
    let found = families::all().find(|scenario| scenario.name == name);
    found.map_or_else(Needs::default, |scenario| Needs {
        cpus: scenario.cpus(),
        own_host: scenario.is_alone(),
        server: scenario.needs.contains(&Need::Server),
    })
}

/// The scenarios with these names, or all.
fn choose(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(families::all().collect());
    }
    names
        .iter()
        .map(|name| {
            let found = families::all().find(|scenario| scenario.name == name);
            found.with_context(|| {
                format!("there is no scenario {name}: `scenarios --list` names them all")
            })
        })
        .collect()
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("{} is a folder, not a file to write", path.display());
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    console::note(&format!("wrote {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_scenarios_are_refused_by_name() {
        let error = choose(&["basic".to_owned()]).expect_err("its name is longer");
        assert!(error.to_string().starts_with("there is no scenario basic"));
        let one = choose(&["basic_execution".to_owned()]).expect("it is there");
        assert_eq!(one.len(), 1);
        assert!(choose(&[]).expect("all are there").len() > 90);
    }
}
