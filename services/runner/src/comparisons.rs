//! `runner comparisons`.

mod jobs;
mod listing;
mod outputs;
mod report;
mod submit;

use std::sync::{Arc, OnceLock};

use bencher_server_api::{Comparison, Job};

use crate::arguments::{
    Comparisons, ComparisonsCommand, ComparisonsLs, ComparisonsOne, ComparisonsRm, ComparisonsShow,
    ServerOptions,
};
use crate::client::{ClientError, encoded, is_over, listed};
use crate::submit::connect;
use crate::terminal::Terminal;
use crate::{many, output, work};

const PATH: &str = "/v0/comparisons";

pub(crate) fn run(arguments: Comparisons, terminal: Terminal) -> u8 {
    match arguments.command {
        ComparisonsCommand::Submit(command) => submit::run(*command, terminal),
        ComparisonsCommand::Report(command) => {
            let hint = Arc::new(OnceLock::from(goes_on(
                &command.comparison,
                &command.server,
            )));
            work::run_telling(terminal, &hint, move |terminal, cancel| {
                let connection = connect(&command.server, terminal)?;
                let asked = report::Asked::new(&command.question, &command.places)?;
                report::report(&connection, &command.comparison, &asked, terminal, cancel)
            })
        }
        ComparisonsCommand::Ls(command) => {
            work::run(terminal, move |terminal, _| ls(&command, terminal))
        }
        ComparisonsCommand::Show(command) => {
            work::run(terminal, move |terminal, _| show(&command, terminal))
        }
        ComparisonsCommand::Cancel(command) => {
            work::run(terminal, move |terminal, _| cancel(&command, terminal))
        }
        ComparisonsCommand::Rm(command) => {
            work::run(terminal, move |terminal, _| rm(&command, terminal))
        }
    }
}

fn path(comparison: &str) -> String {
    format!("{PATH}/{}", encoded(comparison))
}

/// What is told to whoever stops waiting for a comparison.
fn goes_on(comparison: &str, server: &ServerOptions) -> String {
    let host = server.host();
    format!(
        "the comparison goes on; wait for it again with `runner comparisons report {comparison} --host \
         {host}`, or stop it with `runner comparisons cancel {comparison} --host {host}`"
    )
}

fn ls(arguments: &ComparisonsLs, terminal: &Terminal) -> Result<(), String> {
    let asked = &arguments.list;
    let connection = connect(&asked.server, terminal)?;
    let filter = [("project", &arguments.project)];
    let found = listed::<Comparison>(&connection, PATH, &filter, asked.limit)
        .map_err(|error| error.to_string())?;
    output::print(&found, asked.json, |found| {
        listing::listing(found, jiff::Timestamp::now(), output::look().width)
    })
}

fn show(arguments: &ComparisonsShow, terminal: &Terminal) -> Result<(), String> {
    let connection = connect(&arguments.server, terminal)?;
    let found: Comparison = connection
        .get(&path(&arguments.comparison))
        .map_err(|error| error.to_string())?;
    if arguments.json {
        return output::text(&output::json(&found)?);
    }
    let said = |error: ClientError| error.to_string();
    let jobs = jobs::of(&connection, &arguments.comparison).map_err(said)?;
    // Lists do not say why a job waits.
    let waiting = match jobs.iter().find(|job| !is_over(&job.state)) {
        Some(next) => {
            let path = format!("/v0/jobs/{}", encoded(&next.id));
            let next: Job = connection.get(&path).map_err(said)?;
            next.waiting
        }
        None => None,
    };
    output::text(&listing::description(&found, &jobs, waiting.as_ref()))
}

/// Stops the job that is at work, and with it all that wait.
fn cancel(arguments: &ComparisonsOne, terminal: &Terminal) -> Result<(), String> {
    let connection = connect(&arguments.server, terminal)?;
    // One that ended just before it was stopped takes no other with it: then it is the next one's turn.
    loop {
        let jobs =
            jobs::of(&connection, &arguments.comparison).map_err(|error| error.to_string())?;
        let Some(first) = jobs.iter().find(|job| !is_over(&job.state)) else {
            break;
        };
        let path = format!("/v0/jobs/{}/cancel", encoded(&first.id));
        connection
            .post::<Job>(&path, &())
            .map_err(|error| error.to_string())?;
    }
    let found: Comparison = connection
        .get(&path(&arguments.comparison))
        .map_err(|error| error.to_string())?;
    output::line(listing::state(&found))
}

fn rm(arguments: &ComparisonsRm, terminal: &Terminal) -> Result<(), String> {
    let connection = connect(&arguments.server, terminal)?;
    many::each(
        &arguments.comparisons,
        "comparisons were not deleted",
        terminal,
        |comparison| many::delete(&connection, &path(comparison), comparison, terminal),
    )
}
