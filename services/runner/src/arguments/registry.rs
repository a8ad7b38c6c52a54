//! What commands that may ask a registry are told.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;

use bencher_oci::Platform;
use bencher_oci::registry::{Credentials, RegistryOptions, Secret};
use bencher_runner::images::{ImageChoice, PullPolicy};
use clap::{Args, ValueEnum};

/// The longest secret that is read.
const MAX_SECRET: u64 = 64 << 10;

/// When a registry is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// Each time: a name may stand for another image by now
    Always,
    /// For an image that the store does not have
    Missing,
    /// Not at all
    Never,
}

/// How images come from registries.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct PullOptions {
    /// The platform of a multi-platform image [default: this host's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// The user of the registry [default: who the files of Docker and Podman say]
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    username: Option<String>,
    /// Read the password, or an access token in its place, from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// A bearer token for the registry itself, in the place of a user; `-` reads it from standard
    /// input, as other users of this host see command lines
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with = "username",
        allow_hyphen_values = true
    )]
    token: Option<String>,
    /// A PEM file of certificates that registries may have, beside those that this host trusts
    #[arg(long, value_name = "FILE")]
    registry_ca: Option<PathBuf>,
    /// A registry that may speak plain HTTP or have any certificate; loopback may anyway
    #[arg(long, value_name = "HOST[:PORT]")]
    insecure_registry: Vec<String>,
    /// A host that a registry may redirect to although it is at a private address and the registry
    /// is not
    #[arg(long, value_name = "HOST")]
    registry_trust: Vec<String>,
}

impl PullOptions {
    /// The image called `name`, from a registry as these say.
    pub(crate) fn choice(&self, name: &OsString, when: When) -> Result<ImageChoice, String> {
        Ok(ImageChoice {
            name: name.clone(),
            platform: self.platform.clone().unwrap_or_else(Platform::host),
            pull: match when {
                When::Always => PullPolicy::Always,
                When::Missing => PullPolicy::Missing,
                When::Never => PullPolicy::Never,
            },
            registry: RegistryOptions {
                credentials: self.credentials()?,
                insecure_registries: self.insecure_registry.clone(),
                trusted_hosts: self.registry_trust.clone(),
                ca_file: self.registry_ca.clone(),
                ..RegistryOptions::from_env()
            },
        })
    }

    fn credentials(&self) -> Result<Option<Credentials>, String> {
        match (&self.token, &self.username) {
            (Some(token), _) if token == "-" => {
                read_secret("token").map(Credentials::Token).map(Some)
            }
            (Some(token), _) => Ok(Some(Credentials::Token(Secret::new(token.clone())))),
            (None, Some(username)) => Ok(Some(Credentials::Password {
                username: username.clone(),
                password: read_secret("password")?,
            })),
            (None, None) => Ok(None),
        }
    }
}

/// Reads a secret from standard input, to its end.
pub(crate) fn read_secret(what: &str) -> Result<Secret, String> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_SECRET)
        .read_to_string(&mut text)
        .map_err(|error| format!("failed to read the {what}: {error}"))?;
    // What `echo` adds is not the secret's.
    let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
    if secret.is_empty() {
        return Err(format!("the {what} is empty: give it on standard input"));
    }
    Ok(secret)
}
