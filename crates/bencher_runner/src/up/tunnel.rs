//! A way to the server through a proxy: `CONNECT` (RFC 9110, section 9.3.6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bencher_oci::registry::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest answer of a proxy, in bytes.
const LONGEST: usize = 16 * 1024;

/// A proxy that is spoken to in plain HTTP. What is in its tunnels is as encrypted as it would be without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Secret>,
}

impl Proxy {
    /// The proxy of an address like `http://user:password@proxy:3128`; `None` if it is no such one.
    pub(super) fn parse(address: &Secret) -> Option<Self> {
        let text = address.expose();
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return None,
            None => text,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (place, 80),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let is_plain = |character: char| character.is_ascii_graphic();
        if host.is_empty() || !host.chars().all(is_plain) {
            return None;
        }
        let authorization = match user {
            Some(user) => {
                let user = percent_decoded(user)?;
                Some(Secret::new(format!("Basic {}", STANDARD.encode(user))))
            }
            None => None,
        };
        Some(Self {
            host: host.to_owned(),
            port,
            authorization,
        })
    }

    /// A connection through the proxy to `target`, a host with its port.
    pub(super) async fn connect(&self, target: &str) -> Result<TcpStream, String> {
        let name = format!("{}:{}", self.host, self.port);
        let failed = |error: std::io::Error| format!("the proxy {name}: {error}");
        let mut stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let authorization = match &self.authorization {
            Some(value) => format!("Proxy-Authorization: {}\r\n", value.expose()),
            None => String::new(),
        };
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let answer = read_head(&mut stream).await.map_err(failed)?;
        match status(&answer) {
            Some(200..=299) => Ok(stream),
            Some(407) => Err(format!(
                "the proxy {name} wants a user name and a password: give them as in \
                 http://user:password@{name}"
            )),
            Some(status) => Err(format!(
                "the proxy {name} answers with the HTTP status {status}"
            )),
            None => Err(format!("the proxy {name} does not speak HTTP")),
        }
    }
}

/// What comes before the tunnel: not one byte of what is in it.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST {
            return Err(std::io::Error::other("its answer is too long"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let mut words = line.split_ascii_whitespace();
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

/// `%41` is an A; `None` for what is no such text.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_proxies() {
        for (address, expected) in [
            ("http://proxy:3128", Some(("proxy", 3128, None))),
            ("proxy:3128/", Some(("proxy", 3128, None))),
            ("http://proxy", Some(("proxy", 80, None))),
            ("http://[::1]:8080", Some(("::1", 8080, None))),
            (
                "http://me:p%40ss@proxy:1",
                Some(("proxy", 1, Some("Basic bWU6cEBzcw=="))),
            ),
            ("socks5://proxy:1", None),
            ("https://proxy:1", None),
            ("http://", None),
            ("http://proxy:port", None),
            ("http://a%4@proxy", None),
            ("http://pro xy", None),
        ] {
            let found = Proxy::parse(&Secret::new(address));
            let expected = expected.map(|(host, port, authorization)| Proxy {
                host: host.to_owned(),
                port,
                authorization: authorization.map(Secret::new),
            });
            assert_eq!(found, expected, "{address}");
        }
    }
}
