//! The client of one registry.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::blob;
use super::http::Http;
use super::image::{self, RemoteImage};
use super::session::{Pull, Session};
use super::sink::{BlobStore, PullEvent, PullObserver, Unobserved};
use super::{RegistryError, RegistryErrorReason, RegistryOptions, RegistryReference, Token};
use crate::{Cancellation, Descriptor, Platform};

/// Pulls images from one registry.
///
/// Connections and tokens are kept between calls; it may be used from several threads at once.
#[derive(Debug)]
pub struct RegistryClient {
    registry: String,
    session: Session,
}

impl RegistryClient {
    /// A client for the registry of `image`. Nothing is sent yet.
    pub fn new(image: &RegistryReference, options: RegistryOptions) -> Self {
        let http = Http::new(image.host(), options);
        Self {
            registry: image.registry().to_owned(),
            session: Session::new(image.host(), http),
        }
    }

    /// What ends its calls: the one of its options.
    pub fn cancellation(&self) -> &Cancellation {
        &self.session.http().options().cancellation
    }

    /// Fetches everything of `image` but its layers: finds the manifest that runs best on
    /// `platform`, and verifies and checks all documents.
    ///
    /// # Errors
    /// A [`RegistryError`]. Artifacts that are no images, images of schema 1 and those with
    /// foreign or encrypted layers are refused as well.
    ///
    /// # Panics
    /// If `image` is in another registry than the one of this client.
    pub fn resolve(
        &self,
        image: &RegistryReference,
        platform: &Platform,
        observer: &dyn PullObserver,
    ) -> Result<RemoteImage, RegistryError> {
        let cancellation = self.cancellation();
        let _on_cancel = self.session.http().shut_down_on(cancellation);
        let pull = self.pull(image, observer, cancellation);
        image::resolve(&self.session, pull, platform)
    }

    /// Fetches the layers of `image` that are not in `store` yet, several at once, the lowest
    /// first. Layers that are there twice are fetched once.
    ///
    /// # Errors
    /// The first [`RegistryError`]; the other layers stop then at once, wherever they wait, and what
    /// is there of them stays in their sinks.
    ///
    /// # Panics
    /// If `image` is in another registry than the one of this client.
    pub fn fetch_layers(
        &self,
        image: &RemoteImage,
        store: &dyn BlobStore,
        observer: &dyn PullObserver,
    ) -> Result<(), RegistryError> {
        self.fetch(&image.reference, &image.manifest.layers, store, observer)
    }

    /// [`RegistryClient::fetch_layers`] for any blobs of an image's repository.
    ///
    /// # Errors
    /// As [`RegistryClient::fetch_layers`].
    ///
    /// # Panics
    /// If `image` is in another registry than the one of this client.
    pub fn fetch(
        &self,
        image: &RegistryReference,
        blobs: &[Descriptor],
        store: &dyn BlobStore,
        observer: &dyn PullObserver,
    ) -> Result<(), RegistryError> {
        let http = self.session.http();
        let options = http.options();
        let cancellation = options.cancellation.child();
        let _on_cancel = http.shut_down_on(&cancellation);
        let pull = self.pull(image, observer, &cancellation);
        let mut seen = HashSet::new();
        let queue: VecDeque<_> = blobs
            .iter()
            .filter(|blob| seen.insert(&blob.digest))
            .collect();
        let threads = options.parallel.get().min(queue.len());
        let work = Work {
            client: self,
            pull,
            store,
            queue: Mutex::new(queue),
            error: Mutex::new(None),
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                // Without another thread this one does its work, too.
                let _ = thread::Builder::new()
                    .name("pull".to_owned())
                    .spawn_scoped(scope, || work.run());
            }
            work.run();
        });
        let error = work.error.into_inner();
        error
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(Ok(()), Err)
    }

    /// A token to pull from the repository of `image` and for nothing else, that somebody else may
    /// have: what the registry's token server gives for this client's credentials. Nothing where the
    /// registry asks nobody who they are.
    ///
    /// # Errors
    /// A [`RegistryError`]. A registry that has no token server is one.
    ///
    /// # Panics
    /// If `image` is in another registry than the one of this client.
    pub fn token(&self, image: &RegistryReference) -> Result<Option<Token>, RegistryError> {
        let cancellation = self.cancellation();
        let _on_cancel = self.session.http().shut_down_on(cancellation);
        self.session
            .token(self.pull(image, &Unobserved, cancellation))
    }

    fn pull<'a>(
        &self,
        image: &'a RegistryReference,
        observer: &'a dyn PullObserver,
        cancellation: &'a Cancellation,
    ) -> Pull<'a> {
        assert_eq!(
            image.registry(),
            self.registry,
            "a client must not be asked for images of another registry"
        );
        Pull {
            image,
            observer,
            cancellation,
        }
    }
}

/// What the threads of one call share.
struct Work<'a> {
    client: &'a RegistryClient,
    pull: Pull<'a>,
    store: &'a dyn BlobStore,
    queue: Mutex<VecDeque<&'a Descriptor>>,
    error: Mutex<Option<RegistryError>>,
}

impl Work<'_> {
    /// Fetches blobs until there are none left, or until one fails.
    fn run(&self) {
        while let Some(blob) = self.next() {
            let Err(error) = self.fetch(blob) else {
                continue;
            };
            let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
            drop(first);
            // Those that end because this one failed are told only now, and come later.
            self.pull.cancellation.cancel();
        }
    }

    fn next(&self) -> Option<&Descriptor> {
        if self.pull.cancellation.is_cancelled() {
            return None;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.pop_front()
    }

    fn fetch(&self, blob: &Descriptor) -> Result<(), RegistryError> {
        let session = &self.client.session;
        let sink = self.store.sink(blob, self.pull.cancellation);
        let sink = sink.map_err(|error| {
            let at = format!("{} ({})", self.pull.image, blob.digest);
            session.error(at, RegistryErrorReason::sink(error))
        })?;
        let Some(mut sink) = sink else {
            self.pull.observer.event(&PullEvent::Present { blob });
            return Ok(());
        };
        blob::fetch(session, self.pull, blob, &mut *sink)
    }
}
