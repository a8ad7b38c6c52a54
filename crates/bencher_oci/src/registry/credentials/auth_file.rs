//! Docker's `config.json` and Podman's `auth.json`, which are one format.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Credentials;
use crate::document::json::null_as_default;
use crate::registry::{RegistryReference, Secret};

/// What Docker calls Docker Hub in its files and to its helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Why what a file says of a registry is of no use. The messages follow the file's path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthFileError {
    /// Not the JSON that it should be. What is there is not shown: it is full of secrets.
    #[error("is not a valid configuration of Docker or Podman (line {line})")]
    Json {
        /// Where, counted from 1.
        line: usize,
    },
    /// An `auth` that is not base64 of `USER:PASSWORD`.
    #[error("has an `auth` for {key} that is not base64 of USER:PASSWORD: log in again")]
    Auth {
        /// The registry, as it stands in the file.
        key: String,
    },
}

/// What one file says about one registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Credentials(Credentials),
    /// Ask the helper `docker-credential-NAME` for this server.
    Helper {
        name: String,
        server: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthFile {
    #[serde(default, deserialize_with = "null_as_default")]
    auths: BTreeMap<String, Entry>,
    #[serde(default, deserialize_with = "null_as_default")]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_as_default")]
    creds_store: String,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default, deserialize_with = "null_as_default")]
    auth: Secret,
    #[serde(default, deserialize_with = "null_as_default")]
    username: String,
    #[serde(default, deserialize_with = "null_as_default")]
    password: Secret,
    #[serde(default, deserialize_with = "null_as_default")]
    identitytoken: Secret,
    #[serde(default, deserialize_with = "null_as_default")]
    registrytoken: Secret,
}

/// What the file says about the registry of `image`; nothing if it does not know it.
pub(super) fn find(
    bytes: &[u8],
    image: &RegistryReference,
) -> Result<Option<Found>, AuthFileError> {
    let file: AuthFile = serde_json::from_slice(bytes)
        .map_err(|error| AuthFileError::Json { line: error.line() })?;
    let keys = keys(image);
    let of_registry = |names: &BTreeMap<String, String>| {
        keys.iter().find_map(|wanted| {
            names
                .iter()
                .find(|(key, name)| normal(key) == *wanted && !name.is_empty())
                .map(|(key, name)| (key.clone(), name.clone()))
        })
    };
    if let Some((server, name)) = of_registry(&file.cred_helpers) {
        return Ok(Some(Found::Helper { name, server }));
    }
    for wanted in &keys {
        let entries = file.auths.iter().filter(|(key, _)| normal(key) == *wanted);
        for (key, entry) in entries {
            if let Some(credentials) = entry.credentials(key)? {
                return Ok(Some(Found::Credentials(credentials)));
            }
        }
    }
    if file.creds_store.is_empty() {
        return Ok(None);
    }
    let server = match image.registry() {
        "docker.io" => DOCKER_HUB_KEY,
        registry => registry,
    };
    Ok(Some(Found::Helper {
        name: file.creds_store,
        server: server.to_owned(),
    }))
}

/// What a registry may be called in a file, the most specific name first: Podman's files can have
/// other credentials for a part of a registry.
fn keys(image: &RegistryReference) -> Vec<String> {
    let registry = image.registry().to_ascii_lowercase();
    let full = format!("{registry}/{}", image.repository());
    let mut keys = vec![full];
    while let Some((parent, _)) = keys.last().and_then(|key| key.rsplit_once('/')) {
        keys.push(parent.to_owned());
    }
    keys
}

/// A key without what different tools and versions put around a registry's name.
fn normal(key: &str) -> String {
    let bare = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let bare = bare.trim_end_matches('/');
    let bare = bare
        .strip_suffix("/v1")
        .or_else(|| bare.strip_suffix("/v2"))
        .unwrap_or(bare);
    let (host, path) = match bare.split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (bare, None),
    };
    let host = match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    };
    match path {
        Some(path) => format!("{host}/{path}"),
        None => host,
    }
}

impl Entry {
    fn credentials(&self, key: &str) -> Result<Option<Credentials>, AuthFileError> {
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credentials::Token(self.registrytoken.clone())));
        }
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identitytoken.clone())));
        }
        if !self.auth.is_empty() {
            return decode(self.auth.expose())
                .map(Some)
                .ok_or(AuthFileError::Auth {
                    key: key.to_owned(),
                });
        }
        Ok((!self.username.is_empty()).then(|| Credentials::Password {
            username: self.username.clone(),
            password: self.password.clone(),
        }))
    }
}

