//! What is in the cache, one item for each thing that can be removed.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use bencher_oci::Store;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::{Parts, total};
use super::{Cache, CacheError};

/// Everything that the cache holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheListing {
    /// What there is, the least recently used first.
    pub items: Vec<CacheItem>,
    /// What that takes of the disk, in bytes, what images share counted once.
    pub total_bytes: u64,
}

/// One thing of the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheItem {
    /// What it is.
    pub kind: ItemKind,
    /// What identifies it: a digest, a key, or a folder's name.
    pub id: String,
    /// An image's names in the store; a kernel's origin.
    pub names: Vec<String>,
    /// What it takes of the disk, in bytes, with what other images have as well.
    pub bytes: u64,
    /// When it was last used, in seconds since 1970-01-01 UTC.
    pub last_used_at: u64,
    /// Whether a runner uses it at this moment.
    pub in_use: bool,
    /// Whether nothing would miss it: an image without a name, a blob that no image has, what has
    /// come of a download, a kernel that this version can not use.
    pub unneeded: bool,
    /// The files that it is made of.
    #[serde(skip)]
    #[schemars(skip)]
    pub(super) parts: Parts,
}

/// What an item is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// An image of the store.
    Image,
    /// A blob that no image of the store has.
    Blob,
    /// What has come of a blob so far.
    Partial,
    /// A root filesystem image.
    Rootfs,
    /// A guest's kernel with its modules.
    Kernel,
}

impl ItemKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Image,
        Self::Blob,
        Self::Partial,
        Self::Rootfs,
        Self::Kernel,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Blob => "blob",
            Self::Partial => "partial",
            Self::Rootfs => "rootfs",
            Self::Kernel => "kernel",
        }
    }
}

impl Cache {
    /// What there is, the least recently used first.
    ///
    /// # Errors
    ///
    /// When a part of the cache can not be read.
    pub fn list(&self) -> Result<CacheListing, CacheError> {
        let items = self.items()?;
        let total_bytes = total(&items);
        Ok(CacheListing { items, total_bytes })
    }

    pub(super) fn items(&self) -> Result<Vec<CacheItem>, CacheError> {
        let mut items = Vec::new();
        if let Some(store) = &self.store {
            of_store(store, &mut items)?;
        }
        if let Some(rootfs) = &self.rootfs {
            for entry in rootfs.entries()? {
                items.push(CacheItem {
                    in_use: rootfs.is_in_use(&entry)?,
                    ..alone(
                        ItemKind::Rootfs,
                        entry.name,
                        entry.stored_bytes,
                        entry.last_used,
                    )
                });
            }
        }
        for kernel in self.kernels.kept()? {
            items.push(CacheItem {
                names: kernel
                    .kernel
                    .iter()
                    .map(|kernel| kernel.origin.clone())
                    .collect(),
                in_use: kernel.in_use,
                unneeded: kernel.kernel.is_none(),
                ..alone(ItemKind::Kernel, kernel.id, kernel.bytes, kernel.last_used)
            });
        }
        items.sort_by(|left, right| {
            (left.last_used_at, left.kind, &left.id).cmp(&(
                right.last_used_at,
                right.kind,
                &right.id,
            ))
        });
        Ok(items)
    }
}

fn of_store(store: &Store, items: &mut Vec<CacheItem>) -> Result<(), CacheError> {
    let images = store.images()?;
    let reached: BTreeSet<_> = images.iter().flat_map(|image| &image.blobs).collect();
    for blob in store.blobs()? {
        if !reached.contains(&blob) {
            // Someone who adds an image has no index entry yet.
            items.push(CacheItem {
                in_use: store.is_in_use(&blob.digest)?,
                unneeded: true,
                ..alone(
                    ItemKind::Blob,
                    blob.digest.to_string(),
                    blob.bytes,
                    store.last_used(&blob.digest),
                )
            });
        }
    }
    for partial in store.partial_blobs()? {
        items.push(CacheItem {
            in_use: store.is_being_written(&partial.digest)?,
            unneeded: true,
            ..alone(
                ItemKind::Partial,
                partial.digest.to_string(),
                partial.bytes,
                partial.modified,
            )
        });
    }
    for image in images {
        let parts: Parts = image
            .blobs
            .iter()
            .map(|blob| (blob.digest.to_string(), blob.bytes))
            .collect();
        items.push(CacheItem {
            kind: ItemKind::Image,
            id: image.digest.to_string(),
            bytes: parts.values().sum(),
            last_used_at: seconds(image.last_used),
            in_use: store.is_in_use(&image.digest)?,
            unneeded: image.names.is_empty(),
            names: image.names,
            parts,
        });
    }
    Ok(())
}

/// An item that shares nothing with others.
fn alone(kind: ItemKind, id: String, bytes: u64, last_used: SystemTime) -> CacheItem {
    CacheItem {
        kind,
        parts: Parts::from([(format!("{} {id}", kind.name()), bytes)]),
        id,
        names: Vec::new(),
        bytes,
        last_used_at: seconds(last_used),
        in_use: false,
        unneeded: false,
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
