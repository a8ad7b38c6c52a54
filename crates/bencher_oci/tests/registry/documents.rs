//! Manifests, indexes and configurations that are wrong, or no image's.

use std::sync::Arc;

use bencher_oci::{Digest, Platform};
use serde_json::json;

use crate::server::{Body, Reply, Server};
use crate::site::{CONFIG, INDEX, LAYER, MANIFEST, REPOSITORY, Site, config, is_blob, layer};
use crate::support::*;

#[test]
fn a_manifest_without_end_is_not_read_further_than_its_limit() {
    for body in [Body::Announced(1 << 40, Vec::new()), Body::Endless] {
        let registry = Server::start(move |request| match request.path.as_str() {
            "/v2/" => Reply::bytes(b"{}"),
            _ => Reply::new(200, body.clone()),
        });
        let error = pull(&registry, options()).err().unwrap();
        assert_says(
            &error,
            "more than 4194304 bytes for a document that has a few thousand",
        );
    }
}

/// What pulling an image with this manifest ends with.
fn refused(media_type: &str, manifest: &serde_json::Value) -> String {
    let mut site = Site::of(&[]);
    site.tag(media_type, manifest);
    let registry = Server::start(move |request| site.reply(request));
    pull(&registry, options()).err().unwrap()
}

#[test]
fn what_is_no_image_is_refused_with_its_reason() {
    let blob = |media_type: &str| json!({"mediaType": media_type, "digest": Digest::sha256(b""), "size": 0});
    let manifest = |config: &str, layers: &[&str]| {
        let layers: Vec<_> = layers.iter().map(|layer| blob(layer)).collect();
        json!({"schemaVersion": 2, "config": blob(config), "layers": layers})
    };
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let both = json!({"schemaVersion": 2, "config": blob(CONFIG), "layers": [], "manifests": []});
    let docker_one = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    for (media_type, manifest, reason) in [
        (
            MANIFEST,
            manifest("application/vnd.cncf.helm.config.v1+json", &[]),
            "is an artifact of type `application/vnd.cncf.helm.config.v1+json`, not a container \
             image",
        ),
        (
            MANIFEST,
            manifest(CONFIG, &[foreign]),
            "has a foreign layer (number 1",
        ),
        (
            MANIFEST,
            both.clone(),
            "has both `manifests` and `layers` or `config`",
        ),
        (INDEX, both, "has both `manifests` and `layers` or `config`"),
        (
            docker_one,
            json!({"schemaVersion": 1}),
            "is an image of Docker's schema 1",
        ),
        (
            "application/json",
            json!({"schemaVersion": 1}),
            "is an image of Docker's schema 1",
        ),
        (
            "application/vnd.oci.artifact.manifest.v1+json",
            json!({}),
            "has the media type `application/vnd.oci.artifact.manifest.v1+json`, which is not a \
             container image",
        ),
        ("text/html", json!("hello"), "is not valid"),
        // Media-type confusion: an index that is called a manifest.
        (
            MANIFEST,
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}),
            "says that its media type is",
        ),
        (
            INDEX,
            json!({"schemaVersion": 2, "manifests": []}),
            "holds no image manifest",
        ),
    ] {
        assert_says(&refused(media_type, &manifest), reason);
    }
}

