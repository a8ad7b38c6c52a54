//! OCI and Docker images: references, registries, local formats, configuration, verified layers, and a
//! store.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bencher_oci::{Image, ImageOptions, ImageReference};
//!
//! let reference = ImageReference::parse("oci:layout:latest".as_ref())?;
//! let image = Image::open(&reference, &ImageOptions::new(std::env::temp_dir()))?;
//! for layer in &image.layers {
//!     let mut tar = layer.open()?;
//!     std::io::copy(&mut tar, &mut std::io::sink())?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Images in registries are fetched by [`registry`], into whatever keeps blobs.
//!
//! An image is hostile: nothing that it says makes this crate read outside the layout or the
//! archive, trust bytes that were not verified, or use memory without a bound ([`Limits`]).
//!
//! Errors are one line each, complete in themselves: they name the cause instead of chaining to
//! it, so print them with `{}`.

mod archive;
mod blob;
mod cancellation;
mod decompress;
mod digest;
mod document;
mod excerpt;
mod hashed_buffer;
mod image;
mod layer;
mod layout_dir;
mod limits;
mod platform;
mod process;
mod pull;
mod reference;
pub mod registry;
mod save;
mod store;

pub use archive::{ArchiveError, OpenArchiveError, list_archive};
pub use cancellation::{Cancellation, LeftAlone, OnCancel};
pub use decompress::DecompressError;
pub use digest::{Digest, DigestError};
pub use document::{
    Descriptor, DocumentError, ImageConfig, ImageIndex, ImageManifest, MAX_DOCUMENT_BYTES,
    MAX_LAYERS, MediaKind, SavedImage, parse_config, parse_docker_save, parse_index,
    parse_manifest,
};
pub use excerpt::{Excerpt, Listing};
pub use image::{Document, Image, ImageError, ImageErrorReason, ImageOptions};
pub use layer::{Layer, LayerError, LayerErrorReason, LayerReader};
pub use layout_dir::LayoutFileError;
pub use limits::Limits;
pub use platform::{Platform, PlatformError};
pub use process::{
    CommandError, CommandOverrides, DEFAULT_PATH, EnvironmentError, Principal, StopSignal,
    StopSignalError, UserSpec, UserSpecError, WorkingDirError, merge_environment, resolve_command,
    resolve_working_dir,
};
pub use pull::{Pull, PullError};
pub use reference::{ImageReference, ImageSource, PathKind, ReferenceError, Selector};
pub use save::{SaveError, save};
pub use store::{
    BlobLease, Damage, ImageLease, Ingest, Ingestion, PartialBlob, Removal, Store, StoreError,
    StoredBlob, StoredImage,
};
