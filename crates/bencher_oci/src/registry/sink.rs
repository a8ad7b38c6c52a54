//! The seam between the registry and whatever keeps blobs.

use std::fmt;
use std::io;
use std::time::Duration;

use super::{CredentialError, RegistryError};
use crate::{Cancellation, Descriptor};

/// Whatever keeps blobs: a store.
///
/// It is asked from several threads at once, for different blobs.
pub trait BlobStore: Sync {
    /// Where the bytes of `blob` go; `None` if the whole blob is there already. Whoever else writes
    /// it is waited for, until `cancellation` ends that.
    ///
    /// # Errors
    /// The blob cannot be kept; of the kind `Interrupted` if it was told to end.
    fn sink(
        &self,
        blob: &Descriptor,
        cancellation: &Cancellation,
    ) -> io::Result<Option<Box<dyn BlobSink + '_>>>;
}

/// Where the bytes of one blob go.
///
/// ```text
/// resume ──► write … write ──► finish
///              └─► restart ──► write …
/// ```
///
/// Bytes come in order, each once, also when the connection breaks in between and when the server
/// cannot continue where it stopped. [`BlobSink::restart`] is the exception, and happens at most
/// once: what an earlier attempt left turned out not to be the blob's beginning. A sink that is
/// dropped before `finish` should keep what it has, for the next attempt's `resume`.
///
/// Errors of the kinds `StorageFull` and `QuotaExceeded` are reported as what they are.
pub trait BlobSink: Send {
    /// Gives what an earlier attempt left, from the blob's beginning on, to `kept`, in pieces. It
    /// is hashed with the rest, so it need not be checked.
    ///
    /// # Errors
    /// What is there cannot be read.
    fn resume(&mut self, kept: &mut dyn FnMut(&[u8])) -> io::Result<()>;

    /// Appends `bytes`.
    ///
    /// # Errors
    /// They cannot be kept.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Throws away everything so far: the blob comes from its beginning again.
    ///
    /// # Errors
    /// It cannot be thrown away.
    fn restart(&mut self) -> io::Result<()>;

    /// The blob is whole, and its length and its digest are the expected ones: they have been
    /// verified over every byte given to `write` and by `resume`.
    ///
    /// # Errors
    /// The blob cannot be kept for good.
    fn finish(&mut self) -> io::Result<()>;
}

/// Whoever wants to know how a pull goes on. It is called from several threads at once.
pub trait PullObserver: Sync {
    /// Something happened.
    fn event(&self, event: &PullEvent<'_>);
}

/// An observer that does not look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl PullObserver for Unobserved {
    fn event(&self, _: &PullEvent<'_>) {}
}

/// Something that happens during a pull.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum PullEvent<'a> {
    /// The whole blob is there already.
    Present {
        /// The blob.
        blob: &'a Descriptor,
    },
    /// Somebody else fetches the blob, and is waited for.
    Waiting {
        /// The blob.
        blob: &'a Descriptor,
    },
    /// A blob is being fetched.
    Started {
        /// The blob.
        blob: &'a Descriptor,
        /// How many bytes of it an earlier attempt left.
        kept: u64,
    },
    /// More of a blob is there.
    Progress {
        /// The blob.
        blob: &'a Descriptor,
        /// How many bytes of it there are, out of `blob.size`.
        received: u64,
    },
    /// A blob is whole and verified.
    Finished {
        /// The blob.
        blob: &'a Descriptor,
    },
    /// A request failed and is repeated.
    Retry {
        /// What failed, and why.
        error: &'a RegistryError,
        /// How long until the next attempt.
        wait: Duration,
    },
    /// A file or a helper that should have credentials is of no use; the pull goes on without.
    NoCredentials {
        /// Why.
        error: &'a CredentialError,
    },
}

/// A description for a log line.
impl fmt::Display for PullEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present { blob } => write!(f, "{} is there already", blob.digest),
            Self::Waiting { blob } => {
                write!(f, "another runner fetches {}: waiting for it", blob.digest)
            }
            Self::Started { blob, kept: 0 } => {
                write!(f, "{}: fetching {} bytes", blob.digest, blob.size)
            }
            Self::Started { blob, kept } => write!(
                f,
                "{}: fetching {} bytes, {kept} are there",
                blob.digest, blob.size
            ),
            Self::Progress { blob, received } => {
                write!(f, "{}: {received} of {} bytes", blob.digest, blob.size)
            }
            Self::Finished { blob } => write!(f, "{} is there and verified", blob.digest),
            Self::Retry { error, wait } => {
                write!(f, "{error}: trying again in {:.1} s", wait.as_secs_f64())
            }
            Self::NoCredentials { error } => write!(f, "{error}: going on without credentials"),
        }
    }
}
