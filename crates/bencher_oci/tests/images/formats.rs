//! Formats of images: what is read whatever made it, and what is refused with a reason.

use serde_json::{Value, json};

use crate::support::*;

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(data, 3).unwrap()
}

/// A frame that readers of zstd skip (RFC 8878, section 3.1.2).
fn skippable(number: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap();
    [
        &[0x50 | number, 0x2a, 0x4d, 0x18][..],
        &length.to_le_bytes(),
        data,
    ]
    .concat()
}

/// What is stored reads as this content.
fn reads_as(stored: &[u8], content: &[u8]) {
    let layout = Layout::new();
    let layer = layout.blob(GZIP_LAYER, stored);
    layout.index(&[layout.image_of(&config(&[content]), &[layer])]);
    assert!(contents(&layout.open().unwrap()).unwrap() == [content]);
}

fn content() -> Vec<u8> {
    tar_of("file", &b"content ".repeat(10_000))
}

#[test]
fn uncompressed_layers() {
    reads_as(&content(), &content());
}

#[test]
fn gzip_layers_of_many_members() {
    let content = content();
    let members: Vec<u8> = content.chunks(1000).flat_map(gzip).collect();
    reads_as(&members, &content);
    // As `pigz` and block devices leave it.
    reads_as(&[&members[..], &gzip(b""), &[0; 600]].concat(), &content);
}

/// stargz-snapshotter's `estargz.md`: a member for each file, a table of contents as a last entry,
/// and an empty member whose extra field says where that is.
#[test]
fn estargz_layers_read_as_gzip() {
    let toc = r#"{"version":1,"entries":[]}"#;
    let file = content();
    let file = &file[..file.len() - 1024];
    let table = tar_of("stargz.index.json", toc.as_bytes());
    let plain = [file, &table].concat();
    let mut stored: Vec<u8> = file.chunks(4096).flat_map(gzip).collect();
    let offset = stored.len();
    stored.extend(gzip(&table));
    let extra = format!("SG\x16\0{offset:016x}STARGZ").into_bytes();
    let footer = flate2::GzBuilder::new().extra(extra);
    let footer = footer.write(Vec::new(), flate2::Compression::none());
    let footer = footer.finish().unwrap();
    assert_eq!(footer.len(), 51, "as the format says");
    stored.extend(footer);
    reads_as(&stored, &plain);
}

#[test]
fn zstd_layers() {
    reads_as(&zstd(&content()), &content());
}

/// zstd's `zstd_seekable_compression_format.md`: independent frames and a table of their lengths.
#[test]
fn seekable_zstd_layers() {
    let content = content();
    let mut stored = Vec::new();
    let mut table = Vec::new();
    let mut frames = 0_u32;
    for chunk in content.chunks(1 << 14) {
        let frame = zstd(chunk);
        for length in [frame.len(), chunk.len()] {
            table.extend(u32::try_from(length).unwrap().to_le_bytes());
        }
        stored.extend(frame);
        frames += 1;
    }
    table.extend(frames.to_le_bytes());
    table.extend([0, 0xb1, 0xea, 0x92, 0x8f]);
    stored.extend(skippable(0xe, &table));
    reads_as(&stored, &content);
}

/// containers/storage's zstd:chunked: a frame for each file, and manifests in skippable frames.
#[test]
fn chunked_zstd_layers() {
    let content = content();
    let mut stored: Vec<u8> = content.chunks(5000).flat_map(zstd).collect();
    stored.extend(skippable(0, &zstd(br#"{"version":1,"entries":[]}"#)));
    stored.extend(skippable(0, &[0; 64]));
    reads_as(&stored, &content);
    // Skippable frames may also come first.
    reads_as(
        &[skippable(0xf, b"note"), zstd(&content)].concat(),
        &content,
    );
}

#[test]
fn other_compressions_are_refused() {
    for (stored, name) in [
        (&b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46"[..], "xz"),
        (b"BZh91AY&SY\0\0\0\0", "bzip2"),
    ] {
        let layout = Layout::new();
        let layer = layout.blob(LAYER, stored);
        layout.index(&[layout.image_of(&config(&[b""]), &[layer])]);
        let message = contents(&layout.open().unwrap()).unwrap_err();
        let expected = format!("it is compressed with {name}: only gzip and zstd are supported");
        assert!(message.ends_with(&expected), "{message}");
    }
}

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

#[test]
fn docker_schema_two() {
    let layout = Layout::new();
    let content = content();
    let config = layout.json(DOCKER_CONFIG, &config(&[&content]));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": config,
        "layers": [layout.blob(DOCKER_LAYER, &gzip(&content))],
    });
    let manifest = layout.json(DOCKER_MANIFEST, &manifest);
    layout.index(std::slice::from_ref(&manifest));
    assert!(contents(&layout.open().unwrap()).unwrap() == std::slice::from_ref(&content));
    // Behind a manifest list.
    let list = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST,
        "manifests": [on(manifest, &host())],
    });
    layout.index(&[layout.json(DOCKER_LIST, &list)]);
    assert!(contents(&layout.open().unwrap()).unwrap() == [content]);
}

