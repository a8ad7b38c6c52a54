//! Where a registry's blobs go: into the store, past whoever waits for them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::Arrival;
use crate::registry::{BlobSink, BlobStore, PullEvent, PullObserver};
use crate::{BlobLease, Cancellation, Descriptor, Digest, Ingest, Ingestion, Store};

/// The store, with a lease of every blob that came into it.
pub(super) struct Keeper<'a> {
    store: &'a Store,
    arrivals: &'a BTreeMap<Digest, Arc<Arrival>>,
    leases: Mutex<Vec<BlobLease>>,
    observer: &'a dyn PullObserver,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(
        store: &'a Store,
        arrivals: &'a BTreeMap<Digest, Arc<Arrival>>,
        observer: &'a dyn PullObserver,
    ) -> Self {
        Self {
            store,
            arrivals,
            leases: Mutex::default(),
            observer,
        }
    }

    pub(super) fn into_leases(self) -> Vec<BlobLease> {
        self.leases
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, lease: BlobLease) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.push(lease);
    }
}

impl BlobStore for Keeper<'_> {
    fn sink(
        &self,
        blob: &Descriptor,
        cancellation: &Cancellation,
    ) -> io::Result<Option<Box<dyn BlobSink + '_>>> {
        let arrival = self.arrivals.get(&blob.digest).cloned().unwrap_or_default();
        if self.store.is_being_written(&blob.digest)? {
            self.observer.event(&PullEvent::Waiting { blob });
        }
        let ingestion = self
            .store
            .ingest_verified(&blob.digest, blob.size, cancellation)?;
        match ingestion {
            Ingestion::Present(lease) => {
                arrival.complete(self.store.open_blob(&blob.digest)?, blob.size);
                self.keep(lease);
                Ok(None)
            }
            Ingestion::Missing(ingest) => {
                arrival.begin(ingest.reader()?, ingest.offset());
                Ok(Some(Box::new(Sink {
                    keeper: self,
                    ingest: Some(ingest),
                    arrival,
                })))
            }
        }
    }
}

/// Where one blob goes.
struct Sink<'a> {
    keeper: &'a Keeper<'a>,
    /// `None` once it is whole.
    ingest: Option<Box<Ingest>>,
    arrival: Arc<Arrival>,
}

impl Sink<'_> {
    fn ingest(&mut self) -> io::Result<&mut Ingest> {
        let ended = || io::Error::other("the blob has ended");
        self.ingest.as_deref_mut().ok_or_else(ended)
    }
}

impl BlobSink for Sink<'_> {
    fn resume(&mut self, kept: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        Ok(self.ingest()?.kept(kept)?)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.ingest()?.write(bytes)?;
        self.arrival.grow(bytes.len() as u64);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        // Somebody may have read what was wrong.
        self.arrival.fail();
        Ok(self.ingest()?.restart()?)
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(ingest) = self.ingest.take() {
            self.keeper.keep(ingest.commit()?);
            self.arrival.finish();
        }
        Ok(())
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        if self.ingest.is_some() {
            self.arrival.fail();
        }
    }
}
