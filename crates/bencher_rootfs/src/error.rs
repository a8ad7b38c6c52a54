//! Why an image could not be built.

use std::io;

use crate::ext4::Ext4Error;
use crate::layer::LayerError;
use crate::limits::LimitError;
use crate::merge::MergeError;
use crate::source::BoxedError;
use crate::tar::TarError;

const MIB: u64 = 1 << 20;

/// Why an image could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// The image as a whole exceeds a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A layer could not be opened.
    #[error("failed to open layer {layer}")]
    OpenLayer {
        /// Its name.
        layer: String,
        /// Why.
        source: BoxedError,
    },
    /// A layer could not be decompressed, or is not what its digest says.
    #[error("failed to read layer {layer}")]
    ReadLayer {
        /// Its name.
        layer: String,
        /// Why.
        source: io::Error,
    },
    /// The contents of a layer are refused.
    #[error("failed to unpack layer {layer}")]
    Layer {
        /// Its name.
        layer: String,
        /// Why.
        source: LayerError,
    },
    /// A layer is not the one that the image's configuration lists.
    #[error(
        "layer {layer} has the diff_id sha256:{actual}, but the image lists sha256:{expected}: \
         the image is damaged"
    )]
    DiffId {
        /// Its name.
        layer: String,
        /// In hexadecimal digits.
        expected: String,
        /// In hexadecimal digits.
        actual: String,
    },
    /// A layer can not be put on top of those below it.
    #[error("failed to merge layer {layer} with those below it")]
    Merge {
        /// Its name.
        layer: String,
        /// Why.
        source: MergeError,
    },
    /// The root filesystem needs a larger disk.
    #[error(
        "the image does not fit on a disk of {} MiB: it needs at least {} MiB, and more for the \
         files that the command writes; choose a larger disk (--disk)",
        .disk_bytes / MIB,
        .needed_bytes.div_ceil(MIB)
    )]
    DoesNotFit {
        /// Size of the disk in bytes.
        disk_bytes: u64,
        /// What would do, in bytes.
        needed_bytes: u64,
    },
    /// The filesystem of the host that the image is written to is full.
    #[error("the host's disk is full: free some space where the image is written to")]
    HostDiskFull(#[source] io::Error),
    /// The image file could not be written.
    #[error("failed to write the image file")]
    Write(#[source] io::Error),
    /// The filesystem could not be made.
    #[error("failed to make the root filesystem")]
    Ext4(#[source] Ext4Error),
    /// A thread could not be started.
    #[error("failed to start a thread")]
    Thread(#[source] io::Error),
    /// It was asked to stop.
    #[error("building the image was cancelled")]
    Cancelled,
}

impl RootfsError {
    /// A failed write: a full disk is worth a message of its own.
    pub(crate) fn write(error: io::Error) -> Self {
        if is_full(&error) {
            Self::HostDiskFull(error)
        } else {
            Self::Write(error)
        }
    }

    /// A failure inside a layer.
    pub(crate) fn layer(layer: String, error: LayerError) -> Self {
        match error {
            LayerError::Tar(TarError::Read { source, .. }) => Self::ReadLayer { layer, source },
            source => Self::Layer { layer, source },
        }
    }
}

impl From<Ext4Error> for RootfsError {
    fn from(error: Ext4Error) -> Self {
        match error {
            Ext4Error::DiskTooSmall { size, needed } => Self::DoesNotFit {
                disk_bytes: size,
                needed_bytes: needed,
            },
            Ext4Error::Write { source, .. } | Ext4Error::Resize { source, .. }
                if is_full(&source) =>
            {
                Self::HostDiskFull(source)
            }
            other => Self::Ext4(other),
        }
    }
}

/// Why contents could not be placed.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The space for contents is used up; another way of placing them may need less.
    Full,
    /// There is no other way.
    Failed(RootfsError),
}

impl From<RootfsError> for ReadError {
    fn from(error: RootfsError) -> Self {
        Self::Failed(error)
    }
}

/// Whether an error means that the host has no space left, or no more for this user.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
