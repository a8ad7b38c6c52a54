//! No secret in a log line or in an error message, whatever the registry does with it.

use std::sync::{Mutex, OnceLock};

use bencher_oci::registry::{Credentials, RegistryOptions, Secret};
use test_support::alone;

use crate::server::{Reply, Request, Server};
use crate::site::{MANIFEST, Site, is_blob, layer};
use crate::support::*;

/// What the `log` crate is told by anybody in this process.
struct Log(Mutex<String>);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().unwrap().push_str(&line);
    }

    fn flush(&self) {}
}

/// Everything that was logged so far, at every level that is compiled in.
fn logged() -> String {
    static LOG: OnceLock<&'static Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log: &'static Log = Box::leak(Box::new(Log(Mutex::default())));
        log::set_logger(log).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        log
    });
    log.0.lock().unwrap().clone()
}

const TOKEN: &str = "very-secret-token-0123456789abcdefghijklmnopqrstuvwxyz";
const PASSWORD: &str = "very-secret-password-0123456789abcdefghijklmnopqrstuvwxyz";
const SIGNATURE: &str = "very-secret-signature";

/// Parts of the secrets above, in the encodings that they are sent in.
const TRACES: [&str; 4] = [
    "very-secret-",
    "very%2Dsecret",
    // "user:very-secret-pass" in base64, without its end.
    "dXNlcjp2ZXJ5LXNlY3JldC1wYXNz",
    "Bearer v",
];

#[track_caller]
fn assert_no_secret(text: &str) {
    for trace in TRACES {
        assert!(!text.contains(trace), "{trace:?} is in {text}");
    }
}

fn with(credentials: Credentials) -> RegistryOptions {
    RegistryOptions {
        credentials: Some(credentials),
        ..options()
    }
}

/// Everything that is logged in a process is in one log: that of other tests must not be in there.
#[test]
fn no_secret_is_logged() {
    alone("secrecy::no_secret_is_logged", pull_with_secrets).unwrap();
}

fn pull_with_secrets() {
    logged();
    let content = layer(1000);
    let bytes = content.clone();
    let storage = Server::start(move |_| Reply::bytes(&bytes));
    let location = storage.url(&format!("/blob?signature={SIGNATURE}"));
    let tokens = Server::start(|request| {
        let token = format!(r#"{{"token":"{TOKEN}"}}"#);
        if request.header("authorization").is_some() || request.body.contains("very-secret-") {
            Reply::bytes(token.as_bytes())
        } else {
            Reply::status(401)
        }
    });
    let challenge = format!("Bearer realm=\"{}\"", tokens.url("/token"));
    let site = Site::of(std::slice::from_ref(&content));
    let wanted = content.clone();
    let registry = Server::start(
        move |request: &Request| match request.header("authorization") {
            None if request.path != "/v2/" => {
                Reply::status(401).with("WWW-Authenticate", &challenge)
            }
            _ if crate::site::is_blob_of(request, &wanted) => Reply::redirect(&location),
            _ => site.reply(request),
        },
    );
    for credentials in [
        Credentials::Password {
            username: "user".to_owned(),
            password: Secret::new(PASSWORD),
        },
        Credentials::IdentityToken(Secret::new(PASSWORD)),
        Credentials::Token(Secret::new(TOKEN)),
    ] {
        let options = with(credentials);
        assert_no_secret(&format!("{options:?}"));
        assert!(pull(&registry, options).unwrap().has(&content));
    }
    let log = logged();
    assert!(log.contains("ureq"), "nothing was logged");
    assert_no_secret(&log);
}

#[test]
fn a_signed_url_is_not_shown() {
    let storage = Server::start(|_| Reply::status(403));
    let location = storage.url(&format!("/blob?signature={SIGNATURE}"));
    let site = Site::of(&[layer(1000)]);
    let registry = Server::start(move |request| {
        if is_blob(request) {
            Reply::redirect(&location)
        } else {
            site.reply(request)
        }
    });
    let error = pull(&registry, options()).err().unwrap();
    assert_says(&error, "access denied");
    assert_no_secret(&error);
}

/// What a pull with a token ends with that the registry can send back however it likes.
fn echoed(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> String {
    let registry = Server::start(move |request| match request.header("authorization") {
        Some(header) => reply(header.strip_prefix("Bearer ").unwrap()),
        None => Reply::bytes(b"{}"),
    });
    let credentials = Credentials::Token(Secret::new(TOKEN));
    pull(&registry, with(credentials)).err().unwrap()
}

#[test]
fn a_token_that_the_registry_sends_back_is_not_shown() {
    for (what, error) in [
        (
            "a media type",
            echoed(|token| Reply::bytes(b"{}").with("Content-Type", token)),
        ),
        (
            "a document",
            echoed(|token| {
                let manifest = format!(r#"{{"schemaVersion":2,"config":"{token}"}}"#);
                Reply::bytes(manifest.as_bytes()).with("Content-Type", MANIFEST)
            }),
        ),
        (
            "an artifact type",
            echoed(|token| {
                let digest = bencher_oci::Digest::sha256(b"");
                let manifest = format!(
                    r#"{{"schemaVersion":2,"layers":[],"config":{{
                        "mediaType":"{token}","digest":"{digest}","size":0}}}}"#
                );
                Reply::bytes(manifest.as_bytes()).with("Content-Type", MANIFEST)
            }),
        ),
        (
            "a scheme",
            echoed(|token| Reply::redirect(&format!("{token}://x/"))),
        ),
        (
            "a host",
            echoed(|token| Reply::redirect(&format!("http://{token}.invalid/"))),
        ),
    ] {
        assert_no_secret(&error);
        assert!(
            error.contains("sent a password or a token of yours back"),
            "{what}: {error}",
        );
    }
}
