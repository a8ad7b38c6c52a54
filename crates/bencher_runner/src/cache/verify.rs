//! Whether everything in the cache is what it is said to be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bencher_oci::{Damage, Removal, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cache, CacheError, ItemKind};
use crate::Reporter;

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyReport {
    /// How many blobs, kernels and root filesystem images were looked at.
    pub checked: usize,
    /// How many bytes were read and hashed.
    pub hashed_bytes: u64,
    /// What is damaged.
    pub damages: Vec<DamageReport>,
}

/// Something that is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DamageReport {
    /// What kind of thing it is; absent for the index of images.
    pub kind: Option<ItemKind>,
    /// What identifies it; absent for the index of images.
    pub id: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// Whether it was removed, so that it is got or made again when it is needed.
    pub removed: bool,
}

impl Cache {
    /// Hashes every blob of the store and every kernel, and looks whether images and root
    /// filesystem images are complete. With `repair` what is damaged is removed, unless a runner
    /// uses it.
    ///
    /// # Errors
    ///
    /// When a part of the cache can not be read at all, or `cancel` becomes true.
    pub fn verify(
        &self,
        repair: bool,
        reporter: &dyn Reporter,
        cancel: &AtomicBool,
    ) -> Result<VerifyReport, CacheError> {
        let hashed = AtomicU64::new(0);
        let mut checked = 0;
        let mut damages = Vec::new();
        if let Some(store) = &self.store {
            let blobs = store.blobs()?;
            checked += blobs.len();
            let total = blobs.iter().map(|blob| blob.bytes).sum();
            reporter.begin("verifying the blobs of images", Some(total));
            let advance = |bytes| {
                let done = hashed.fetch_add(bytes, Ordering::Relaxed) + bytes;
                reporter.advance(done);
                !cancel.load(Ordering::Relaxed)
            };
            let found = store.verify(&advance);
            reporter.end();
            let found = found.map_err(|error| match error {
                StoreError::Cancelled => CacheError::Cancelled,
                other => other.into(),
            })?;
            damages.extend(found.into_iter().map(of_store));
        }
        let mut hashed = hashed.into_inner();
        for kernel in self.kernels.kept()? {
            checked += 1;
            if !kernel.is_whole()? {
                let reason = match &kernel.kernel {
                    None => "it is no kernel that this version can use",
                    Some(_) => "the kernel is damaged",
                };
                damages.push(damage(ItemKind::Kernel, kernel.id, reason));
            }
            hashed += kernel.bytes;
        }
        if let Some(rootfs) = &self.rootfs {
            for entry in rootfs.entries()? {
                checked += 1;
                if !rootfs.is_whole(&entry)? {
                    damages.push(damage(ItemKind::Rootfs, entry.name, "it is not complete"));
                }
            }
        }
        if repair {
            for damage in &mut damages {
                damage.removed = self.remove_damaged(damage, reporter)?;
            }
        }
        Ok(VerifyReport {
            checked,
            hashed_bytes: hashed,
            damages,
        })
    }

    /// Removes what is damaged; `false` says that a runner uses it, or that it can not be told
    /// what to remove.
    fn remove_damaged(
        &self,
        damage: &DamageReport,
        reporter: &dyn Reporter,
    ) -> Result<bool, CacheError> {
        let (Some(kind), Some(id)) = (damage.kind, &damage.id) else {
            return Ok(false);
        };
        if kind == ItemKind::Blob {
            let (Some(store), Ok(digest)) = (&self.store, id.parse()) else {
                return Ok(false);
            };
            // A runner whose image has it can not read it either.
            return Ok(store.remove_damaged(&digest)? != Removal::InUse);
        }
        self.remove_one(kind, id, reporter)
    }
}

fn of_store(found: Damage) -> DamageReport {
    let reason = found.to_string();
    match found {
        Damage::Index { .. } => DamageReport {
            kind: None,
            id: None,
            reason,
            removed: false,
        },
        Damage::Content { blob, .. } | Damage::Unreadable { blob, .. } => {
            damage(ItemKind::Blob, blob.to_string(), &reason)
        }
        Damage::Missing { image, .. } => damage(ItemKind::Image, image.to_string(), &reason),
    }
}

fn damage(kind: ItemKind, id: String, reason: &str) -> DamageReport {
    DamageReport {
        kind: Some(kind),
        id: Some(id),
        reason: reason.to_owned(),
        removed: false,
    }
}
