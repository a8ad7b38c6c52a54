//! Which image of a layout is opened: tags, digests, platforms, nested indexes.

use serde_json::{Value, json};

use crate::support::*;

/// An image that says which one it is.
fn image(layout: &Layout, label: &str, platform: &str) -> Value {
    let platform: bencher_oci::Platform = platform.parse().unwrap();
    let mut config = config(&[]);
    config["os"] = json!(platform.os());
    config["architecture"] = json!(platform.architecture());
    config["variant"] = json!(platform.variant());
    config["config"]["Cmd"] = json!([label]);
    layout.image_of(&config, &[])
}

fn opened(layout: &Layout, rest: &str) -> Result<String, String> {
    layout
        .open_as(rest)
        .map(|image| image.config.cmd[0].clone())
}

#[test]
fn tags() {
    let layout = Layout::new();
    let (one, two) = (
        image(&layout, "one", &host()),
        image(&layout, "two", &host()),
    );
    layout.index(&[
        tagged(one.clone(), "v1"),
        tagged(two.clone(), "ghcr.io/o/r:v2"),
    ]);
    assert_eq!(opened(&layout, ":v1").unwrap(), "one");
    assert_eq!(opened(&layout, ":ghcr.io/o/r:v2").unwrap(), "two");
    assert_eq!(
        opened(&layout, &format!("@{}", digest(&two))).unwrap(),
        "two"
    );
    assert_eq!(layout.open_as(":v1").unwrap().name.as_deref(), Some("v1"));
    for (rest, message) in [
        (
            String::new(),
            "holds several images, choose one as PATH:TAG or PATH@DIGEST: `v1`, `ghcr.io/o/r:v2`"
                .to_owned(),
        ),
        (
            ":v3".to_owned(),
            "holds no image `v3`, it has: `v1`, `ghcr.io/o/r:v2`".to_owned(),
        ),
        (
            format!("@{}", bencher_oci::Digest::sha256(b"")),
            format!(
                "holds no manifest {}, it has: `{}`, `{}`",
                bencher_oci::Digest::sha256(b""),
                digest(&one),
                digest(&two),
            ),
        ),
    ] {
        assert_eq!(
            opened(&layout, &rest).unwrap_err(),
            format!("image oci:IMG{rest}: {message}"),
        );
    }
}

#[test]
fn a_long_list_of_tags_is_cut() {
    let layout = Layout::new();
    let images: Vec<_> = (0..200)
        .map(|n| tagged(image(&layout, &n.to_string(), &host()), &format!("v{n}")))
        .collect();
    layout.index(&images);
    assert_eq!(
        opened(&layout, "").unwrap_err(),
        "image oci:IMG: holds several images, choose one as PATH:TAG or PATH@DIGEST: `v0`, `v1`, \
         `v2`, `v3`, `v4`, `v5`, `v6`, `v7`, `v8`, `v9` and 190 more",
    );
}

#[test]
fn two_tags_of_one_image_are_no_choice() {
    let layout = Layout::new();
    let only = image(&layout, "only", &host());
    layout.index(&[tagged(only.clone(), "v1"), tagged(only, "latest")]);
    assert_eq!(opened(&layout, "").unwrap(), "only");
}

#[test]
fn dockers_names() {
    let layout = Layout::new();
    let named = |label: &str, name: &str| {
        let mut entry = tagged(image(&layout, label, &host()), "latest");
        entry["annotations"]["io.containerd.image.name"] = json!(name);
        entry
    };
    layout.index(&[
        named("busybox", "docker.io/library/busybox:latest"),
        named("alpine", "docker.io/library/alpine:latest"),
    ]);
    assert_eq!(opened(&layout, ":busybox").unwrap(), "busybox");
    assert_eq!(
        opened(&layout, ":docker.io/library/alpine:latest").unwrap(),
        "alpine"
    );
    assert_eq!(
        opened(&layout, ":latest").unwrap_err(),
        "image oci:IMG:latest: holds several images, choose one as PATH:TAG or PATH@DIGEST: \
         `docker.io/library/busybox:latest`, `docker.io/library/alpine:latest`",
    );
}

