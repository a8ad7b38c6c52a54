//! `all`: every check, one step after the other, each reported.

mod steps;
mod summary;
mod tally;
mod verdict;

use std::path::PathBuf;
use std::time::Instant;

pub(crate) use verdict::{Counts, Verdict};

use crate::console;
use crate::runner::Runner;
use crate::workspace::Workspace;
use summary::Finished;
use verdict::Outcome;

/// What earlier steps made for later ones.
#[derive(Debug)]
struct Progress {
    workspace: Workspace,
    /// The programs that images and machines need are there.
    tools: bool,
    runner: Option<Runner>,
    kernel: Option<PathBuf>,
    images: bool,
}

/// One step: a name for the table, what it does for the heading, the function that does it.
struct Step {
    name: &'static str,
    title: &'static str,
    run: fn(&mut Progress) -> Verdict,
}

/// Cheap checks first, then what the virtual machines need, then everything that uses it.
const STEPS: [Step; 13] = [
    Step {
        name: "format",
        title: "Formatting (cargo fmt)",
        run: steps::format,
    },
    Step {
        name: "lints",
        title: "Lints (cargo clippy)",
        run: steps::lints,
    },
    Step {
        name: "dependencies",
        title: "Licences, sources and duplicates of dependencies (cargo deny)",
        run: steps::dependencies,
    },
    Step {
        name: "documentation",
        title: "Documentation (cargo doc)",
        run: steps::documentation,
    },
    Step {
        name: "tools",
        title: "Programs of other packages",
        run: steps::tools,
    },
    Step {
        name: "runner",
        title: "The runner and its guest kernel",
        run: steps::runner,
    },
    Step {
        name: "images",
        title: "OCI images",
        run: steps::images,
    },
    Step {
        name: "tests",
        title: "Unit and integration tests",
        run: steps::tests,
    },
    Step {
        name: "examples",
        title: "Examples in the documentation",
        run: steps::examples,
    },
    Step {
        name: "fuzzing",
        title: "Parsers of untrusted bytes under random input",
        run: steps::fuzzing,
    },
    Step {
        name: "microVMs",
        title: "Benchmarks in microVMs",
        run: steps::machines,
    },
    Step {
        name: "scenarios",
        title: "Scenarios: real images in real machines, compared to the byte",
        run: steps::scenarios,
    },
    Step {
        name: "lab",
        title: "Scenarios where KVM is",
        run: steps::lab,
    },
];

/// Runs every step, whatever became of the ones before, and prints the summary. Returns whether
/// nothing failed.
pub(crate) fn all(workspace: Workspace) -> bool {
    let mut progress = Progress {
        workspace,
        tools: false,
        runner: None,
        kernel: None,
        images: false,
    };
    let mut finished = Vec::new();
    for step in STEPS {
        console::heading(step.title);
        let started = Instant::now();
        let verdict = (step.run)(&mut progress);
        match verdict.outcome() {
            Outcome::Passed => {}
            Outcome::Failed(why) => console::note(&format!("failed: {why}")),
            Outcome::Skipped(why) => console::note(&format!("skipped: {why}")),
        }
        finished.push(Finished {
            name: step.name,
            verdict,
            took: started.elapsed(),
        });
    }
    console::heading("Summary");
    print!("{}", summary::render(&finished));
    summary::succeeded(&finished)
}
