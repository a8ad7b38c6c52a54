//! `runner comparisons submit`.

use std::ffi::OsString;
use std::sync::{Arc, OnceLock};

use bencher_channel_protocol::Uuid;
use bencher_oci::Cancellation;
use bencher_runner::Reporter as _;
use bencher_server_api::{Config, NewComparison, Submitted};

use super::report::{Asked, report};
use super::{PATH, goes_on};
use crate::arguments::{ComparisonFormat, ComparisonsSubmit};
use crate::client::Connection;
use crate::compare::sides::{Source, resolve};
use crate::submit::{Image, config, connect};
use crate::terminal::Terminal;
use crate::{output, work};

pub(super) fn run(arguments: ComparisonsSubmit, terminal: Terminal) -> u8 {
    let hint = Arc::new(OnceLock::new());
    let set = Arc::clone(&hint);
    work::run_telling(terminal, &hint, move |terminal, cancel| {
        attempt(&arguments, &set, terminal, cancel)
    })
}

fn attempt(
    arguments: &ComparisonsSubmit,
    hint: &OnceLock<String>,
    terminal: &Terminal,
    cancel: &Cancellation,
) -> Result<u8, String> {
    let asked = Asked::new(&arguments.question, &arguments.places)?;
    if !arguments.wait {
        only_with_wait(arguments)?;
    }
    let connection = connect(&arguments.server, terminal)?;
    let new = new_comparison(arguments, &connection, cancel)?;
    let submitted: Submitted = connection
        .post(PATH, &new)
        .map_err(|error| error.to_string())?;
    // What comes back is shown and put into addresses: only an identifier is one.
    let id = Uuid::try_parse(&submitted.comparison)
        .map_err(|_| "the server gave no identifier for the comparison: is it of another version?")?
        .to_string();
    if !arguments.wait {
        output::line(&id)?;
        return Ok(0);
    }
    terminal.info(&format!(
        "submitted the comparison {id} of {} jobs",
        submitted.jobs.len()
    ));
    // Set once: it is submitted once.
    let _was_unset = hint.set(goes_on(&id, &arguments.server));
    report(&connection, &id, &asked, terminal, cancel)
}

/// Refuses what would be done with an answer that is not waited for.
fn only_with_wait(arguments: &ComparisonsSubmit) -> Result<(), String> {
    let (question, places) = (&arguments.question, &arguments.places);
    let given = [
        ("--adapter", question.adapter.is_some()),
        ("--metric", !question.metric.is_empty()),
        (
            "--fail-if-slower",
            question.judgement.fail_if_slower.is_some(),
        ),
        ("--interest", question.judgement.interest.is_some()),
        ("--format", places.format != ComparisonFormat::Human),
        ("--result", places.result.is_some()),
        ("--report", places.report.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(format!(
            "{name} is for what comes of the comparison: give --wait, or leave it for `runner comparisons \
             report`"
        )),
        None => Ok(()),
    }
}

fn new_comparison(
    arguments: &ComparisonsSubmit,
    connection: &Connection,
    cancel: &Cancellation,
) -> Result<NewComparison, String> {
    let [baseline, candidate] =
        [&arguments.baseline, &arguments.candidate].map(|name| name.as_ref().map(OsString::from));
    let image = arguments.image.as_ref().map(OsString::from);
    let options = &arguments.job;
    let sources = resolve(
        baseline.as_ref().zip(candidate.as_ref()),
        image.as_ref(),
        &arguments.trailing,
        // What is here can not be run there: whatever is named is in a registry.
        |_| false,
    )?;
    let mut project = String::new();
    let mut sides: Vec<Config> = Vec::new();
    for source in sources {
        let Source::Image { image, command } = source else {
            return Err("a result is not run".to_owned());
        };
        let name = image.to_string_lossy();
        let image = Image::find(connection, &name, options, &arguments.registry, cancel)?;
        if !sides.is_empty() && image.project != project {
            return Err(format!(
                "both sides must be of one project, and {name} is of {}: push it to the repository of {project}",
                image.project
            ));
        }
        project.clone_from(&image.project);
        sides.push(config::config(&image, &command, options));
    }
    Ok(NewComparison {
        project,
        spec: options.spec.clone(),
        priority: options.priority,
        timeout: config::timeout(options)?,
        rounds: arguments.iter.get() as usize,
        sides,
    })
}
