//! Docker's credential helpers: programs that keep passwords elsewhere.
//!
//! The protocol is the one of the project docker-credential-helpers: `docker-credential-NAME get`
//! reads the server's name from stdin and writes JSON to stdout.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::Credentials;
use crate::registry::Secret;
use crate::{Cancellation, Excerpt, LeftAlone};

/// The most that a helper may say.
const MAX_OUTPUT: u64 = 1 << 20;
/// The user name with which a helper says that the secret is an identity token.
const IS_TOKEN: &str = "<token>";
/// What a helper that knows nothing of a server says, and exits with a failure.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Why a credential helper gave nothing. The messages follow the program's name.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// A name that would be a path, or nothing at all.
    #[error("{0} is not the name of a credential helper")]
    Name(Excerpt),
    /// It cannot be started.
    #[error("docker-credential-{name} cannot be started: {error}: install it or log in again")]
    Start {
        /// The helper's name.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// It does not end.
    #[error("docker-credential-{name} did not answer within {} s", limit.as_secs())]
    TimedOut {
        /// The helper's name.
        name: String,
        /// How long it was given.
        limit: Duration,
    },
    /// It was not waited for.
    #[error("docker-credential-{name} was left alone: {error}")]
    LeftAlone {
        /// The helper's name.
        name: String,
        /// Why.
        error: LeftAlone,
    },
    /// It failed. What it said is not shown, as it might be a secret.
    #[error("docker-credential-{name} failed ({status}): log in again")]
    Failed {
        /// The helper's name.
        name: String,
        /// How it ended.
        status: String,
    },
    /// It said something else than credentials.
    #[error("docker-credential-{name} did not answer with credentials")]
    Answer {
        /// The helper's name.
        name: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: Secret,
}

/// Asks the helper `name` for the credentials of `server`; `None` if it has none.
pub(super) fn ask(
    name: &str,
    server: &str,
    limit: Duration,
    cancellation: &Cancellation,
) -> Result<Option<Credentials>, HelperError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err(HelperError::Name(Excerpt::new(name)));
    }
    let start_error = |error| HelperError::Start {
        name: name.to_owned(),
        error,
    };
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(start_error)?;
    let result = converse(&mut child, server, limit, cancellation);
    if result.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(start_error)?;
    let output = result.map_err(|error| {
        let name = name.to_owned();
        match error {
            LeftAlone::TimedOut => HelperError::TimedOut { name, limit },
            error => HelperError::LeftAlone { name, error },
        }
    })?;
    if !status.success() {
        if output.trim_ascii() == NOT_FOUND.as_bytes() {
            return Ok(None);
        }
        return Err(HelperError::Failed {
            name: name.to_owned(),
            status: status.to_string(),
        });
    }
    read_answer(&output).map_err(|_| HelperError::Answer {
        name: name.to_owned(),
    })
}

/// Everything that the helper writes.
fn converse(
    child: &mut Child,
    server: &str,
    limit: Duration,
    cancellation: &Cancellation,
) -> Result<Zeroizing<Vec<u8>>, LeftAlone> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let server = server.to_owned();
    let converse = move || {
        let mut output = Zeroizing::new(Vec::new());
        if let (Some(mut stdin), Some(stdout)) = (stdin, stdout) {
            // One that does not read its input tells so by what it answers.
            let _ = stdin.write_all(server.as_bytes());
            drop(stdin);
            let _ = stdout.take(MAX_OUTPUT).read_to_end(&mut output);
        }
        output
    };
    cancellation.beside("credential-helper", Some(limit), converse)
}

fn read_answer(output: &[u8]) -> serde_json::Result<Option<Credentials>> {
    let answer: Answer = serde_json::from_slice(output)?;
    let (username, secret) = (answer.username, answer.secret);
    Ok(match username.as_str() {
        _ if secret.is_empty() => None,
        IS_TOKEN => Some(Credentials::IdentityToken(secret)),
        _ => Some(Credentials::Password {
            username,
            password: secret,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let read = |text: &str| read_answer(text.as_bytes()).ok();
        assert_eq!(
            read(r#"{"ServerURL":"x","Username":"u","Secret":"p"}"#),
            Some(Some(Credentials::Password {
                username: "u".to_owned(),
                password: Secret::new("p"),
            })),
        );
        assert_eq!(
            read(r#"{"Username":"<token>","Secret":"t"}"#),
            Some(Some(Credentials::IdentityToken(Secret::new("t")))),
        );
        assert_eq!(read(r#"{"Username":"","Secret":""}"#), Some(None));
        assert_eq!(read("secret"), None);
        assert_eq!(read(r#"{"Username":"u"}"#), None);
    }

    #[test]
    fn a_helper_has_a_plain_name_and_has_to_be_there() {
        let ask = |name| {
            ask(name, "x", Duration::from_secs(1), &Cancellation::default())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            ask("../evil"),
            "`../evil` is not the name of a credential helper"
        );
        assert!(ask("of-no-one-at-all").starts_with(
            "docker-credential-of-no-one-at-all cannot be started: No such file or directory",
        ));
    }
}
