//! Requests.

use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bencher_channel_protocol::Excerpt;
use bencher_oci::registry::{Secret, is_not_tls, verified_tls};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

use super::{ClientError, printable};

/// Time to connect and to be answered.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long an answer may pause. Events come, or signs of life in their place, every 15 seconds.
const SILENCE: Duration = Duration::from_mins(1);
/// The largest answer that is read, in bytes: more than the results of a job can have.
const MAX_ANSWER: u64 = 1 << 30;
/// The longest answer of a refusal that is read, in bytes.
const MAX_REFUSAL: u64 = 64 << 10;
/// What a CI's job says of the trace that it is in, as OpenTelemetry has it for environments: W3C Trace Context.
const TRACEPARENT: &str = "TRACEPARENT";
/// The longest file of a token that is read, in bytes.
const MAX_TOKEN: u64 = 4096;

/// A server, and the token to ask it with.
#[derive(Debug)]
pub(crate) struct Connection {
    host: String,
    authorization: Secret,
    /// The trace that whoever started this program is in, if there is one.
    traceparent: Option<HeaderValue>,
    agent: Agent,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// All of it.
    All,
    /// What is left is deleted later.
    Partly,
}

impl Connection {
    /// Nothing is sent yet.
    pub(crate) fn new(
        host: &str,
        token: &Secret,
        ca_file: Option<&Path>,
    ) -> Result<Self, ClientError> {
        let trust = verified_tls(ca_file).map_err(|error| ClientError::Trust(error.to_string()))?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // The token is for this server and for no other.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(PATIENCE))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(SILENCE))
            .tls_config(trust)
            .build()
            .new_agent();
        let host = address(host)?;
        let authorization = format!("Bearer {}", token.expose());
        if HeaderValue::from_str(&authorization).is_err() || token.expose().contains(' ') {
            return Err(ClientError::Token);
        }
        let traceparent = std::env::var(TRACEPARENT).ok();
        Ok(Self {
            host,
            authorization: Secret::new(authorization),
            traceparent: traceparent.and_then(|text| HeaderValue::try_from(text).ok()),
            agent,
        })
    }

    /// Whether others on the way can read the token.
    pub(crate) fn is_exposed(&self) -> bool {
        is_exposed(&self.host)
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(self.send("GET", path, None)?)
    }

    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.misunderstood(&error))?;
        self.answer(self.send("POST", path, Some(body))?)
    }

    pub(crate) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.misunderstood(&error))?;
        self.answer(self.send("PUT", path, Some(body))?)
    }

    /// Puts something where no answer comes back.
    pub(crate) fn set(&self, path: &str, body: &impl Serialize) -> Result<(), ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.misunderstood(&error))?;
        self.send("PUT", path, Some(body))?;
        Ok(())
    }

    /// Deletes something, and says how far that is done.
    pub(crate) fn delete(&self, path: &str) -> Result<Deleted, ClientError> {
        match self.send("DELETE", path, None)?.status() {
            StatusCode::ACCEPTED => Ok(Deleted::Partly),
            _ => Ok(Deleted::All),
        }
    }

    /// An answer as it comes.
    pub(crate) fn stream(&self, path: &str) -> Result<impl Read + use<>, ClientError> {
        Ok(self.send("GET", path, None)?.into_body().into_reader())
    }

    fn answer<T: DeserializeOwned>(&self, response: Response<Body>) -> Result<T, ClientError> {
        let mut body = response.into_body();
        let bytes = body.with_config().limit(MAX_ANSWER).read_to_vec();
        let bytes = bytes.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| self.misunderstood(&error))
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Response<Body>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.host))
            .header(header::AUTHORIZATION, self.authorization.expose());
        if let Some(traceparent) = &self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        let sent = match body {
            Some(body) => {
                let request = request.header(header::CONTENT_TYPE, "application/json");
                self.agent.run(
                    request
                        .body(body)
                        .map_err(|error| self.misunderstood(&error))?,
                )
            }
            None => self.agent.run(
                request
                    .body(())
                    .map_err(|error| self.misunderstood(&error))?,
            ),
        };
        let response = sent.map_err(|error| self.failed(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let text = body.with_config().limit(MAX_REFUSAL).read_to_vec();
        let refusal = text
            .ok()
            .and_then(|text| serde_json::from_slice::<bencher_server_api::Error>(&text).ok());
        Err(match refusal {
            Some(refusal) => ClientError::Refused {
                status,
                message: printable(&refusal.error.message),
            },
            None => ClientError::Foreign {
                host: self.host.clone(),
                status,
            },
        })
    }

    /// Why there was no answer. What speaks another protocol will the next time, too.
    fn failed(&self, error: &ureq::Error) -> ClientError {
        let host = self.host.clone();
        let (scheme, place) = host.split_once("://").unwrap_or(("", &host));
        let place = place.to_owned();
        let is_not_tls = match error {
            ureq::Error::Io(error) => is_not_tls(error),
            ureq::Error::Rustls(error) => is_not_tls(error),
            _ => false,
        };
        match error {
            _ if is_not_tls => ClientError::NotTls { host, place },
            ureq::Error::Protocol(_) if scheme == "http" => ClientError::NotHttp { host, place },
            error => self.unreachable(error),
        }
    }

    pub(super) fn unreachable(&self, cause: &dyn std::fmt::Display) -> ClientError {
        ClientError::Unreachable {
            host: self.host.clone(),
            cause: cause.to_string(),
        }
    }

    pub(super) fn misunderstood(&self, cause: &dyn std::fmt::Display) -> ClientError {
        ClientError::Answer {
            host: self.host.clone(),
            cause: cause.to_string(),
        }
    }
}

