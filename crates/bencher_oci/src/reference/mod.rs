//! References: what `--image` says, made into where the image is.
//!
//! ```text
//! oci:DIR[:TAG]            an OCI image layout folder
//! oci-archive:FILE[:TAG]   a tar of one, plain or compressed
//! docker-archive:FILE[:NAME | :@N]
//!                          what `docker save` writes
//! PATH[:TAG]               any of these, told apart by what is there
//! ```
//!
//! `@sha256:…` in the place of `:TAG` names one manifest by its digest. The prefixes are the ones
//! of skopeo and mean the same.

mod error;
pub(crate) mod registry;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use error::ReferenceError;

use crate::excerpt::printable;
use crate::{Digest, Excerpt};

/// Where an image is and which one of those that are there it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    text: OsString,
    source: ImageSource,
    selector: Selector,
}

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageSource {
    /// An OCI image layout folder.
    OciLayout(PathBuf),
    /// A tar of an OCI image layout, plain or compressed.
    OciArchive(PathBuf),
    /// A `docker save` tar, plain or compressed.
    DockerArchive(PathBuf),
    /// A tar of one of these two kinds: as an OCI layout if it is one.
    Archive(PathBuf),
}

/// Which image of those that a layout or an archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The only one.
    Only,
    /// The one with this tag or name.
    Tag(String),
    /// The one whose manifest has this digest.
    Manifest(Digest),
    /// In a `docker save` tar: the one at this position, from 0 (skopeo's `@N`).
    Position(usize),
}

/// What there is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A folder with an `index.json`.
    Layout,
    /// Another folder.
    Folder,
    /// Anything that is not a folder.
    File,
}

impl ImageReference {
    /// Parses a reference, with a look at the file system: a path may hold any character, so what
    /// exists decides where it ends.
    ///
    /// # Errors
    /// A [`ReferenceError`]: nothing is there, it is not of the kind that the prefix says, it has
    /// two meanings, or it names a registry or another place that this version cannot read.
    pub fn parse(text: &OsStr) -> Result<Self, ReferenceError> {
        Self::parse_with(text, |path| {
            let metadata = path.metadata().ok()?;
            Some(match metadata.is_dir() {
                true if path.join("index.json").exists() => PathKind::Layout,
                true => PathKind::Folder,
                false => PathKind::File,
            })
        })
    }

    /// [`ImageReference::parse`] with another look at the file system: `probe` says what there is
    /// at a path.
    ///
    /// # Errors
    /// As [`ImageReference::parse`].
    pub fn parse_with(
        text: &OsStr,
        probe: impl Fn(&Path) -> Option<PathKind>,
    ) -> Result<Self, ReferenceError> {
        let bytes = text.as_bytes();
        let (source, selector) = match prefix(bytes) {
            Some((Prefix::Docker, name)) => {
                let name = String::from_utf8_lossy(name);
                return Err(ReferenceError::registry(name.trim_start_matches("//")));
            }
            Some((prefix, rest)) => parse_prefixed(prefix, OsStr::from_bytes(rest), probe)?,
            None => parse_bare(text, probe)?,
        };
        Ok(Self {
            text: text.to_owned(),
            source,
            selector,
        })
    }

    /// Where the image is.
    pub fn source(&self) -> &ImageSource {
        &self.source
    }

    /// Which of the images there.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }
}

/// As the user wrote it, fit for a terminal.
impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text
            .to_string_lossy()
            .chars()
            .flat_map(printable)
            .try_for_each(|character| f.write_char(character))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Oci,
    OciArchive,
    DockerArchive,
    /// `docker:`, skopeo's name for a registry.
    Docker,
}

impl Prefix {
    fn name(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
            Self::Docker => "docker",
        }
    }
}

fn prefix(bytes: &[u8]) -> Option<(Prefix, &[u8])> {
    [
        Prefix::Oci,
        Prefix::OciArchive,
        Prefix::DockerArchive,
        Prefix::Docker,
    ]
    .into_iter()
    .find_map(|prefix| {
        let rest = bytes
            .strip_prefix(prefix.name().as_bytes())?
            .strip_prefix(b":")?;
        // `docker:latest` is an image's name, `docker://…` is not.
        (prefix != Prefix::Docker || rest.starts_with(b"//")).then_some((prefix, rest))
    })
}

fn parse_prefixed(
    prefix: Prefix,
    rest: &OsStr,
    probe: impl Fn(&Path) -> Option<PathKind>,
) -> Result<(ImageSource, Selector), ReferenceError> {
    let Some(found) = locate(rest, &probe)? else {
        return Err(ReferenceError::missing(path_part(rest)));
    };
    let is_file = found.kind == PathKind::File;
    match prefix {
        Prefix::Oci if is_file => {
            return Err(ReferenceError::NotAFolder { path: found.path });
        }
        Prefix::OciArchive | Prefix::DockerArchive if !is_file => {
            return Err(ReferenceError::NotAFile { path: found.path });
        }
        _ => {}
    }
    let selector = match (prefix, found.selector) {
        (Prefix::DockerArchive, Selector::Tag(tag)) => position(tag)?,
        (Prefix::DockerArchive, Selector::Manifest(_)) => {
            return Err(ReferenceError::DigestOfDockerArchive);
        }
        (_, selector) => selector,
    };
    let source = match prefix {
        Prefix::OciArchive => ImageSource::OciArchive(found.path),
        Prefix::DockerArchive => ImageSource::DockerArchive(found.path),
        Prefix::Oci | Prefix::Docker => ImageSource::OciLayout(found.path),
    };
    Ok((source, selector))
}

