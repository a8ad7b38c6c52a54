//! The names of what jobs refer to.

use std::collections::HashMap;

use bencher_jobs::{ProjectId, RunnerId, SpecId};

use crate::store::{Store, StoreError};

/// Slugs by identifier, each asked for once.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub(super) async fn project(
        &mut self,
        store: &Store,
        id: ProjectId,
    ) -> Result<String, StoreError> {
        let id = id.to_string();
        if let Some(name) = self.0.get(&id) {
            return Ok(name.clone());
        }
        let slug = store.project(&id).await?.slug;
        Ok(self.keep(id, slug))
    }

    pub(super) async fn spec(&mut self, store: &Store, id: SpecId) -> Result<String, StoreError> {
        let id = id.to_string();
        if let Some(name) = self.0.get(&id) {
            return Ok(name.clone());
        }
        let slug = store.spec(&id).await?.asks.slug;
        Ok(self.keep(id, slug))
    }

    pub(super) async fn runner(
        &mut self,
        store: &Store,
        id: RunnerId,
    ) -> Result<String, StoreError> {
        let id = id.to_string();
        if let Some(name) = self.0.get(&id) {
            return Ok(name.clone());
        }
        let slug = store.runner(&id).await?.slug;
        Ok(self.keep(id, slug))
    }

    fn keep(&mut self, id: String, name: String) -> String {
        self.0.insert(id, name.clone());
        name
    }
}
