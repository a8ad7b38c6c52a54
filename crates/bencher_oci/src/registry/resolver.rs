//! Name look-ups that refuse what a registry must not lead to.
//!
//! The addresses that are checked here are the ones that are connected to, so a name cannot be
//! looked up to one address for the check and to another for the connection.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::AddressKind;
use super::url::Url;
use crate::{Cancellation, Excerpt, LeftAlone};

/// How names become addresses.
pub trait HostNames: Debug + Send + Sync {
    /// The addresses of `host`, with `port`.
    ///
    /// # Errors
    /// The name is not known, or the look-up fails.
    fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The host's own way: `/etc/hosts`, DNS, whatever it has.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl HostNames for SystemNames {
    fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        (host, port).to_socket_addrs().map(Iterator::collect)
    }
}

/// A host that the registry leads to, at an address where it must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is at {kind}, and {}: not connected",
    match .is_registry {
        true => "the registry was somewhere else before",
        false => "the registry itself is not",
    }
)]
pub struct AddressError {
    /// The host.
    pub host: Excerpt,
    /// What kind of place it is at.
    pub kind: AddressKind,
    /// Whether this is the registry's own name.
    pub is_registry: bool,
}

/// The look-up found nothing.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct LookUpError {
    pub(super) host: String,
    pub(super) error: io::Error,
}

/// Decides which addresses a registry may lead to.
#[derive(Debug)]
pub(super) struct Guard {
    /// The registry's host, without a port.
    registry: String,
    /// Hosts that the user vouches for.
    trusted: Vec<String>,
    names: Arc<dyn HostNames>,
    /// The kinds of the registry's own addresses, once they are known.
    kinds: OnceLock<Vec<AddressKind>>,
}

impl Guard {
    pub(super) fn new(registry: &str, trusted: &[String], names: Arc<dyn HostNames>) -> Self {
        Self {
            registry: registry.to_ascii_lowercase(),
            trusted: trusted
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            names,
            kinds: OnceLock::new(),
        }
    }

    /// Refuses addresses that are not where the registry itself is. One bad address is enough: an
    /// honest host has no address inside and another one outside.
    fn check(&self, host: &str, kinds: Vec<AddressKind>) -> Result<(), AddressError> {
        let host = host.to_ascii_lowercase();
        if self.trusted.contains(&host) {
            return Ok(());
        }
        let is_registry = host == self.registry;
        let known = if is_registry {
            // The user named the registry, so wherever it is, is where it may be.
            self.kinds.get_or_init(|| kinds.clone()).as_slice()
        } else {
            self.kinds.get().map_or(&[][..], Vec::as_slice)
        };
        let is_allowed = |kind: &AddressKind| *kind == AddressKind::Public || known.contains(kind);
        match kinds.into_iter().find(|kind| !is_allowed(kind)) {
            None => Ok(()),
            Some(kind) => Err(AddressError {
                host: Excerpt::new(&host),
                kind,
                is_registry,
            }),
        }
    }

    /// The same for a host whose name a proxy looks up: what the name itself says is all that can
    /// be known.
    pub(super) fn check_behind_proxy(&self, host: &str) -> Result<(), AddressError> {
        if host.eq_ignore_ascii_case(&self.registry) {
            return Ok(());
        }
        self.check(host, AddressKind::of_name(host).into_iter().collect())
    }

    fn addresses(&self, url: &Url, timeout: NextTimeout) -> Result<Vec<SocketAddr>, ureq::Error> {
        let (host, port) = (url.origin().bare_host().to_owned(), url.origin().port);
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let (names, name) = (Arc::clone(&self.names), host.clone());
        // Who is told to end leaves the whole request alone.
        let looked_up = Cancellation::default().beside(
            "look-up",
            timeout.not_zero().map(|limit| *limit),
            move || names.look_up(&name, port),
        );
        let found = match looked_up {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(io::Error::other("no address")),
            Ok(found) => found,
            Err(LeftAlone::NoThread(error)) => Err(error),
            Err(_) => return Err(ureq::Error::Timeout(timeout.reason)),
        };
        found.map_err(|error| ureq::Error::Other(Box::new(LookUpError { host, error })))
    }
}

