//! SHA-256 digests in the two forms that the protocol has.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Excerpt;

/// A SHA-256 in 64 lower-case hexadecimal digits: the checksum of a runner's program.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum([u8; 32]);

/// The digest of an image's manifest: `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageDigest(Checksum);

/// A text that is no such digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChecksumError {
    /// Not 64 digits.
    #[error("{0} is no SHA-256: expected 64 lower-case hexadecimal digits")]
    Digits(Excerpt),
    /// No `sha256:` in front.
    #[error(
        "{0} is no digest of an image: expected `sha256:` and 64 lower-case hexadecimal digits"
    )]
    Algorithm(Excerpt),
}

impl Checksum {
    /// The checksum of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The value of a lower-case hexadecimal digit: upper case would be a second name for the same.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let error = || ChecksumError::Digits(Excerpt::new(text));
        if text.len() != 64 {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) = digit(digits[0]).zip(digit(digits[1])).ok_or_else(error)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl ImageDigest {
    /// The digest's checksum.
    pub fn checksum(&self) -> &Checksum {
        &self.0
    }
}

impl FromStr for ImageDigest {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        match text.strip_prefix("sha256:") {
            Some(digits) => digits.parse().map(Self),
            None => Err(ChecksumError::Algorithm(Excerpt::new(text))),
        }
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// What both have alike.
macro_rules! text_form {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ChecksumError;

            fn try_from(text: String) -> Result<Self, ChecksumError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                digest.to_string()
            }
        }
    };
}

text_form!(Checksum);
text_form!(ImageDigest);
