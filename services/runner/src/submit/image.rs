//! Where runners get an image: its project's repository in a registry.

use std::ffi::OsString;

use bencher_channel_protocol::{ImageDigest, Uuid};
use bencher_oci::registry::{RegistryClient, RegistryOptions, RegistryReference, Unobserved};
use bencher_oci::{Cancellation, Platform};
use bencher_server_api::Project;

use crate::arguments::{JobOptions, PullOptions, When};
use crate::client::{Connection, encoded};

/// An image as a server is told of it.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// As it was named.
    pub(crate) name: String,
    /// The identifier of the project that it is of.
    pub(crate) project: String,
    /// The registry's address, with its folder.
    pub(crate) registry: String,
    pub(crate) digest: ImageDigest,
}

impl Image {
    /// Asks the server for the project, if that is named, and the registry for the digest, unless that is.
    pub(crate) fn find(
        connection: &Connection,
        name: &str,
        options: &JobOptions,
        pull: &PullOptions,
        cancel: &Cancellation,
    ) -> Result<Self, String> {
        let reference: RegistryReference = name
            .parse()
            .map_err(|error| format!("{error}; it must be in a registry, where runners get it"))?;
        let project = project(connection, options.project.as_deref(), &reference)?;
        let choice = pull.choice(&OsString::from(name), When::Always)?;
        let registry = registry_url(&reference, &choice.registry);
        let digest = match reference.digest() {
            Some(digest) => digest.to_string(),
            None => digest(&reference, choice.registry, &choice.platform, cancel)?,
        };
        let digest = digest
            .parse()
            .map_err(|error| format!("the image's digest can not be used: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            project,
            registry,
            digest,
        })
    }
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
