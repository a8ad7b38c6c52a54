//! Tables of good and bad documents. `DIGEST` stands for a digest.

use proptest::prelude::*;

use super::*;
use crate::{Digest, Platform};

const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn fill(text: &str) -> Vec<u8> {
    text.replace("DIGEST", &Digest::sha256(b"").to_string())
        .into_bytes()
}

fn descriptor(media_type: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"DIGEST","size":7}}"#)
}

fn manifest(config: &str, layers: &[&str]) -> String {
    let layers: Vec<_> = layers.iter().map(|layer| descriptor(layer)).collect();
    format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        descriptor(config),
        layers.join(","),
    )
}

#[test]
fn manifests() {
    let docker = manifest(
        "application/vnd.docker.container.image.v1+json",
        &[
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.oci.image.layer.v1.tar+zstd",
        ],
    );
    let parsed = parse_manifest(&fill(&docker)).unwrap();
    assert_eq!(parsed.layers.len(), 3);
    assert_eq!(
        (parsed.config.size, parsed.config.digest),
        (7, Digest::sha256(b""))
    );
    assert_eq!(
        parse_manifest(&fill(&manifest(OCI_CONFIG, &[])))
            .unwrap()
            .layers,
        []
    );
}

#[test]
fn bad_manifests() {
    let index = r#"{"schemaVersion":2,"manifests":[],"config":CONFIG,"layers":[]}"#;
    let many = vec![OCI_LAYER; MAX_LAYERS + 1];
    let cases = [
        (
            "[]".to_owned(),
            "is not valid: invalid length 0, expected an image manifest at line 1 column 2",
        ),
        ("{}".to_owned(), "has schemaVersion none, expected 2"),
        (
            r#"{"schemaVersion":1,"name":"x","fsLayers":[],"history":[]}"#.to_owned(),
            "is an image of Docker's schema 1, which has been obsolete since 2017 and is not \
             supported: convert it with `skopeo copy --format oci`, or push it again with a \
             current tool",
        ),
        (
            r#"{"schemaVersion":3}"#.to_owned(),
            "has schemaVersion 3, expected 2",
        ),
        (r#"{"schemaVersion":2}"#.to_owned(), "has no `config`"),
        (
            format!(
                r#"{{"schemaVersion":2,"config":{}}}"#,
                descriptor(OCI_CONFIG)
            ),
            "has no `layers`",
        ),
        (
            index.replace("CONFIG", &descriptor(OCI_CONFIG)),
            "has both `manifests` and `layers` or `config`: it must be an index or a manifest",
        ),
        (
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}"#
                .to_owned(),
            "says that its media type is `application/vnd.oci.image.index.v1+json`, expected \
             application/vnd.oci.image.manifest.v1+json",
        ),
        (
            manifest("application/vnd.cncf.helm.config.v1+json", &[]),
            "is an artifact of type `application/vnd.cncf.helm.config.v1+json`, not a container \
             image",
        ),
        (
            manifest("application/vnd.oci.empty.v1+json", &[]).replacen(
                '{',
                r#"{"artifactType":"application/x-sbom","#,
                1,
            ),
            "is an artifact of type `application/x-sbom`, not a container image",
        ),
        (
            manifest(OCI_CONFIG, &[OCI_LAYER, "application/vnd.in-toto+json"]),
            "has a layer (number 2) of the unknown media type `application/vnd.in-toto+json`",
        ),
        (
            manifest(
                OCI_CONFIG,
                &["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
            ),
            "has a foreign layer (number 1, \
             `application/vnd.docker.image.rootfs.foreign.diff.tar.gzip`), whose content is not \
             part of the image: foreign layers are not supported",
        ),
        (
            manifest(
                OCI_CONFIG,
                &["application/vnd.oci.image.layer.v1.tar+gzip+encrypted"],
            ),
            "has an encrypted layer (number 1, \
             `application/vnd.oci.image.layer.v1.tar+gzip+encrypted`): decrypt the image first, \
             with `skopeo copy --decryption-key`",
        ),
        (
            manifest(OCI_CONFIG, &many),
            "has 513 layers, more than the limit of 512",
        ),
        (
            manifest(OCI_CONFIG, &[OCI_LAYER]).replace(":7}", ":-7}"),
            "is not valid: invalid value: integer `-7`, expected u64 at line 1 column 176",
        ),
        (
            manifest(OCI_CONFIG, &[]).replace("DIGEST", "sha384:00"),
            "is not valid: digest algorithm `sha384` is not supported: only sha256 and sha512 \
             are at line 1 column 104",
        ),
        (
            manifest(OCI_CONFIG, &[]).replace("mediaType", "mediatype"),
            "is not valid: missing field `mediaType` at line 1 column 176",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(
            parse_manifest(&fill(&text)).unwrap_err().to_string(),
            message,
            "{text}"
        );
    }
}

#[test]
fn indexes() {
    let text = r#"{"schemaVersion":2,"mediaType":"","manifests":[
        {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST","size":7,
         "platform":{"os":"linux","architecture":"aarch64","variant":"v8","os.version":"1"},
         "annotations":{"org.opencontainers.image.ref.name":"v1",
                        "io.containerd.image.name":"docker.io/library/x:v1"}},
        {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST","size":7,
         "platform":null,"annotations":null},
        {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST","size":7,
         "platform":{"os":"unknown","architecture":"unknown"}},
        {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST","size":7,
         "annotations":{"vnd.docker.reference.type":"attestation-manifest"}}]}"#;
    let index = parse_index(&fill(text)).unwrap();
    let [named, plain, unknown, attestation] = index.manifests.as_slice() else {
        panic!()
    };
    assert_eq!(
        named.platform(),
        Some(Platform::new("linux", "arm64", None))
    );
    assert_eq!(named.ref_name(), Some("v1"));
    assert_eq!(named.image_name(), Some("docker.io/library/x:v1"));
    assert!(plain.platform().is_none() && !plain.is_attestation() && !named.is_attestation());
    assert!(unknown.is_attestation() && attestation.is_attestation());
}

