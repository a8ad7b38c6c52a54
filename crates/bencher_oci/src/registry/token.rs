//! Getting a token from the server that a registry names (the distribution project's token
//! authentication; with an identity token its OAuth 2.0 variant).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::http::{Answer, Http, Request};
use super::redirect::{self, Rule};
use super::status::check_status;
use super::url::{Origin, Url, UrlError, encode_form};
use super::{AddressKind, RegistryErrorReason, Secret};
use crate::Cancellation;

/// The longest answer of a token server.
const MAX_ANSWER: u64 = 1 << 20;
/// The longest token: it has to fit into a header.
const MAX_TOKEN: usize = 48 << 10;
/// How long a token lives if the server does not say so.
const DEFAULT_LIFE: Duration = Duration::from_mins(1);
/// What this program calls itself in OAuth 2.0.
const CLIENT_ID: &str = "bencher-runner";

/// Why a token server is not asked. The messages follow "a token server that is not asked: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RealmError {
    /// The realm is not a URL that can be asked.
    #[error("{0}")]
    Url(UrlError),
    /// The registry is encrypted and the server is not, or the other way round.
    #[error("{at} has another scheme than the registry")]
    Scheme {
        /// Scheme, host and port.
        at: String,
    },
    /// The user did not accept plain HTTP to that host.
    #[error("{at} is another host, and not encrypted")]
    Unencrypted {
        /// Scheme, host and port.
        at: String,
    },
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct TokenRequest<'a> {
    pub(super) realm: &'a str,
    pub(super) service: Option<&'a str>,
    pub(super) scope: &'a str,
    pub(super) credentials: &'a Credentials,
    pub(super) cancellation: &'a Cancellation,
}

/// A token of a registry's token server.
#[derive(Debug)]
pub struct Token {
    /// What the registry takes as a bearer token.
    pub secret: Secret,
    /// How long it is good for.
    pub life: Duration,
}

#[derive(Deserialize)]
struct RawToken {
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    access_token: Option<Secret>,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// Fetches a token for the registry at `registry`.
pub(super) fn fetch(
    http: &Http,
    registry: &Origin,
    request: &TokenRequest<'_>,
) -> Result<Token, RegistryErrorReason> {
    let realm = check_realm(http, registry, request.realm).map_err(RegistryErrorReason::Realm)?;
    let result = ask(http, &realm, request);
    result.map_err(|reason| match reason {
        // These are about the user, not about the server.
        RegistryErrorReason::NoCredentials(_)
        | RegistryErrorReason::Unauthorized
        | RegistryErrorReason::Cancelled => reason,
        reason => RegistryErrorReason::TokenServer {
            at: realm.origin().to_string(),
            reason: Box::new(reason),
        },
    })
}

/// Whether credentials may go to a realm, as far as its URL says. Its address is checked when it
/// is connected to.
fn check_realm(http: &Http, registry: &Origin, realm: &str) -> Result<Url, RealmError> {
    let realm = Url::parse(realm).map_err(RealmError::Url)?;
    let origin = realm.origin();
    let at = || origin.to_string();
    if origin.is_https != registry.is_https {
        return Err(RealmError::Scheme { at: at() });
    }
    let is_accepted =
        origin.host == registry.host || is_loopback(&origin.host) || http.is_insecure(origin);
    if !origin.is_https && !is_accepted {
        return Err(RealmError::Unencrypted { at: at() });
    }
    Ok(realm)
}

/// Whether a host is this one, as its name says.
pub(super) fn is_loopback(host: &str) -> bool {
    AddressKind::of_name(host) == Some(AddressKind::Loopback)
}

fn ask(http: &Http, realm: &Url, request: &TokenRequest<'_>) -> Result<Token, RegistryErrorReason> {
    let service = request.service.unwrap_or_default();
    let send =
        |url: &Url, authorization, form| send(http, url, authorization, form, request.cancellation);
    let mut pairs = vec![("service", service), ("scope", request.scope)];
    pairs.retain(|(_, value)| !value.is_empty());
    let answer = match request.credentials {
        Credentials::IdentityToken(token) => {
            pairs.extend([
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("refresh_token", token.expose()),
            ]);
            let form = Secret::new(encode_form(&pairs));
            send(realm, None, Some(&form))?
        }
        Credentials::Password { username, password } => {
            pairs.push(("account", username));
            let url = realm.with_query(&pairs).map_err(RegistryErrorReason::Url)?;
            send(&url, Some(&basic(username, password)), None)?
        }
        // A token for the registry itself is nothing for its token server.
        Credentials::Anonymous | Credentials::Token(_) => {
            let url = realm.with_query(&pairs).map_err(RegistryErrorReason::Url)?;
            send(&url, None, None)?
        }
    };
    let refused = if request.credentials.is_anonymous() {
        RegistryErrorReason::NoCredentials(None)
    } else {
        RegistryErrorReason::Unauthorized
    };
    // OAuth 2.0 answers 400 to an identity token that has expired.
    let is_identity = matches!(request.credentials, Credentials::IdentityToken(_));
    if matches!(answer.status, 401 | 403) || (answer.status == 400 && is_identity) {
        return Err(refused);
    }
    let answer = check_status(answer, http.options().clock.date(), "token server")?;
    let bytes = Zeroizing::new(http.read(answer, MAX_ANSWER)?);
    read_token(&bytes)
}

/// Sends a request that has a secret in it: it stays at the realm's origin.
fn send(
    http: &Http,
    url: &Url,
    authorization: Option<&Secret>,
    form: Option<&Secret>,
    cancellation: &Cancellation,
) -> Result<Answer, RegistryErrorReason> {
    let mut visited = vec![url.clone()];
    loop {
        let current = visited.last().unwrap_or(url);
        let request = Request {
            accept: Some("application/json"),
            authorization,
            form,
            ..Request::get(current)
        };
        let answer = http.send(&request, cancellation)?;
        if !redirect::is_redirect(answer.status) {
            return Ok(answer);
        }
        let location = answer.header(ureq::http::header::LOCATION);
        let target = redirect::next(&visited, location, Rule::SameOrigin);
        visited.push(target.map_err(RegistryErrorReason::Redirect)?);
    }
}

/// The value of an `Authorization` header (RFC 7617).
pub(super) fn basic(username: &str, password: &Secret) -> Secret {
    let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// The value of an `Authorization` header (RFC 6750).
pub(super) fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose()))
}

