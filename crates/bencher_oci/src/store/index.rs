//! The index: which images there are, and what they are called.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;

use serde_json::json;

use super::error::{file_error, or_missing};
use super::lock::Lock;
use super::reach::reach;
use super::{Store, StoreError, StoredImage};
use crate::document::OCI_INDEX;
use crate::image::is_same_name;
use crate::reference::registry::is_reference;
use crate::{Digest, Excerpt, Listing, MAX_DOCUMENT_BYTES, parse_index};

/// The longest name, in bytes.
const MAX_NAME: usize = 512;
/// How many entries there may be: so many, with the longest names, are within the bounds of a
/// document.
const MAX_ENTRIES: usize = 5_000;

/// What `index.json` holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
}

/// An image and one of its names.
#[derive(Clone, Debug)]
struct Entry {
    name: Option<String>,
    root: Root,
}

/// What identifies an image: its manifest, or its index.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// Reads the index, which others replace in one step.
pub(super) fn read(store: &Store) -> Result<Index, StoreError> {
    let path = store.folder.join("index.json");
    let failed = |cause| file_error("read", &path, cause);
    let Some(file) = or_missing(File::open(&path)).map_err(failed)? else {
        return Ok(Index::default());
    };
    let mut bytes = Vec::new();
    file.take(MAX_DOCUMENT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let index = parse_index(&bytes).map_err(|error| StoreError::Index {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    let entries = index.manifests.into_iter().map(|entry| Entry {
        name: entry.ref_name().map(str::to_owned),
        root: Root {
            media_type: entry.media_type,
            digest: entry.digest,
            size: entry.size,
        },
    });
    Ok(Index {
        entries: entries.collect(),
    })
}

impl Index {
    /// Puts this in the place of the index.
    pub(super) fn write(mut self, store: &Store, _lock: &Lock) -> Result<(), StoreError> {
        self.entries.sort_by(|left, right| {
            (&left.name, &left.root.digest).cmp(&(&right.name, &right.root.digest))
        });
        let manifests: Vec<_> = self.entries.iter().map(Entry::descriptor).collect();
        let index = json!({
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": manifests,
        });
        store.replace(
            &store.folder.join("index.json"),
            index.to_string().as_bytes(),
        )
    }

    /// What there is, each image once.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Root> {
        let roots: BTreeMap<_, _> = self
            .entries
            .iter()
            .map(|entry| (&entry.root.digest, &entry.root))
            .collect();
        roots.into_values()
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.root.digest == *digest)
    }

    /// The image that has this name.
    pub(super) fn named(&self, name: &str) -> Option<&Root> {
        let entry = self.entries.iter().find(|entry| entry.is_named(name));
        entry.map(|entry| &entry.root)
    }

    pub(super) fn names_of(&self, digest: &Digest) -> Vec<String> {
        let of_it = self
            .entries
            .iter()
            .filter(|entry| entry.root.digest == *digest);
        let mut names: Vec<_> = of_it.filter_map(|entry| entry.name.clone()).collect();
        names.sort();
        names
    }

    /// All names for an error message; digests where there are none.
    pub(super) fn listing(&self) -> Listing {
        Listing::new(self.entries.iter().map(|entry| match &entry.name {
            Some(name) => name.clone(),
            None => entry.root.digest.to_string(),
        }))
    }

    /// What the store has of each image.
    pub(super) fn images(&self, store: &Store) -> Result<Vec<StoredImage>, StoreError> {
        self.roots().map(|root| self.image(store, root)).collect()
    }

    /// What the store has of an image.
    pub(super) fn image(&self, store: &Store, root: &Root) -> Result<StoredImage, StoreError> {
        let reached = reach(store, root)?;
        Ok(StoredImage {
            digest: root.digest.clone(),
            media_type: root.media_type.clone(),
            size: root.size,
            names: self.names_of(&root.digest),
            last_used: store.last_used(&root.digest),
            blobs: reached.present.into_iter().collect(),
            missing: reached.missing.into_iter().collect(),
        })
    }

    /// Gives `name` to an image. The image that had it stays, without it.
    pub(super) fn set_name(&mut self, name: &str, root: Root) -> Result<(), StoreError> {
        // What is no name of an image could not be asked for.
        if name.len() > MAX_NAME || !is_reference(name) {
            return Err(StoreError::Name(Excerpt::new(name)));
        }
        self.remove_name(name);
        if self.entries.len() >= MAX_ENTRIES {
            return Err(StoreError::TooMany(MAX_ENTRIES));
        }
        let name = Some(name.to_owned());
        self.entries.push(Entry { name, root });
        self.tidy();
        Ok(())
    }

    /// Takes a name away. The image that had it stays.
    pub(super) fn remove_name(&mut self, name: &str) {
        for entry in &mut self.entries {
            if entry.is_named(name) {
                entry.name = None;
            }
        }
        self.tidy();
    }

    /// An image has an entry for each of its names, or a single one without a name.
    fn tidy(&mut self) {
        self.entries.sort_by_key(|entry| entry.name.is_none());
        let mut seen = BTreeSet::new();
        self.entries.retain(|entry| {
            let is_first = seen.insert(entry.root.digest.clone());
            is_first || entry.name.is_some()
        });
    }

    /// Takes an image out, with all of its names.
    pub(super) fn remove_image(&mut self, digest: &Digest) {
        self.entries.retain(|entry| entry.root.digest != *digest);
    }
}

impl Entry {
    fn is_named(&self, name: &str) -> bool {
        self.name
            .as_deref()
            .is_some_and(|own| is_same_name(own, name))
    }

    fn descriptor(&self) -> serde_json::Value {
        let mut descriptor = json!({
            "mediaType": self.root.media_type,
            "digest": self.root.digest,
            "size": self.root.size,
        });
        if let Some(name) = &self.name {
            descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        descriptor
    }
}