/// What ureq asks before it connects.
#[derive(Debug)]
pub(super) struct GuardedResolver(pub(super) Arc<Guard>);

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let url = Url::parse(&uri.to_string()).map_err(|error| ureq::Error::Other(error.into()))?;
        let found = self.0.addresses(&url, timeout)?;
        let kinds = found.iter().map(|address| AddressKind::of(address.ip()));
        self.0
            .check(&url.origin().host, kinds.collect())
            .map_err(|error| ureq::Error::Other(error.into()))?;
        let mut addresses = self.empty();
        for address in found {
            // More addresses than ureq takes are not needed either.
            let _ = addresses.try_push(address);
        }
        Ok(addresses)
    }
}

/// The host of `HOST[:PORT]`, as [`Guard`] compares it.
pub(super) fn host_part(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    host.split(':').next().unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(registry: &str) -> Guard {
        Guard::new(
            registry,
            &["vouched.example".to_owned()],
            Arc::new(SystemNames),
        )
    }

    #[test]
    fn a_public_registry_leads_to_public_addresses_only() {
        use AddressKind::{LinkLocal, Loopback, Metadata, Private, Public, Reserved};
        let guard = guard("r.example");
        guard.check("r.example", vec![Public]).unwrap();
        guard.check("cdn.example", vec![Public, Public]).unwrap();
        guard.check("Vouched.example", vec![Private]).unwrap();
        for kind in [Private, Loopback, LinkLocal, Metadata, Reserved] {
            let error = guard.check("cdn.example", vec![Public, kind]).unwrap_err();
            assert_eq!((error.kind, error.is_registry), (kind, false));
        }
        assert_eq!(
            guard
                .check("x.example", vec![Metadata])
                .unwrap_err()
                .to_string(),
            "`x.example` is at the address of a metadata service, and the registry itself is not: \
             not connected",
        );
    }

    #[test]
    fn a_registry_inside_leads_to_its_own_kind_and_outside() {
        use AddressKind::{LinkLocal, Loopback, Metadata, Private, Public};
        for (own, others) in [
            (Private, [Loopback, LinkLocal, Metadata]),
            (Loopback, [Private, LinkLocal, Metadata]),
            (LinkLocal, [Private, Loopback, Metadata]),
        ] {
            let guard = guard("r.example");
            guard.check("r.example", vec![own]).unwrap();
            guard.check("storage.example", vec![own]).unwrap();
            guard.check("cdn.example", vec![Public]).unwrap();
            for other in others {
                guard.check("x.example", vec![other]).unwrap_err();
            }
        }
    }

    #[test]
    fn a_registry_that_moves_inside_is_not_followed() {
        let guard = guard("r.example");
        guard.check("r.example", vec![AddressKind::Public]).unwrap();
        let error = guard
            .check("R.example", vec![AddressKind::Loopback])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`r.example` is at a loopback address, and the registry was somewhere else before: \
             not connected",
        );
    }

    #[test]
    fn nothing_is_allowed_before_the_registry_was_seen() {
        let guard = guard("r.example");
        guard
            .check("x.example", vec![AddressKind::Private])
            .unwrap_err();
    }

    #[test]
    fn behind_a_proxy_names_and_literal_addresses_are_checked() {
        let guard = guard("10.0.0.1");
        guard.check_behind_proxy("10.0.0.1").unwrap();
        guard.check_behind_proxy("cdn.example").unwrap();
        for host in ["169.254.169.254", "[::1]", "localhost", "10.0.0.2"] {
            guard.check_behind_proxy(host).unwrap_err();
        }
    }

    #[test]
    fn hosts_without_their_port() {
        for (text, host) in [
            ("h", "h"),
            ("h:1", "h"),
            ("[::1]:1", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(host_part(text), host);
        }
    }
}
