//! Archives: OCI layouts in a tar, and what `docker save` writes, old and new.

use std::fs;
use std::path::PathBuf;

use bencher_oci::{Digest, Image};
use serde_json::{Value, json};

use crate::support::*;

/// An archive file; in messages it is called IMG.
struct Archive {
    folder: tempfile::TempDir,
}

impl Archive {
    fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("image.tar"), bytes).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("image.tar")
    }

    fn open(&self, prefix: &str, rest: &str) -> Result<Image, String> {
        let path = self.path();
        let path = path.to_str().unwrap();
        open(&format!("{prefix}{path}{rest}")).map_err(|message| message.replace(path, "IMG"))
    }
}

/// Writes a tar: names and what is there, a `Link` or bytes.
fn tar_with(entries: &[(&str, Entry)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, entry) in entries {
        let mut header = tar::Header::new_gnu();
        match entry {
            Entry::File(bytes) => {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, name, &bytes[..]).unwrap();
            }
            Entry::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, target).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

enum Entry {
    File(Vec<u8>),
    Link(&'static str),
}

fn file(bytes: impl AsRef<[u8]>) -> Entry {
    Entry::File(bytes.as_ref().to_vec())
}

/// A configuration and the name that `docker save` gives to it.
fn saved_config(layers: &[&[u8]]) -> (String, Vec<u8>) {
    let bytes = config(layers).to_string().into_bytes();
    (format!("{}.json", Digest::sha256(&bytes).hex()), bytes)
}

#[test]
fn oci_archives() {
    let (layout, content) = Layout::simple();
    let tar = layout.archive();
    for bytes in [
        tar.clone(),
        gzip(&tar),
        zstd::bulk::compress(&tar, 1).unwrap(),
    ] {
        let archive = Archive::new(&bytes);
        for prefix in ["", "oci-archive:"] {
            let image = archive.open(prefix, "").unwrap();
            assert_eq!(contents(&image).unwrap(), [content.as_slice()]);
        }
        assert_eq!(
            archive.open("docker-archive:", "").unwrap_err(),
            "image docker-archive:IMG: an archive without `manifest.json` does not come from \
             `docker save`: give an OCI archive as `oci-archive:FILE`",
        );
    }
}

#[test]
fn oci_archives_with_tags() {
    let layout = Layout::new();
    let image = layout.image(&[b"content"]);
    layout.index(&[tagged(image, "v1"), tagged(layout.image(&[]), "v2")]);
    let archive = Archive::new(&layout.archive());
    assert_eq!(archive.open("", ":v1").unwrap().layers.len(), 1);
    assert_eq!(archive.open("oci-archive:", ":v2").unwrap().layers.len(), 0);
    assert_eq!(
        archive.open("", "").unwrap_err(),
        "image IMG: holds several images, choose one as PATH:TAG or PATH@DIGEST: `v1`, `v2`",
    );
}

#[test]
fn a_damaged_blob_of_an_archive() {
    let (layout, content) = Layout::simple();
    let layer = Digest::sha256(&content);
    let mut changed = content.clone();
    changed[0] ^= 1;
    fs::write(layout.blob_path(&layer), &changed).unwrap();
    let image = Archive::new(&layout.archive()).open("", "").unwrap();
    assert_eq!(
        contents(&image).unwrap_err(),
        format!(
            "layer {layer}: its blob is damaged, its content is {}: get the image again",
            Digest::sha256(&changed),
        ),
    );
    fs::remove_file(layout.blob_path(&layer)).unwrap();
    assert_eq!(
        Archive::new(&layout.archive()).open("", "").unwrap_err(),
        format!("image IMG: layer {layer} is missing"),
    );
}

#[test]
fn old_docker_archives() {
    let (one, two) = (tar_of("one", b"1"), tar_of("two", b"2"));
    let (name, config) = saved_config(&[&one, &two, &one, &gzip_content()]);
    let manifest = json!([{
        "Config": name,
        "RepoTags": ["busybox:latest", "localhost:5000/b:v1"],
        "Layers": ["aa/layer.tar", "bb/layer.tar", "cc/layer.tar", "dd/layer.tar"],
    }]);
    let archive = Archive::new(&tar_with(&[
        ("aa/VERSION", file("1.0")),
        ("aa/layer.tar", file(&one)),
        ("bb/layer.tar", file(&two)),
        ("cc/layer.tar", Entry::Link("../aa/layer.tar")),
        // skopeo may put a compressed layer into such an archive.
        ("dd/layer.tar", file(gzip(&gzip_content()))),
        (&name, file(&config)),
        ("manifest.json", file(manifest.to_string())),
        ("repositories", file("{}")),
    ]));
    for (prefix, rest, chosen) in [
        ("", "", "busybox:latest"),
        ("docker-archive:", "", "busybox:latest"),
        (
            "docker-archive:",
            ":docker.io/library/busybox",
            "busybox:latest",
        ),
        ("", ":localhost:5000/b:v1", "localhost:5000/b:v1"),
        ("docker-archive:", ":@0", "busybox:latest"),
    ] {
        let image = archive.open(prefix, rest).unwrap();
        assert_eq!(image.name.as_deref(), Some(chosen));
        assert_eq!(image.manifest_digest, None);
        assert_eq!(image.config_digest, Digest::sha256(&config));
        let expected = [one.clone(), two.clone(), one.clone(), gzip_content()];
        assert_eq!(contents(&image).unwrap(), expected);
    }
    for (rest, message) in [
        (
            ":alpine",
            "holds no image `alpine`, it has: `busybox:latest`, `localhost:5000/b:v1`",
        ),
        (
            ":@1",
            "holds 1 images, there is none at position 1, counted from 0",
        ),
    ] {
        assert_eq!(
            archive.open("docker-archive:", rest).unwrap_err(),
            format!("image docker-archive:IMG{rest}: {message}"),
        );
    }
    assert_eq!(
        archive.open("oci-archive:", "").unwrap_err(),
        "image oci-archive:IMG: an archive without `index.json` is not an OCI image layout: give \
         a `docker save` archive as `docker-archive:FILE`",
    );
}

fn gzip_content() -> Vec<u8> {
    tar_of("three", &[3; 5000])
}

#[test]
fn new_docker_archives_are_read_as_layouts() {
    let layout = Layout::new();
    let content = tar_of("one", b"1");
    let mut entry = tagged(layout.image(&[&content]), "latest");
    entry["annotations"]["io.containerd.image.name"] = json!("docker.io/library/x:latest");
    layout.index(&[entry.clone()]);
    let config = layout.open().unwrap().config_digest;
    let manifest = json!([{
        "Config": format!("blobs/sha256/{}", config.hex()),
        "RepoTags": ["x:latest"],
        "Layers": [format!("blobs/sha256/{}", Digest::sha256(&content).hex())],
    }]);
    layout.file("manifest.json", manifest.to_string().as_bytes());
    let archive = Archive::new(&gzip(&layout.archive()));
    let image = archive.open("", "").unwrap();
    assert_eq!(image.manifest_digest, Some(digest(&entry)));
    assert_eq!(image.name.as_deref(), Some("docker.io/library/x:latest"));
    assert_eq!(contents(&image).unwrap(), [content.as_slice()]);
    let image = archive.open("docker-archive:", ":x").unwrap();
    assert_eq!((image.manifest_digest, image.config_digest), (None, config));
    assert_eq!(
        archive.open("", ":x").unwrap().name.as_deref(),
        Some("docker.io/library/x:latest")
    );
}

#[test]
fn several_images_in_one_docker_archive() {
    let image = |label: &str| {
        let mut value = config(&[]);
        value["config"]["Cmd"] = json!([label]);
        (format!("{label}.json"), value.to_string())
    };
    let ((a, a_config), (b, b_config)) = (image("a"), image("b"));
    let manifest = json!([
        {"Config": a, "RepoTags": ["a:latest"], "Layers": []},
        {"Config": b, "RepoTags": null, "Layers": null},
    ]);
    let archive = Archive::new(&tar_with(&[
        (&a, file(&a_config)),
        (&b, file(&b_config)),
        ("manifest.json", file(manifest.to_string())),
    ]));
    assert_eq!(archive.open("", ":a").unwrap().config.cmd, ["a"]);
    let second = archive.open("docker-archive:", ":@1").unwrap();
    assert_eq!(
        (second.config.cmd, second.name),
        (vec!["b".to_owned()], None)
    );
    assert_eq!(
        archive.open("", "").unwrap_err(),
        "image IMG: holds 2 images, choose one as docker-archive:FILE:NAME or \
         docker-archive:FILE:@N: `a:latest`",
    );
}

#[test]
fn bad_docker_archives() {
    let layer = tar_of("one", b"1");
    let (name, config) = saved_config(&[&layer]);
    let manifest = |config: &str, layers: &[&str]| {
        file(json!([{"Config": config, "Layers": layers}]).to_string())
    };
    let renamed = format!("{}.json", Digest::sha256(b"").hex());
    let mut foreign: Value = serde_json::from_slice(&config).unwrap();
    foreign["architecture"] = json!("riscv64");
    let cases = [
        (
            vec![("etc/passwd", file("root"))],
            "neither an OCI archive nor a `docker save` archive, it holds no `index.json` and no \
             `manifest.json`: a file system tar, as from `docker export`, is not an image"
                .to_owned(),
        ),
        (
            vec![("manifest.json", file("[]")), ("manifest.json", file("[]"))],
            "the archive has two entries named `manifest.json`: make it again".to_owned(),
        ),
        (
            vec![("index.json", file("{}")), ("./index.json", file("{}"))],
            "the archive has two entries named `index.json`: make it again".to_owned(),
        ),
        (
            vec![("manifest.json", file("{"))],
            "manifest.json is not valid: EOF while parsing an object at line 1 column 1".to_owned(),
        ),
        (
            vec![("manifest.json", manifest("../../etc/passwd", &[]))],
            "the archive has no file `../../etc/passwd`, which its `manifest.json` names: save \
             the image again"
                .to_owned(),
        ),
        (
            vec![
                ("manifest.json", manifest("c.json", &[])),
                ("c.json", Entry::Link("/etc/passwd")),
            ],
            "the archive has no file `c.json`, which its `manifest.json` names: save the image \
             again"
                .to_owned(),
        ),
        (
            vec![
                ("manifest.json", manifest(&name, &["gone"])),
                (&name, file(&config)),
            ],
            "the archive has no file `gone`, which its `manifest.json` names: save the image again"
                .to_owned(),
        ),
        (
            vec![
                ("manifest.json", manifest(&renamed, &[])),
                (&renamed, file(&config)),
            ],
            format!(
                "configuration `{renamed}` is damaged, its content is {}: get the image again",
                Digest::sha256(&config),
            ),
        ),
        (
            vec![
                ("manifest.json", manifest(&name, &[])),
                (&name, file(&config)),
            ],
            "its manifest has 0 layers, its configuration has 1: build the image again".to_owned(),
        ),
        (
            vec![
                ("manifest.json", manifest("c.json", &["l"])),
                ("c.json", file(foreign.to_string())),
                ("l", file(&layer)),
            ],
            format!("has nothing for {}, only for: `linux/riscv64`", host()),
        ),
        (
            vec![
                ("manifest.json", manifest("c.json", &[])),
                ("c.json", file("{}")),
            ],
            "configuration `c.json` has no `rootfs`".to_owned(),
        ),
    ];
    for (entries, message) in cases {
        let archive = Archive::new(&tar_with(&entries));
        assert_eq!(
            archive.open("", "").unwrap_err(),
            format!("image IMG: {message}")
        );
    }
    let archive = Archive::new(b"not an archive at all");
    assert_eq!(
        archive.open("", "").unwrap_err(),
        "image IMG: is not a tar archive"
    );
}

#[test]
fn a_layer_of_a_docker_archive_that_is_not_its_diff_id() {
    let (name, config) = saved_config(&[b"what was built"]);
    let archive = Archive::new(&tar_with(&[
        (
            "manifest.json",
            file(json!([{"Config": name, "Layers": ["l"]}]).to_string()),
        ),
        (&name, file(&config)),
        ("l", file("something else")),
    ]));
    let image = archive.open("", "").unwrap();
    let expected = Digest::sha256(b"what was built");
    assert_eq!(
        contents(&image).unwrap_err(),
        format!(
            "layer {expected}: its uncompressed content is {}, the image's configuration says \
             {expected}: build the image again",
            Digest::sha256(b"something else"),
        ),
    );
}
