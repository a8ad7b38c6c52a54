//! What runners pull images with.
//!
//! | the job's registry is | its runner gets |
//! |---|---|
//! | the one that this server vouches for | a token for the project's repository, to pull only, for ten minutes |
//! | another one with a token kept for it | that token |
//! | another one with a user name and a password kept for it | a token for the project's repository, to pull only, of that registry's token server |
//! | any other | an empty token: the image is pulled as anybody could |
//!
//! A registry's address may end in a folder, as in `https://ghcr.io/owner/`, where all repositories are in
//! one. What is kept for a folder is for those in it, too, and goes before what is kept for all of the registry.

mod credential;
mod exchange;
mod minter;
mod outages;

use std::sync::Arc;
use std::time::Duration;

use bencher_channel_protocol::{JobConfig, PullToken};

pub(crate) use credential::Credential;
pub use minter::{Minter, MinterError};
pub(crate) use outages::Away;

use exchange::ExchangeError;
use outages::Outages;
use tokio::time::Instant;

use crate::seal::{SealError, Sealer};
use crate::store::{Store, StoreError};

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The credential can not be read.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// There is none for the user name and the password that are kept.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The registry gives none for the moment.
    #[error(transparent)]
    Away(#[from] Away),
    /// The token can not be signed.
    #[error(transparent)]
    Mint(#[from] MinterError),
}

/// Gives out tokens.
#[derive(Debug)]
pub(crate) struct PullTokens {
    sealer: Arc<Sealer>,
    /// The registry that trusts this server, and what signs for it.
    fronted: Option<(String, Minter)>,
    /// How long other registries may take for a token, as a whole.
    patience: Duration,
    outages: Outages,
}

impl PullTokens {
    /// Gives out sealed credentials, and tokens for the registry at the address of `fronted`. Other registries
    /// may take `patience` for a token.
    pub(crate) fn new(
        sealer: Arc<Sealer>,
        fronted: Option<(String, Minter)>,
        patience: Duration,
    ) -> Self {
        Self {
            sealer,
            fronted: fronted.map(|(registry, minter)| (normalized(&registry), minter)),
            patience,
            outages: Outages::default(),
        }
    }

    /// The token that this job's image is pulled with.
    ///
    /// # Errors
    ///
    /// When there should be one and it can not be made.
    pub(crate) async fn token(
        &self,
        store: &Store,
        config: &JobConfig,
    ) -> Result<PullToken, TokenError> {
        let registry = normalized(&config.registry);
        if let Some((fronted, minter)) = &self.fronted
            && let Some(folder) = folder(&registry, fronted)
        {
            let repository = format!("{folder}{}", config.project);
            return Ok(PullToken::new(minter.pull(&repository)?));
        }
        let Some((name, sealed)) = kept(store, &registry).await? else {
            return Ok(PullToken::new(String::new()));
        };
        let credential = Credential::from_text(self.sealer.unseal(&name, &sealed)?);
        let text = match credential {
            Credential::Token(token) => token,
            Credential::Password { user, password } => {
                let begun = Instant::now();
                self.outages.begin(&name, begun)?;
                let repository = config.project.to_string();
                let asked =
                    exchange::pull_token(&registry, &repository, user, password, self.patience);
                match asked.await {
                    Err(error) if error.is_passing() => {
                        let why = error.to_string();
                        let now = Instant::now();
                        return Err(self.outages.is_away(&name, why, begun, now).into());
                    }
                    answer => {
                        self.outages.is_there(&name);
                        answer?
                    }
                }
            }
        };
        Ok(PullToken::new(text))
    }

    /// A credential of `registry`, as it may be kept.
    ///
    /// # Errors
    ///
    /// When it can not be encrypted.
    pub(crate) fn seal(
        &self,
        registry: &str,
        credential: &Credential,
    ) -> Result<String, SealError> {
        self.sealer
            .seal(&normalized(registry), &credential.to_text())
    }
}

/// The address of a registry as it is compared: without the slash at its end, in lower case.
pub(crate) fn normalized(registry: &str) -> String {
    registry.trim_end_matches('/').to_ascii_lowercase()
}

/// What is kept for the registry's address, or else for the next folder around it or the registry as a whole,
/// and under which name.
async fn kept(store: &Store, registry: &str) -> Result<Option<(String, String)>, StoreError> {
    for address in outward(registry) {
        if let Some(sealed) = store.credential(address).await? {
            return Ok(Some((address.to_owned(), sealed)));
        }
    }
    Ok(None)
}

/// The address, then those of the folders that it is in, and the registry's as a whole at last.
fn outward(registry: &str) -> impl Iterator<Item = &str> {
    let least = whole(registry).len();
    std::iter::successors(Some(registry), move |address| {
        let end = address.rfind('/').filter(|end| *end >= least)?;
        Some(address[..end].trim_end_matches('/'))
    })
}

/// The address without its folder.
fn whole(registry: &str) -> &str {
    let host = registry.find("://").map_or(0, |scheme| scheme + 3);
    match registry[host..].find('/') {
        Some(folder) => &registry[..host + folder],
        None => registry,
    }
}

/// The registry's folder, empty or with a slash at its end, if the address is within the one of `outer`.
fn folder(registry: &str, outer: &str) -> Option<String> {
    let rest = registry.strip_prefix(outer)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    match registry[whole(registry).len()..].trim_start_matches('/') {
        "" => Some(String::new()),
        folder => Some(format!("{folder}/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_within_a_registry() {
        let registry = "https://r.example";
        for (address, outer, found) in [
            (registry, registry, Some("")),
            ("https://r.example/a/b", registry, Some("a/b/")),
            ("https://r.example/a/b", "https://r.example/a", Some("a/b/")),
            ("https://r.example/a", "https://r.example/a", Some("a/")),
            ("https://r.example.net", registry, None),
            ("https://r.example:5000", registry, None),
            ("https://r.example/ab", "https://r.example/a", None),
            (registry, "https://r.example/a", None),
            ("http://r.example", registry, None),
        ] {
            assert_eq!(
                folder(address, outer).as_deref(),
                found,
                "{address} {outer}"
            );
        }
        for (address, found) in [
            ("https://r.example/a/b", registry),
            (registry, registry),
            ("http://[::1]:5000/a", "http://[::1]:5000"),
        ] {
            assert_eq!(whole(address), found);
        }
    }

    #[test]
    fn folders_are_gone_through_from_within() {
        for (address, found) in [
            (
                "https://r.example/a//b/c",
                &[
                    "https://r.example/a//b/c",
                    "https://r.example/a//b",
                    "https://r.example/a",
                    "https://r.example",
                ][..],
            ),
            ("https://r.example", &["https://r.example"]),
            (
                "http://[::1]:5000/a",
                &["http://[::1]:5000/a", "http://[::1]:5000"],
            ),
            ("no-address/a", &["no-address/a", "no-address"]),
            ("", &[""]),
        ] {
            assert_eq!(outward(address).collect::<Vec<_>>(), found);
        }
    }

    #[test]
    fn one_registry_has_one_address() {
        for text in [
            "https://R.example",
            "https://r.example/",
            "HTTPS://r.example//",
        ] {
            assert_eq!(normalized(text), "https://r.example");
        }
        assert_ne!(normalized("http://r.example"), "https://r.example");
    }
}
