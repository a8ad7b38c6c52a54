//! A user name and a password become a token: the registry's token server gives one for one
//! repository, to pull only, and nobody else ever sees the password.

use std::time::Duration;

use bencher_oci::registry::{
    Credentials, Proxies, RegistryClient, RegistryError, RegistryErrorReason, RegistryOptions,
    RegistryReference, RetryPolicy, Secret, Timeouts,
};
use tokio::time::timeout;

/// How long the registry and its token server may take for any one thing: a runner waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// How a request that failed is made again, for the same reason.
const RETRIES: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_wait: Duration::from_millis(300),
    longest_wait: Duration::from_secs(2),
};

/// Why there is no token for a user name and a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The registry's address is none.
    #[error("{0} is not the address of a registry: remove its credential, and set it anew")]
    Address(String),
    /// They are wrong.
    #[error(
        "{0} refuses the user name and the password that are kept for it: set them anew with PUT \
         /v0/credentials"
    )]
    Refused(String),
    /// There is nobody to ask for a token.
    #[error(
        "{0} has no token server: runners get tokens and no passwords, so let the registry trust \
         this server (--registry), or use one that has token authentication"
    )]
    NoTokens(String),
    /// Something else, with the registry or on the way to it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It took too long as a whole.
    #[error("{0} or its token server does not answer in time: see whether they run")]
    Silent(String),
    /// The server is about to end.
    #[error("the server is about to end")]
    Ended,
}

impl ExchangeError {
    /// Whether the same may well be done a little later, without anybody doing something here.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Address(_) | Self::Refused(_) | Self::NoTokens(_) => false,
            Self::Registry(error) => is_passing(error.reason()),
            Self::Silent(_) | Self::Ended => true,
        }
    }
}

/// What a registry that is down, or cut off, or overloaded is told by.
fn is_passing(reason: &RegistryErrorReason) -> bool {
    use RegistryErrorReason as Reason;
    match reason {
        Reason::UnknownHost { .. }
        | Reason::Refused
        | Reason::Lost
        | Reason::Connection(_)
        // A certificate that has expired, for instance.
        | Reason::Tls(_)
        | Reason::TimedOut(_)
        | Reason::TooSlow(_)
        | Reason::TooManyRequests(_)
        | Reason::Server { .. }
        | Reason::Status(408)
        | Reason::Truncated { .. } => true,
        Reason::TokenServer { reason, .. } | Reason::Elsewhere { reason, .. } => is_passing(reason),
        _ => false,
    }
}

/// A token to pull from `repository` of the registry at the address `registry`; empty where it
/// asks nobody who they are. All of it takes no longer than `patience`.
pub(super) async fn pull_token(
    registry: &str,
    repository: &str,
    user: String,
    password: String,
    patience: Duration,
) -> Result<String, ExchangeError> {
    let place = Place::of(registry, repository)
        .ok_or_else(|| ExchangeError::Address(registry.to_owned()))?;
    // Who is given up is done a little later: each thing that it does ends, too.
    let asked = tokio::task::spawn_blocking(move || place.ask(user, password));
    timeout(patience, asked)
        .await
        .map_err(|_| ExchangeError::Silent(registry.to_owned()))?
        .map_err(|_| ExchangeError::Ended)?
        .map_err(|error| match error.reason() {
            RegistryErrorReason::Unauthorized => ExchangeError::Refused(registry.to_owned()),
            RegistryErrorReason::NoTokens => ExchangeError::NoTokens(registry.to_owned()),
            _ => error.into(),
        })
}

/// A repository, as the client of registries names it.
#[derive(Debug)]
struct Place {
    name: RegistryReference,
    /// The registry, where its address is one of plain HTTP.
    plain: Option<String>,
}

impl Place {
    fn of(registry: &str, repository: &str) -> Option<Self> {
        let (scheme, rest) = registry.split_once("://")?;
        let is_plain = scheme == "http";
        let (host, folder) = rest.split_once('/').unwrap_or((rest, ""));
        // With a port it is a registry's name in any case: `registry/x` would be one of Docker Hub's.
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let host = match (has_port, is_plain) {
            (true, _) => host.to_owned(),
            (false, true) => format!("{host}:80"),
            (false, false) => format!("{host}:443"),
        };
        let repository = [folder, repository].join("/");
        let name = format!("{host}/{}", repository.trim_start_matches('/'));
        Some(Self {
            name: name.parse().ok()?,
            plain: is_plain.then_some(host),
        })
    }

    fn ask(self, user: String, password: String) -> Result<String, RegistryError> {
        let options = RegistryOptions {
            credentials: Some(Credentials::Password {
                username: user,
                password: Secret::new(password),
            }),
            insecure_registries: self.plain.into_iter().collect(),
            proxies: Proxies::from_env(),
            timeouts: Timeouts {
                connect: PATIENCE,
                response: PATIENCE,
                idle: PATIENCE,
                document: PATIENCE,
            },
            retries: RETRIES,
            user_agent: concat!("bencher-server/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..RegistryOptions::default()
        };
        let token = RegistryClient::new(&self.name, options).token(&self.name)?;
        Ok(token
            .map(|token| token.secret.expose().to_owned())
            .unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_named_by_registry_and_project() {
        for (registry, name, is_plain) in [
            ("https://r.example", "r.example:443/project", false),
            ("http://r.example", "r.example:80/project", true),
            ("http://127.0.0.1:5000", "127.0.0.1:5000/project", true),
            ("https://registry", "registry:443/project", false),
            ("https://r.example/a/b", "r.example:443/a/b/project", false),
        ] {
            let place = Place::of(registry, "project").expect(registry);
            assert_eq!(place.name.to_string(), format!("{name}:latest"));
            assert_eq!(place.plain.is_some(), is_plain);
        }
        assert!(Place::of("r.example", "project").is_none());
        assert!(Place::of("https://", "project").is_none());
    }
}
