//! `runner submit`.

pub(crate) mod config;
mod image;

use std::sync::{Arc, OnceLock};

use bencher_channel_protocol::Uuid;
use bencher_oci::Cancellation;
use bencher_runner::Reporter;
use bencher_server_api::{Config, Job, NewJob};

use crate::arguments::{ServerOptions, Submit};
use crate::client::{Connection, printable, watch};
use crate::terminal::Terminal;
use crate::{output, work};
pub(crate) use image::Image;

pub(crate) fn run(arguments: Submit, terminal: Terminal) -> u8 {
    let hint = Arc::new(OnceLock::new());
    let set = Arc::clone(&hint);
    work::run_telling(terminal, &hint, move |terminal, cancel| {
        attempt(&arguments, &set, terminal, cancel)
    })
}

/// What is told to whoever stops waiting for a job.
pub(crate) fn goes_on(job: &str, server: &ServerOptions) -> String {
    let host = server.host();
    format!(
        "the job goes on; see it with `runner jobs logs {job} --host {host}`, or stop it with \
         `runner jobs cancel {job} --host {host}`"
    )
}

/// Warns where others can read the token.
pub(crate) fn connect(server: &ServerOptions, terminal: &Terminal) -> Result<Connection, String> {
    let connection = server.connection().map_err(|error| error.to_string())?;
    if connection.is_exposed() {
        terminal
            .warning("the connection is not encrypted, and others can read the token: use https");
    }
    Ok(connection)
}

fn attempt(
    arguments: &Submit,
    hint: &OnceLock<String>,
    terminal: &Terminal,
    cancel: &Cancellation,
) -> Result<u8, String> {
    let connection = connect(&arguments.server, terminal)?;
    let (name, options) = (arguments.image.as_str(), &arguments.job);
    let image = Image::find(&connection, name, options, &arguments.registry, cancel)?;
    let new = NewJob {
        project: image.project.clone(),
        spec: options.spec.clone(),
        priority: options.priority,
        timeout: config::timeout(options)?,
        config: Config {
            iter: arguments.iter,
            ..config::config(&image, &arguments.cmd, options)
        },
    };
    let job: Job = connection
        .post("/v0/jobs", &new)
        .map_err(|error| error.to_string())?;
    // What comes back is shown and put into addresses: only an identifier is one.
    let id = Uuid::try_parse(&job.id)
        .map_err(|_| "the server gave no identifier for the job: is it of another version?")?
        .to_string();
    if !arguments.wait {
        output::line(&id)?;
        return Ok(0);
    }
    match job.trace.as_deref() {
        Some(trace) => {
            let trace = printable(trace);
            terminal.info(&format!("submitted the job {id}, in the trace {trace}"));
        }
        None => terminal.info(&format!("submitted the job {id}")),
    }
    // Set once: the job is submitted once.
    let _was_unset = hint.set(goes_on(&id, &arguments.server));
    watch(&connection, &id, terminal, cancel).map_err(|error| error.to_string())
}