/// The image is not opened, with this at the end of the reason.
fn refused(layout: &Layout, manifest: &Value, why: &str) {
    let manifest = layout.json(MANIFEST, manifest);
    layout.index(std::slice::from_ref(&manifest));
    let message = layout.open().map(drop).unwrap_err();
    let expected = format!("image oci:IMG: manifest {} {why}", digest(&manifest));
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn docker_schema_one_is_refused() {
    let layout = Layout::new();
    let manifest = json!({
        "schemaVersion": 1,
        "name": "library/busybox",
        "tag": "latest",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": "sha256:0"}],
        "history": [{"v1Compatibility": "{}"}],
    });
    let why = "is an image of Docker's schema 1, which has been obsolete since 2017";
    refused(&layout, &manifest, why);
    for media_type in ["v1+json", "v1+prettyjws"] {
        let media_type = format!("application/vnd.docker.distribution.manifest.{media_type}");
        let old = layout.json(&media_type, &manifest);
        layout.index(std::slice::from_ref(&old));
        let message = layout.open().map(drop).unwrap_err();
        assert!(
            message.contains(why) && message.contains("skopeo copy"),
            "{message}"
        );
    }
}

#[test]
fn artifacts_are_refused() {
    let layout = Layout::new();
    let empty = layout.json("application/vnd.oci.empty.v1+json", &json!({}));
    let chart = layout.json("application/vnd.cncf.helm.config.v1+json", &json!({}));
    let with = |config: &Value, artifact_type: Option<&str>| {
        json!({
            "schemaVersion": 2,
            "artifactType": artifact_type,
            "config": config,
            "layers": [empty],
        })
    };
    for (manifest, name) in [
        (
            with(&chart, None),
            "application/vnd.cncf.helm.config.v1+json",
        ),
        (
            with(&empty, Some("application/vnd.example")),
            "application/vnd.example",
        ),
        (with(&empty, None), "application/vnd.oci.empty.v1+json"),
        (with(&empty, Some("")), "application/vnd.oci.empty.v1+json"),
    ] {
        let why = format!("is an artifact of type `{name}`, not a container image");
        refused(&layout, &manifest, &why);
    }
}

#[test]
fn foreign_and_encrypted_layers_are_refused() {
    let layout = Layout::new();
    let content = content();
    let base = layout.blob(LAYER, &content);
    let config = config(&[&content, &content]);
    for (media_type, why) in [
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "has a foreign layer (number 2, ",
        ),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
            "has a foreign layer (number 2, ",
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "has an encrypted layer (number 2, ",
        ),
    ] {
        let mut foreign = layout.blob(media_type, &content);
        foreign["urls"] = json!(["https://example.com/layer"]);
        let manifest = layout.manifest(&config, &[base.clone(), foreign]);
        refused(&layout, &manifest, why);
    }
}

#[test]
fn empty_and_duplicated_layers() {
    let layout = Layout::new();
    let content = content();
    let nothing = vec![0; 1024];
    let layers = [
        (gzip(&nothing), &nothing),
        (gzip(&content), &content),
        (gzip(&nothing), &nothing),
        (gzip(&content), &content),
        (content.clone(), &content),
    ];
    let plain: Vec<&[u8]> = layers.iter().map(|(_, plain)| plain.as_slice()).collect();
    let stored: Vec<_> = layers
        .iter()
        .map(|(stored, _)| layout.blob(GZIP_LAYER, stored))
        .collect();
    layout.index(&[layout.image_of(&config(&plain), &stored)]);
    assert!(contents(&layout.open().unwrap()).unwrap() == plain);
}

#[test]
fn a_hundred_and_twenty_seven_layers() {
    let layout = Layout::new();
    let layers: Vec<_> = (0..127_u8)
        .map(|number| tar_of("file", &[number]))
        .collect();
    let borrowed: Vec<_> = layers.iter().map(Vec::as_slice).collect();
    layout.index(&[layout.image(&borrowed)]);
    assert_eq!(contents(&layout.open().unwrap()).unwrap(), layers);
}

/// They have no index, and say nowhere what they are.
#[test]
fn skopeos_folders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let message = open(&format!("dir:{}", folder.path().display())).unwrap_err();
    assert!(message.contains("skopeo copy"), "{message}");
}
