//! What runners pull images with.
//!
//! | the job's registry is | its runner gets |
//! |---|---|
//! | the one that this server vouches for | a token for the project's repository, to pull only, for ten minutes |
//! | another one with a token kept for it | that token |
//! | another one with a user name and a password kept for it | a token for the project's repository, to pull only, of that registry's token server |
//! | any other | an empty token: the image is pulled as anybody could |

mod credential;
mod exchange;
mod minter;

use std::sync::Arc;

use bencher_channel_protocol::{JobConfig, PullToken};

pub(crate) use credential::Credential;
pub use minter::{Minter, MinterError};

use exchange::ExchangeError;

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
}

impl PullTokens {
    /// Gives out sealed credentials, and tokens for the registry at the address of `fronted`.
    pub(crate) fn new(sealer: Arc<Sealer>, fronted: Option<(String, Minter)>) -> Self {
        Self {
            sealer,
            fronted: fronted.map(|(registry, minter)| (normalized(&registry), minter)),
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
            && *fronted == registry
        {
            return Ok(PullToken::new(minter.pull(&config.project.to_string())?));
        }
        let Some(sealed) = store.credential(&registry).await? else {
            return Ok(PullToken::new(String::new()));
        };
        let credential = Credential::from_text(self.sealer.unseal(&registry, &sealed)?);
        let text = match credential {
            Credential::Token(token) => token,
            Credential::Password { user, password } => {
                let repository = config.project.to_string();
                exchange::pull_token(&registry, &repository, user, password).await?
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

#[cfg(test)]
mod tests {
    use super::*;

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