#[test]
fn a_manifest_is_verified() {
    // Another one than the digest in the index says.
    let mut site = Site::of(&[layer(10)]);
    let entry = json!({"mediaType": MANIFEST, "digest": Digest::sha256(b"x"), "size": 1});
    site.tag(INDEX, &json!({"schemaVersion": 2, "manifests": [entry]}));
    let site = Arc::new(site);
    let served = Arc::clone(&site);
    let registry = Server::start(move |request| {
        if request.path.ends_with(&Digest::sha256(b"x").to_string()) {
            Reply::bytes(b"{}").with("Content-Type", MANIFEST)
        } else {
            served.reply(request)
        }
    });
    assert_says(
        &pull(&registry, options()).err().unwrap(),
        &format!(
            "the content is {}, expected {}",
            Digest::sha256(b"{}"),
            Digest::sha256(b"x")
        ),
    );
    // Another one than the registry's own header says.
    for (header, reason) in [
        (
            Digest::sha256(b"y").to_string(),
            format!("expected {}", Digest::sha256(b"y")),
        ),
        (
            "md5:1".to_owned(),
            "a Docker-Content-Digest that is no digest".to_owned(),
        ),
    ] {
        let registry =
            Server::start(move |_| Reply::bytes(b"{}").with("Docker-Content-Digest", &header));
        assert_says(&pull(&registry, options()).err().unwrap(), &reason);
    }
}

#[test]
fn a_configuration_is_verified_and_bounded() {
    for (size, reason) in [
        (3, "the data has 4 bytes, the image says 3 bytes"),
        (5, "the data has 4 bytes, the image says 5 bytes"),
        (4, "the content is"),
        (
            5 << 20,
            "is 5242880 bytes long, more than the limit of 4 MiB",
        ),
    ] {
        let mut site = Site::of(&[]);
        let digest = Digest::sha256(b"something else");
        let config = json!({"mediaType": CONFIG, "digest": digest, "size": size});
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": []});
        site.tag(MANIFEST, &manifest);
        let registry = Server::start(move |request| {
            if is_blob(request) {
                Reply::bytes(b"1234")
            } else {
                site.reply(request)
            }
        });
        assert_says(&pull(&registry, options()).err().unwrap(), reason);
    }
}

#[test]
fn the_platform_is_chosen_and_checked() {
    let host = Platform::host();
    let other: Platform = "linux/riscv64".parse().unwrap();
    let content = vec![layer(1000)];
    let mut site = Site::of(&[]);
    let blob = site.blob(LAYER, &content[0]);
    let mut entries = Vec::new();
    for platform in [&other, &host] {
        let manifest =
            site.image_manifest(&config(&content, platform), std::slice::from_ref(&blob));
        let mut entry = site.manifest(MANIFEST, &manifest);
        entry["platform"] = json!({"os": "linux", "architecture": platform.architecture()});
        entries.push(entry);
    }
    // One more level, as an index may have.
    let nested = json!({"schemaVersion": 2, "manifests": entries});
    let nested = site.manifest(INDEX, &nested);
    let index = json!({"schemaVersion": 2, "manifests": [nested]});
    site.tag(INDEX, &index);
    let registry = Server::start(move |request| site.reply(request));
    let puller = Puller::new(&registry, options());
    let image = puller.pull(&Memory::default()).unwrap();
    assert_eq!(image.platform, host);
    assert_eq!(image.digest, Digest::sha256(index.to_string().as_bytes()));
    assert_eq!(json!(image.manifest_digest), entries[1]["digest"]);
    // Both indexes, the manifest, the configuration.
    assert_eq!(image.documents.len(), 4);
    let error = puller
        .client
        .resolve(
            &puller.image,
            &"linux/s390x".parse().unwrap(),
            &Notes::default(),
        )
        .unwrap_err();
    assert_says(
        &error.to_string(),
        &format!(
            "{}/{REPOSITORY}:latest: has nothing for linux/s390x, only for:",
            registry.host()
        ),
    );
}

#[test]
fn indexes_without_end_are_not_followed() {
    let mut site = Site::of(&[]);
    let mut entry = site.manifest(INDEX, &json!({"schemaVersion": 2, "manifests": []}));
    for _ in 0..6 {
        entry = site.manifest(INDEX, &json!({"schemaVersion": 2, "manifests": [entry]}));
    }
    site.tag(INDEX, &json!({"schemaVersion": 2, "manifests": [entry]}));
    let registry = Server::start(move |request| site.reply(request));
    let error = pull(&registry, options()).err().unwrap();
    assert_says(&error, "its indexes are nested more than 4 levels deep");
}
