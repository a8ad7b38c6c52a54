//! Getting an image from wherever it is: a file, the store, a registry.
//!
//! ```text
//! a path ──────────────────────────────────► Here
//! a name ─► in the store, unless `always` ─► Here
//!       └─► a registry, unless `never` ────► Coming ─► make something of it meanwhile ─► in the store
//! ```

use std::sync::atomic::AtomicBool;
use std::thread;

use bencher_oci::registry::{Cancellation, RegistryClient, RegistryOptions, RegistryReference};
use bencher_oci::{Digest, Image, ImageReference, Limits, Pull, ReferenceError, Store, StoreError};

use super::news::News;
use super::{ImageChoice, OpenImageError, PullPolicy, open_stored, options, store_folder};
use crate::reporter::Beside;
use crate::{Directories, Reporter};

/// So many digits in a row are taken for the beginning of a digest, as the store does.
const LEAST_DIGITS: usize = 8;

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
    cancel: &'a AtomicBool,
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

/// Finds the image that `choice` means. It ends when `cancel` becomes true and something comes, or
/// nothing has come for too long.
pub(crate) fn obtain<'a>(
    choice: &'a ImageChoice,
    directories: &'a Directories,
    reporter: &'a dyn Reporter,
    cancel: &'a AtomicBool,
) -> Result<Obtained<'a>, OpenImageError> {
    let unknown = match ImageReference::parse(&choice.name) {
        Ok(reference) => {
            let options = options(directories, &choice.platform)?;
            let image = Image::open(&reference, &options)?;
            return Ok(Obtained::Here(Box::new(image)));
        }
        // It could be the name of an image, and no file has it.
        Err(unknown @ ReferenceError::Registry { .. }) => unknown,
        Err(error) => return Err(error.into()),
    };
    let name = choice.name.to_string_lossy();
    let name = name.strip_prefix("docker://").unwrap_or(&name);
    if choice.pull != PullPolicy::Always
        && let Some(image) = find_stored(name, choice, directories, reporter)?
    {
        return Ok(Obtained::Here(Box::new(image)));
    }
    if is_digest(name) {
        let name = name.to_owned();
        return Err(OpenImageError::Digest { name });
    }
    if choice.pull == PullPolicy::Never {
        return Err(unknown.into());
    }
    let reference: RegistryReference = name.parse()?;
    let coming = Coming::begin(&reference, choice, directories, reporter, cancel)?;
    Ok(Obtained::Coming(Box::new(coming)))
}

/// Looks into the store. What there has lost a part, or has none for this platform, is as if it was
/// not there if it may be pulled.
fn find_stored(
    name: &str,
    choice: &ImageChoice,
    directories: &Directories,
    reporter: &dyn Reporter,
) -> Result<Option<Image>, OpenImageError> {
    match (
        choice.pull,
        open_stored(name, directories, &choice.platform),
    ) {
        (PullPolicy::Missing, Err(OpenImageError::Store(error @ StoreError::Image(_)))) => {
            reporter.debug(&format!("the store's image is not used: {error}"));
            Ok(None)
        }
        (_, found) => found,
    }
}

/// Whether `name` is (the beginning of) a digest, which no registry knows without a repository.
fn is_digest(name: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.parse::<Digest>().is_ok() || (name.len() >= LEAST_DIGITS && name.bytes().all(is_hex))
}

impl<'a> Coming<'a> {
    pub(super) fn begin(
        reference: &RegistryReference,
        choice: &'a ImageChoice,
        directories: &'a Directories,
        reporter: &'a dyn Reporter,
        cancel: &'a AtomicBool,
    ) -> Result<Self, OpenImageError> {
        let of_hub = if reference.is_short() {
            " (Docker Hub, since no registry was named)"
        } else {
            ""
        };
        reporter.info(&format!("pulling {reference}{of_hub}"));
        let store = Store::open(&store_folder(&directories.cache))?;
        let cancellation = Cancellation::default();
        let registry = RegistryOptions {
            cancellation: cancellation.clone(),
            ..choice.registry.clone()
        };
        let client = RegistryClient::new(reference, registry);
        let news = News::new(reporter, cancel, &cancellation);
        let pull = Pull::begin(client, reference, &choice.platform, store, &news)?;
        Ok(Self {
            arriving: pull.image(Limits::default()),
            pull,
            choice,
            directories,
            reporter,
            cancel,
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
        let news = News::new(self.reporter, self.cancel, &self.cancellation);
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
