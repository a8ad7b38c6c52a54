//! Removing single things.

use bencher_oci::{Digest, Removal, StoreError};

use super::{Cache, CacheError, CacheItem, ItemKind};
use crate::Reporter;

/// How much of an id is enough to mean it.
const LEAST_ID: usize = 8;

impl Cache {
    /// Removes what `text` means: an image's name or digest, or the id of anything else, or the
    /// beginning of one. Of an image with several names only the name goes.
    ///
    /// # Errors
    ///
    /// When there is no such thing, there are several, a runner uses it, or it can not be removed.
    pub fn remove(&self, text: &str, reporter: &dyn Reporter) -> Result<(), CacheError> {
        let is_removed = match self.find(text)? {
            Some(item) => self.remove_item(&item, reporter)?,
            None => self.remove_image(text)?,
        };
        if is_removed {
            Ok(())
        } else {
            Err(CacheError::InUse {
                text: text.to_owned(),
            })
        }
    }

    /// Removes an item; `false` says that a runner uses it.
    pub(super) fn remove_item(
        &self,
        item: &CacheItem,
        reporter: &dyn Reporter,
    ) -> Result<bool, CacheError> {
        self.remove_one(item.kind, &item.id, reporter)
    }

    /// Removes the thing of this kind and id; `false` says that a runner uses it. What is gone
    /// already is as good as removed.
    pub(super) fn remove_one(
        &self,
        kind: ItemKind,
        id: &str,
        reporter: &dyn Reporter,
    ) -> Result<bool, CacheError> {
        let is_removed = match kind {
            ItemKind::Kernel => self.kernels.remove(id, reporter)?,
            ItemKind::Rootfs => match &self.rootfs {
                None => true,
                Some(rootfs) => {
                    let entries = rootfs.entries()?;
                    let entry = entries.iter().find(|entry| entry.name == id);
                    entry.map_or(Ok(true), |entry| rootfs.remove(entry))?
                }
            },
            ItemKind::Image | ItemKind::Blob | ItemKind::Partial => self.remove_stored(kind, id)?,
        };
        if is_removed {
            reporter.debug(&format!("removed the {} {id}", kind.name()));
        }
        Ok(is_removed)
    }

    fn remove_stored(&self, kind: ItemKind, id: &str) -> Result<bool, CacheError> {
        let (Some(store), Ok(digest)) = (&self.store, id.parse::<Digest>()) else {
            return Ok(true);
        };
        let removal = match kind {
            ItemKind::Partial => store.remove_partial(&digest),
            ItemKind::Blob => store.remove_blob(&digest),
            _ => store.remove_image(&digest),
        };
        match removal {
            Ok(removal) => Ok(removal != Removal::InUse),
            // Somebody else was faster.
            Err(StoreError::Unknown { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn remove_image(&self, text: &str) -> Result<bool, CacheError> {
        let unknown = || CacheError::Unknown {
            text: text.to_owned(),
        };
        let store = self.store.as_ref().ok_or_else(unknown)?;
        match store.remove(text) {
            Ok(removal) => Ok(removal != Removal::InUse),
            Err(StoreError::Unknown { .. }) => Err(unknown()),
            Err(error) => Err(error.into()),
        }
    }

    /// The item other than an image whose id is `text`, or begins so.
    fn find(&self, text: &str) -> Result<Option<CacheItem>, CacheError> {
        let mut items = self.items()?;
        items.retain(|item| item.kind != ItemKind::Image);
        if let Some(position) = items.iter().position(|item| item.id == text) {
            return Ok(Some(items.swap_remove(position)));
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        items.retain(|item| {
            let id = item.id.strip_prefix("sha256:").unwrap_or(&item.id);
            digits.len() >= LEAST_ID && id.starts_with(digits)
        });
        if items.len() > 1 {
            let ids: Vec<_> = items.into_iter().map(|item| item.id).collect();
            return Err(CacheError::Ambiguous {
                text: text.to_owned(),
                ids: ids.join(", "),
            });
        }
        Ok(items.pop())
    }
}
