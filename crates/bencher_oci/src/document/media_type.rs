//! The media types of images, OCI's and Docker's.
//!
//! Sources: OCI image specification `media-types.md`; Docker's image manifest version 2 schema 2;
//! the encryption suffix is ocicrypt's; Docker's plain and zstd layers are what `BuildKit` and
//! containers/image write.

/// What a media type says that a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// An image manifest.
    Manifest,
    /// An index of manifests (Docker: a manifest list).
    Index,
    /// The configuration of an image.
    Config,
    /// A layer, compressed or not: the layer's first bytes decide, see [`crate::LayerReader`].
    Layer,
    /// A layer whose content is not part of the image.
    ForeignLayer,
    /// An encrypted layer.
    EncryptedLayer,
    /// A manifest of Docker's schema 1.
    SchemaOne,
    /// Anything else.
    Other,
}

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

impl MediaKind {
    /// What `media_type` stands for. Parameters (`; charset=…`) are not part of any of these
    /// media types; with one it is [`MediaKind::Other`].
    pub fn of(media_type: &str) -> Self {
        match media_type {
            OCI_MANIFEST | "application/vnd.docker.distribution.manifest.v2+json" => Self::Manifest,
            OCI_INDEX | "application/vnd.docker.distribution.manifest.list.v2+json" => Self::Index,
            OCI_CONFIG | DOCKER_CONFIG => Self::Config,
            OCI_LAYER
            | "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Self::Layer,
            "application/vnd.docker.distribution.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v1+prettyjws" => Self::SchemaOne,
            other if is_foreign(other) => Self::ForeignLayer,
            other if other.ends_with("+encrypted") => Self::EncryptedLayer,
            _ => Self::Other,
        }
    }
}

fn is_foreign(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (media_type, kind) in [
            (
                "application/vnd.oci.image.manifest.v1+json",
                MediaKind::Manifest,
            ),
            (
                "application/vnd.docker.distribution.manifest.list.v2+json",
                MediaKind::Index,
            ),
            (
                "application/vnd.docker.container.image.v1+json",
                MediaKind::Config,
            ),
            (
                "application/vnd.oci.image.layer.v1.tar+zstd",
                MediaKind::Layer,
            ),
            (
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                MediaKind::Layer,
            ),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                MediaKind::ForeignLayer,
            ),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                MediaKind::ForeignLayer,
            ),
            (
                "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
                MediaKind::EncryptedLayer,
            ),
            (
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                MediaKind::SchemaOne,
            ),
            ("application/vnd.in-toto+json", MediaKind::Other),
            (
                "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
                MediaKind::Other,
            ),
            ("", MediaKind::Other),
        ] {
            assert_eq!(MediaKind::of(media_type), kind, "{media_type}");
        }
    }
}
