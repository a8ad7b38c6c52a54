//! Who this client is to its registry: the credentials, and the tokens that they were changed into.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::http::Http;
use super::session::Pull;
use super::sink::PullEvent;
use super::token::{self, Token, TokenRequest};
use super::url::Origin;
use super::{CredentialError, RegistryErrorReason, Secret};

/// How long before its end a token is renewed: it has to reach the server.
const MARGIN: Duration = Duration::from_secs(10);

/// What a request for one repository carries.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// The value of the `Authorization` header.
    pub(super) header: Secret,
    expires: Option<Instant>,
    /// Tells a new grant from the one that it replaces.
    pub(super) serial: u64,
}

/// The credentials of one registry and what came of them.
#[derive(Debug, Default)]
pub(super) struct Auth {
    /// By repository: files can have other ones for a part of a registry.
    credentials: Mutex<HashMap<String, Credentials>>,
    /// By repository. It is held while a token is fetched, so that of many threads that need one
    /// only the first one fetches it.
    grants: Mutex<HashMap<String, Grant>>,
    /// Everything that must not be seen in an error message.
    secrets: Mutex<Vec<Secret>>,
    problem: Mutex<Option<CredentialError>>,
}

/// Whose challenge is to be answered.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) http: &'a Http,
    pub(super) registry: &'a Origin,
    pub(super) pull: Pull<'a>,
}

impl Auth {
    /// What the next request carries, if anything is known to be good.
    pub(super) fn grant(&self, asking: Asking<'_>) -> Option<Grant> {
        let options = asking.http.options();
        if let Some(Credentials::Token(token)) = &options.credentials {
            return Some(self.preset(token));
        }
        let now = options.clock.now();
        let mut grants = lock(&self.grants);
        let repository = asking.pull.image.repository();
        let grant = grants.get(repository)?;
        if grant.expires.is_some_and(|expires| expires <= now) {
            grants.remove(repository);
            return None;
        }
        Some(grant.clone())
    }

    /// Answers a challenge to a request that carried `sent`.
    pub(super) fn answer(
        &self,
        asking: Asking<'_>,
        challenge: Option<&Challenge>,
        sent: Option<&Grant>,
    ) -> Result<Grant, RegistryErrorReason> {
        let credentials = self.credentials(asking);
        let mut grants = lock(&self.grants);
        let repository = asking.pull.image.repository();
        if let Credentials::Token(token) = &credentials {
            if sent.is_some() {
                return Err(RegistryErrorReason::TokenRefused);
            }
            let grant = self.preset(token);
            grants.insert(repository.to_owned(), grant.clone());
            return Ok(grant);
        }
        let challenge = challenge.ok_or(RegistryErrorReason::Challenge)?;
        let known = grants.get(repository);
        let serial = known.map_or(1, |known| known.serial + 1);
        // Another thread was faster.
        if let Some(known) = known
            && sent.is_none_or(|sent| sent.serial != known.serial)
        {
            return Ok(known.clone());
        }
        let grant = self.new_grant(asking, challenge, &credentials, serial)?;
        self.remember(&grant.header);
        grants.insert(repository.to_owned(), grant.clone());
        Ok(grant)
    }

    fn new_grant(
        &self,
        asking: Asking<'_>,
        challenge: &Challenge,
        credentials: &Credentials,
        serial: u64,
    ) -> Result<Grant, RegistryErrorReason> {
        let (header, expires) = match (challenge, credentials) {
            (Challenge::Basic, Credentials::Password { username, password }) => {
                (token::basic(username, password), None)
            }
            (Challenge::Basic, Credentials::Anonymous) => return Err(self.missing()),
            (Challenge::Basic, _) => return Err(RegistryErrorReason::Unauthorized),
            (
                Challenge::Bearer {
                    realm,
                    service,
                    scope,
                },
                _,
            ) => {
                let own = token::pull_scope(asking.pull.image.repository());
                let request = TokenRequest {
                    realm,
                    service: service.as_deref(),
                    scope: scope.as_deref().unwrap_or(&own),
                    credentials,
                    cancellation: asking.pull.cancellation,
                };
                let clock = &asking.http.options().clock;
                let asked = clock.now();
                let token = self.fetch(asking, &request)?;
                let life = token.life.saturating_sub(MARGIN);
                (token::bearer(&token.secret), asked.checked_add(life))
            }
        };
        Ok(Grant {
            header,
            expires,
            serial,
        })
    }

