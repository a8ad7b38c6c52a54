//! Proxies from the environment, with the meaning that curl and Go's programs give to it.

use std::net::IpAddr;

use super::Secret;
use super::url::{Origin, bare_host};

/// Which proxy to use for which host.
///
/// Loopback hosts are never behind a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For plain HTTP, with a password if it wants one: `$http_proxy`. `$HTTP_PROXY` is not read: a CGI program gets it from its
    /// client.
    pub http: Option<Secret>,
    /// For HTTPS: `$https_proxy` or `$HTTPS_PROXY`.
    pub https: Option<Secret>,
    /// For which hosts not, separated by commas: `$no_proxy` or `$NO_PROXY`. `*`, a domain with or
    /// without a leading dot, an address, a network in CIDR notation, each with or without a port.
    pub exceptions: String,
}

impl Proxies {
    /// What the environment says; `ALL_PROXY` where the scheme's own variable is missing.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(get: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| get(name).filter(|value| !value.trim().is_empty()))
        };
        Self {
            http: first(&["http_proxy", "all_proxy", "ALL_PROXY"]).map(Secret::new),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
                .map(Secret::new),
            exceptions: first(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
        }
    }

    /// The proxy that leads to `host`, which may have a port, for who speaks something else than HTTP
    /// alone with it. `None` where there is none, or the text is no host.
    pub fn proxy_for(&self, host: &str, is_https: bool) -> Option<&Secret> {
        self.choose(&Origin::from_host(host, is_https).ok()?)
    }

    /// The proxy that leads to `origin`.
    pub(super) fn choose(&self, origin: &Origin) -> Option<&Secret> {
        let of_scheme = if origin.is_https {
            &self.https
        } else {
            &self.http
        };
        let proxy = of_scheme.as_ref()?;
        let address: Option<IpAddr> = origin.bare_host().parse().ok();
        let is_loopback = address.is_some_and(|address| address.is_loopback())
            || origin.host == "localhost"
            || origin.host.ends_with(".localhost");
        let is_exception = || {
            self.exceptions
                .split(',')
                .any(|rule| matches(rule.trim(), origin, address))
        };
        (!is_loopback && !is_exception()).then_some(proxy)
    }
}

/// Whether one exception covers a host.
fn matches(rule: &str, origin: &Origin, address: Option<IpAddr>) -> bool {
    let rule = rule.to_ascii_lowercase();
    if rule.is_empty() {
        return false;
    }
    if rule == "*" {
        return true;
    }
    if let (Some((network, bits)), Some(address)) = (rule.split_once('/'), address) {
        return is_in_network(network, bits, address);
    }
    let (host, port) = match rule.rsplit_once(':') {
        // An IPv6 address has colons of its own, but for one in brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (rule.as_str(), None),
    };
    if port.is_some_and(|port| port.parse() != Ok(origin.port)) {
        return false;
    }
    if let Some(address) = address {
        return bare_host(host).parse() == Ok(address);
    }
    let domain = host.trim_start_matches("*.").trim_start_matches('.');
    origin.host.strip_suffix(domain).is_some_and(|before| {
        // `.example.com` and `*.example.com` are about hosts below it only.
        (before.is_empty() && domain == host) || before.ends_with('.')
    })
}

fn is_in_network(network: &str, bits: &str, address: IpAddr) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(host: &str, is_https: bool) -> Origin {
        Origin::from_host(host, is_https).unwrap()
    }

    #[test]
    fn variables() {
        let proxies = Proxies::from_variables(|name| match name {
            "HTTP_PROXY" => Some("http://never".to_owned()),
            "HTTPS_PROXY" => Some("http://secure".to_owned()),
            "https_proxy" => Some(" ".to_owned()),
            "all_proxy" => Some("http://all".to_owned()),
            "NO_PROXY" => Some("a,b".to_owned()),
            _ => None,
        });
        assert_eq!(proxies.http, Some(Secret::new("http://all")));
        assert_eq!(proxies.https, Some(Secret::new("http://secure")));
        assert_eq!(proxies.exceptions, "a,b");
    }

    #[test]
    fn the_scheme_decides() {
        let proxies = Proxies {
            https: Some(Secret::new("http://p")),
            ..Proxies::default()
        };
        assert_eq!(proxies.choose(&origin("h", true)), proxies.https.as_ref());
        assert_eq!(proxies.choose(&origin("h", false)), None);
        assert_eq!(proxies.proxy_for("h:1", true), proxies.https.as_ref());
        assert_eq!(proxies.proxy_for("h:1", false), None);
        assert_eq!(proxies.proxy_for("no host", true), None);
    }

    #[test]
    fn exceptions() {
        for (exceptions, host, is_proxied) in [
            ("", "h.example.com", true),
            ("*", "h.example.com", false),
            ("example.com", "h.example.com", false),
            ("example.com", "example.com", false),
            (".example.com", "h.example.com", false),
            (".example.com", "example.com", true),
            ("*.example.com", "h.example.com", false),
            ("example.com", "badexample.com", true),
            ("x, Example.COM ,y", "h.example.com", false),
            ("example.com:5000", "example.com:5000", false),
            ("example.com:5000", "example.com", true),
            ("10.0.0.0/8", "10.1.2.3", false),
            ("10.0.0.0/8", "11.1.2.3", true),
            ("0.0.0.0/0", "11.1.2.3", false),
            ("10.0.0.0/99", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.3:5000", false),
            ("fd00::/8", "[fd12::1]:5000", false),
            ("fd12::1", "[fd12::1]", false),
            ("[fd12::1]:5000", "[fd12::1]:5000", false),
            // Never, whatever is said.
            ("", "localhost:5000", false),
            ("", "127.0.0.1:5000", false),
            ("", "[::1]:5000", false),
        ] {
            let proxies = Proxies {
                http: Some(Secret::new("http://p")),
                https: None,
                exceptions: exceptions.to_owned(),
            };
            let chosen = proxies.choose(&origin(host, false));
            assert_eq!(chosen.is_some(), is_proxied, "{exceptions:?} {host}");
        }
    }
}
