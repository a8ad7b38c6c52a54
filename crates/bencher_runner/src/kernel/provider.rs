//! Which kernel a run gets.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::store::MAX_KERNEL;
use super::{Kernel, KernelError, KernelStore, debian, pinned};
use crate::Reporter;
use crate::download::{PinnedUrl, download};

/// What `--kernel` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelSource {
    /// Nothing: the cache, else Debian's kernel where apt-get is, else the one that is pinned.
    Any,
    /// A file, with the folder of its modules unless it has everything built in.
    File {
        /// A bzImage or an ELF vmlinux.
        image: PathBuf,
        /// As `/lib/modules/<release>`.
        modules: Option<PathBuf>,
    },
    /// The one of the cache with this SHA-256, in hexadecimal, of its image as it was distributed.
    Kept {
        /// The digest.
        sha256: String,
    },
    /// A pinned download.
    Url {
        /// Where and what.
        url: PinnedUrl,
        /// As `/lib/modules/<release>`, on this host.
        modules: Option<PathBuf>,
    },
}

/// The kernel that `source` asks for, fetched if it is not in the cache.
///
/// Blocks while it downloads, until `cancel` becomes true.
///
/// # Errors
///
/// When the kernel is not there, is none, or can not be fetched or kept.
pub fn find(
    source: &KernelSource,
    store: &KernelStore,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<Kernel, KernelError> {
    match source {
        KernelSource::File { image, modules } => store.add(
            image,
            modules.as_deref(),
            &format!("file:{}", image.display()),
            reporter,
        ),
        KernelSource::Url { url, modules } => {
            from_url(url, modules.as_deref(), store, reporter, cancel)
        }
        KernelSource::Kept { sha256 } => {
            let kept = store.of_digest(sha256);
            kept.ok_or_else(|| KernelError::NotKept {
                sha256: sha256.clone(),
            })
        }
        KernelSource::Any => any(store, reporter, cancel),
    }
}

/// What the cache has, before anything is fetched; then Debian's kernel, where apt-get knows one;
/// then the one that is pinned.
fn any(
    store: &KernelStore,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<Kernel, KernelError> {
    let pinned = pinned::url();
    if let Some(kernel) = store.newest(debian::ORIGIN) {
        return Ok(kernel);
    }
    if let Some(kernel) = store.known(&pinned.sha256, None, &origin_of(&pinned))? {
        return Ok(kernel);
    }
    let from_debian = if debian::is_available() {
        match debian::fetch(store, reporter) {
            Err(error @ KernelError::Debian { .. }) => {
                reporter.info(&format!("{error}; trying the kernel that is pinned"));
                error.to_string()
            }
            fetched => return fetched,
        }
    } else {
        format!(
            "this host has no apt-get to fetch Debian's linux-image-cloud-{}",
            debian::ARCHITECTURE
        )
    };
    from_url(&pinned, None, store, reporter, cancel).map_err(|error| KernelError::NoProvider {
        debian: from_debian,
        pinned: error.to_string(),
    })
}

fn origin_of(url: &PinnedUrl) -> String {
    format!("url:{url}")
}

fn from_url(
    url: &PinnedUrl,
    modules: Option<&Path>,
    store: &KernelStore,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<Kernel, KernelError> {
    let origin = origin_of(url);
    if let Some(kernel) = store.known(&url.sha256, modules, &origin)? {
        return Ok(kernel);
    }
    reporter.info(&format!("downloading the guest kernel {}", url.url));
    let folder = store.scratch(reporter)?;
    let file = folder.path().join("download");
    download(url, &file, MAX_KERNEL, None, cancel)?;
    store.add(&file, modules, &origin, reporter)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::download::DownloadError;
    use crate::reporter::Silent;

    const BODY: &[u8] = b"\x7fELF a small kernel";

    /// Answers `count` requests and returns where.
    fn serve(count: usize, head: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(count) {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _length = stream.read(&mut request).unwrap();
                write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n", BODY.len()).unwrap();
                stream.write_all(BODY).unwrap();
            }
        });
        format!("http://{address}/vmlinux")
    }

    fn source(url: &str, sha256: &str) -> KernelSource {
        KernelSource::Url {
            url: format!("{url}#sha256:{sha256}").parse().unwrap(),
            modules: None,
        }
    }

    #[test]
    fn a_pinned_url_is_fetched_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = KernelStore::new(folder.path());
        let source = source(
            &serve(1, "HTTP/1.1 200 OK\r\nConnection: close"),
            &hex::encode(Sha256::digest(BODY)),
        );
        let first = find(&source, &store, &Silent, &AtomicBool::new(false)).unwrap();
        assert_eq!(std::fs::read(&first.image).unwrap(), BODY);
        // The server has gone: this one is from the cache.
        let second = find(&source, &store, &Silent, &AtomicBool::new(false)).unwrap();
        assert_eq!(first.image, second.image);
    }

    #[test]
    fn another_content_is_refused_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = KernelStore::new(folder.path());
        let source = source(
            &serve(1, "HTTP/1.1 200 OK\r\nConnection: close"),
            &"0".repeat(64),
        );
        let error = find(&source, &store, &Silent, &AtomicBool::new(false)).unwrap_err();
        assert!(
            matches!(
                error,
                KernelError::Download(DownloadError::WrongDigest { .. })
            ),
            "{error}"
        );
        assert!(store.newest("url:").is_none());
    }

    #[test]
    fn a_download_ends_when_it_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let store = KernelStore::new(folder.path());
        let source = source(
            &serve(1, "HTTP/1.1 200 OK\r\nConnection: close"),
            &hex::encode(Sha256::digest(BODY)),
        );
        let error = find(&source, &store, &Silent, &AtomicBool::new(true)).unwrap_err();
        assert!(
            matches!(error, KernelError::Download(DownloadError::Cancelled)),
            "{error}"
        );
    }

    #[test]
    fn an_error_status_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = KernelStore::new(folder.path());
        let source = source(
            &serve(1, "HTTP/1.1 404 Not Found\r\nConnection: close"),
            &"0".repeat(64),
        );
        let error = find(&source, &store, &Silent, &AtomicBool::new(false))
            .unwrap_err()
            .to_string();
        assert!(error.contains("404"), "{error}");
    }
}
