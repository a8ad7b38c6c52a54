//! Keys of runners and tokens of users: made here, shown once, kept only as hashes.

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

/// What the keys of runners begin with.
const RUNNER: &str = "bencher_runner_";
/// What the tokens of users begin with.
const USER: &str = "bencher_user_";
/// Random bytes in each: nobody guesses them, so a plain hash keeps them secret.
const RANDOM: usize = 32;

/// The system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers: no key can be made")]
pub struct NoRandomness;

/// A key that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A runner's.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub fn runner() -> Result<Self, NoRandomness> {
        Self::generate(RUNNER)
    }

    /// A user's.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub fn user() -> Result<Self, NoRandomness> {
        Self::generate(USER)
    }

    fn generate(prefix: &str) -> Result<Self, NoRandomness> {
        let mut bytes = [0; RANDOM];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| NoRandomness)?;
        Ok(Self(format!("{prefix}{}", hex::encode(bytes))))
    }

    /// The key, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> String {
        hash(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What is kept of a key: its SHA-256 in hexadecimal. Two hashes may be compared as any texts are:
/// how long that takes says nothing of a key that is not known already.
pub(crate) fn hash(key: &str) -> String {
    hex::encode(digest(&SHA256, key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_do_not_show_themselves() {
        let (one, other) = (
            Key::runner().expect("random"),
            Key::runner().expect("random"),
        );
        assert_ne!(one, other);
        assert!(one.expose().starts_with("bencher_runner_"));
        assert!(
            one.expose()
                .parse::<bencher_channel_protocol::RunnerKey>()
                .is_ok()
        );
        assert!(
            Key::user()
                .expect("random")
                .expose()
                .starts_with("bencher_user_")
        );
        assert_eq!(format!("{one:?}"), "Key(…)");
        assert!(
            !one.hash()
                .contains(&one.expose()["bencher_runner_".len()..])
        );
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
