//! What commands that ask a server are told.

use std::path::PathBuf;
use std::time::Duration;

use bencher_runner::units::parse_duration;
use clap::{Args, Subcommand};

use super::PullOptions;
use crate::client::{ClientError, Connection, token};

/// Which server is asked, and with which token. The token is in `BENCHER_TOKEN` or in a file, as other
/// users of this host see command lines.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerOptions {
    #[arg(
        long,
        value_name = "URL",
        env = "BENCHER_HOST",
        help = "The server, as http://HOST[:PORT] or https://HOST[:PORT]"
    )]
    host: String,
    #[arg(
        long,
        value_name = "FILE",
        env = "BENCHER_TOKEN_FILE",
        help = "A file that holds the token [default: what is in BENCHER_TOKEN]"
    )]
    token_file: Option<PathBuf>,
    /// A PEM file of certificates that the server may have, beside those that this host trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl ServerOptions {
    /// The server. Nothing is sent yet.
    pub(crate) fn connection(&self) -> Result<Connection, ClientError> {
        let variable = std::env::var("BENCHER_TOKEN").ok();
        let token = token(self.token_file.as_deref(), variable)?;
        Connection::new(&self.host, &token, self.ca.as_deref())
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

/// Asks a server to run an image's command on one of its runners, and prints the job's identifier.
#[derive(Debug, Args)]
#[command(
    after_help = "With --wait standard output is the job's, and the exit code is the one that \
`runner run` would have ended with; 130 if the job was canceled. Ctrl-C ends only the wait.\n\n\
Durations are in seconds unless they have a unit (90, 5m)."
)]
pub(crate) struct Submit {
    #[arg(
        value_name = "IMAGE",
        help = "The image in its registry: HOST[:PORT]/[FOLDER/]PROJECT-UUID[:TAG][@DIGEST]; its \
                repository's name ends in the project's identifier"
    )]
    pub(crate) image: String,
    /// Replace the image's command, as the arguments after `docker run IMAGE` do
    #[arg(last = true, value_name = "CMD")]
    pub(crate) cmd: Vec<String>,
    /// Wait for the job's end, and show its state and its output
    #[arg(long)]
    pub(crate) wait: bool,
    /// How many iterations
    #[arg(long, value_name = "COUNT")]
    pub(crate) iter: Option<u32>,
    #[command(flatten)]
    pub(crate) job: JobOptions,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(flatten)]
    pub(crate) registry: PullOptions,
}

/// What a job is, whatever it is submitted with.
#[derive(Debug, Args)]
pub(crate) struct JobOptions {
    /// What it must run on: the slug or identifier of a spec
    #[arg(long, value_name = "NAME")]
    pub(crate) spec: String,
    /// Its project: a slug or identifier [default: the one in the image's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// The higher, the sooner, within what the project may
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) priority: u8,
    /// How long a job may run, all its iterations together [default: an hour]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Replace the image's entrypoint; once for each word
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) entrypoint: Option<Vec<String>>,
    /// Set a variable of the command's environment; NAME alone takes the value from here
    #[arg(long, short, value_name = "NAME[=VALUE]", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// Collect this file of each iteration
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Vec<String>,
    /// Measure the command's wall time
    #[arg(long)]
    pub(crate) build_time: bool,
    /// Collect the sizes of files instead of their contents
    #[arg(long)]
    pub(crate) file_size: bool,
    /// Complete a job even if its command fails
    #[arg(long)]
    pub(crate) allow_failure: bool,
}

/// A variable with its value, or one of this process, so that its value is on no command line.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => match std::env::var(text) {
            Ok(value) => (text, value),
            Err(_) => {
                return Err(
                    "expected NAME=VALUE, or the NAME of a variable that is set here".to_owned(),
                );
            }
        },
    };
    if name.is_empty() {
        return Err("expected NAME=VALUE, or the NAME of a variable that is set here".to_owned());
    }
    Ok((name.to_owned(), value))
}

/// Looks at a server's jobs, stops and deletes them.
#[derive(Debug, Args)]
pub(crate) struct Jobs {
    #[command(subcommand)]
    pub(crate) command: JobsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List jobs, the newest first
    Ls(JobsLs),
    /// Print what is known of a job
    Show(JobsShow),
    /// Print a job's output, to its end, and end as the job did
    Logs(JobsOne),
    /// Print how a job was measured: its result document, which `runner compare` and `runner reproduce` read
    Evidence(JobsOne),
    /// Stop a job
    Cancel(JobsOne),
    /// Delete jobs that have ended, with their results
    Rm(JobsRm),
}

#[derive(Debug, Args)]
pub(crate) struct JobsLs {
    /// Only those in this state
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Only those of this project
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Only those of this runner
    #[arg(long, value_name = "NAME")]
    pub(crate) runner: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub(crate) limit: u32,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct JobsShow {
    /// The job's identifier
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct JobsOne {
    /// The job's identifier
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct JobsRm {
    /// The jobs' identifiers
    #[arg(value_name = "JOB", required = true)]
    pub(crate) jobs: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}