/// The token in the file, or in the environment.
pub(crate) fn token(file: Option<&Path>, variable: Option<String>) -> Result<Secret, ClientError> {
    let text = match file {
        Some(path) => read(path).map_err(|cause| ClientError::TokenFile {
            path: path.to_owned(),
            cause,
        })?,
        None => variable.unwrap_or_default(),
    };
    match text.trim() {
        "" => Err(ClientError::NoToken),
        token => Ok(Secret::new(token)),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_TOKEN)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// The address without what does not belong there.
fn address(text: &str) -> Result<String, ClientError> {
    let wrong = || ClientError::Host(Excerpt::new(text));
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let is_fine = matches!(uri.scheme_str(), Some("http" | "https"))
        && !authority.as_str().contains('@')
        && matches!(uri.path(), "" | "/")
        && uri.query().is_none();
    if !is_fine {
        return Err(wrong());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_exposed(host: &str) -> bool {
    let Ok(uri) = host.parse::<Uri>() else {
        return true;
    };
    let name = uri.host().unwrap_or_default();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_here = name == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    uri.scheme_str() != Some("https") && !is_here
}

/// A text as a part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, found) in [
            ("http://127.0.0.1:61016", Some("http://127.0.0.1:61016")),
            ("https://bencher.example/", Some("https://bencher.example")),
            ("http://[::1]:1", Some("http://[::1]:1")),
            ("bencher.example", None),
            ("ftp://bencher.example", None),
            ("https://user:secret@bencher.example", None),
            ("https://bencher.example/v0", None),
            ("https://bencher.example?x", None),
            ("", None),
        ] {
            assert_eq!(address(text).ok().as_deref(), found, "{text}");
        }
        for (text, exposed) in [
            ("http://127.0.0.1:1", false),
            ("http://[::1]:1", false),
            ("http://localhost:1", false),
            ("https://bencher.example", false),
            ("http://bencher.example", true),
            ("http://127.0.0.1.example", true),
        ] {
            assert_eq!(is_exposed(text), exposed, "{text}");
        }
    }

    #[test]
    fn tokens() {
        let variable = Some(" abc\n".to_owned());
        assert_eq!(token(None, variable).expect("a token").expose(), "abc");
        assert!(matches!(token(None, None), Err(ClientError::NoToken)));
        let nowhere = Path::new("/nonexistent/token");
        let missing = token(Some(nowhere), Some("abc".to_owned()));
        assert!(matches!(missing, Err(ClientError::TokenFile { .. })));
        for wrong in ["a b", "a\u{1}b"] {
            let made = Connection::new("http://127.0.0.1:1", &Secret::new(wrong), None);
            assert!(matches!(made, Err(ClientError::Token)), "{wrong:?}");
        }
    }

    #[test]
    fn parts_of_paths() {
        assert_eq!(encoded("a-b_c.d"), "a-b_c.d");
        assert_eq!(encoded("../a?b=c d"), "..%2Fa%3Fb%3Dc%20d");
    }
}
