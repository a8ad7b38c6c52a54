//! What belongs to an image: the blobs that its documents lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::error::{file_error, or_missing};
use super::index::Root;
use super::{Store, StoreError, StoredBlob};
use crate::{Descriptor, Digest, MAX_DOCUMENT_BYTES, MediaKind, parse_index, parse_manifest};

/// How deep indexes may be nested, as when an image is opened.
const MAX_DEPTH: usize = 5;

/// The blobs of an image.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Those that are there.
    pub(super) present: BTreeSet<StoredBlob>,
    /// Those that are not. An index names images for platforms that nobody has fetched: none of
    /// their blobs is missing.
    pub(super) missing: BTreeSet<Digest>,
}

/// Follows an image's documents. A document that is damaged leads nowhere.
///
/// # Errors
/// A blob that is there and can not be looked at: nobody may conclude that it is not needed.
pub(super) fn reach(store: &Store, root: &Root) -> Result<Reach, StoreError> {
    let mut reach = Reach::default();
    follow(store, &root.media_type, &root.digest, MAX_DEPTH, &mut reach)?;
    Ok(reach)
}

fn follow(
    store: &Store,
    media_type: &str,
    digest: &Digest,
    depth: usize,
    reach: &mut Reach,
) -> Result<(), StoreError> {
    let Some(bytes) = store.blob_len(digest)? else {
        reach.missing.insert(digest.clone());
        return Ok(());
    };
    let digest = digest.clone();
    let is_new = reach.present.insert(StoredBlob {
        digest: digest.clone(),
        bytes,
    });
    if depth == 0 || !is_new || bytes > MAX_DOCUMENT_BYTES {
        return Ok(());
    }
    match MediaKind::of(media_type) {
        MediaKind::Index => {
            let index = document(store, &digest)?.and_then(|bytes| parse_index(&bytes).ok());
            follow_index(
                store,
                &index.map_or_else(Vec::new, |index| index.manifests),
                depth,
                reach,
            )
        }
        MediaKind::Manifest => {
            let manifest = document(store, &digest)?.and_then(|bytes| parse_manifest(&bytes).ok());
            let Some(manifest) = manifest else {
                return Ok(());
            };
            for part in [&manifest.config].into_iter().chain(&manifest.layers) {
                follow(store, &part.media_type, &part.digest, 0, reach)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Of an index at least one image has to be there, of which nothing may be missing.
fn follow_index(
    store: &Store,
    entries: &[Descriptor],
    depth: usize,
    reach: &mut Reach,
) -> Result<(), StoreError> {
    let mut found: BTreeMap<&Digest, Reach> = BTreeMap::new();
    for entry in entries {
        let mut of_entry = Reach::default();
        follow(
            store,
            &entry.media_type,
            &entry.digest,
            depth - 1,
            &mut of_entry,
        )?;
        found.insert(&entry.digest, of_entry);
    }
    let (there, absent): (Vec<_>, Vec<_>) = found
        .into_values()
        .partition(|of_entry| !of_entry.present.is_empty());
    let lacking = if there.is_empty() { absent } else { there };
    for of_entry in lacking {
        reach.present.extend(of_entry.present);
        reach.missing.extend(of_entry.missing);
    }
    Ok(())
}

/// A blob's bytes, unless it was removed meanwhile.
fn document(store: &Store, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
    let path = store.blob_path(digest);
    or_missing(fs::read(&path)).map_err(|cause| file_error("read", &path, cause))
}
