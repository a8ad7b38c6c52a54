//! Content digests: parsed once at the edge, compared as bytes ever after.
//!
//! The grammar is the one of the OCI image specification, `descriptor.md`, section "Digests".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};

use crate::Excerpt;

/// The digest of a blob: `sha256:` or `sha512:` and lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Digest {
    /// SHA-256, which every registry and tool uses.
    Sha256([u8; 32]),
    /// SHA-512, the other algorithm that the specification registers.
    Sha512(Box<[u8; 64]>),
}

/// Why a text is not a [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The text has no colon between an algorithm and its digits.
    #[error("{0} is not a digest: expected `sha256:` and 64 hexadecimal digits")]
    NoAlgorithm(Excerpt),
    /// The algorithm is not SHA-256 or SHA-512.
    #[error("digest algorithm {0} is not supported: only sha256 and sha512 are")]
    UnsupportedAlgorithm(Excerpt),
    /// The part after the colon is not the algorithm's number of lower-case hexadecimal digits.
    #[error("{text} is not a digest: expected {digits} lower-case hexadecimal digits")]
    Digits {
        /// The whole text.
        text: Excerpt,
        /// How many digits the algorithm has.
        digits: usize,
    },
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::Sha256(Sha256::digest(bytes).into())
    }

    /// The algorithm's name as it stands before the colon.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }

    /// The lower-case hexadecimal digits that stand after the colon.
    pub fn hex(&self) -> String {
        match self {
            Self::Sha256(bytes) => hex::encode(bytes),
            Self::Sha512(bytes) => hex::encode(bytes.as_slice()),
        }
    }

    /// Where an image layout keeps this blob, relative to the layout: `blobs/sha256/…`.
    pub(crate) fn blob_path(&self) -> String {
        format!("blobs/{}/{}", self.algorithm(), self.hex())
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let Some((algorithm, digits)) = text.split_once(':') else {
            return Err(DigestError::NoAlgorithm(Excerpt::new(text)));
        };
        match algorithm {
            "sha256" => decode(text, digits).map(Self::Sha256),
            "sha512" => decode(text, digits).map(|bytes| Self::Sha512(Box::new(bytes))),
            _ => Err(DigestError::UnsupportedAlgorithm(Excerpt::new(algorithm))),
        }
    }
}

fn decode<const N: usize>(text: &str, digits: &str) -> Result<[u8; N], DigestError> {
    let error = || DigestError::Digits {
        text: Excerpt::new(text),
        digits: 2 * N,
    };
    // Upper case would be a second name for the same blob.
    if digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
        return Err(error());
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| error())?;
    Ok(bytes)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes the digest of a stream with the algorithm of the digest it is to be compared with.
#[derive(Clone)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// A hasher of the algorithm of `digest`.
    pub(crate) fn like(digest: &Digest) -> Self {
        match digest {
            Digest::Sha256(_) => Self::Sha256(Sha256::new()),
            Digest::Sha512(_) => Self::Sha512(Box::new(Sha512::new())),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::Sha256(hasher.finalize().into()),
            Self::Sha512(hasher) => Digest::Sha512(Box::new(hasher.finalize().into())),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256(_) => "Hasher(sha256)",
            Self::Sha512(_) => "Hasher(sha512)",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// FIPS 180-2, the message "abc".
    const ABC_256: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const ABC_512: &str = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                           2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    #[test]
    fn known_answers() {
        for text in [ABC_256, ABC_512] {
            let digest: Digest = text.parse().unwrap();
            assert_eq!(digest.to_string(), text);
            let mut hasher = Hasher::like(&digest);
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.finish(), digest);
        }
        assert_eq!(Digest::sha256(b"abc").to_string(), ABC_256);
    }

    #[test]
    fn bad_digests() {
        let upper = ABC_256.to_uppercase().replace("SHA256", "sha256");
        let cases = [
            (
                "",
                "`` is not a digest: expected `sha256:` and 64 hexadecimal digits",
            ),
            (
                "abc",
                "`abc` is not a digest: expected `sha256:` and 64 hexadecimal digits",
            ),
            (
                "md5:d41d8cd98f00b204e9800998ecf8427e",
                "digest algorithm `md5` is not supported: only sha256 and sha512 are",
            ),
            (
                "sha256:../../etc/passwd",
                "`sha256:../../etc/passwd` is not a digest: expected 64 lower-case hexadecimal \
                 digits",
            ),
            (
                &upper,
                "`sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD` is not \
                 a digest: expected 64 lower-case hexadecimal digits",
            ),
            (
                "sha512:00",
                "`sha512:00` is not a digest: expected 128 lower-case hexadecimal digits",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(text.parse::<Digest>().unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_prints_back(text in "(sha256:|sha512:|)[0-9a-fA-F/.]{0,130}|.{0,80}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }

        #[test]
        fn every_digest_parses_back(bytes: [u8; 32]) {
            let digest = Digest::Sha256(bytes);
            prop_assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest.clone());
            prop_assert!(digest.blob_path().starts_with("blobs/sha256/"));
        }
    }
}
