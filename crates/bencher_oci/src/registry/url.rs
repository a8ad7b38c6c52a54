//! URLs as this client understands them: absolute, HTTP, without a user name.
//!
//! What decides here about a URL is what is connected to afterwards: both use the same parse, so
//! that no second reading of an odd URL can lead elsewhere.

use std::fmt;

use ureq::http::Uri;
use ureq::http::uri::{Authority, Scheme};

use crate::Excerpt;

/// The longest URL that is followed. Signed URLs of object stores have about 2,000 bytes.
const MAX_BYTES: usize = 16 << 10;

/// An absolute URL with the scheme `http` or `https`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    uri: Uri,
    origin: Origin,
}

/// What a token is good for: a scheme, a host and a port (RFC 6454).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) is_https: bool,
    /// In lower case; an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why a text is not a URL that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all, relative where it must not be, or absurdly long.
    #[error("an address that is no URL")]
    Malformed,
    /// Another scheme than `http` and `https`.
    #[error("an address of the scheme {0}, only http and https are followed")]
    Scheme(Excerpt),
    /// A URL with a user name or a password in it.
    #[error("an address with a user name in it")]
    UserInfo,
}

impl Url {
    /// Parses an absolute URL. A fragment is dropped.
    pub(super) fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::Malformed)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ if is_scheme(scheme) => return Err(UrlError::Scheme(Excerpt::new(scheme))),
            _ => return Err(UrlError::Malformed),
        };
        let rest = rest.strip_prefix("//").ok_or(UrlError::Malformed)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        if text.len() > MAX_BYTES || !rest.bytes().all(is_plain) {
            return Err(UrlError::Malformed);
        }
        let scheme = if is_https { "https" } else { "http" };
        let uri: Uri = format!("{scheme}://{rest}")
            .parse()
            .map_err(|_| UrlError::Malformed)?;
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        let origin = Origin::of(is_https, authority)?;
        Ok(Self { uri, origin })
    }

    /// The URL that `location` means in an answer from this one (RFC 3986, section 5.2, without
    /// paths that are relative to the last one: no registry sends them).
    pub(super) fn join(&self, location: &str) -> Result<Self, UrlError> {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        if location.starts_with('/') {
            return Self::parse(&format!("{}{location}", self.origin));
        }
        Self::parse(location)
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// This URL with more in its query.
    pub(super) fn with_query(&self, pairs: &[(&str, &str)]) -> Result<Self, UrlError> {
        let encoded = encode_form(pairs);
        let separator = if self.uri.query().is_some() { '&' } else { '?' };
        Self::parse(&format!("{}{separator}{encoded}", self.uri))
    }
}

/// Without the query: signed URLs carry their secrets in there.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 200;
        let path = self.uri.path();
        match path.get(..LONGEST) {
            None => write!(f, "{}{path}", self.origin),
            Some(path) => write!(f, "{}{path}…", self.origin),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Origin {
    fn of(is_https: bool, authority: &Authority) -> Result<Self, UrlError> {
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let host = authority.host().to_ascii_lowercase();
        // `host:` and `host:99999` have no port that can be connected to.
        let port = if authority.as_str().len() == authority.host().len() {
            default_port(is_https)
        } else {
            authority.port_u16().ok_or(UrlError::Malformed)?
        };
        if host.is_empty() {
            return Err(UrlError::Malformed);
        }
        Ok(Self {
            is_https,
            host,
            port,
        })
    }

    /// The origin that `HOST[:PORT]` is with a scheme.
    pub(super) fn from_host(host: &str, is_https: bool) -> Result<Self, UrlError> {
        let authority: Authority = host.parse().map_err(|_| UrlError::Malformed)?;
        Self::of(is_https, &authority)
    }

    /// The host as a name look-up wants it: an IPv6 address without its brackets.
    pub(super) fn bare_host(&self) -> &str {
        bare_host(&self.host)
    }
}

/// A host without the brackets of an IPv6 address.
pub(super) fn bare_host(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port != default_port(self.is_https) {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `application/x-www-form-urlencoded`, as a query and as a form.
pub(super) fn encode_form(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (position, (key, value)) in pairs.iter().enumerate() {
        if position > 0 {
            text.push('&');
        }
        encode(key, &mut text);
        text.push('=');
        encode(value, &mut text);
    }
    text
}

fn encode(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push('%');
            out.push(DIGITS[usize::from(byte >> 4)].into());
            out.push(DIGITS[usize::from(byte & 15)].into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_their_query() {
        for (text, shown) in [
            (
                "https://A.Example/v2/x?sig=secret#f",
                "https://a.example/v2/x",
            ),
            ("HTTP://h:80/?q", "http://h/"),
            ("https://h:80", "https://h:80/"),
            ("http://[::1]:5000/a", "http://[::1]:5000/a"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), shown);
        }
        let long = Url::parse(&format!("http://h/{}", "x".repeat(3000))).unwrap();
        assert!(long.to_string().len() < 220);
    }

    #[test]
    fn what_is_no_url_is_refused() {
        use UrlError::{Malformed, UserInfo};
        let scheme = |text| UrlError::Scheme(Excerpt::new(text));
        for (text, error) in [
            ("", Malformed),
            ("/path", Malformed),
            ("https:/h/p", Malformed),
            ("https://", Malformed),
            ("https:///etc/passwd", Malformed),
            ("https://h h/", Malformed),
            ("https://h\\@evil/", Malformed),
            ("https://h/\r\nX: y", Malformed),
            ("https://h:/", Malformed),
            ("https://h:99999/", Malformed),
            ("https://user:password@h/", UserInfo),
            ("file:///etc/passwd", scheme("file")),
            ("gopher://h/", scheme("gopher")),
        ] {
            assert_eq!(Url::parse(text).unwrap_err(), error, "{text}");
        }
        assert!(Url::parse(&format!("http://h/{}", "x".repeat(20_000))).is_err());
    }

    #[test]
    fn locations_are_resolved() {
        let from = Url::parse("https://h:8443/v2/a?x=y").unwrap();
        for (location, url) in [
            ("/b?c", "https://h:8443/b?c"),
            ("//other/b", "https://other/b"),
            ("http://other/b", "http://other/b"),
        ] {
            assert_eq!(
                from.join(location).unwrap().uri(),
                Url::parse(url).unwrap().uri()
            );
        }
        assert_eq!(from.join("b/c"), Err(UrlError::Malformed));
        assert!(from.join("file:/etc/passwd").is_err());
    }

    #[test]
    fn queries_are_added_and_escaped() {
        let url = Url::parse("https://h/token?a=b").unwrap();
        let url = url
            .with_query(&[("scope", "repository:a/b:pull&x")])
            .unwrap();
        assert_eq!(
            url.uri().to_string(),
            "https://h/token?a=b&scope=repository%3Aa%2Fb%3Apull%26x",
        );
        assert_eq!(encode_form(&[("a", "é +")]), "a=%C3%A9%20%2B");
    }

    #[test]
    fn origins_are_compared_by_scheme_host_and_port() {
        let origin = |text| Url::parse(text).unwrap().origin().clone();
        assert_eq!(origin("https://H/a"), origin("https://h:443/b"));
        assert_ne!(origin("https://h/"), origin("http://h:443/"));
        assert_ne!(origin("https://h/"), origin("https://h:8443/"));
        assert_eq!(Origin::from_host("h", false).unwrap(), origin("http://h/"));
        assert_eq!(Origin::from_host("u@h", true), Err(UrlError::UserInfo));
    }
}