fn decode(auth: &str) -> Option<Credentials> {
    let bytes = STANDARD
        .decode(auth)
        .or_else(|_| STANDARD_NO_PAD.decode(auth))
        .map(Zeroizing::new)
        .ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    Some(Credentials::Password {
        username: username.to_owned(),
        // Old versions of Docker padded with NUL bytes.
        password: Secret::new(password.trim_end_matches('\0')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, image: &str) -> Result<Option<Found>, AuthFileError> {
        find(file.as_bytes(), &image.parse().unwrap())
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "compared with what may be nothing"
    )]
    fn password(username: &str, password: &str) -> Option<Found> {
        Some(Found::Credentials(Credentials::Password {
            username: username.to_owned(),
            password: Secret::new(password),
        }))
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "compared with what may be nothing"
    )]
    fn helper(name: &str, server: &str) -> Option<Found> {
        Some(Found::Helper {
            name: name.to_owned(),
            server: server.to_owned(),
        })
    }

    #[test]
    fn entries_of_docker_and_podman() {
        // "u:p:w" in base64.
        let entry = r#"{"auth":"dTpwOnc="}"#;
        for (key, image) in [
            ("ghcr.io", "ghcr.io/o/r"),
            ("https://ghcr.io", "ghcr.io/o/r"),
            ("https://GHCR.io/v2/", "ghcr.io/o/r"),
            ("https://index.docker.io/v1/", "busybox"),
            ("docker.io", "busybox"),
            ("registry-1.docker.io", "o/r"),
            ("localhost:5000", "localhost:5000/r"),
            ("quay.io/o", "quay.io/o/r"),
            ("quay.io/o/r", "quay.io/o/r:1"),
        ] {
            let file = format!(r#"{{"auths":{{"{key}":{entry}}}}}"#);
            assert_eq!(found(&file, image), Ok(password("u", "p:w")), "{key}");
        }
        for (key, image) in [
            ("ghcr.io", "evil.ghcr.io/o/r"),
            ("ghcr.io", "ghcr.io.evil/o/r"),
            ("localhost:5000", "localhost:5001/r"),
            ("localhost", "localhost:5001/r"),
            ("quay.io/o", "quay.io/other/r"),
            ("quay.io/o", "quay.io/ox/r"),
        ] {
            let file = format!(r#"{{"auths":{{"{key}":{entry}}}}}"#);
            assert_eq!(found(&file, image), Ok(None), "{key}");
        }
    }

    #[test]
    fn the_most_specific_entry_decides() {
        let file = r#"{"auths":{
            "quay.io":{"username":"all","password":"1"},
            "quay.io/o":{"username":"o","password":"2"}}}"#;
        assert_eq!(found(file, "quay.io/o/r"), Ok(password("o", "2")));
        assert_eq!(found(file, "quay.io/x/r"), Ok(password("all", "1")));
    }

    #[test]
    fn tokens() {
        let file = r#"{"auths":{
            "a.io":{"auth":"PHRva2VuPjo=","identitytoken":"refresh"},
            "b.io":{"registrytoken":"bearer"}}}"#;
        let token = Secret::new("refresh");
        assert_eq!(
            found(file, "a.io/r"),
            Ok(Some(Found::Credentials(Credentials::IdentityToken(token)))),
        );
        let token = Secret::new("bearer");
        assert_eq!(
            found(file, "b.io/r"),
            Ok(Some(Found::Credentials(Credentials::Token(token)))),
        );
    }

    #[test]
    fn helpers() {
        let file = r#"{
            "auths":{"a.io":{},"b.io":{"username":"u","password":"p"},"gcr.io":{}},
            "credHelpers":{"gcr.io":"gcloud","b.io":""},
            "credsStore":"secretservice"}"#;
        assert_eq!(found(file, "gcr.io/r"), Ok(helper("gcloud", "gcr.io")));
        assert_eq!(found(file, "b.io/r"), Ok(password("u", "p")));
        assert_eq!(found(file, "a.io/r"), Ok(helper("secretservice", "a.io")));
        assert_eq!(
            found(file, "busybox"),
            Ok(helper("secretservice", DOCKER_HUB_KEY))
        );
    }

    #[test]
    fn files_that_are_of_no_use() {
        assert_eq!(found("{}", "a.io/r"), Ok(None));
        assert_eq!(
            found(r#"{"auths":null,"credsStore":null}"#, "a.io/r"),
            Ok(None)
        );
        assert_eq!(
            found("{\n\"auths\": secret", "a.io/r"),
            Err(AuthFileError::Json { line: 2 }),
        );
        for auth in ["!", "dQ==", "/w=="] {
            let file = format!(r#"{{"auths":{{"a.io":{{"auth":"{auth}"}}}}}}"#);
            let error = found(&file, "a.io/r").unwrap_err();
            assert_eq!(
                error,
                AuthFileError::Auth {
                    key: "a.io".to_owned()
                }
            );
            // Of another registry it does not matter.
            assert_eq!(found(&file, "b.io/r"), Ok(None));
        }
    }
}
