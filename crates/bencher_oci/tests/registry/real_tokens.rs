//! Debian's `docker-registry` with tokens: it verifies their signature, their scope and their age.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bencher_oci::registry::{Credentials, RegistryOptions, Secret};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use test_support::{ISSUER, SERVICE, Setup};

use crate::real::{filled_after, pull_name};
use crate::server::{Reply, Server};
use crate::support::*;

/// "user:open sesame" in base64; anybody may push, only this user may pull.
const BASIC: &str = "Basic dXNlcjpvcGVuIHNlc2FtZQ==";

/// A signed token (RFC 7519) for the repository `o/r`.
fn token(folder: &Path, actions: &[&str]) -> String {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let certificate: String = read("certificate.pem")
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [certificate]});
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = json!({
        "iss": ISSUER, "sub": "user", "aud": SERVICE, "jti": "1",
        "iat": now, "nbf": now - 60, "exp": now + 600,
        "access": [{"type": "repository", "name": "o/r", "actions": actions}],
    });
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let key = KeyPair::from_pem(&read("key.pem")).unwrap();
    let signature = raw_signature(&key.sign(text.as_bytes()).unwrap());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The two numbers of an ECDSA signature, out of their DER encoding (RFC 3279) and as JWS wants
/// them (RFC 7518, section 3.4).
fn raw_signature(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut raw = Vec::new();
    for _ in 0..2 {
        let len = usize::from(rest[1]);
        let number = &rest[2..2 + len];
        let digits = number.iter().skip_while(|&&byte| byte == 0);
        let digits: Vec<_> = digits.copied().collect();
        raw.extend(std::iter::repeat_n(0, 32 - digits.len()));
        raw.extend(digits);
        rest = &rest[2 + len..];
    }
    raw
}

#[test]
fn a_registry_with_tokens() {
    let folder = Arc::new(OnceLock::<PathBuf>::new());
    let (tokens_folder, is_pushed) = (Arc::clone(&folder), Arc::new(OnceLock::<()>::new()));
    let is_over = Arc::clone(&is_pushed);
    let tokens = Server::start(move |request| {
        let folder = tokens_folder.wait();
        let actions: &[&str] = match (is_over.get(), request.header("authorization")) {
            (None, _) => &["pull", "push"],
            (_, Some(BASIC)) => &["pull"],
            // A token, and nothing that it is good for.
            (_, None) => &[],
            _ => return Reply::status(401),
        };
        Reply::bytes(
            json!({"token": token(folder, actions)})
                .to_string()
                .as_bytes(),
        )
    });
    let realm = tokens.url("/token");
    let setup = Setup {
        realm: Some(&realm),
        ..Setup::default()
    };
    let started = filled_after(&setup, &["--preserve-digests"], |registry| {
        folder.set(registry.path("")).unwrap();
    });
    let Some((registry, layers)) = started else {
        return;
    };
    is_pushed.set(()).unwrap();
    let with = |password: &str| RegistryOptions {
        credentials: Some(Credentials::Password {
            username: "user".to_owned(),
            password: Secret::new(password),
        }),
        ..options()
    };
    let asked = tokens.requests().len();
    let (_, store) = pull_name(&registry, "o/r:v1", with("open sesame")).unwrap();
    assert!(layers.iter().all(|layer| store.has(layer)));
    assert_eq!(tokens.requests().len(), asked + 1);
    let error = pull_name(&registry, "o/r:v1", with("guess")).err().unwrap();
    assert_says(&error, "the credentials were refused: log in again");
    let error = pull_name(&registry, "o/r:v1", options()).err().unwrap();
    assert_says(&error, "authentication required");
}
