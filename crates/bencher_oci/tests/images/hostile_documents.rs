//! Documents by somebody who means harm, one test a case: what becomes of them is in the table of
//! `docs/security.md`. Their digests are right, as whoever means harm can compute them.

use std::fs;

use serde_json::{Value, json};

use crate::support::*;

/// A layout whose only manifest is these bytes.
fn with_manifest(bytes: &[u8]) -> (Layout, String) {
    let layout = Layout::new();
    let manifest = layout.blob(MANIFEST, bytes);
    layout.index(std::slice::from_ref(&manifest));
    let name = format!("manifest {} ", digest(&manifest));
    (layout, name)
}

fn manifest_is_refused(bytes: &[u8], why: &str) {
    let (layout, name) = with_manifest(bytes);
    let reason = reason(layout.open());
    let said = reason.strip_prefix(&name).unwrap_or(&reason);
    assert!(said.starts_with(why), "{reason}");
}

#[test]
fn duplicate_keys_in_json() {
    let layout = Layout::new();
    let config = layout.json(CONFIG, &config(&[]));
    let rest = format!(r#""schemaVersion":2,"config":{config},"layers":[]"#);
    // One reader takes the first, another the last.
    for (twice, key) in [
        (format!(r#"{{{rest},"layers":[]}}"#), "layers"),
        (format!(r#"{{"schemaVersion":1,{rest}}}"#), "schemaVersion"),
        // In parts that nobody reads, and by another spelling.
        (format!(r#"{{{rest},"x":[{{"a":1,"a":2}}]}}"#), "a"),
        (format!(r#"{{{rest},"lay\u0065rs":[]}}"#), "layers"),
    ] {
        let why = format!("is not valid: the key `{key}` stands twice");
        manifest_is_refused(twice.as_bytes(), &why);
    }
    let index = layout.image(&[]).to_string();
    let twice = format!(r#"{{"schemaVersion":2,"manifests":[],"manifests":[{index}]}}"#);
    layout.file("index.json", twice.as_bytes());
    assert!(reason(layout.open()).starts_with("index.json is not valid: the key `manifests`"));

    let twice = br#"{"rootfs":{"type":"layers","diff_ids":[],"diff_ids":[]}}"#;
    let config = layout.blob(CONFIG, twice);
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": []});
    let (layout, _) = with_manifest(manifest.to_string().as_bytes());
    fs::write(layout.blob_path(&digest(&config)), twice).unwrap();
    let reason = reason(layout.open());
    assert!(
        reason.contains("is not valid: the key `diff_ids` stands twice"),
        "{reason}"
    );
}

/// Go's readers take the last of them, others the one that is spelled as the specification has it.
#[test]
fn keys_that_differ_in_case() {
    let layout = Layout::new();
    let config = layout.json(CONFIG, &config(&[]));
    for (second, message) in [
        ("Layers", "`Layers`"),
        ("LAYERS", "`LAYERS`"),
        ("layer\u{17f}", "`layer\u{17f}`"),
    ] {
        let text = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"{second}":[]}}"#);
        let why = format!("is not valid: the key {message} stands twice");
        manifest_is_refused(text.as_bytes(), &why);
    }
    let alone = format!(r#"{{"schemaVersion":2,"config":{config},"Layers":[]}}"#);
    manifest_is_refused(alone.as_bytes(), "has no `layers`");
}

#[test]
fn deeply_nested_json() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for depth in [33, 1000, 400_000] {
            let text = format!(
                r#"{{"schemaVersion":2,"x":{}1{}}}"#,
                open.repeat(depth),
                close.repeat(depth)
            );
            manifest_is_refused(
                text.as_bytes(),
                "is not valid: it is nested more than 32 levels",
            );
        }
    }
}

#[test]
fn json_of_very_many_values() {
    let text = format!(r#"{{"schemaVersion":2,"x":[{}0]}}"#, "0,".repeat(200_000));
    manifest_is_refused(
        text.as_bytes(),
        "is not valid: it has more than 100000 values",
    );
    let text = format!(r#"{{"schemaVersion":2,"x":"{}"}}"#, "x".repeat(5 << 20));
    manifest_is_refused(text.as_bytes(), "is 5242");
}

#[test]
fn json_that_is_none() {
    for text in [
        &b""[..],
        b"null",
        b"[]",
        b"2",
        b"\"schemaVersion\"",
        b"{\"schemaVersion\":2}trailing",
        b"{\"schemaVersion\":2}\0",
        b"\xef\xbb\xbf{\"schemaVersion\":2}",
        b"{\"schemaVersion\":\"2\"}",
        b"{\"schemaVersion\":2,\"x\":\"\xff\"}",
        b"{\"schemaVersion\":2,\"x\":NaN}",
    ] {
        manifest_is_refused(text, "is not valid: ");
    }
    manifest_is_refused(
        br#"{"schemaVersion":99999}"#,
        "has schemaVersion 99999, expected 2",
    );
}

/// One tool would run the manifest's layers, another one follow the index (CVE-2021-41190).
#[test]
fn a_layer_of_two_sizes() {
    let layout = Layout::new();
    let config = layout.json(CONFIG, &config(&[]));
    let layer = |size: u64| json!({"mediaType": LAYER, "digest": digest(&config), "size": size});
    let layers = [layer(100), layer(100), layer(200)];
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
    let why = format!("says two sizes of the layer {}", digest(&config));
    manifest_is_refused(manifest.to_string().as_bytes(), &why);
}

#[test]
fn a_manifest_that_is_also_an_index() {
    let layout = Layout::new();
    let image = layout.image(&[]);
    let config = layout.json(CONFIG, &config(&[]));
    let both = |media_type: Value| {
        json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config,
            "layers": [],
            "manifests": [image],
        })
    };
    for own in [Value::Null, json!(MANIFEST), json!(INDEX)] {
        for taken_as in [MANIFEST, INDEX] {
            layout.index(&[layout.json(taken_as, &both(own.clone()))]);
            let reason = reason(layout.open());
            let contradicts = own != Value::Null && own != json!(taken_as);
            let why = if contradicts {
                "says that its media type is"
            } else {
                "has both `manifests` and `layers` or `config`"
            };
            assert!(reason.contains(why), "{own} as {taken_as}: {reason}");
        }
    }
    layout.file("index.json", both(Value::Null).to_string().as_bytes());
    assert!(reason(layout.open()).starts_with("index.json has both"));
}

#[test]
fn media_type_confusion() {
    let layout = Layout::new();
    let content = tar_of("a", b"1");
    let good = config(&[&content]);
    let layer = layout.blob(LAYER, &content);
    let config = layout.json(CONFIG, &good);
    let with = |config: &Value, layer: &Value| json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let labelled = |descriptor: &Value, media_type: &str| {
        let mut descriptor = descriptor.clone();
        descriptor["mediaType"] = json!(media_type);
        descriptor
    };
    for (manifest, why) in [
        // Each part in the place of another.
        (
            with(&layer, &layer),
            "is an artifact of type `application/vnd.oci.image.layer",
        ),
        (
            with(&config, &config),
            "has a layer (number 1) of the unknown media type",
        ),
        (
            with(&config, &labelled(&layer, MANIFEST)),
            "has a layer (number 1) of the unknown",
        ),
        (
            with(&labelled(&config, MANIFEST), &layer),
            "is an artifact of type",
        ),
        (
            with(&labelled(&config, ""), &layer),
            "is an artifact of type ``",
        ),
        // Nearly a media type.
        (
            with(
                &config,
                &labelled(&layer, "Application/vnd.oci.image.layer.v1.tar"),
            ),
            "has a layer (number 1) of the unknown media type",
        ),
        (
            with(
                &config,
                &labelled(&layer, "application/vnd.oci.image.layer.v1.tar "),
            ),
            "has a layer (number 1) of the unknown media type",
        ),
    ] {
        let manifest = layout.json(MANIFEST, &manifest);
        layout.index(std::slice::from_ref(&manifest));
        let reason = reason(layout.open());
        assert!(reason.contains(why), "{reason}");
    }
    // A manifest that is labelled a configuration is none.
    let image = layout.image(&[&content]);
    let disguised = with(&labelled(&image, CONFIG), &layer);
    layout.index(&[layout.json(MANIFEST, &disguised)]);
    assert!(reason(layout.open()).ends_with("has no `rootfs`"));
    // What a layer is compressed with is told by its bytes, whatever its label: both digests hold.
    let mislabelled = with(&config, &labelled(&layer, GZIP_LAYER));
    layout.index(&[layout.json(MANIFEST, &mislabelled)]);
    assert_eq!(contents(&layout.open().unwrap()).unwrap(), [content]);
}

#[test]
fn documents_of_wrong_types() {
    let layout = Layout::new();
    let good = layout.image(&[]);
    for (field, value) in [
        ("mediaType", json!(1)),
        ("mediaType", Value::Null),
        ("digest", json!(["sha256:0"])),
        ("platform", json!("linux/amd64")),
        ("platform", json!({"os": "linux"})),
        (
            "annotations",
            json!({"org.opencontainers.image.ref.name": 1}),
        ),
        ("annotations", json!(["a"])),
    ] {
        let mut descriptor = good.clone();
        descriptor[field] = value.clone();
        layout.index(&[descriptor]);
        let reason = reason(layout.open());
        assert!(
            reason.starts_with("index.json is not valid: "),
            "{field} {value}: {reason}"
        );
    }
    let config = layout.json(CONFIG, &config(&[]));
    for (field, value) in [
        ("layers", json!({})),
        ("layers", json!([[]])),
        ("config", json!([])),
        ("schemaVersion", json!(2.0)),
        ("schemaVersion", json!(true)),
    ] {
        let mut manifest = json!({"schemaVersion": 2, "config": config, "layers": []});
        manifest[field] = value;
        manifest_is_refused(manifest.to_string().as_bytes(), "is not valid: ");
    }
}