pub(super) fn read_token(bytes: &[u8]) -> Result<Token, RegistryErrorReason> {
    let raw: RawToken = serde_json::from_slice(bytes).map_err(|_| RegistryErrorReason::NoToken)?;
    let secret = raw
        .token
        .filter(|token| !token.is_empty())
        .or(raw.access_token)
        .filter(|token| is_token(token.expose()))
        .ok_or(RegistryErrorReason::NoToken)?;
    Ok(Token {
        secret,
        life: raw.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs),
    })
}

/// Whether a text can stand in a header.
fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A scope for reading one repository, for registries that do not name one.
pub(super) fn pull_scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::RegistryOptions;

    #[test]
    fn tokens_of_real_servers() {
        for (answer, token, life) in [
            (
                r#"{"token":"a.b","expires_in":300,"issued_at":"x"}"#,
                "a.b",
                300,
            ),
            (r#"{"access_token":"c"}"#, "c", 60),
            (
                r#"{"token":"","access_token":"c","refresh_token":"r"}"#,
                "c",
                60,
            ),
        ] {
            let read = read_token(answer.as_bytes()).unwrap();
            assert_eq!((read.secret.expose(), read.life.as_secs()), (token, life));
        }
        let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(MAX_TOKEN + 1));
        for answer in [
            "",
            "{}",
            r#"{"token":"a b"}"#,
            r#"{"token":"a\r\nX: y"}"#,
            &long,
        ] {
            assert!(read_token(answer.as_bytes()).is_err(), "{answer:.50}");
        }
    }

    #[test]
    fn headers() {
        let password = Secret::new("open sesame");
        // RFC 7617, section 2.
        assert_eq!(
            basic("Aladdin", &password).expose(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        );
        assert_eq!(bearer(&Secret::new("t")).expose(), "Bearer t");
    }

    #[test]
    fn where_credentials_may_go() {
        let options = RegistryOptions {
            insecure_registries: vec!["open.example".to_owned()],
            ..RegistryOptions::default()
        };
        let http = Http::new("r.example", options);
        let check = |registry: &str, realm: &str| {
            let registry = Url::parse(registry).unwrap();
            check_realm(&http, registry.origin(), realm)
                .map(|url| url.origin().to_string())
                .map_err(|error| error.to_string())
        };
        let encrypted = "https://r.example/";
        let plain = "http://r.example/";
        for (registry, realm, answer) in [
            (
                encrypted,
                "https://auth.example/t",
                Ok("https://auth.example"),
            ),
            (plain, "http://r.example:81/t", Ok("http://r.example:81")),
            (plain, "http://localhost:1/t", Ok("http://localhost:1")),
            (plain, "http://open.example/t", Ok("http://open.example")),
            (
                plain,
                "http://auth.example/t",
                Err("http://auth.example is another host, and not encrypted"),
            ),
            (
                encrypted,
                "http://r.example/t",
                Err("http://r.example has another scheme than the registry"),
            ),
            (
                plain,
                "https://r.example/t",
                Err("https://r.example has another scheme than the registry"),
            ),
            (encrypted, "/token", Err("an address that is no URL")),
            (
                encrypted,
                "file:///etc/passwd",
                Err("an address of the scheme `file`, only http and https are followed"),
            ),
            (
                encrypted,
                "https://u:p@auth.example/",
                Err("an address with a user name in it"),
            ),
        ] {
            let answer = answer.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(check(registry, realm), answer, "{realm}");
        }
    }
}
