//! Getting an image from wherever it is: a file, the store, a registry.
//!
//! ```text
//! a path ──────────────────────────────────► Here
//! a name ─► in the store, unless `always` ─► Here
//!       └─► a registry, unless `never` ────► Coming ─► make something of it meanwhile ─► in the store
//! ```

use std::thread;

use bencher_oci::registry::{RegistryClient, RegistryOptions, RegistryReference};
use bencher_oci::{Cancellation, Image, Limits, Pull, Store, StoreError};

use super::local::{self, Found, open_stored};
use super::news::News;
use super::{ImageChoice, OpenImageError, PullPolicy, store_folder};
use crate::reporter::Beside;
use crate::{Directories, Reporter};

/// An image that can be used, now or as it comes.
#[derive(Debug)]
pub(crate) enum Obtained<'a> {
    /// All of it is on this host.
    Here(Box<Image>),
    /// Its layers are still in a registry.
    Coming(Box<Coming<'a>>),
}

/// An image whose layers are still in a registry.
#[derive(Debug)]
pub(crate) struct Coming<'a> {
    pull: Pull,
    arriving: Image,
    choice: &'a ImageChoice,
    directories: &'a Directories,
    reporter: &'a dyn Reporter,
    /// Ends the pull, with what ends all of it or without.
    cancellation: Cancellation,
}

impl Obtained<'_> {
    /// The image, whose layers may still be coming.
    pub(crate) fn image(&self) -> &Image {
        match self {
            Self::Here(image) => image,
            Self::Coming(coming) => &coming.arriving,
        }
    }
}

/// Finds the image that `choice` means. It ends at once when `cancel` says so.
pub(crate) fn obtain<'a>(
    choice: &'a ImageChoice,
    directories: &'a Directories,
    reporter: &'a dyn Reporter,
    cancel: &'a Cancellation,
) -> Result<Obtained<'a>, OpenImageError> {
    let stored = |name: &str| match choice.pull {
        PullPolicy::Always => Ok(None),
        PullPolicy::Never => open_stored(name, directories, &choice.platform),
        PullPolicy::Missing => find_whole(name, choice, directories, reporter),
    };
    let elsewhere = match local::find(&choice.name, &choice.platform, directories, stored)? {
        Found::Here(image) => return Ok(Obtained::Here(image)),
        Found::Elsewhere(elsewhere) => elsewhere,
    };
    if choice.pull == PullPolicy::Never {
        return Err(elsewhere.into_error());
    }
    let reference = elsewhere.in_registry()?;
    let coming = Coming::begin(&reference, choice, directories, reporter, cancel)?;
    Ok(Obtained::Coming(Box::new(coming)))
}

/// Looks into the store. What there has lost a part, or has none for this platform, is as if it was
/// not there, since it may be pulled.
fn find_whole(
    name: &str,
    choice: &ImageChoice,
    directories: &Directories,
    reporter: &dyn Reporter,
) -> Result<Option<Image>, OpenImageError> {
    match open_stored(name, directories, &choice.platform) {
        Err(OpenImageError::Store(error @ StoreError::Image(_))) => {
            reporter.debug(&format!("the store's image is not used: {error}"));
            Ok(None)
        }
        found => found,
    }
}

impl<'a> Coming<'a> {
    pub(super) fn begin(
        reference: &RegistryReference,
        choice: &'a ImageChoice,
        directories: &'a Directories,
        reporter: &'a dyn Reporter,
        cancel: &'a Cancellation,
    ) -> Result<Self, OpenImageError> {
        let of_hub = if reference.is_short() {
            " (Docker Hub, since no registry was named)"
        } else {
            ""
        };
        reporter.info(&format!("pulling {reference}{of_hub}"));
        let store = Store::open(&store_folder(&directories.cache))?;
        let cancellation = cancel.child();
        let registry = RegistryOptions {
            cancellation: cancellation.clone(),
            ..choice.registry.clone()
        };
        let client = RegistryClient::new(reference, registry);
        let news = News::new(reporter);
        let pull = Pull::begin(client, reference, &choice.platform, store, &news)?;
        Ok(Self {
            arriving: pull.image(Limits::default()),
            pull,
            choice,
            directories,
            reporter,
            cancellation,
        })
    }

    /// Fetches the rest, while `work` makes something of the image as it comes. What it reads waits
    /// for what is read; with nothing to read it may be over before the image is there.
    ///
    /// `work` is called again, with the whole image, if it could not be done with the arriving one and
    /// that may have been the arrival's fault.
    pub(crate) fn fetch_beside<T, E: From<OpenImageError>>(
        self,
        mut work: impl FnMut(&Image, &dyn Reporter) -> Result<T, E>,
    ) -> Result<(Image, T), E> {
        let (fetched, made) = thread::scope(|scope| {
            let fetching = scope.spawn(|| self.fetch());
            let made = work(&self.arriving, &Beside(self.reporter));
            if made.is_err() && !self.pull.is_doubtful() {
                // Whatever else comes is of no use.
                self.cancellation.cancel();
            }
            let fetched = fetching.join();
            (fetched, made)
        });
        self.reporter.end_parts();
        let fetched = fetched.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (fetched, made) {
            (Err(_), Err(error)) if self.cancellation.is_cancelled() => Err(error),
            (Err(error), _) => Err(error.into()),
            (Ok(image), Ok(made)) => Ok((image, made)),
            (Ok(image), Err(_)) if self.pull.is_doubtful() => {
                work(&image, self.reporter).map(|made| (image, made))
            }
            (Ok(_), Err(error)) => Err(error),
        }
    }

    /// Fetches what is missing, and opens the image in the store.
    fn fetch(&self) -> Result<Image, OpenImageError> {
        let news = News::new(self.reporter);
        let lease = self.pull.fetch(&news)?;
        self.reporter.info(&news.summary(self.pull.remote()));
        let digest = self.digest();
        let image = open_stored(&digest, self.directories, &self.choice.platform)?;
        drop(lease);
        image.ok_or(OpenImageError::Gone { digest })
    }

    /// What identifies what the name stands for: a manifest, or an index.
    pub(super) fn digest(&self) -> String {
        self.pull.remote().digest.to_string()
    }
}