#[test]
fn bad_indexes() {
    for (text, message) in [
        (r#"{"schemaVersion":2}"#, "has no `manifests`"),
        (
            r#"{"schemaVersion":2,"manifests":null}"#,
            "has no `manifests`",
        ),
        (
            r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
            "has both `manifests` and `layers` or `config`: it must be an index or a manifest",
        ),
        (
            r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#,
            "is not valid: the key `manifests` stands twice at line 1 column 45",
        ),
        (
            r#"{"schemaVersion":2,"mediaType":"text/html","manifests":[]}"#,
            "says that its media type is `text/html`, expected \
             application/vnd.oci.image.index.v1+json",
        ),
        (
            r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}"#,
            "is an image of Docker's schema 1, which has been obsolete since 2017 and is not \
             supported: convert it with `skopeo copy --format oci`, or push it again with a \
             current tool",
        ),
    ] {
        assert_eq!(
            parse_index(&fill(text)).unwrap_err().to_string(),
            message,
            "{text}"
        );
    }
}

#[test]
fn configs() {
    let text = r#"{"architecture":"amd64","os":"linux","created":"2026-01-02T03:04:05Z",
        "config":{"Entrypoint":["/ep"],"Cmd":["a"],"Env":["A=1"],"WorkingDir":"/w","User":"u:g",
                  "StopSignal":"SIGINT","Labels":{"a":"b"},"ExposedPorts":{"80/tcp":{}},
                  "ArgsEscaped":true,"Volumes":null},
        "rootfs":{"type":"layers","diff_ids":["DIGEST"]},"history":[{"empty_layer":true}]}"#;
    let config = parse_config(&fill(text)).unwrap();
    assert_eq!(config.platform, Some(Platform::new("linux", "amd64", None)));
    assert_eq!(config.created.as_deref(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(
        (config.entrypoint, config.cmd, config.env),
        (
            vec!["/ep".to_owned()],
            vec!["a".to_owned()],
            vec!["A=1".to_owned()],
        )
    );
    assert_eq!(
        (config.working_dir.as_str(), config.user.as_str()),
        ("/w", "u:g")
    );
    assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"));
    assert_eq!(config.labels["a"], "b");
    assert_eq!(config.diff_ids, [Digest::sha256(b"")]);
}

#[test]
fn what_is_null_or_empty_is_not_set() {
    for text in [
        r#"{"rootfs":{"type":"layers","diff_ids":null},"config":null}"#,
        r#"{"rootfs":{"type":"layers"},"os":"linux","architecture":"","config":{"Entrypoint":null,
            "Cmd":null,"Env":null,"WorkingDir":null,"User":null,"StopSignal":"","Labels":null}}"#,
    ] {
        let config = parse_config(text.as_bytes()).unwrap();
        assert_eq!(
            config,
            ImageConfig {
                platform: None,
                created: None,
                entrypoint: vec![],
                cmd: vec![],
                env: vec![],
                working_dir: String::new(),
                user: String::new(),
                stop_signal: None,
                labels: std::collections::BTreeMap::new(),
                diff_ids: vec![],
            },
        );
    }
}

