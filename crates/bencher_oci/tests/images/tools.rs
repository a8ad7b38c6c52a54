//! Images made by the tools that people use. Where a tool is missing the test says so and ends.

use std::fs;
use std::path::{Path, PathBuf};

use bencher_oci::{CommandOverrides, Image, resolve_command};
use test_support::{Buildah, programs};

use crate::support::*;

fn run(folder: &Path, program: &str, args: &[&str]) -> String {
    programs::run(folder, program, args)
        .unwrap()
        .trim()
        .to_owned()
}

/// A layout folder `source` with a tagged image of two gzip layers.
fn source(folder: &Path) -> (PathBuf, Vec<Vec<u8>>) {
    let layout = Layout::new();
    let contents = vec![tar_of("one", &[1; 3000]), tar_of("two", b"2")];
    let layers: Vec<_> = contents
        .iter()
        .map(|content| layout.blob(GZIP_LAYER, &gzip(content)))
        .collect();
    let borrowed: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    let image = layout.image_of(&config(&borrowed), &layers);
    layout.index(&[tagged(image, "v1")]);
    let target = folder.join("source");
    run(
        folder,
        "cp",
        &[
            "-r",
            layout.root().to_str().unwrap(),
            target.to_str().unwrap(),
        ],
    );
    (target, contents)
}

fn opened(text: &str) -> Image {
    open(text).unwrap_or_else(|message| panic!("{message}"))
}

