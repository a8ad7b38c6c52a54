//! Pruning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::{next, total};
use super::{Cache, CacheError, CacheItem};
use crate::Reporter;
use crate::units::ByteSize;

/// What pruning came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PruneReport {
    /// What was removed, in this order.
    pub removed: Vec<CacheItem>,
    /// What was freed of the disk, in bytes.
    pub freed_bytes: u64,
    /// What the rest takes of the disk, in bytes.
    pub total_bytes: u64,
    /// What runners use of that, in bytes: it was not to be had.
    pub in_use_bytes: u64,
    /// Whether the rest takes no more than it may.
    pub within_limit: bool,
}

impl Cache {
    /// Removes what nobody needs, and then, for as long as the cache takes more than `limit`, what
    /// was used the longest time ago. What a runner uses stays.
    ///
    /// # Errors
    ///
    /// When something can not be read or removed; what was removed until then stays removed.
    pub fn prune(
        &self,
        limit: Option<ByteSize>,
        reporter: &dyn Reporter,
    ) -> Result<PruneReport, CacheError> {
        let limit = limit.map(ByteSize::bytes);
        let mut left = self.items()?;
        let before = total(&left);
        let mut removed = Vec::new();
        while let Some(position) = next(&left, limit) {
            if self.remove_item(&left[position], reporter)? {
                removed.push(left.remove(position));
            } else {
                // A runner came to use it since it was looked at.
                left[position].in_use = true;
            }
        }
        let total_bytes = total(&left);
        left.retain(|item| item.in_use);
        Ok(PruneReport {
            removed,
            freed_bytes: before - total_bytes,
            total_bytes,
            in_use_bytes: total(&left),
            within_limit: limit.is_none_or(|limit| total_bytes <= limit),
        })
    }
}