#[test]
fn bad_configs() {
    let with = |config: &str| format!(r#"{{"rootfs":{{"type":"layers"}},"config":{config}}}"#);
    for (text, message) in [
        ("{}".to_owned(), "has no `rootfs`"),
        (
            r#"{"rootfs":{"type":"ostree"}}"#.to_owned(),
            "has a root filesystem of the type `ostree`, expected `layers`",
        ),
        (
            r#"{"rootfs":{"type":"layers","diff_ids":["x"]}}"#.to_owned(),
            "is not valid: `x` is not a digest: expected `sha256:` and 64 hexadecimal digits at \
             line 1 column 43",
        ),
        (
            with(r#"{"Entrypoint":["a","b\u0000"]}"#),
            "has a NUL byte in `Entrypoint`",
        ),
        (with(r#"{"Cmd":["\u0000"]}"#), "has a NUL byte in `Cmd`"),
        (with(r#"{"Env":["A=\u0000"]}"#), "has a NUL byte in `Env`"),
        (with(r#"{"User":"\u0000"}"#), "has a NUL byte in `User`"),
        (
            with(r#"{"WorkingDir":"/\u0000"}"#),
            "has a NUL byte in `WorkingDir`",
        ),
        (
            with(r#"{"Cmd":"sh"}"#),
            "is not valid: invalid type: string \"sh\", expected a sequence at line 1 column 48",
        ),
    ] {
        assert_eq!(
            parse_config(&fill(&text)).unwrap_err().to_string(),
            message,
            "{text}"
        );
    }
}

#[test]
fn saved_images() {
    let text = r#"[{"Config":"abc.json","RepoTags":null,"Layers":["a/layer.tar"]},
                   {"Config":"d.json","RepoTags":["x:1"],"Layers":null,"LayerSources":{}}]"#;
    let images = parse_docker_save(text.as_bytes()).unwrap();
    assert_eq!(images[0].layers, ["a/layer.tar"]);
    assert_eq!(images[1].repo_tags, ["x:1"]);
    for (text, message) in [
        ("[]".to_owned(), "lists no image"),
        (
            "{}".to_owned(),
            "is not valid: invalid type: map, expected a sequence at line 1 column 0",
        ),
        (
            "[{}]".to_owned(),
            "is not valid: missing field `Config` at line 1 column 3",
        ),
        (
            format!(r#"[{{"Config":"","Layers":[{}""]}}]"#, r#""","#.repeat(512)),
            "has 513 layers, more than the limit of 512",
        ),
    ] {
        assert_eq!(
            parse_docker_save(text.as_bytes()).unwrap_err().to_string(),
            message
        );
    }
}

/// Bytes that are not far from a document.
fn mutated(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (edits, any::<prop::sample::Index>()).prop_map(move |(edits, end)| {
        let mut bytes = fill(text);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if end.index(4) == 0 {
            bytes.truncate(end.index(bytes.len()));
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(
        bytes in prop_oneof![
            mutated(r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"DIGEST","size":7},"layers":[]}"#),
            mutated(r#"{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"DIGEST","size":7}]}"#),
            mutated(r#"{"rootfs":{"type":"layers","diff_ids":["DIGEST"]},"config":{"Env":["A=1"]}}"#),
            mutated(r#"[{"Config":"abc.json","RepoTags":null,"Layers":["a/layer.tar"]}]"#),
        ]
    ) {
        for error in [
            parse_manifest(&bytes).err(),
            parse_index(&bytes).err(),
            parse_config(&bytes).err(),
            parse_docker_save(&bytes).err(),
        ].into_iter().flatten() {
            // One printable line.
            prop_assert!(!error.to_string().contains(char::is_control), "{error:?}");
        }
    }
}
