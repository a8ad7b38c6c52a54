//! Bytes that a run produced, in a form that can be recorded.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// More bytes than this are only counted and hashed.
const LONGEST: usize = 64 << 10;

/// How much of bytes is shown in a message.
const SHOWN: usize = 400;

/// Bytes. The form follows from them alone, so equal bytes are equal values.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bytes {
    /// They are UTF-8.
    Text(String),
    /// They are not; in hexadecimal.
    Hex(String),
    /// They are many.
    Long {
        /// How many.
        length: u64,
        /// Their SHA-256 in hexadecimal.
        sha256: String,
    },
}

impl Bytes {
    /// The form that fits `bytes`.
    pub(crate) fn of(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        if bytes.len() > LONGEST {
            return Self::Long {
                length: bytes.len() as u64,
                sha256: sha256(bytes),
            };
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(hex::encode(bytes)),
        }
    }

    /// How many they are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Hex(digits) => digits.len() as u64 / 2,
            Self::Long { length, .. } => *length,
        }
    }

    /// Their SHA-256 in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        match (self, self.short()) {
            (Self::Long { sha256, .. }, _) => sha256.clone(),
            (_, Some(bytes)) => sha256(&bytes),
            (_, None) => String::new(),
        }
    }

    /// The bytes themselves, unless they are many.
    pub(crate) fn short(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Hex(digits) => hex::decode(digits).ok(),
            Self::Long { .. } => None,
        }
    }

    /// The bytes as text, if they are.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Hex(_) | Self::Long { .. } => None,
        }
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// Escapes are visible, and what is long is cut.
impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.short() else {
            return write!(
                formatter,
                "{} bytes of SHA-256 {}",
                self.len(),
                self.sha256()
            );
        };
        let shown = &bytes[..bytes.len().min(SHOWN)];
        write!(formatter, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < bytes.len() {
            write!(formatter, "… ({} bytes)", bytes.len())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_from_the_bytes() {
        let text = Bytes::of("a\n");
        assert_eq!(text, Bytes::Text("a\n".to_owned()));
        let raw = Bytes::of(b"\xff\0");
        assert_eq!(raw, Bytes::Hex("ff00".to_owned()));
        let long = Bytes::of(vec![b'y'; LONGEST + 1]);
        assert!(matches!(long, Bytes::Long { .. }));
        for (bytes, length) in [(&text, 2), (&raw, 2), (&long, LONGEST as u64 + 1)] {
            assert_eq!(bytes.len(), length);
            let json = serde_json::to_string(bytes).expect("it has a form");
            let back: Bytes = serde_json::from_str(&json).expect("it can be read");
            assert_eq!(&back, bytes);
            assert_eq!(back.sha256().len(), 64);
        }
    }

    #[test]
    fn messages_show_escapes_and_are_short() {
        assert_eq!(Bytes::of("a\n\u{1b}").to_string(), r#""a\n\x1b""#);
        let long = Bytes::of("x".repeat(1000)).to_string();
        assert!(long.ends_with("\"… (1000 bytes)"), "{long}");
        assert!(long.len() < 430);
        let longer = Bytes::of("x".repeat(LONGEST + 1)).to_string();
        assert!(longer.starts_with("65537 bytes of SHA-256"), "{longer}");
    }
}
