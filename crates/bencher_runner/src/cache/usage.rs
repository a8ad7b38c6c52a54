//! What the cache takes of the disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::total;
use super::{Cache, CacheError, ItemKind};
use crate::disk_usage::disk_usage;

/// What the cache takes of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskUsage {
    /// The cache's folder.
    pub folder: String,
    /// Each kind of thing.
    pub kinds: Vec<KindUsage>,
    /// What is counted but never removed: initramfs archives, Firecracker, libraries of VMMs, what
    /// is being fetched.
    pub other_bytes: u64,
    /// All of it, in bytes.
    pub total_bytes: u64,
    /// What is free on the same filesystem for this user, in bytes; absent when it is not known.
    pub available_bytes: Option<u64>,
}

/// What the things of one kind take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KindUsage {
    /// What they are.
    pub kind: ItemKind,
    /// How many there are.
    pub count: usize,
    /// What they take, in bytes, what they share counted once.
    pub bytes: u64,
    /// What `runner cache prune --max-size 0` would free of that, in bytes.
    pub reclaimable_bytes: u64,
}

impl Cache {
    /// What everything takes of the disk.
    ///
    /// # Errors
    ///
    /// When a part of the cache can not be read.
    pub fn usage(&self) -> Result<DiskUsage, CacheError> {
        let items = self.items()?;
        let kinds: Vec<_> = ItemKind::ALL
            .into_iter()
            .map(|kind| {
                let mut of_kind = items.clone();
                of_kind.retain(|item| item.kind == kind);
                let (count, bytes) = (of_kind.len(), total(&of_kind));
                of_kind.retain(|item| item.in_use);
                KindUsage {
                    kind,
                    count,
                    bytes,
                    reclaimable_bytes: bytes - total(&of_kind),
                }
            })
            .collect();
        let counted = total(&items);
        let all = disk_usage(&self.folder).map_err(|source| CacheError::Read {
            path: self.folder.clone(),
            source,
        })?;
        // Files are counted by their length where that is what matters of them, folders not at
        // all: together they can be a little more than the disk has given.
        let other_bytes = all.saturating_sub(counted);
        Ok(DiskUsage {
            folder: self.folder.display().to_string(),
            kinds,
            other_bytes,
            total_bytes: counted + other_bytes,
            available_bytes: available(&self.folder),
        })
    }
}

/// What this user can still write below `folder`, or where it would be made.
pub(crate) fn available(folder: &std::path::Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.is_dir())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail * found.f_frsize)
}
