//! The JSON documents of an image: pure parsers of untrusted bytes.
//!
//! The serde structures here are this crate's own. Those of a general OCI library either accept
//! what must be refused (a repeated key, a document that is an index and a manifest at once, a
//! digest that is not one) or refuse what Docker writes (`null` where the specification has a
//! list), and they keep every field where this crate wants eight.

mod config;
mod descriptor;
mod docker_save;
mod error;
mod index;
pub(crate) mod json;
mod manifest;
mod media_type;

pub use config::{ImageConfig, parse_config};
pub use descriptor::Descriptor;
pub use docker_save::{SavedImage, parse_docker_save};
pub use error::DocumentError;
pub use index::{ImageIndex, parse_index};
pub use manifest::{ImageManifest, MAX_LAYERS, parse_manifest};
pub use media_type::MediaKind;
pub(crate) use media_type::{DOCKER_CONFIG, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};

/// The most bytes of one JSON document: the limit that registries put on a manifest.
pub const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests;