fn parse_bare(
    text: &OsStr,
    probe: impl Fn(&Path) -> Option<PathKind>,
) -> Result<(ImageSource, Selector), ReferenceError> {
    if text.is_empty() {
        return Err(ReferenceError::Empty);
    }
    let Some(found) = locate(text, &probe)? else {
        return Err(not_found(text));
    };
    let source = match found.kind {
        PathKind::Layout | PathKind::Folder => ImageSource::OciLayout(found.path),
        PathKind::File => ImageSource::Archive(found.path),
    };
    Ok((source, found.selector))
}

/// What a bare text that names nothing here was probably meant to be.
fn not_found(text: &OsStr) -> ReferenceError {
    let bytes = text.as_bytes();
    let is_path = bytes.starts_with(b"/") || bytes.starts_with(b".") || bytes.starts_with(b"~");
    let name = path_part(text);
    let is_archive = [".tar", ".gz", ".tgz", ".zst"]
        .iter()
        .any(|end| name.as_bytes().ends_with(end.as_bytes()));
    match text.to_str() {
        _ if is_path || is_archive => ReferenceError::missing(name),
        Some(text) => match registry::transport(text) {
            Some(transport) => ReferenceError::Transport {
                transport,
                text: Excerpt::new(text),
            },
            None if registry::is_reference(text) => ReferenceError::registry(text),
            None => ReferenceError::missing(name),
        },
        None => ReferenceError::missing(name),
    }
}

struct Located {
    path: PathBuf,
    kind: PathKind,
    selector: Selector,
}

/// Splits `PATH[:TAG]` or `PATH@DIGEST` where the path exists; `None` if none does.
fn locate(
    text: &OsStr,
    probe: impl Fn(&Path) -> Option<PathKind>,
) -> Result<Option<Located>, ReferenceError> {
    let bytes = text.as_bytes();
    let whole = (!bytes.is_empty())
        .then(|| probe(Path::new(text)))
        .flatten();
    let shorter = split_digest(bytes, &probe)?.or_else(|| split_tag(bytes, &probe));
    match (whole, shorter) {
        (Some(_), Some(shorter)) if shorter.kind != PathKind::Folder => {
            Err(ReferenceError::Ambiguous {
                whole: PathBuf::from(text),
                path: shorter.path,
            })
        }
        (Some(kind), _) => Ok(Some(Located {
            path: PathBuf::from(text),
            kind,
            selector: Selector::Only,
        })),
        (None, shorter) => Ok(shorter),
    }
}

fn split_digest(
    bytes: &[u8],
    probe: impl Fn(&Path) -> Option<PathKind>,
) -> Result<Option<Located>, ReferenceError> {
    let Some(at) = bytes.iter().rposition(|&byte| byte == b'@') else {
        return Ok(None);
    };
    let (path, digest) = (Path::new(OsStr::from_bytes(&bytes[..at])), &bytes[at + 1..]);
    let Some(digest) = std::str::from_utf8(digest)
        .ok()
        .filter(|text| text.contains(':'))
    else {
        return Ok(None);
    };
    match probe(path) {
        Some(kind) => {
            let selector = Selector::Manifest(digest.parse().map_err(ReferenceError::Digest)?);
            Ok(Some(Located {
                path: path.to_owned(),
                kind,
                selector,
            }))
        }
        None => Ok(None),
    }
}

/// Both a path and a tag (`registry:5000/name:tag`) may hold colons; the longest path that exists
/// is the one that is meant.
fn split_tag(bytes: &[u8], probe: impl Fn(&Path) -> Option<PathKind>) -> Option<Located> {
    bytes
        .iter()
        .enumerate()
        .rev()
        .filter(|&(_, &byte)| byte == b':')
        .find_map(|(colon, _)| {
            let path = Path::new(OsStr::from_bytes(&bytes[..colon]));
            let tag = std::str::from_utf8(&bytes[colon + 1..])
                .ok()
                .filter(|tag| !tag.is_empty())?;
            let kind = probe(path)?;
            Some(Located {
                path: path.to_owned(),
                kind,
                selector: Selector::Tag(tag.to_owned()),
            })
        })
}

/// skopeo's `docker-archive:FILE:@N`.
fn position(tag: String) -> Result<Selector, ReferenceError> {
    match tag.strip_prefix('@') {
        None => Ok(Selector::Tag(tag)),
        Some(digits) => digits
            .parse()
            .map(Selector::Position)
            .map_err(|_| ReferenceError::Position(Excerpt::new(&tag))),
    }
}

/// The part of a reference that is most likely its path: all before the first colon.
fn path_part(text: &OsStr) -> &OsStr {
    let bytes = text.as_bytes();
    let end = bytes
        .iter()
        .position(|&byte| byte == b':')
        .unwrap_or(bytes.len());
    OsStr::from_bytes(&bytes[..end])
}
