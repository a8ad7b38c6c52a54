//! What can be wrong with a document of an image.

use crate::{Digest, Excerpt};

/// Why a manifest, an index, a configuration or a `manifest.json` is refused.
///
/// The messages are clauses that follow the document's name: "manifest sha256:… *has no layers*".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Longer than [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES).
    #[error("is {size} bytes long, more than the limit of 4 MiB")]
    TooLarge {
        /// Its length in bytes.
        size: u64,
    },
    /// Not JSON, not of the expected form, or JSON that must not be trusted: a key twice in one
    /// object, too deeply nested, too many values.
    #[error("is not valid: {0}")]
    Json(String),
    /// `schemaVersion` 1, or one of its media types.
    #[error(
        "is an image of Docker's schema 1, which has been obsolete since 2017 and is not \
         supported: convert it with `skopeo copy --format oci`, or push it again with a current tool"
    )]
    SchemaOne,
    /// No `schemaVersion`, or another one than 2.
    #[error("has schemaVersion {found}, expected 2")]
    SchemaVersion {
        /// The number, or `none`.
        found: String,
    },
    /// The document's own `mediaType` is not one of the expected kind.
    #[error("says that its media type is {found}, expected {expected}")]
    MediaType {
        /// What the document says.
        found: Excerpt,
        /// A media type of the expected kind.
        expected: &'static str,
    },
    /// A document that one tool would take as an index and another as a manifest
    /// (CVE-2021-41190).
    #[error("has both `manifests` and `layers` or `config`: it must be an index or a manifest")]
    IndexAndManifest,
    /// A required field is missing or `null`.
    #[error("has no `{0}`")]
    Missing(&'static str),
    /// The manifest of a Helm chart, a WebAssembly module, a signature, …
    #[error("is an artifact of type {0}, not a container image")]
    Artifact(Excerpt),
    /// A layer whose content is fetched from somewhere else.
    #[error(
        "has a foreign layer (number {number}, {media_type}), whose content is not part of the \
         image: foreign layers are not supported"
    )]
    ForeignLayer {
        /// Counted from 1.
        number: usize,
        /// The layer's media type.
        media_type: Excerpt,
    },
    /// An encrypted layer.
    #[error(
        "has an encrypted layer (number {number}, {media_type}): decrypt the image first, with \
         `skopeo copy --decryption-key`"
    )]
    EncryptedLayer {
        /// Counted from 1.
        number: usize,
        /// The layer's media type.
        media_type: Excerpt,
    },
    /// A layer that is there twice, once with another size.
    #[error("says two sizes of the layer {0}: build the image again")]
    TwoSizes(Digest),
    /// A layer of an unknown type.
    #[error("has a layer (number {number}) of the unknown media type {media_type}")]
    UnknownLayer {
        /// Counted from 1.
        number: usize,
        /// The layer's media type.
        media_type: Excerpt,
    },
    /// More than [`MAX_LAYERS`](super::MAX_LAYERS).
    #[error("has {count} layers, more than the limit of {limit}")]
    TooManyLayers {
        /// How many it has.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// `rootfs.type` is not `layers`.
    #[error("has a root filesystem of the type {0}, expected `layers`")]
    RootfsType(Excerpt),
    /// A text that goes to a system call has a NUL byte.
    #[error("has a NUL byte in `{0}`")]
    Nul(&'static str),
    /// A `manifest.json` that lists nothing.
    #[error("lists no image")]
    Empty,
}
