//! The names of specs.

use std::collections::HashMap;

use bencher_jobs::SpecId;

use crate::store::{Store, StoreError};

/// Slugs by identifier, each asked for once.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<SpecId, String>);

impl Names {
    pub(super) async fn spec(&mut self, store: &Store, id: SpecId) -> Result<String, StoreError> {
        if let Some(name) = self.0.get(&id) {
            return Ok(name.clone());
        }
        let slug = store.spec(&id.to_string()).await?.asks.slug;
        self.0.insert(id, slug.clone());
        Ok(slug)
    }
}
