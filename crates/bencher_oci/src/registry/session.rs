//! Requests to one registry: its scheme, authentication, redirects and retries.
//!
//! ```text
//! send ─► 401 ─► answer the challenge ─► send again, once
//!      ─► 3xx ─► next URL; the token stays behind unless the origin is the registry's
//!      ─► 429, 5xx, broken ─► wait ─► all over again
//!      ─► 200, 206
//! ```

use std::sync::OnceLock;

use ureq::http::header::{LOCATION, WWW_AUTHENTICATE};

use super::auth::{Asking, Auth};
use super::challenge::Challenge;
use super::http::{Answer, Http, Request};
use super::redirect::{self, Rule};
use super::sink::{PullEvent, PullObserver};
use super::status::check_status;
use super::token::{Token, is_loopback};
use super::url::{Origin, Url};
use super::{RegistryError, RegistryErrorReason, RegistryReference};
use crate::Cancellation;

/// Everything that is known about one registry.
#[derive(Debug)]
pub(super) struct Session {
    host: String,
    http: Http,
    auth: Auth,
    registry: OnceLock<Origin>,
}

/// What to get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Get<'a> {
    /// Behind `/v2/NAME/`.
    pub(super) path: &'a str,
    pub(super) accept: Option<&'a str>,
    /// From which byte on.
    pub(super) from: u64,
    /// What it is, for "no such …".
    pub(super) what: &'static str,
}

/// On whose behalf.
#[derive(Clone, Copy)]
pub(super) struct Pull<'a> {
    pub(super) image: &'a RegistryReference,
    pub(super) observer: &'a dyn PullObserver,
    /// Ends it, waits and connections included.
    pub(super) cancellation: &'a Cancellation,
}

impl Session {
    pub(super) fn new(host: &str, http: Http) -> Self {
        Self {
            host: host.to_owned(),
            http,
            auth: Auth::default(),
            registry: OnceLock::new(),
        }
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// The URL of something in the image's repository.
    pub(super) fn url(&self, pull: Pull<'_>, path: &str) -> Result<Url, RegistryError> {
        let registry = self.registry(pull)?;
        let text = format!("{registry}/v2/{}/{path}", pull.image.repository());
        Url::parse(&text)
            .map_err(|error| RegistryError::new(pull.image, RegistryErrorReason::Url(error)))
    }

    /// Gets something, once: no retries.
    pub(super) fn get(&self, pull: Pull<'_>, get: Get<'_>) -> Result<Answer, RegistryError> {
        let url = self.url(pull, get.path)?;
        self.get_url(pull, get, &url)
            .map_err(|reason| self.error(&url, reason))
    }

    /// Repeats `attempt` as the retry policy says.
    pub(super) fn retry<T>(
        &self,
        pull: Pull<'_>,
        mut attempt: impl FnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut failed = 0;
        loop {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(error) => {
                    failed += 1;
                    self.wait(pull, failed, error)?;
                }
            }
        }
    }

    /// Waits before another attempt; gives the error back if there is none. What was told to end
    /// failed of that, whatever the error says.
    pub(super) fn wait(
        &self,
        pull: Pull<'_>,
        failed: u32,
        error: RegistryError,
    ) -> Result<(), RegistryError> {
        let cancelled =
            |error: &RegistryError| self.error(error.at(), RegistryErrorReason::Cancelled);
        if pull.cancellation.is_cancelled() {
            return Err(cancelled(&error));
        }
        let options = self.http.options();
        let reason = error.reason();
        let wait = if reason.is_transient() {
            let asked = reason.retry_after();
            options.retries.wait(failed, asked, fastrand::f64())
        } else {
            None
        };
        let Some(wait) = wait else { return Err(error) };
        let event = PullEvent::Retry {
            error: &error,
            wait,
        };
        pull.observer.event(&event);
        options.clock.wait(wait, pull.cancellation);
        if pull.cancellation.is_cancelled() {
            return Err(cancelled(&error));
        }
        Ok(())
    }

    /// An error about something at `at`; one that would show a secret says that instead.
    pub(super) fn error(
        &self,
        at: impl std::fmt::Display,
        reason: RegistryErrorReason,
    ) -> RegistryError {
        let error = RegistryError::new(at, reason);
        if error.reason().has_foreign_text() && self.auth.is_shown_in(&error.to_string()) {
            return RegistryError::new(&self.host, RegistryErrorReason::Echo);
        }
        error
    }

