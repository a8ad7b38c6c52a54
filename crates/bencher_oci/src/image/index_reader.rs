//! The manifests of an index and of those that are nested in it, wherever they come from.

use super::ImageErrorReason;
use super::select::Leaf;
use crate::{Descriptor, Digest, DocumentError, Listing, MediaKind, parse_index};

/// How deep indexes may be nested below the first one. Builders use one level.
const MAX_DEPTH: usize = 4;
/// How many nested indexes are read.
const MAX_INDEXES: usize = 64;

/// Gathers the manifests of an index and of those nested in it.
///
/// `read` gives the verified bytes of a nested index, which it is also told the name of.
pub(crate) struct IndexReader<R> {
    read: R,
    leaves: Vec<Leaf>,
    /// Media types of entries that are neither a manifest nor an index.
    others: Vec<String>,
    count: usize,
}

impl<R, E> IndexReader<R>
where
    R: FnMut(&Descriptor, &str) -> Result<Vec<u8>, E>,
    E: From<ImageErrorReason>,
{
    pub(crate) fn new(read: R) -> Self {
        Self {
            read,
            leaves: Vec::new(),
            others: Vec::new(),
            count: 0,
        }
    }

    pub(crate) fn collect<'d>(
        &mut self,
        entries: impl IntoIterator<Item = &'d Descriptor>,
        depth: usize,
    ) -> Result<(), E> {
        for entry in entries.into_iter().filter(|entry| !entry.is_attestation()) {
            match entry.kind() {
                MediaKind::Manifest => self.leaves.push(Leaf {
                    manifest: entry.clone(),
                    platform: entry.platform(),
                }),
                MediaKind::Index => self.collect_nested(entry, depth + 1)?,
                MediaKind::SchemaOne => {
                    let what = format!("manifest {}", entry.digest);
                    return Err(document(what, DocumentError::SchemaOne).into());
                }
                // The specification wants unknown entries to be passed over.
                _ => self.others.push(entry.media_type.clone()),
            }
        }
        Ok(())
    }

    fn collect_nested(&mut self, entry: &Descriptor, depth: usize) -> Result<(), E> {
        if depth > MAX_DEPTH {
            return Err(ImageErrorReason::TooDeep { limit: MAX_DEPTH }.into());
        }
        self.count += 1;
        if self.count > MAX_INDEXES {
            return Err(ImageErrorReason::TooManyIndexes { limit: MAX_INDEXES }.into());
        }
        let what = format!("index {}", entry.digest);
        let bytes = (self.read)(entry, &what)?;
        let index = parse_index(&bytes).map_err(|error| document(what, error))?;
        self.collect(&index.manifests, depth)
    }

    /// All manifests so far.
    pub(crate) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    pub(crate) fn has_leaves(&self) -> Result<(), E> {
        if self.leaves.is_empty() {
            return Err(self.no_manifest().into());
        }
        Ok(())
    }

    fn no_manifest(&self) -> ImageErrorReason {
        ImageErrorReason::NoManifest {
            found: Listing::new(&self.others),
        }
    }

    /// The manifest with this digest.
    pub(crate) fn leaf(&self, digest: &Digest) -> Result<&Leaf, E> {
        self.leaves
            .iter()
            .find(|leaf| leaf.manifest.digest == *digest)
            .ok_or_else(|| {
                let digests = self
                    .leaves
                    .iter()
                    .map(|leaf| leaf.manifest.digest.to_string());
                let digests = Listing::new(digests);
                ImageErrorReason::NoSuchManifest {
                    digest: digest.clone(),
                    digests,
                }
                .into()
            })
    }
}

pub(super) fn document(what: impl Into<String>, error: DocumentError) -> ImageErrorReason {
    ImageErrorReason::Document {
        what: what.into(),
        error,
    }
}
