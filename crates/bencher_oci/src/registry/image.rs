//! From a name to a manifest and a configuration that fit together and this platform.

use serde::Deserialize;
use ureq::http::header::{CONTENT_TYPE, HeaderName};

use super::session::{Get, Pull, Session};
use super::{RegistryError, RegistryErrorReason, RegistryReference};
use crate::digest::Hasher;
use crate::document::json;
use crate::image::check_config;
use crate::image::index_reader::IndexReader;
use crate::image::select;
use crate::{
    Descriptor, Digest, DocumentError, Excerpt, ImageConfig, ImageErrorReason, ImageManifest,
    MAX_DOCUMENT_BYTES, MediaKind, Platform, parse_config, parse_index, parse_manifest,
};

/// The types of manifests that are asked for, the specification's before Docker's.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// The registry's own word for a manifest's digest.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// An image in a registry, without its layers.
#[derive(Clone, Debug)]
pub struct RemoteImage {
    /// What was asked for.
    pub reference: RegistryReference,
    /// Everything that was fetched, verified: the indexes that lead to the manifest, the manifest,
    /// the configuration. A store keeps these bytes as they are.
    pub documents: Vec<RemoteDocument>,
    /// The digest of what the name stands for: of the index, or of the manifest where there is no
    /// index.
    pub digest: Digest,
    /// The digest of the manifest for the wanted platform.
    pub manifest_digest: Digest,
    /// Which configuration and layers the image has.
    pub manifest: ImageManifest,
    /// What to run and how; it has a diff ID for each of the manifest's layers.
    pub config: ImageConfig,
    /// What the image runs on: what its configuration says, else its index, else what was asked
    /// for.
    pub platform: Platform,
}

/// A verified document of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteDocument {
    /// Its media type, digest and size.
    pub descriptor: Descriptor,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Finds the image that `pull` names, for `platform`.
pub(super) fn resolve(
    session: &Session,
    pull: Pull<'_>,
    platform: &Platform,
) -> Result<RemoteImage, RegistryError> {
    let top = manifest(session, pull, &pull.image.manifest(), pull.image.digest())?;
    let digest = top.descriptor.digest.clone();
    let mut documents = Vec::new();
    let mut offered = None;
    let document = match top.descriptor.kind() {
        MediaKind::Index => {
            let leaf = choose(session, pull, &top, platform, &mut documents)?;
            offered = leaf.platform;
            let wanted = &leaf.manifest.digest;
            let document = manifest(session, pull, &wanted.to_string(), Some(wanted))?;
            documents.insert(0, top);
            document
        }
        _ => top,
    };
    let at = |digest: &Digest| format!("{} ({digest})", pull.image);
    let manifest_digest = document.descriptor.digest.clone();
    let manifest = parse_manifest(&document.bytes).map_err(|error| {
        let reason = RegistryErrorReason::Document(error);
        session.error(at(&manifest_digest), reason)
    })?;
    documents.push(document);
    let config_document = small_blob(session, pull, &manifest.config)?;
    let config = parse_config(&config_document.bytes).map_err(|error| {
        let reason = RegistryErrorReason::Document(error);
        session.error(at(&manifest.config.digest), reason)
    })?;
    documents.push(config_document);
    check_config(&config, manifest.layers.len(), platform)
        .map_err(|reason| session.error(pull.image, RegistryErrorReason::Image(reason)))?;
    let found = config.platform.clone().or(offered);
    Ok(RemoteImage {
        reference: pull.image.clone(),
        documents,
        digest,
        manifest_digest,
        platform: found.unwrap_or_else(|| platform.clone()),
        manifest,
        config,
    })
}

/// The manifest of an index that runs best on `platform`. Nested indexes that are read go to
/// `documents`.
fn choose(
    session: &Session,
    pull: Pull<'_>,
    top: &RemoteDocument,
    platform: &Platform,
    documents: &mut Vec<RemoteDocument>,
) -> Result<select::Leaf, RegistryError> {
    let failed = |failure| match failure {
        Failure::Image(reason) => session.error(pull.image, RegistryErrorReason::from(reason)),
        Failure::Registry(error) => error,
    };
    let index = parse_index(&top.bytes)
        .map_err(|error| session.error(pull.image, RegistryErrorReason::Document(error)))?;
    let mut reader = IndexReader::new(|entry: &Descriptor, _: &str| {
        let name = entry.digest.to_string();
        let document = manifest(session, pull, &name, Some(&entry.digest))?;
        let bytes = document.bytes.clone();
        documents.push(document);
        Ok(bytes)
    });
    let collected = reader.collect(&index.manifests, 0);
    collected.map_err(failed)?;
    reader.has_leaves().map_err(failed)?;
    let best = select::best(reader.leaves(), platform).map_err(Failure::Image);
    best.cloned().map_err(failed)
}

/// What can go wrong while nested indexes are read.
enum Failure {
    Image(ImageErrorReason),
    Registry(RegistryError),
}