#[test]
fn the_platform_decides_within_one_name() {
    let layout = Layout::new();
    let here = host();
    let entries = [
        on(image(&layout, "other", "linux/riscv64"), "linux/riscv64"),
        on(image(&layout, "windows", "windows/amd64"), "windows/amd64"),
        on(image(&layout, "here", &here), &here),
    ];
    layout.index(&entries);
    assert_eq!(opened(&layout, "").unwrap(), "here");
    // The same one level deeper, under a tag.
    layout.index(&[tagged(layout.nested(&entries), "v1")]);
    assert_eq!(opened(&layout, "").unwrap(), "here");
    assert_eq!(opened(&layout, ":v1").unwrap(), "here");
    // A manifest that only the nested index lists.
    assert_eq!(
        opened(&layout, &format!("@{}", digest(&entries[2]))).unwrap(),
        "here"
    );

    layout.index(&entries[..2]);
    assert_eq!(
        opened(&layout, "").unwrap_err(),
        format!(
            "image oci:IMG: has nothing for {here}, only for: `linux/riscv64`, `windows/amd64`"
        ),
    );
    // An index need not say the platform; the configuration does.
    layout.index(&[image(&layout, "other", "linux/riscv64")]);
    let message = format!("image oci:IMG: has nothing for {here}, only for: `linux/riscv64`");
    assert_eq!(opened(&layout, "").unwrap_err(), message);
    layout.index(&[on(image(&layout, "liar", "linux/riscv64"), &here)]);
    assert_eq!(opened(&layout, "").unwrap_err(), message);
}

#[test]
fn an_image_that_says_no_platform_is_taken() {
    let layout = Layout::new();
    let mut config = config(&[]);
    config["os"] = Value::Null;
    config["architecture"] = json!("");
    layout.index(&[layout.image_of(&config, &[])]);
    assert_eq!(
        layout.open().unwrap().platform,
        bencher_oci::Platform::host()
    );
}

#[test]
fn attestations_and_unknown_entries_are_passed_over() {
    let layout = Layout::new();
    let mut attestation = on(layout.blob(MANIFEST, b"{}"), "unknown/unknown");
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let unknown = layout.blob("application/x-unknown", b"?");
    let here = on(image(&layout, "here", &host()), &host());
    layout.index(&[layout.nested(&[attestation.clone(), unknown.clone(), here.clone()])]);
    assert_eq!(opened(&layout, "").unwrap(), "here");
    layout.index(&[attestation, here]);
    assert_eq!(opened(&layout, "").unwrap(), "here");
}

#[test]
fn several_images_without_names() {
    let layout = Layout::new();
    let (one, two) = (
        image(&layout, "one", &host()),
        image(&layout, "two", &host()),
    );
    layout.index(&[one.clone(), two.clone()]);
    assert_eq!(
        opened(&layout, "").unwrap_err(),
        format!(
            "image oci:IMG: holds several images, choose one as PATH:TAG or PATH@DIGEST: `{}`, \
             `{}`",
            digest(&one),
            digest(&two),
        ),
    );
    assert_eq!(
        opened(&layout, &format!("@{}", digest(&one))).unwrap(),
        "one"
    );
}

#[test]
fn nesting_is_bounded() {
    let layout = Layout::new();
    let mut entry = image(&layout, "deep", &host());
    for _ in 0..4 {
        entry = layout.nested(&[entry]);
    }
    layout.index(std::slice::from_ref(&entry));
    assert_eq!(opened(&layout, "").unwrap(), "deep");
    layout.index(&[layout.nested(&[entry])]);
    assert_eq!(
        opened(&layout, "").unwrap_err(),
        "image oci:IMG: its indexes are nested more than 4 levels deep",
    );
    // Few bytes that would be read 10,000 times.
    let mut entry = image(&layout, "wide", &host());
    for _ in 0..4 {
        entry = layout.nested(&vec![entry; 10]);
    }
    layout.index(&[entry]);
    assert_eq!(
        opened(&layout, "").unwrap_err(),
        "image oci:IMG: it has more than 64 nested indexes",
    );
}
