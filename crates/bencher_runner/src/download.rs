//! Downloads that are pinned: what comes is what was asked for, or nothing is kept.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Time to connect, and then to receive the whole of it.
const CONNECT: Duration = Duration::from_secs(30);
const TRANSFER: Duration = Duration::from_mins(10);

/// `https://…#sha256:HEX`: a URL and what it must serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedUrl {
    /// The URL without the digest.
    pub url: String,
    /// SHA-256 of the file in lower-case hexadecimal.
    pub sha256: String,
}

/// Why a download is of no use.
#[derive(Debug, Error)]
pub enum DownloadError {
    /// The URL carries no digest.
    #[error(
        "the URL {url} is not pinned: append its digest as in {url}#sha256:0123… (64 hex digits)"
    )]
    Unpinned {
        /// The URL.
        url: String,
    },
    /// The download failed.
    #[error("failed to download {url}: {reason}")]
    Failed {
        /// The URL.
        url: String,
        /// Why.
        reason: String,
    },
    /// What was downloaded is not what was asked for.
    #[error("what {url} serves has the SHA-256 {found}, not {expected}: nothing was kept")]
    WrongDigest {
        /// The URL.
        url: String,
        /// The digest that was asked for.
        expected: String,
        /// The digest of what came.
        found: String,
    },
    /// It was told to end.
    #[error("the download was cancelled")]
    Cancelled,
    /// What comes can not be written.
    #[error(
        "failed to write {}: {source}; make it writable or choose another cache with --cache-dir",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl PinnedUrl {
    /// Whether `text` is meant as a URL and not as a path.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with("https://") || text.starts_with("http://")
    }
}

impl std::fmt::Display for PinnedUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}#sha256:{}", self.url, self.sha256)
    }
}

impl FromStr for PinnedUrl {
    type Err = DownloadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (url, digest) = text.split_once('#').unwrap_or((text, ""));
        let unpinned = || DownloadError::Unpinned {
            url: url.to_owned(),
        };
        let sha256 = digest.strip_prefix("sha256:").ok_or_else(unpinned)?;
        if sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self {
                url: url.to_owned(),
                sha256: sha256.to_ascii_lowercase(),
            })
        } else {
            Err(unpinned())
        }
    }
}

/// Writes what `url` serves, at most `limit` bytes, to `target` and checks its digest. The certificates of
/// `ca_file` are trusted beside those that this host trusts. Blocks until `cancel` becomes true.
///
/// # Errors
///
/// [`DownloadError`]; what is in `target` then is of no use.
pub(crate) fn download(
    url: &PinnedUrl,
    target: &Path,
    limit: u64,
    ca_file: Option<&Path>,
    cancel: &AtomicBool,
) -> Result<(), DownloadError> {
    let failed = |reason: String| DownloadError::Failed {
        url: url.url.clone(),
        reason,
    };
    let write_error = |source| DownloadError::Write {
        path: target.to_owned(),
        source,
    };
    let mut config = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(TRANSFER));
    if ca_file.is_some() {
        let trust = bencher_oci::registry::verified_tls(ca_file);
        config = config.tls_config(trust.map_err(|error| failed(error.to_string()))?);
    }
    let agent: ureq::Agent = config.build().into();
    let response = agent
        .get(&url.url)
        .call()
        .map_err(|error| failed(error.to_string()))?;
    let mut body = response
        .into_body()
        .into_with_config()
        .limit(limit)
        .reader();
    let mut file = File::create(target).map_err(write_error)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(DownloadError::Cancelled);
        }
        let count = body
            .read(&mut buffer)
            .map_err(|error| failed(error.to_string()))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(write_error)?;
    }
    let found = hex::encode(hasher.finalize());
    if found == url.sha256 {
        Ok(())
    } else {
        Err(DownloadError::WrongDigest {
            url: url.url.clone(),
            expected: url.sha256.clone(),
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_digest_is_refused() {
        for text in [
            "https://host/vmlinux",
            "https://host/vmlinux#sha256:12",
            "https://host/vmlinux#md5:0123",
        ] {
            let error = text.parse::<PinnedUrl>().unwrap_err().to_string();
            assert!(
                error.contains("https://host/vmlinux is not pinned"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_pinned_url_is_what_it_was_written_as() {
        let text = format!("https://host/x#sha256:{}", "0a".repeat(32));
        assert_eq!(text.parse::<PinnedUrl>().unwrap().to_string(), text);
        let upper = text.replace("0a", "0A");
        assert_eq!(upper.parse::<PinnedUrl>().unwrap().to_string(), text);
    }
}