    fn fetch(
        &self,
        asking: Asking<'_>,
        request: &TokenRequest<'_>,
    ) -> Result<Token, RegistryErrorReason> {
        let token = token::fetch(asking.http, asking.registry, request);
        let token = token.map_err(|reason| match reason {
            RegistryErrorReason::NoCredentials(_) => self.missing(),
            reason => reason,
        })?;
        self.remember(&token.secret);
        Ok(token)
    }

    /// A token to pull from the repository and for nothing else, whatever the challenge asks for:
    /// somebody else is to have it.
    pub(super) fn exchange(
        &self,
        asking: Asking<'_>,
        challenge: &Challenge,
    ) -> Result<Token, RegistryErrorReason> {
        let credentials = self.credentials(asking);
        let Challenge::Bearer { realm, service, .. } = challenge else {
            return Err(RegistryErrorReason::NoTokens);
        };
        let request = TokenRequest {
            realm,
            service: service.as_deref(),
            scope: &token::pull_scope(asking.pull.image.repository()),
            credentials: &credentials,
            cancellation: asking.pull.cancellation,
        };
        self.fetch(asking, &request)
    }

    /// What a refusal of what was just granted means.
    pub(super) fn refused(&self, asking: Asking<'_>) -> RegistryErrorReason {
        match self.credentials(asking) {
            Credentials::Anonymous => self.missing(),
            Credentials::Token(_) => RegistryErrorReason::TokenRefused,
            _ => RegistryErrorReason::Unauthorized,
        }
    }

    /// There are no credentials, and why.
    fn missing(&self) -> RegistryErrorReason {
        RegistryErrorReason::NoCredentials(lock(&self.problem).take())
    }

    fn credentials(&self, asking: Asking<'_>) -> Credentials {
        let mut known = lock(&self.credentials);
        let repository = asking.pull.image.repository();
        if let Some(credentials) = known.get(repository) {
            return credentials.clone();
        }
        let options = asking.http.options();
        let credentials = match &options.credentials {
            Some(credentials) => credentials.clone(),
            None => options
                .auth_files
                .find(asking.pull.image, asking.pull.cancellation)
                .unwrap_or_else(|error| {
                    if !asking.pull.cancellation.is_cancelled() {
                        let event = PullEvent::NoCredentials { error: &error };
                        asking.pull.observer.event(&event);
                    }
                    *lock(&self.problem) = Some(error);
                    Credentials::Anonymous
                }),
        };
        match &credentials {
            Credentials::Anonymous => {}
            Credentials::Password { password, .. } => self.remember(password),
            Credentials::IdentityToken(token) | Credentials::Token(token) => self.remember(token),
        }
        known.insert(repository.to_owned(), credentials.clone());
        credentials
    }

    /// A token that was given as it is.
    fn preset(&self, token: &Secret) -> Grant {
        self.remember(token);
        Grant {
            header: token::bearer(token),
            expires: None,
            serial: 0,
        }
    }

    fn remember(&self, secret: &Secret) {
        let mut secrets = lock(&self.secrets);
        if !secrets.contains(secret) {
            secrets.push(secret.clone());
        }
    }

    /// Whether `text` shows one of this client's secrets.
    pub(super) fn is_shown_in(&self, text: &str) -> bool {
        lock(&self.secrets)
            .iter()
            .any(|secret| secret.is_shown_in(text))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is whole whatever happened to the thread that held it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