    fn get_url(
        &self,
        pull: Pull<'_>,
        get: Get<'_>,
        url: &Url,
    ) -> Result<Answer, RegistryErrorReason> {
        let registry = url.origin();
        let asking = Asking {
            http: &self.http,
            registry,
            pull,
        };
        let mut grant = self.auth.grant(asking);
        let mut is_answered = false;
        let mut visited = vec![url.clone()];
        loop {
            let current = visited.last().unwrap_or(url);
            let origin = current.origin().clone();
            let is_home = redirect::keeps_token(registry, &origin);
            let failed = |reason| match reason {
                RegistryErrorReason::Cancelled => reason,
                reason if is_home => reason,
                reason => RegistryErrorReason::Elsewhere {
                    to: origin.to_string(),
                    reason: Box::new(reason),
                },
            };
            let request = Request {
                accept: get.accept,
                authorization: grant
                    .as_ref()
                    .filter(|_| is_home)
                    .map(|grant| &grant.header),
                from: get.from,
                ..Request::get(current)
            };
            let answer = self.http.send(&request, pull.cancellation);
            let answer = answer.map_err(failed)?;
            match answer.status {
                // Only the registry's own questions are answered.
                401 if is_home => {
                    // What was granted a moment ago is no better a moment later.
                    if is_answered {
                        return Err(self.auth.refused(asking));
                    }
                    is_answered = true;
                    let challenge = Challenge::find(answer.headers(WWW_AUTHENTICATE));
                    self.http.discard(answer);
                    let sent = grant.take();
                    grant = Some(
                        self.auth
                            .answer(asking, challenge.as_ref(), sent.as_ref())?,
                    );
                }
                status if redirect::is_redirect(status) => {
                    let location = answer.header(LOCATION);
                    let target = redirect::next(&visited, location, Rule::Anywhere);
                    let target = target.map_err(RegistryErrorReason::Redirect);
                    visited.push(target.map_err(failed)?);
                    self.http.discard(answer);
                }
                // What is there already is more than there is.
                416 if get.from > 0 => return Ok(answer),
                _ => {
                    let date = self.http.options().clock.date();
                    return check_status(answer, date, get.what).map_err(failed);
                }
            }
        }
    }

    /// Changes the credentials for a token to pull from the image's repository; nothing where the
    /// registry asks nobody who they are.
    pub(super) fn token(&self, pull: Pull<'_>) -> Result<Option<Token>, RegistryError> {
        let registry = self.registry(pull)?;
        let asked = format!("{registry}/v2/");
        let asking = Asking {
            http: &self.http,
            registry: &registry,
            pull,
        };
        let exchange = || {
            let url = Url::parse(&asked).map_err(RegistryErrorReason::Url)?;
            let answer = self.http.send(&Request::get(&url), pull.cancellation)?;
            if answer.status == 401 {
                let challenge = Challenge::find(answer.headers(WWW_AUTHENTICATE));
                self.http.discard(answer);
                let challenge = challenge.ok_or(RegistryErrorReason::Challenge)?;
                return self.auth.exchange(asking, &challenge).map(Some);
            }
            let date = self.http.options().clock.date();
            let answer = check_status(answer, date, "registry")?;
            self.http.discard(answer);
            Ok(None)
        };
        self.retry(pull, || {
            exchange().map_err(|reason| self.error(&asked, reason))
        })
    }

    /// The registry's origin. A loopback host and one that the user calls insecure may speak
    /// plain HTTP; which of the two they do is found out without any credentials.
    fn registry(&self, pull: Pull<'_>) -> Result<Origin, RegistryError> {
        if let Some(known) = self.registry.get() {
            return Ok(known.clone());
        }
        let origin = |is_https| {
            Origin::from_host(&self.host, is_https)
                .map_err(|error| RegistryError::new(pull.image, RegistryErrorReason::Url(error)))
        };
        let (encrypted, plain) = (origin(true)?, origin(false)?);
        let may_be_plain = is_loopback(&encrypted.host)
            || self.http.is_insecure(&encrypted)
            || self.http.is_insecure(&plain);
        let found = if may_be_plain {
            self.retry(pull, || self.find_scheme(pull, &encrypted, &plain))?
        } else {
            encrypted
        };
        Ok(self.registry.get_or_init(|| found).clone())
    }

    fn find_scheme(
        &self,
        pull: Pull<'_>,
        encrypted: &Origin,
        plain: &Origin,
    ) -> Result<Origin, RegistryError> {
        let encrypted_error = match self.knock(pull, encrypted) {
            Ok(()) => return Ok(encrypted.clone()),
            Err(reason) => reason,
        };
        // A server that speaks TLS and is not trusted is no reason to go on without.
        let is_other_language = matches!(
            encrypted_error,
            RegistryErrorReason::NotTls
                | RegistryErrorReason::Connection(_)
                | RegistryErrorReason::Refused
                | RegistryErrorReason::TimedOut(_)
        );
        if is_other_language && self.knock(pull, plain).is_ok() {
            return Ok(plain.clone());
        }
        Err(self.error(format!("{encrypted}/v2/"), encrypted_error))
    }

    /// Whether anybody answers in HTTP.
    fn knock(&self, pull: Pull<'_>, origin: &Origin) -> Result<(), RegistryErrorReason> {
        let url = Url::parse(&format!("{origin}/v2/")).map_err(RegistryErrorReason::Url)?;
        let answer = self.http.send(&Request::get(&url), pull.cancellation)?;
        self.http.discard(answer);
        Ok(())
    }
}
