//! Where results are kept: a folder, or a bucket of S3-compatible storage.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use object_store::path::Path as Key;

/// What the name of a bucket begins with.
const SCHEME: &str = "s3://";
/// The lengths that a bucket's name may have.
const BUCKET_NAME: std::ops::RangeInclusive<usize> = 3..=63;

/// Where results are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputPlace {
    /// In a folder, which need not exist.
    Folder(PathBuf),
    /// In a bucket, which must exist.
    Bucket(Bucket),
}

/// A bucket of S3-compatible storage.
///
/// Credentials, and everything else that is not here, are found as usual with AWS: in variables
/// `AWS_…` of the environment, or at the service that gives them to this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What the names of all objects begin with; empty: they are at the top.
    pub prefix: String,
    /// The storage's address where it is not that of AWS.
    pub endpoint: Option<String>,
    /// Where it is.
    pub region: Option<String>,
}

/// Why a text names no place for results.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A scheme that is not known.
    #[error("`{0}://` is not known: give a folder, or s3://BUCKET/PREFIX")]
    Scheme(String),
    /// No name of a bucket.
    #[error(
        "`{0}` is no name of a bucket: they have 3 to 63 lower-case letters, digits, dots and hyphens"
    )]
    Bucket(String),
    /// No prefix of names.
    #[error("`{0}` is no prefix: it has empty parts, or parts that are `.` or `..`")]
    Prefix(String),
}

impl FromStr for OutputPlace {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return match text.split_once("://") {
                Some((scheme, _)) => Err(PlaceError::Scheme(scheme.to_owned())),
                None => Ok(Self::Folder(text.into())),
            };
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_known =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if !BUCKET_NAME.contains(&name.len()) || !name.bytes().all(is_known) {
            return Err(PlaceError::Bucket(name.to_owned()));
        }
        if Key::parse(prefix).is_err() {
            return Err(PlaceError::Prefix(prefix.to_owned()));
        }
        Ok(Self::Bucket(Bucket {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: None,
            region: None,
        }))
    }
}

impl fmt::Display for OutputPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(formatter),
            Self::Bucket(Bucket { name, prefix, .. }) => {
                write!(formatter, "{SCHEME}{name}/{prefix}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets() {
        for (text, shown) in [
            ("/srv/outputs", "/srv/outputs"),
            ("outputs", "outputs"),
            ("s3://results", "s3://results/"),
            ("s3://results/", "s3://results/"),
            ("s3://results.example-1/a/b/", "s3://results.example-1/a/b"),
        ] {
            let place: OutputPlace = text.parse().expect("a place");
            assert_eq!(place.to_string(), shown);
            let is_bucket = matches!(place, OutputPlace::Bucket(_));
            assert_eq!(is_bucket, text.starts_with("s3:"));
        }
    }

    #[test]
    fn what_is_no_place() {
        for text in [
            "s3://",
            "s3:///prefix",
            "s3://Upper",
            "s3://a_b",
            "s3://ab",
            "s3://bucket/a//b",
            "s3://bucket/../other",
            "gs://bucket",
            "https://bucket.example",
        ] {
            text.parse::<OutputPlace>().expect_err(text);
        }
    }
}
