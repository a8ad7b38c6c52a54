//! Image layouts, good and bad: what is opened, and the exact message where nothing is.

use std::fs;
use std::os::unix::fs::symlink;

use bencher_oci::{Digest, Platform};
use serde_json::json;

use crate::support::*;

#[test]
fn an_image_is_opened_and_read() {
    let (layout, content) = Layout::simple();
    let image = layout.open().unwrap();
    assert_eq!(image.config.cmd, ["/hello"]);
    assert_eq!(image.platform, Platform::host());
    assert_eq!(image.name, None);
    assert_eq!(image.layers[0].diff_id(), &Digest::sha256(&content));
    assert_eq!(contents(&image).unwrap(), [content]);
}

#[test]
fn layers_of_every_kind_and_label() {
    let layout = Layout::new();
    let tars: Vec<_> = (0..5).map(|n| tar_of("n", &[n; 100])).collect();
    let zstd = |data: &[u8]| zstd::bulk::compress(data, 1).unwrap();
    let stored = [
        layout.blob(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            &gzip(&tars[0]),
        ),
        layout.blob(
            "application/vnd.oci.image.layer.v1.tar+zstd",
            &zstd(&tars[1]),
        ),
        // Labels that lie.
        layout.blob(
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            &tars[2],
        ),
        layout.blob(
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            &zstd(&tars[3]),
        ),
        layout.blob("application/vnd.oci.image.layer.v1.tar", &gzip(&tars[4])),
        // The same layer twice.
        layout.blob(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            &gzip(&tars[0]),
        ),
    ];
    let mut expected = tars.clone();
    expected.push(tars[0].clone());
    let borrowed: Vec<&[u8]> = expected.iter().map(Vec::as_slice).collect();
    layout.index(&[layout.image_of(&config(&borrowed), &stored)]);
    assert_eq!(contents(&layout.open().unwrap()).unwrap(), expected);
}

#[test]
fn an_image_without_layers() {
    let layout = Layout::new();
    layout.index(&[layout.image(&[])]);
    assert!(layout.open().unwrap().layers.is_empty());
}

