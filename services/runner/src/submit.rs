//! `runner submit`.

use std::ffi::OsString;
use std::sync::{Arc, OnceLock};

use bencher_channel_protocol::{ImageDigest, Uuid};
use bencher_oci::registry::{RegistryClient, RegistryOptions, RegistryReference, Unobserved};
use bencher_oci::{Cancellation, Platform};
use bencher_runner::Reporter;
use bencher_server_api::{Config, Job, NewJob};
use serde::Deserialize;

use crate::arguments::{ServerOptions, Submit, When};
use crate::client::{Connection, encoded, printable, watch};
use crate::terminal::Terminal;
use crate::{output, work};

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
    let reference: RegistryReference = arguments
        .image
        .parse()
        .map_err(|error| format!("{error}; it must be in a registry, where runners get it"))?;
    let connection = connect(&arguments.server, terminal)?;
    let project = project(&connection, arguments.project.as_deref(), &reference)?;
    let options = arguments
        .registry
        .choice(&OsString::from(&arguments.image), When::Always)?;
    let registry = registry_url(&reference, &options.registry);
    let digest = match reference.digest() {
        Some(digest) => digest.to_string(),
        None => digest(&reference, options.registry, &options.platform, cancel)?,
    };
    let digest: ImageDigest = digest
        .parse()
        .map_err(|error| format!("the image's digest can not be used: {error}"))?;
    let new = new_job(arguments, project, registry, digest)?;
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

#[derive(Debug, Deserialize)]
struct Project {
    id: String,
}

/// The job's project: the one that is named, whose repository the image must be in, or the one that
/// the repository is of.
fn project(
    connection: &Connection,
    name: Option<&str>,
    reference: &RegistryReference,
) -> Result<String, String> {
    let (folder, last) = parts(reference);
    let Some(name) = name else {
        if is_identifier(last) {
            return Ok(last.to_owned());
        }
        return Err(format!(
            "the image's repository, `{}`, does not end in a project's identifier: name the project \
             with --project, and push the image to REGISTRY/PROJECT-UUID or \
             REGISTRY/FOLDER/PROJECT-UUID",
            reference.repository()
        ));
    };
    let found: Project = connection
        .get(&format!("/v0/projects/{}", encoded(name)))
        .map_err(|error| error.to_string())?;
    let id = Uuid::try_parse(&found.id)
        .map_err(|_| "the server gave no identifier for the project: is it of another version?")?
        .to_string();
    if last == id {
        return Ok(id);
    }
    let place = match folder {
        Some(folder) => format!("{}/{folder}/{id}", reference.registry()),
        None => format!("{}/{id}", reference.registry()),
    };
    Err(format!(
        "runners get the project's images from a repository whose name ends in {id}, and this one is in \
         `{}`: push it there first, as in `docker tag IMAGE {place} && docker push {place}`",
        reference.repository()
    ))
}

/// The repository's folder in the registry, if it is in one, and its own name, which is the project's
/// identifier.
fn parts(reference: &RegistryReference) -> (Option<&str>, &str) {
    match reference.repository().rsplit_once('/') {
        Some((folder, last)) => (Some(folder), last),
        None => (None, reference.repository()),
    }
}

/// Whether this is an identifier as runners write it: of any other form they would pull something else.
fn is_identifier(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|id| id.to_string() == text)
}

/// The registry's address for runners, with the folder that the project's repository is in.
fn registry_url(reference: &RegistryReference, options: &RegistryOptions) -> String {
    let host = reference.host();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_here = name == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let may_be_plain = is_here
        || options.insecure_registries.iter().any(|insecure| {
            insecure.eq_ignore_ascii_case(name) || insecure.eq_ignore_ascii_case(host)
        });
    let scheme = if may_be_plain { "http" } else { "https" };
    match parts(reference).0 {
        Some(folder) => format!("{scheme}://{host}/{folder}/"),
        None => format!("{scheme}://{host}"),
    }
}

/// Asks the registry what the image's name stands for now.
fn digest(
    reference: &RegistryReference,
    options: RegistryOptions,
    platform: &Platform,
    cancel: &Cancellation,
) -> Result<String, String> {
    let options = RegistryOptions {
        cancellation: cancel.clone(),
        ..options
    };
    let client = RegistryClient::new(reference, options);
    let image = client
        .resolve(reference, platform, &Unobserved)
        .map_err(|error| error.to_string())?;
    Ok(image.digest.to_string())
}

fn new_job(
    arguments: &Submit,
    project: String,
    registry: String,
    digest: ImageDigest,
) -> Result<NewJob, String> {
    let filled = |list: &[String]| Some(list.to_vec()).filter(|list| !list.is_empty());
    let timeout = arguments
        .timeout
        .map(|timeout| {
            u32::try_from(timeout.as_secs())
                .ok()
                .filter(|seconds| *seconds > 0)
                .ok_or("--timeout must be a second at least, and 136 years at most")
        })
        .transpose()?;
    Ok(NewJob {
        project,
        spec: arguments.spec.clone(),
        priority: arguments.priority,
        timeout,
        config: Config {
            registry,
            digest,
            image: Some(arguments.image.clone()),
            entrypoint: arguments.entrypoint.clone(),
            cmd: filled(&arguments.cmd),
            env: Some(arguments.env.iter().cloned().collect())
                .filter(|_| !arguments.env.is_empty()),
            timeout: None,
            file_paths: filled(&arguments.output),
            build_time: arguments.build_time.then_some(true),
            file_size: arguments.file_size.then_some(true),
            iter: arguments.iter,
            allow_failure: arguments.allow_failure.then_some(true),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runners_write_is_an_identifier() {
        let id = "01a22910-5555-7000-8000-00000000000a";
        assert!(is_identifier(id));
        let short = id.replace('-', "");
        for other in ["p", "", &short] {
            assert!(!is_identifier(other), "{other}");
        }
    }

    #[test]
    fn addresses_of_registries() {
        let options = RegistryOptions {
            insecure_registries: vec!["Plain.example".to_owned()],
            ..RegistryOptions::default()
        };
        for (image, url) in [
            ("localhost:5000/p", "http://localhost:5000"),
            ("127.0.0.1:5000/p:1", "http://127.0.0.1:5000"),
            ("plain.example:5000/p", "http://plain.example:5000"),
            ("r.example/p", "https://r.example"),
            ("ghcr.io/owner/p", "https://ghcr.io/owner/"),
            ("r.example:5000/a/b/p:1", "https://r.example:5000/a/b/"),
            ("localhost:5000/a/p", "http://localhost:5000/a/"),
            ("owner/p", "https://registry-1.docker.io/owner/"),
        ] {
            let reference = image.parse().expect("a name");
            assert_eq!(registry_url(&reference, &options), url, "{image}");
        }
    }
}