impl From<ImageErrorReason> for Failure {
    fn from(reason: ImageErrorReason) -> Self {
        Self::Image(reason)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

/// The manifest or the index called `name`, verified where its digest is known before.
fn manifest(
    session: &Session,
    pull: Pull<'_>,
    name: &str,
    expected: Option<&Digest>,
) -> Result<RemoteDocument, RegistryError> {
    let path = format!("manifests/{name}");
    let url = session.url(pull, &path)?;
    let failed = |reason| session.error(&url, reason);
    session.retry(pull, || {
        let get = Get {
            path: &path,
            accept: Some(MANIFEST_TYPES),
            from: 0,
            what: "image",
        };
        let answer = session.get(pull, get)?;
        let media_type = answer
            .header(CONTENT_TYPE)
            .map(bare_type)
            .unwrap_or_default();
        let said = answer.header(CONTENT_DIGEST).map(str::parse::<Digest>);
        let bytes = session.http().read(answer, MAX_DOCUMENT_BYTES);
        let bytes = bytes.map_err(failed)?;
        let said = said.transpose().map_err(|_| {
            let what = "a Docker-Content-Digest that is no digest".to_owned();
            failed(RegistryErrorReason::Protocol(what))
        })?;
        let digest = match expected.or(said.as_ref()) {
            None => Digest::sha256(&bytes),
            Some(expected) => verify(&bytes, expected).map_err(failed)?,
        };
        let media_type = kind(media_type, &bytes).map_err(failed)?;
        let descriptor = Descriptor::new(&media_type, digest, bytes.len() as u64);
        Ok(RemoteDocument { descriptor, bytes })
    })
}

/// A blob that is small enough for memory, verified.
fn small_blob(
    session: &Session,
    pull: Pull<'_>,
    blob: &Descriptor,
) -> Result<RemoteDocument, RegistryError> {
    let path = format!("blobs/{}", blob.digest);
    let url = session.url(pull, &path)?;
    let failed = |reason| session.error(&url, reason);
    if blob.size > MAX_DOCUMENT_BYTES {
        let error = DocumentError::TooLarge { size: blob.size };
        return Err(failed(RegistryErrorReason::Document(error)));
    }
    let size = blob.size;
    session.retry(pull, || {
        let get = Get {
            path: &path,
            accept: None,
            from: 0,
            what: "configuration",
        };
        let answer = session.get(pull, get)?;
        // One byte more than expected tells that there are more.
        let bytes = session.http().read(answer, size + 1).map_err(failed)?;
        if bytes.len() as u64 != size {
            let actual = format!("{} bytes", bytes.len());
            return Err(failed(RegistryErrorReason::Length {
                expected: size,
                actual,
            }));
        }
        verify(&bytes, &blob.digest).map_err(failed)?;
        Ok(RemoteDocument {
            descriptor: blob.clone(),
            bytes,
        })
    })
}

fn verify(bytes: &[u8], expected: &Digest) -> Result<Digest, RegistryErrorReason> {
    let mut hasher = Hasher::like(expected);
    hasher.update(bytes);
    let actual = hasher.finish();
    if actual == *expected {
        return Ok(actual);
    }
    Err(RegistryErrorReason::Digest {
        expected: expected.clone(),
        actual,
    })
}

/// A media type without its parameters, in an own text.
pub(super) fn bare_type(value: &str) -> String {
    let bare = value.split(';').next().unwrap_or_default();
    bare.trim().to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a manifest")]
struct TypeOnly {
    media_type: Option<String>,
    schema_version: Option<i64>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// What a manifest is: what the registry says, or, where that says nothing, what it says itself.
pub(super) fn kind(announced: String, bytes: &[u8]) -> Result<String, RegistryErrorReason> {
    let document: TypeOnly = json::parse(bytes).map_err(RegistryErrorReason::Document)?;
    // Old registries say no type or a general one for these.
    let is_schema_one = document.schema_version == Some(1) || document.fs_layers.is_some();
    let says_nothing = matches!(
        announced.as_str(),
        "" | "application/json" | "application/octet-stream" | "text/plain"
    );
    let media_type = match document.media_type {
        Some(own) if says_nothing => own,
        _ => announced,
    };
    match MediaKind::of(&media_type) {
        _ if is_schema_one => Err(RegistryErrorReason::Document(DocumentError::SchemaOne)),
        MediaKind::Manifest | MediaKind::Index => Ok(media_type),
        MediaKind::SchemaOne => Err(RegistryErrorReason::Document(DocumentError::SchemaOne)),
        _ => Err(RegistryErrorReason::NotAnImage(Excerpt::new(&media_type))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    #[test]
    fn what_a_manifest_is() {
        let own = format!(r#"{{"mediaType":"{INDEX}"}}"#);
        let of = |announced: &str, bytes: &str| {
            kind(bare_type(announced), bytes.as_bytes()).map_err(|error| error.to_string())
        };
        for announced in [
            INDEX,
            "application/vnd.oci.image.index.v1+json; charset=utf-8",
        ] {
            assert_eq!(of(announced, "{}").unwrap(), INDEX);
        }
        for announced in ["", "application/json", "text/plain; charset=utf-8"] {
            assert_eq!(of(announced, &own).unwrap(), INDEX);
        }
        for (announced, bytes, error) in [
            ("text/html", "{}", "which is not a container image"),
            ("application/json", "{}", "which is not a container image"),
            ("", r#"{"schemaVersion":1}"#, "Docker's schema 1"),
            (INDEX, r#"{"fsLayers":[]}"#, "Docker's schema 1"),
            (
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                "{}",
                "Docker's schema 1",
            ),
            (INDEX, "<html>", "is not valid"),
        ] {
            let found = of(announced, bytes).unwrap_err();
            assert!(found.contains(error), "{announced}: {found}");
        }
    }
}