#[test]
fn what_skopeo_copies() {
    if programs::missing(&["skopeo"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (_, contents) = source(root);
    let copies: [(&str, &[&str], &str, &str); 6] = [
        ("oci:copy:v2", &[], "oci:{}/copy:v2", "copy"),
        (
            "oci:zstd:v1",
            &["--dest-compress-format", "zstd"],
            "{}/zstd",
            "zstd",
        ),
        (
            "oci-archive:copy.tar:v1",
            &[],
            "oci-archive:{}/copy.tar",
            "copy.tar",
        ),
        (
            "oci-archive:plain.tar:v1",
            &[],
            "{}/plain.tar:v1",
            "plain.tar",
        ),
        (
            "docker-archive:saved.tar:example.com/name:v3",
            &[],
            "docker-archive:{}/saved.tar:example.com/name:v3",
            "saved.tar",
        ),
        ("docker-archive:bare.tar", &[], "{}/bare.tar", "bare.tar"),
    ];
    for (target, options, reference, name) in copies {
        let args = [&["copy", "--quiet"], options, &["oci:source:v1", target]].concat();
        run(root, "skopeo", &args);
        let image = opened(&reference.replace("{}", root.to_str().unwrap()));
        assert_eq!(contents_of(&image), contents, "{name}");
        assert_eq!(image.config.cmd, ["/hello"], "{name}");
        // skopeo reads the same files: it must agree about what the image is.
        let inspected = run(root, "skopeo", &["inspect", "--config", "--raw", target]);
        assert_eq!(
            bencher_oci::Digest::sha256(inspected.as_bytes()),
            image.config_digest,
            "{name}",
        );
    }
    run(root, "gzip", &["-k", "saved.tar"]);
    let image = opened(&format!("{}/saved.tar.gz", root.display()));
    assert_eq!(image.name.as_deref(), Some("example.com/name:v3"));
    assert_eq!(contents_of(&image), contents);
}

fn contents_of(image: &Image) -> Vec<Vec<u8>> {
    contents(image).unwrap_or_else(|message| panic!("{message}"))
}

#[test]
fn what_umoci_makes() {
    if programs::missing(&["umoci"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    run(root, "umoci", &["init", "--layout", "image"]);
    run(root, "umoci", &["new", "--image", "image:v1"]);
    fs::write(root.join("one.tar"), tar_of("one", b"1")).unwrap();
    run(
        root,
        "umoci",
        &["raw", "add-layer", "--image", "image:v1", "one.tar"],
    );
    let configure = [
        "config",
        "--image",
        "image:v1",
        "--config.entrypoint",
        "/bin/sh",
        "--config.entrypoint",
        "-c",
        "--config.cmd",
        "true",
        "--config.env",
        "A=1",
        "--config.workingdir",
        "/srv",
        "--config.user",
        "1000:1000",
        "--config.stopsignal",
        "SIGINT",
        "--config.label",
        "k=v",
    ];
    run(root, "umoci", &configure);
    let image = opened(&format!("oci:{}/image:v1", root.display()));
    assert_eq!(contents_of(&image), [tar_of("one", b"1")]);
    assert_eq!(image.name.as_deref(), Some("v1"));
    assert_eq!(
        resolve_command(&image.config, &CommandOverrides::default()).unwrap(),
        ["/bin/sh", "-c", "true"],
    );
    assert_eq!(
        (
            image.config.working_dir.as_str(),
            image.config.user.as_str()
        ),
        ("/srv", "1000:1000")
    );
    assert_eq!(image.config.stop_signal.as_deref(), Some("SIGINT"));
    assert_eq!(image.config.labels["k"], "v");
    assert!(image.config.env.contains(&"A=1".to_owned()));
}

#[test]
fn what_buildah_builds() {
    if programs::missing(&["buildah"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("hello"), b"hello").unwrap();
    fs::write(
        root.join("Dockerfile"),
        "FROM scratch\nCOPY hello /hello\nENV A=1\nWORKDIR /srv\nUSER 7:8\n\
         STOPSIGNAL SIGUSR1\nENTRYPOINT [\"/hello\"]\nCMD [\"a\", \"b\"]\n",
    )
    .unwrap();
    let buildah = Buildah::new(root);
    let options = ["--layers", "--isolation", "chroot", "-t", "made"];
    if !buildah.can_build(&options).unwrap() {
        return;
    }
    for (target, reference) in [
        ("oci:layout:v1", "{}/layout:v1"),
        ("docker-archive:saved.tar:made:v1", "{}/saved.tar"),
        ("oci-archive:oci.tar:v1", "{}/oci.tar"),
    ] {
        buildah.run(&["push", "-q", "made", target]).unwrap();
        let image = opened(&reference.replace("{}", root.to_str().unwrap()));
        let layers = contents_of(&image);
        let names: Vec<_> = layers.iter().flat_map(|layer| names_in(layer)).collect();
        assert!(names.iter().any(|name| name == "hello"), "{names:?}");
        assert_eq!(
            resolve_command(&image.config, &CommandOverrides::default()).unwrap(),
            ["/hello", "a", "b"],
        );
        assert_eq!(image.config.working_dir, "/srv");
        assert_eq!(image.config.user, "7:8");
        assert_eq!(image.config.stop_signal.as_deref(), Some("SIGUSR1"));
        assert_eq!(image.platform, bencher_oci::Platform::host());
    }
}

/// An index of images for several platforms, by way of both of Buildah's formats.
#[test]
fn what_buildah_lists() {
    if programs::missing(&["buildah", "skopeo"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let buildah = Buildah::new(root);
    let host = bencher_oci::Platform::host();
    let other = if host.architecture() == "amd64" {
        "arm64"
    } else {
        "amd64"
    };
    let mut list = Vec::new();
    for architecture in [other, host.architecture()] {
        fs::write(root.join("Dockerfile"), "FROM scratch\nCOPY arch /arch\n").unwrap();
        fs::write(root.join("arch"), architecture).unwrap();
        let options = ["--arch", architecture, "-t", architecture];
        if !buildah.can_build(&options).unwrap() {
            return;
        }
        list.push(format!("localhost/{architecture}:latest"));
    }
    let checked = |args: &[&str]| buildah.run(args).unwrap();
    checked(&["manifest", "create", "list"]);
    for image in &list {
        checked(&["manifest", "add", "list", image]);
    }
    for format in ["oci", "v2s2"] {
        let target = format!("oci:{format}:v1");
        checked(&[
            "manifest", "push", "--all", "--format", format, "list", &target,
        ]);
    }
    // Of the other one this Skopeo says that it is not there.
    run(
        root,
        "skopeo",
        &["copy", "-q", "--all", "oci:oci:v1", "oci:copy:v1"],
    );
    for name in ["oci", "v2s2", "copy"] {
        let image = opened(&format!("oci:{}/{name}:v1", root.display()));
        assert_eq!(image.platform, host, "{name}");
        let layers = contents_of(&image);
        let mut archive = tar::Archive::new(layers[0].as_slice());
        let mut text = String::new();
        let entry = archive.entries().unwrap().next().unwrap();
        std::io::Read::read_to_string(&mut entry.unwrap(), &mut text).unwrap();
        assert_eq!(text, host.architecture(), "{name}");
    }
}

fn names_in(layer: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(layer);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect()
}
