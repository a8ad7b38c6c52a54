//! `docker save` archives: a `manifest.json` that names the files of the archive.
//!
//! The older form has a folder per layer with `layer.tar` in it, of which the copies of a layer
//! are symbolic links; the newer one names blobs of the OCI layout that the archive also is. The
//! format has no digests but those in the configuration, and the configuration's own as its name.

use super::oci_layout::read_document;
use super::{Document, Image, ImageErrorReason, ImageOptions, check_config, name};
use crate::archive::Archive;
use crate::document::DOCKER_CONFIG;
use crate::reference::Selector;
use crate::{Digest, Excerpt, Layer, Listing, SavedImage, parse_config, parse_docker_save};

type Result<T> = std::result::Result<T, Box<ImageErrorReason>>;

/// Opens the image that `selector` chooses.
pub(super) fn open(
    archive: &Archive,
    selector: &Selector,
    options: &ImageOptions,
) -> Result<Image> {
    const NAME: &str = "manifest.json";
    if archive.is_repeated(NAME) {
        return Err(ImageErrorReason::Repeated(NAME).into());
    }
    let blob = archive
        .file(NAME)
        .ok_or(ImageErrorReason::NotADockerArchive)?;
    let bytes = read_document(&blob, NAME)?;
    let images = parse_docker_save(&bytes).map_err(|error| ImageErrorReason::Document {
        what: NAME.to_owned(),
        error,
    })?;
    let image = choose(&images, selector)?;

    let what = || format!("configuration {}", Excerpt::new(&image.config));
    let blob = file(archive, &image.config)?;
    let bytes = read_document(&blob, &what())?;
    let actual = Digest::sha256(&bytes);
    if named_digest(&image.config).is_some_and(|named| named != actual) {
        return Err(ImageErrorReason::Digest {
            what: what(),
            actual,
        }
        .into());
    }
    let config = parse_config(&bytes).map_err(|error| ImageErrorReason::Document {
        what: what(),
        error,
    })?;
    check_config(&config, image.layers.len(), &options.platform)?;
    let layers = image
        .layers
        .iter()
        .zip(&config.diff_ids)
        .map(|(path, diff_id)| {
            let blob = file(archive, path)?;
            Ok(Layer::in_docker_archive(
                blob,
                diff_id.clone(),
                options.limits,
            ))
        })
        .collect::<Result<_>>()?;
    Ok(Image {
        manifest_digest: None,
        config_digest: actual.clone(),
        platform: config
            .platform
            .as_ref()
            .unwrap_or(&options.platform)
            .clone(),
        config,
        layers,
        name: chosen_name(image, selector),
        manifest: None,
        config_document: Document {
            media_type: DOCKER_CONFIG.to_owned(),
            digest: actual,
            bytes: bytes.into(),
        },
        lease: None,
    })
}

fn choose<'a>(images: &'a [SavedImage], selector: &Selector) -> Result<&'a SavedImage> {
    let names = || Listing::new(images.iter().flat_map(|image| &image.repo_tags));
    match (selector, images) {
        (Selector::Only, [image]) => Ok(image),
        (Selector::Only, _) => Err(ImageErrorReason::SeveralSaved {
            count: images.len(),
            names: names(),
        }
        .into()),
        (Selector::Position(position), _) => images.get(*position).ok_or_else(|| {
            let (position, count) = (*position, images.len());
            ImageErrorReason::NoSuchPosition { position, count }.into()
        }),
        (Selector::Tag(tag), _) => images
            .iter()
            .find(|image| {
                image
                    .repo_tags
                    .iter()
                    .any(|known| name::is_same(known, tag))
            })
            .ok_or_else(|| {
                let tag = Excerpt::new(tag);
                ImageErrorReason::NoSuchTag {
                    tag,
                    names: names(),
                }
                .into()
            }),
        (Selector::Manifest(digest), _) => {
            let digests = Listing::new::<&str>([]);
            Err(ImageErrorReason::NoSuchManifest {
                digest: digest.clone(),
                digests,
            }
            .into())
        }
    }
}

/// The name that was asked for if it is one, else the image's first.
fn chosen_name(image: &SavedImage, selector: &Selector) -> Option<String> {
    let asked = match selector {
        Selector::Tag(tag) => image
            .repo_tags
            .iter()
            .find(|known| name::is_same(known, tag)),
        _ => None,
    };
    asked.or(image.repo_tags.first()).cloned()
}

/// The digest that a configuration's name has in it: `HEX.json` or `blobs/sha256/HEX`.
fn named_digest(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next()?;
    let hex = name.strip_suffix(".json").unwrap_or(name);
    format!("sha256:{hex}").parse().ok()
}

fn file(archive: &Archive, path: &str) -> Result<crate::blob::BlobFile> {
    archive
        .file(path)
        .ok_or_else(|| ImageErrorReason::NoSuchFile(Excerpt::new(path)).into())
}
