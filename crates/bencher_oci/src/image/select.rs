//! Which of the manifests that are there is the wanted one: pure decisions.

use super::error::ImageErrorReason;
use super::name;
use crate::reference::Selector;
use crate::{Descriptor, Excerpt, Listing, Platform};

/// The entries of a layout's `index.json` that are the image that `selector` chooses: more than
/// one if they are the same image for several platforms.
pub(super) fn entries<'a>(
    manifests: &'a [Descriptor],
    selector: &Selector,
) -> Result<Vec<&'a Descriptor>, ImageErrorReason> {
    let images: Vec<_> = manifests
        .iter()
        .filter(|entry| !entry.is_attestation())
        .collect();
    match selector {
        Selector::Only | Selector::Position(_) => one_image(images),
        Selector::Tag(tag) => {
            let exact = filter(&images, |entry| entry.ref_name() == Some(tag));
            let found = if exact.is_empty() {
                filter(&images, |entry| {
                    names(entry).any(|known| name::is_same(known, tag))
                })
            } else {
                exact
            };
            if found.is_empty() {
                let tag = Excerpt::new(tag);
                return Err(ImageErrorReason::NoSuchTag {
                    tag,
                    names: listing(&images),
                });
            }
            one_image(found)
        }
        Selector::Manifest(digest) => Ok(filter(&images, |entry| entry.digest == *digest)),
    }
}

fn filter<'a>(
    images: &[&'a Descriptor],
    wanted: impl Fn(&Descriptor) -> bool,
) -> Vec<&'a Descriptor> {
    images
        .iter()
        .copied()
        .filter(|entry| wanted(entry))
        .collect()
}

fn names(entry: &Descriptor) -> impl Iterator<Item = &str> {
    entry.image_name().into_iter().chain(entry.ref_name())
}

/// What tells one image from another: the full name where there is one, else the tag.
pub(super) fn name_of(entry: &Descriptor) -> Option<&str> {
    names(entry).next()
}

/// Entries of one name are one image, and entries of one digest are as well.
fn one_image(images: Vec<&Descriptor>) -> Result<Vec<&Descriptor>, ImageErrorReason> {
    let Some(first) = images.first() else {
        return Ok(images);
    };
    let same_name = images.iter().all(|entry| name_of(entry) == name_of(first));
    let same_digest = images.iter().all(|entry| entry.digest == first.digest);
    if same_name || same_digest {
        return Ok(images);
    }
    Err(ImageErrorReason::Several {
        names: listing(&images),
    })
}

fn listing(images: &[&Descriptor]) -> Listing {
    Listing::new(
        images
            .iter()
            .map(|entry| name_of(entry).map_or_else(|| entry.digest.to_string(), str::to_owned)),
    )
}

/// A manifest that an index lists, and what its image runs on where the index says so.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) manifest: Descriptor,
    pub(crate) platform: Option<Platform>,
}

/// The manifest that runs best on `wanted`; one of an unknown platform only if no other does.
pub(crate) fn best<'a>(
    leaves: &'a [Leaf],
    wanted: &Platform,
) -> Result<&'a Leaf, ImageErrorReason> {
    let mut best = None;
    for leaf in leaves {
        let suitability = leaf
            .platform
            .as_ref()
            .and_then(|offered| wanted.suitability(offered));
        // Of equals the first one wins, as in containerd.
        if suitability.is_some() && best.is_none_or(|(_, found)| suitability > found) {
            best = Some((leaf, suitability));
        }
    }
    if let Some((leaf, _)) = best {
        return Ok(leaf);
    }
    let mut unknown = leaves.iter().filter(|leaf| leaf.platform.is_none());
    match unknown.next() {
        None => {
            let available = leaves.iter().filter_map(|leaf| leaf.platform.as_ref());
            Err(ImageErrorReason::platform(wanted, available))
        }
        Some(first) if unknown.all(|leaf| leaf.manifest.digest == first.manifest.digest) => {
            Ok(first)
        }
        Some(_) => {
            let manifests: Vec<_> = leaves.iter().map(|leaf| &leaf.manifest).collect();
            Err(ImageErrorReason::Several {
                names: listing(&manifests),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, parse_index};

    /// A manifest for a platform; an empty one is unknown.
    fn leaf(number: usize, platform: &str) -> Leaf {
        let digest = Digest::sha256(&[u8::try_from(number).unwrap()]);
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{digest}","size":1}}]}}"#
        );
        let manifest = parse_index(index.as_bytes()).unwrap().manifests.remove(0);
        Leaf {
            manifest,
            platform: platform.parse().ok(),
        }
    }

    #[test]
    fn the_best_platform() {
        let cases: [(&str, &[&str], Option<usize>); 8] = [
            (
                "linux/arm/v7",
                &["linux/arm/v5", "linux/arm/v6", "linux/arm64"],
                Some(1),
            ),
            ("linux/arm/v7", &["linux/arm/v6", "linux/arm/v5"], Some(0)),
            // Of equals the first one.
            ("linux/amd64", &["linux/amd64", "linux/amd64"], Some(0)),
            // One that says its platform is better than one that does not.
            ("linux/amd64", &["", "linux/amd64"], Some(1)),
            ("linux/amd64", &["linux/arm64", ""], Some(1)),
            ("linux/amd64", &["", ""], None),
            ("linux/amd64", &["linux/amd64/v3"], None),
            ("linux/amd64", &[], None),
        ];
        for (wanted, offers, expected) in cases {
            let leaves: Vec<_> = offers
                .iter()
                .enumerate()
                .map(|(number, offer)| leaf(number, offer))
                .collect();
            let found = best(&leaves, &wanted.parse().unwrap()).ok();
            let position = found.map(|found| {
                leaves
                    .iter()
                    .position(|leaf| std::ptr::eq(leaf, found))
                    .unwrap()
            });
            assert_eq!(position, expected, "{wanted} of {offers:?}");
        }
        let twice = [leaf(1, ""), leaf(1, "")];
        assert!(
            best(&twice, &Platform::host()).is_ok(),
            "one digest is one image"
        );
    }
}
