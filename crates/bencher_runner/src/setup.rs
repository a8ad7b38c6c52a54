//! Getting what a host needs before its first run.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use thiserror::Error;

use crate::Reporter;
use crate::download::{DownloadError, PinnedUrl, download};
use crate::machine::Firecracker;
use crate::scratch::Scratch;

/// The release that is fetched unless another is named.
const RELEASE: &str = "v1.15.1";

/// The largest archive, and the largest program in it, that is taken, in bytes.
const MAX_ARCHIVE: u64 = 256 << 20;
const MAX_PROGRAM: u64 = 256 << 20;

/// Why a program was not fetched.
#[derive(Debug, Error)]
pub enum SetupError {
    /// It can not be downloaded.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The archive is not one of Firecracker's releases.
    #[error("what {url} serves is no release of Firecracker: {reason}")]
    Archive {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The cache can not be written.
    #[error(
        "failed to write {}: {source}; make it writable or choose another cache with --cache-dir",
        path.display()
    )]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The release of Firecracker that is fetched unless another is named.
pub fn pinned_firecracker() -> PinnedUrl {
    let (architecture, sha256) = if cfg!(target_arch = "aarch64") {
        (
            "aarch64",
            "00654ac1e702a22744121ea9f10a4f792ebd7c3a744cba587dfac9fcb79b41a5",
        )
    } else {
        (
            "x86_64",
            "d4a32ab2322d887ca1bc4a4e7afa9cc35393e6362dfc2b3becb389d362e4275a",
        )
    };
    PinnedUrl {
        url: format!(
            "https://github.com/firecracker-microvm/firecracker/releases/download/{RELEASE}/\
             firecracker-{RELEASE}-{architecture}.tgz"
        ),
        sha256: sha256.to_owned(),
    }
}

/// Puts Firecracker out of the release archive at `url` into `cache`, unless it is there already,
/// and returns its path. Blocks while it downloads, until `cancel` becomes true.
///
/// # Errors
///
/// [`SetupError`]; then nothing in the cache has changed.
pub fn fetch_firecracker(
    url: &PinnedUrl,
    cache: &Path,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<PathBuf, SetupError> {
    let place = Firecracker::place_in(cache);
    let origin = place.with_extension("origin");
    if place.is_file() && fs::read_to_string(&origin).is_ok_and(|from| from == url.to_string()) {
        return Ok(place);
    }
    reporter.info(&format!("downloading {}", url.url));
    let scratch =
        Scratch::create(&cache.join("tmp"), "setup-", reporter, |_| Ok(())).map_err(|error| {
            SetupError::Cache {
                path: error.path,
                source: error.source,
            }
        })?;
    let archive = scratch.path().join("archive");
    download(url, &archive, MAX_ARCHIVE, None, cancel)?;
    let program = scratch.path().join("program");
    let damaged = |reason: String| SetupError::Archive {
        url: url.url.clone(),
        reason,
    };
    if !unpack(&archive, &program).map_err(|error| damaged(error.to_string()))? {
        return Err(damaged("it holds no firecracker-v*".to_owned()));
    }
    let publish = || -> std::io::Result<()> {
        fs::create_dir_all(place.parent().unwrap_or(cache))?;
        let file = File::open(&program)?;
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
        file.sync_all()?;
        // What has no origin is fetched again: that of the program before must not outlive it, and
        // its own comes last.
        match fs::remove_file(&origin) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(&program, &place)?;
        fs::write(&origin, url.to_string())
    };
    publish().map_err(|source| SetupError::Cache {
        path: place.clone(),
        source,
    })?;
    Ok(place)
}

/// Writes the program out of a release archive to `target`. `false` says that there is none.
fn unpack(archive: &Path, target: &Path) -> std::io::Result<bool> {
    let unzipped = flate2::read::GzDecoder::new(File::open(archive)?);
    let mut archive = tar::Archive::new(unzipped);
    for entry in archive.entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Beside it are other programs, and `.debug` files.
        let is_program = name.starts_with("firecracker-v") && !name.ends_with(".debug");
        if is_program && entry.header().entry_type().is_file() {
            let mut file = File::create_new(target)?;
            std::io::copy(&mut entry.take(MAX_PROGRAM), &mut file)?;
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(names: &[&str]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let zipped = flate2::write::GzEncoder::new(file.as_file(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(zipped);
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(name.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, name, name.as_bytes())
                .unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        file
    }

    #[test]
    fn the_program_is_found_in_a_release() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("program");
        let archive = release(&[
            "release-v1/jailer-v1-x86_64",
            "release-v1/firecracker-v1-x86_64.debug",
            "release-v1/firecracker-v1-x86_64",
        ]);
        assert!(unpack(archive.path(), &target).unwrap());
        let program = fs::read_to_string(&target).unwrap();
        assert_eq!(program, "release-v1/firecracker-v1-x86_64");
    }

    #[test]
    fn other_archives_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("program");
        assert!(!unpack(release(&["a/jailer-v1"]).path(), &target).unwrap());
        let text = tempfile::NamedTempFile::new().unwrap();
        fs::write(text.path(), "no archive").unwrap();
        assert!(unpack(text.path(), &target).is_err());
        assert!(!target.exists());
    }
}
