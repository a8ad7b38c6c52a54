//! How to talk to a registry.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{
    AuthFiles, Clock, Credentials, HostNames, LeastRate, Proxies, RetryPolicy, SystemClock,
    SystemNames,
};
use crate::Cancellation;

/// How to talk to a registry.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Who asks; where this is `None`, what `auth_files` say.
    pub credentials: Option<Credentials>,
    /// Where credentials are looked for, once a registry asks for them.
    pub auth_files: AuthFiles,
    /// Registries (`HOST` or `HOST:PORT`) that may have a certificate that is not trusted, or speak
    /// plain HTTP. Loopback hosts may speak plain HTTP without being named here.
    pub insecure_registries: Vec<String>,
    /// Hosts that redirects and realms may lead to even if they are at a private address and the
    /// registry is not.
    pub trusted_hosts: Vec<String>,
    /// A PEM file of certificates to trust, beside those that the host trusts.
    pub ca_file: Option<PathBuf>,
    /// Which proxies to use.
    pub proxies: Proxies,
    /// How many blobs are fetched at once.
    pub parallel: NonZeroUsize,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// The least that a registry has to send.
    pub least_rate: LeastRate,
    /// How failed requests are repeated.
    pub retries: RetryPolicy,
    /// How this program calls itself.
    pub user_agent: String,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// How names become addresses.
    pub names: Arc<dyn HostNames>,
    /// Tells the client to end.
    pub cancellation: Cancellation,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To look a name up, and then again to have a connection, encryption included.
    pub connect: Duration,
    /// For the beginning of an answer.
    pub response: Duration,
    /// For the next byte.
    pub idle: Duration,
    /// For the whole of a manifest, a configuration or a token.
    pub document: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            response: Duration::from_mins(1),
            idle: Duration::from_secs(30),
            document: Duration::from_mins(1),
        }
    }
}

impl Default for RegistryOptions {
    /// Nobody in particular, directly, without a look at the environment.
    fn default() -> Self {
        const PARALLEL: NonZeroUsize = NonZeroUsize::new(4).unwrap();
        Self {
            credentials: None,
            auth_files: AuthFiles::default(),
            insecure_registries: Vec::new(),
            trusted_hosts: Vec::new(),
            ca_file: None,
            proxies: Proxies::default(),
            parallel: PARALLEL,
            timeouts: Timeouts::default(),
            least_rate: LeastRate::default(),
            retries: RetryPolicy::default(),
            user_agent: concat!("bencher-runner/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Arc::new(SystemClock),
            names: Arc::new(SystemNames),
            cancellation: Cancellation::default(),
        }
    }
}

impl RegistryOptions {
    /// The defaults, with the user's files of credentials and the environment's proxies.
    pub fn from_env() -> Self {
        Self {
            auth_files: AuthFiles::from_env(),
            proxies: Proxies::from_env(),
            ..Self::default()
        }
    }
}