#[test]
fn the_marker_file_may_be_missing_but_not_of_another_version() {
    let (layout, _) = Layout::simple();
    fs::remove_file(layout.path("oci-layout")).unwrap();
    layout.open().unwrap();
    layout.file("oci-layout", br#"{"imageLayoutVersion":"2.0.0"}"#);
    assert_eq!(
        layout.open().unwrap_err(),
        "image oci:IMG: an OCI image layout of version `2.0.0`, only version 1 is supported",
    );
    layout.file("oci-layout", b"{}");
    assert_eq!(
        layout.open().unwrap_err(),
        "image oci:IMG: oci-layout is not valid: missing field `imageLayoutVersion` at line 1 \
         column 2",
    );
}

#[test]
fn a_folder_that_is_no_layout() {
    let layout = Layout::new();
    assert_eq!(
        layout.open().unwrap_err(),
        "image oci:IMG: a folder without `index.json` is not an OCI image layout: make one with \
         `skopeo copy docker://NAME oci:DIR` or `buildah push NAME oci:DIR`",
    );
    layout.index(&[]);
    assert_eq!(
        layout.open().unwrap_err(),
        "image oci:IMG: holds no image manifest, only: none",
    );
}

#[test]
fn missing_blobs() {
    let (layout, content) = Layout::simple();
    let image = layout.open().unwrap();
    let layer = Digest::sha256(&content);
    let cases = [
        (layer.clone(), format!("layer {layer}: its blob is missing")),
        (
            image.config_digest.clone(),
            format!("configuration {} is missing", image.config_digest),
        ),
        (
            image.manifest_digest.clone().unwrap(),
            format!(
                "manifest {} is missing",
                image.manifest_digest.clone().unwrap()
            ),
        ),
    ];
    for (digest, message) in cases {
        fs::remove_file(layout.blob_path(&digest)).unwrap();
        assert_eq!(
            layout.open().unwrap_err(),
            format!("image oci:IMG: {message}")
        );
    }
}

#[test]
fn blobs_with_other_bytes() {
    let (layout, content) = Layout::simple();
    let image = layout.open().unwrap();
    let layer = Digest::sha256(&content);
    // A layer's bytes are checked when they are read.
    let mut changed = content.clone();
    changed[0] ^= 1;
    fs::write(layout.blob_path(&layer), &changed).unwrap();
    assert_eq!(
        contents(&layout.open().unwrap()).unwrap_err(),
        format!(
            "layer {layer}: its blob is damaged, its content is {}: get the image again",
            Digest::sha256(&changed),
        ),
    );
    for (digest, what) in [
        (image.config_digest, "configuration"),
        (image.manifest_digest.unwrap(), "manifest"),
    ] {
        let mut bytes = fs::read(layout.blob_path(&digest)).unwrap();
        bytes[0] ^= 1;
        fs::write(layout.blob_path(&digest), &bytes).unwrap();
        assert_eq!(
            layout.open().unwrap_err(),
            format!(
                "image oci:IMG: {what} {digest} is damaged, its content is {}: get the image again",
                Digest::sha256(&bytes),
            ),
        );
    }
}

#[test]
fn blobs_of_another_length() {
    let (layout, content) = Layout::simple();
    let image = layout.open().unwrap();
    let layer = Digest::sha256(&content);
    let shorter = content.len() - 1;
    fs::write(layout.blob_path(&layer), &content[..shorter]).unwrap();
    assert_eq!(
        layout.open().unwrap_err(),
        format!(
            "image oci:IMG: layer {layer}: its blob has {shorter} bytes, the image says {}: get \
             the image again",
            content.len(),
        ),
    );
    let manifest = image.manifest_digest.unwrap();
    let bytes = fs::read(layout.blob_path(&manifest)).unwrap();
    fs::write(layout.blob_path(&manifest), [&bytes[..], b" "].concat()).unwrap();
    assert_eq!(
        layout.open().unwrap_err(),
        format!(
            "image oci:IMG: manifest {manifest} has {} bytes, expected {}: get the image again",
            bytes.len() + 1,
            bytes.len(),
        ),
    );
    // An image that is changed after it was opened.
    layout.index(&[layout.image(&[&content])]);
    let image = layout.open().unwrap();
    fs::write(layout.blob_path(&layer), b"").unwrap();
    assert_eq!(
        contents(&image).unwrap_err(),
        format!(
            "layer {layer}: its blob has 0 bytes, the image says {}: get the image again",
            content.len(),
        ),
    );
}

#[test]
fn layers_and_diff_ids_must_correspond() {
    let layout = Layout::new();
    let content = tar_of("a", b"b");
    let layer = layout.blob(LAYER, &content);
    layout.index(&[layout.image_of(&config(&[&content, &content]), &[layer])]);
    assert_eq!(
        layout.open().unwrap_err(),
        "image oci:IMG: its manifest has 1 layers, its configuration has 2: build the image again",
    );
}

#[test]
fn what_is_not_an_image() {
    let layout = Layout::new();
    let message = |layout: &Layout| layout.open().unwrap_err();

    let manifest = json!({
        "schemaVersion": 2,
        "config": layout.json("application/vnd.cncf.helm.config.v1+json", &json!({})),
        "layers": [],
    });
    let chart = layout.json(MANIFEST, &manifest);
    layout.index(std::slice::from_ref(&chart));
    assert_eq!(
        message(&layout),
        format!(
            "image oci:IMG: manifest {} is an artifact of type \
             `application/vnd.cncf.helm.config.v1+json`, not a container image",
            digest(&chart),
        ),
    );

    let layer = layout.blob("application/vnd.in-toto+json", b"{}");
    let statement = layout.image_of(&config(&[b"{}"]), &[layer]);
    layout.index(std::slice::from_ref(&statement));
    assert_eq!(
        message(&layout),
        format!(
            "image oci:IMG: manifest {} has a layer (number 1) of the unknown media type \
             `application/vnd.in-toto+json`",
            digest(&statement),
        ),
    );

    layout.index(&[layout.blob("application/vnd.oci.artifact.manifest.v1+json", b"{}")]);
    assert_eq!(
        message(&layout),
        "image oci:IMG: holds no image manifest, only: \
         `application/vnd.oci.artifact.manifest.v1+json`",
    );

    let old = layout.blob(
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        b"{}",
    );
    layout.index(std::slice::from_ref(&old));
    assert_eq!(
        message(&layout),
        format!(
            "image oci:IMG: manifest {} is an image of Docker's schema 1, which has been obsolete \
             since 2017 and is not supported: convert it with `skopeo copy --format oci`, or push \
             it again with a current tool",
            digest(&old),
        ),
    );
}

#[test]
fn media_types_that_contradict_each_other() {
    let layout = Layout::new();
    let image = layout.image(&[]);
    let mut confused = layout.nested(&[image]);
    confused["mediaType"] = json!(MANIFEST);
    layout.index(std::slice::from_ref(&confused));
    assert_eq!(
        layout.open().unwrap_err(),
        format!(
            "image oci:IMG: manifest {} has both `manifests` and `layers` or `config`: it must be \
             an index or a manifest",
            digest(&confused),
        ),
    );
    let mut confused = layout.image(&[]);
    confused["mediaType"] = json!(INDEX);
    layout.index(std::slice::from_ref(&confused));
    assert_eq!(
        layout.open().unwrap_err(),
        format!(
            "image oci:IMG: index {} says that its media type is `{MANIFEST}`, expected {INDEX}",
            digest(&confused),
        ),
    );
}

#[test]
fn documents_that_are_too_large() {
    let (layout, _) = Layout::simple();
    let text = fs::read_to_string(layout.path("index.json")).unwrap();
    layout.file(
        "index.json",
        format!("{text}{}", " ".repeat(4 << 20)).as_bytes(),
    );
    assert_eq!(
        layout.open().unwrap_err(),
        format!(
            "image oci:IMG: index.json is {} bytes long, more than the limit of 4 MiB",
            text.len() + (4 << 20),
        ),
    );
    let large = layout.blob(MANIFEST, &vec![b' '; (4 << 20) + 1]);
    layout.index(std::slice::from_ref(&large));
    assert_eq!(
        layout.open().unwrap_err(),
        format!(
            "image oci:IMG: manifest {} is 4194305 bytes long, more than the limit of 4 MiB",
            digest(&large),
        ),
    );
}

#[test]
fn documents_that_mean_two_things_or_are_too_deep() {
    let layout = Layout::new();
    let twice = layout.blob(MANIFEST, br#"{"schemaVersion":2,"layers":[],"layers":[]}"#);
    layout.index(std::slice::from_ref(&twice));
    assert_eq!(
        layout.open().unwrap_err(),
        format!(
            "image oci:IMG: manifest {} is not valid: the key `layers` stands twice at line 1 \
             column 39",
            digest(&twice),
        ),
    );
    let deep = format!(
        r#"{{"schemaVersion":2,"x":{}{}}}"#,
        "[".repeat(99),
        "]".repeat(99)
    );
    layout.file("index.json", deep.as_bytes());
    assert_eq!(
        layout.open().unwrap_err(),
        "image oci:IMG: index.json is not valid: it is nested more than 32 levels deep at line 1 \
         column 55",
    );
}

#[test]
fn digests_do_not_lead_out_of_the_layout() {
    let layout = Layout::new();
    for bad in [
        "sha256:../../../etc/passwd",
        "../../../etc/passwd",
        "sha256:/etc/passwd",
    ] {
        layout.index(&[json!({"mediaType": MANIFEST, "digest": bad, "size": 1})]);
        let message = layout.open().unwrap_err();
        assert!(
            message.starts_with(&format!(
                "image oci:IMG: index.json is not valid: `{bad}` is not a digest: expected "
            )),
            "{message}",
        );
    }
}

#[test]
fn links_do_not_lead_out_of_the_layout() {
    let (layout, content) = Layout::simple();
    let layer = layout.blob_path(&Digest::sha256(&content));
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("layer");
    fs::rename(&layer, &target).unwrap();
    symlink(&target, &layer).unwrap();
    assert_eq!(
        layout.open().unwrap_err(),
        format!(
            "image oci:IMG: layer {}: its blob is a symbolic link that leads out of the layout: \
             replace it by the file itself",
            Digest::sha256(&content),
        ),
    );
    // A link within the layout is fine.
    fs::remove_file(&layer).unwrap();
    fs::copy(&target, layout.path("blobs/shared")).unwrap();
    symlink("../shared", &layer).unwrap();
    assert_eq!(contents(&layout.open().unwrap()).unwrap(), [content]);

    let index = layout.path("index.json");
    fs::rename(&index, outside.path().join("index.json")).unwrap();
    symlink(outside.path().join("index.json"), &index).unwrap();
    assert_eq!(
        layout.open().unwrap_err(),
        "image oci:IMG: index.json is a symbolic link that leads out of the layout: replace it by \
         the file itself",
    );
}

#[test]
fn a_blob_that_is_a_folder() {
    let (layout, content) = Layout::simple();
    let layer = layout.blob_path(&Digest::sha256(&content));
    fs::remove_file(&layer).unwrap();
    fs::create_dir(&layer).unwrap();
    assert_eq!(
        layout.open().unwrap_err(),
        format!(
            "image oci:IMG: layer {}: its blob is not a regular file",
            Digest::sha256(&content),
        ),
    );
}
