//! Tokens for a registry that trusts this server: JSON Web Tokens (RFC 7519) as the Distribution
//! project's token authentication has them, signed with ES256 (RFC 7518, section 3.4).
//!
//! The registry is told whom to trust by a certificate (`rootcertbundle`), which is made with the
//! key and carried by every token (`x5c`).

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bencher_jobs::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use uuid::Uuid;

/// How long a token is good, in seconds.
const LIFETIME: i64 = 600;
/// How far behind a registry's clock may be, in seconds.
const SKEW: i64 = 60;

/// Why there can be no tokens.
#[derive(Debug, thiserror::Error)]
pub enum MinterError {
    /// A file can not be used.
    #[error("failed to use {}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The key is none.
    #[error("{} holds no key for ES256: remove it and its certificate, and new ones are made", .0.display())]
    Key(PathBuf),
    /// The certificate is none.
    #[error("{} holds no certificate: remove it and its key, and new ones are made", .0.display())]
    Certificate(PathBuf),
    /// No certificate can be made.
    #[error("failed to make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The system gives no random numbers.
    #[error("failed to sign a token: the system gives no random numbers")]
    Sign,
}

/// Signs tokens.
#[derive(Debug)]
pub struct Minter {
    key: EcdsaKeyPair,
    /// DER in base64.
    certificate: String,
    issuer: String,
    service: String,
}

impl Minter {
    /// The key and the certificate of `folder`, which are made if they are not there. `issuer` and
    /// `service` are what the registry's configuration calls them.
    ///
    /// # Errors
    ///
    /// When they can not be used or made.
    pub fn open(folder: &Path, issuer: &str, service: &str) -> Result<Self, MinterError> {
        let key_path = folder.join("registry.key.pem");
        let certificate_path = folder.join("registry.crt.pem");
        if !certificate_path.exists() {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
            params.distinguished_name = DistinguishedName::new();
            params
                .distinguished_name
                .push(DnType::CommonName, format!("bencher-server {issuer}"));
            let certificate = params.self_signed(&key)?;
            write(&key_path, &key.serialize_pem())?;
            // Last: where it is, the key is whole.
            write(&certificate_path, &certificate.pem())?;
        }
        let key = pem(&read(&key_path)?).ok_or_else(|| MinterError::Key(key_path.clone()))?;
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key, &SystemRandom::new())
                .map_err(|_| MinterError::Key(key_path))?;
        let certificate =
            pem(&read(&certificate_path)?).ok_or(MinterError::Certificate(certificate_path))?;
        Ok(Self {
            key,
            certificate: STANDARD.encode(certificate),
            issuer: issuer.to_owned(),
            service: service.to_owned(),
        })
    }

    /// A token to pull from `repository`.
    ///
    /// # Errors
    ///
    /// When it can not be signed.
    pub fn pull(&self, repository: &str) -> Result<String, MinterError> {
        let now = Timestamp::now().milliseconds() / 1000;
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [self.certificate]});
        let claims = json!({
            "iss": self.issuer,
            "sub": "runner",
            "aud": self.service,
            "jti": Uuid::now_v7(),
            "iat": now,
            "nbf": now - SKEW,
            "exp": now + LIFETIME,
            "access": [{"type": "repository", "name": repository, "actions": ["pull"]}],
        });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), text.as_bytes())
            .map_err(|_| MinterError::Sign)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn read(path: &Path) -> Result<String, MinterError> {
    fs::read_to_string(path).map_err(|cause| MinterError::File {
        path: path.to_owned(),
        cause,
    })
}

/// Writes a file that nobody else can read.
fn write(path: &Path, text: &str) -> Result<(), MinterError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .map_err(|cause| MinterError::File {
            path: path.to_owned(),
            cause,
        })
}

/// The bytes of the first part of a PEM text (RFC 7468).
fn pem(text: &str) -> Option<Vec<u8>> {
    let lines: String = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN "))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END "))
        .collect();
    STANDARD
        .decode(lines)
        .ok()
        .filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, KeyPair as _, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_token_is_signed_and_says_what_it_is_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let minter = Minter::open(folder.path(), "us", "them").expect("a minter");
        let token = minter.pull("some-project").expect("a token");
        let parts: Vec<_> = token.split('.').collect();
        let part = |text: &str| -> Value {
            let bytes = URL_SAFE_NO_PAD.decode(text).expect("base64");
            serde_json::from_slice(&bytes).expect("JSON")
        };
        let claims = part(parts[1]);
        assert_eq!(claims["iss"], "us");
        assert_eq!(claims["aud"], "them");
        assert_eq!(
            claims["access"],
            json!([{"type": "repository", "name": "some-project", "actions": ["pull"]}])
        );
        let times = ["exp", "iat"].map(|name| claims[name].as_i64().expect("a time"));
        assert_eq!(times[0] - times[1], LIFETIME);
        let signed = format!("{}.{}", parts[0], parts[1]);
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).expect("base64");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, minter.key.public_key())
            .verify(signed.as_bytes(), &signature)
            .expect("its signature");
        // The same key the next time.
        let again = Minter::open(folder.path(), "us", "them").expect("a minter");
        assert_eq!(again.certificate, minter.certificate);
        assert_eq!(part(parts[0])["x5c"], json!([again.certificate]));
        fs::write(folder.path().join("registry.key.pem"), "none").expect("written");
        let error = Minter::open(folder.path(), "us", "them").expect_err("no key");
        assert!(error.to_string().contains("registry.key.pem"), "{error}");
    }
}
