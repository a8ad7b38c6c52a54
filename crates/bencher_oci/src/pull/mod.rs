//! From a registry into the store, and out of the store while it still comes.
//!
//! ```text
//! Pull::begin ─► index, manifest, config       verified, in memory
//!     │
//!     ├─ image ──────► layers that are read as far as they have come ─► a root filesystem
//!     └─ fetch ─► registry ─► partial file ─► blob ─► the image is in the index of the store
//! ```
//!
//! What is read of a layer before [`Pull::fetch`] has returned is not verified by its blob's digest
//! but by the content's alone; use nothing that was made of it before both are right.

mod arrival;
mod sink;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use arrival::Arrival;
use sink::Keeper;

use crate::registry::{
    PullObserver, RegistryClient, RegistryError, RegistryReference, RemoteDocument, RemoteImage,
};
use crate::{
    BlobLease, Digest, Document, Image, ImageLease, Ingestion, Layer, Limits, Platform, Store,
    StoreError,
};

/// An image on its way from a registry into a store.
#[derive(Debug)]
pub struct Pull {
    client: RegistryClient,
    remote: RemoteImage,
    store: Store,
    arrivals: BTreeMap<Digest, Arc<Arrival>>,
}

/// Why an image did not come: one line, complete in itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The registry, or the way to it.
    #[error("{0}")]
    Registry(RegistryError),
    /// The store.
    #[error("{0}")]
    Store(StoreError),
}

impl Pull {
    /// Asks the registry for everything of `reference` but its layers, for `platform`.
    ///
    /// # Errors
    /// A [`PullError::Registry`].
    pub fn begin(
        client: RegistryClient,
        reference: &RegistryReference,
        platform: &Platform,
        store: Store,
        observer: &dyn PullObserver,
    ) -> Result<Self, PullError> {
        let remote = client
            .resolve(reference, platform, observer)
            .map_err(PullError::Registry)?;
        let layers = remote.manifest.layers.iter();
        let arrivals = layers.map(|layer| (layer.digest.clone(), Arc::default()));
        Ok(Self {
            arrivals: arrivals.collect(),
            client,
            remote,
            store,
        })
    }

    /// What the registry has said.
    pub fn remote(&self) -> &RemoteImage {
        &self.remote
    }

    /// The image, whose layers can be read while [`Pull::fetch`] works: who reads waits. When that
    /// fails, or has to begin a layer again, so does the reading.
    pub fn image(&self, limits: Limits) -> Image {
        let remote = &self.remote;
        let document = |digest: &Digest| {
            let mut documents = remote.documents.iter();
            documents
                .find(|document| document.descriptor.digest == *digest)
                .map(kept)
        };
        let config_digest = &remote.manifest.config.digest;
        let layers = remote.manifest.layers.iter().zip(&remote.config.diff_ids);
        Image {
            manifest_digest: Some(remote.manifest_digest.clone()),
            config_digest: config_digest.clone(),
            config: remote.config.clone(),
            layers: layers
                .map(|(blob, diff_id)| {
                    let arrival = self.arrivals.get(&blob.digest).cloned().unwrap_or_default();
                    Layer::arriving(arrival, blob, diff_id.clone(), limits)
                })
                .collect(),
            platform: remote.platform.clone(),
            name: Some(remote.reference.to_string()),
            manifest: document(&remote.manifest_digest),
            config_document: document(config_digest).unwrap_or_else(|| Document {
                media_type: remote.manifest.config.media_type.clone(),
                digest: config_digest.clone(),
                bytes: Arc::default(),
            }),
            lease: None,
        }
    }

    /// Fetches what the store does not have, and gives the image its name there. Blocks. What has
    /// come stays when it fails, and the next pull goes on there.
    ///
    /// # Errors
    /// A [`PullError`].
    pub fn fetch(&self, observer: &dyn PullObserver) -> Result<ImageLease, PullError> {
        let keeper = Keeper::new(&self.store, &self.arrivals, observer);
        let fetched = self.client.fetch_layers(&self.remote, &keeper, observer);
        if fetched.is_err() {
            for arrival in self.arrivals.values() {
                arrival.fail();
            }
        }
        fetched.map_err(PullError::Registry)?;
        self.add(keeper.into_leases()).map_err(PullError::Store)
    }

    /// Whether those who read layers as they came may have read something else than they will when all
    /// is there: what an earlier pull left is verified only then, and what the store had is not at all.
    pub fn is_doubtful(&self) -> bool {
        self.arrivals.values().any(|arrival| arrival.is_doubtful())
    }

    /// Adds the image, all of whose layers are there.
    fn add(&self, _leases: Vec<BlobLease>) -> Result<ImageLease, StoreError> {
        let documents = self.remote.documents.iter();
        let _leases = documents
            .map(|document| self.keep(document))
            .collect::<Result<Vec<_>, _>>()?;
        let digest = &self.remote.digest;
        let mut documents = self.remote.documents.iter();
        let root = documents.find(|document| document.descriptor.digest == *digest);
        let root = root.ok_or_else(|| StoreError::Incomplete(digest.clone()))?;
        let name = self.remote.reference.to_string();
        let (media_type, size) = (&root.descriptor.media_type, root.descriptor.size);
        self.store.add_image(&name, media_type, digest, size)
    }

    fn keep(&self, document: &RemoteDocument) -> Result<BlobLease, StoreError> {
        let descriptor = &document.descriptor;
        let cancellation = self.client.cancellation();
        let ingestion = self
            .store
            .ingest(&descriptor.digest, descriptor.size, cancellation)?;
        match ingestion {
            Ingestion::Present(lease) => Ok(lease),
            Ingestion::Missing(mut ingest) => {
                ingest.restart()?;
                ingest.write(&document.bytes)?;
                ingest.commit()
            }
        }
    }
}

/// A document as the store has it.
fn kept(document: &RemoteDocument) -> Document {
    Document {
        media_type: document.descriptor.media_type.clone(),
        digest: document.descriptor.digest.clone(),
        bytes: document.bytes.as_slice().into(),
    }
}
