//! Passwords and tokens: never printed, and wiped from memory when they are dropped.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// How much of a secret in a row gives it away.
const WINDOW: usize = 16;
/// Shorter secrets are words that any message may hold.
const SHORTEST: usize = 8;

/// A text that must not be shown.
///
/// It has no `Display`, its `Debug` shows nothing of it, and its memory is overwritten when it is
/// dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the place that it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to be kept secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `text` shows this secret, or a part of it that is long enough to matter.
    ///
    /// A server that was given a secret can send it back in any field, and the beginning of a
    /// field is what an error message shows.
    pub(super) fn is_shown_in(&self, text: &str) -> bool {
        let secret = self.0.as_bytes();
        let text = text.as_bytes();
        match secret.len() {
            ..SHORTEST => false,
            len if len <= WINDOW => text.windows(len).any(|window| window == secret),
            _ => text
                .windows(WINDOW)
                .any(|window| secret.windows(WINDOW).any(|part| part == window)),
        }
    }
}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_is_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(…) Secret(…)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn parts_of_it_are_recognized() {
        let short = Secret::new("sesame-1");
        let long = Secret::new("abcdefghijklmnopqrstuvwxyz0123456789");
        for (secret, text, is_shown) in [
            (&short, "it is sesame-1!", true),
            (&short, "it is sesame-", false),
            (&Secret::new("expired"), "it may have expired", false),
            (&Secret::new(""), "anything", false),
            (&long, "…cdefghijklmnopqrs…", true),
            (&long, "abcdefghijklmno…", false),
            (&long, "0123456789", false),
        ] {
            assert_eq!(secret.is_shown_in(text), is_shown, "{text}");
        }
    }
}
