//! Images, their names, and reading them.

use std::io::Read as _;

use proptest::prelude::*;

use super::*;

#[test]
fn an_image_is_the_same_as_where_it_came_from() {
    let fixture = Fixture::new();
    let layout = layout(&["one", "two", "one"]);
    let original = open(&layout);
    let name = "example.com/a:1";
    let lease = fixture.store.copy_image(&original, name, &never());
    drop(lease.unwrap());
    let stored = fixture.store.open_image(name, &fixture.options()).unwrap();
    assert_eq!(stored.manifest, original.manifest);
    assert_eq!(stored.config_document, original.config_document);
    assert_eq!(stored.config, original.config);
    assert_eq!(stored.name.as_deref(), Some(name));
    let mut contents = Vec::new();
    for layer in &stored.layers {
        let mut text = String::new();
        layer.open().unwrap().read_to_string(&mut text).unwrap();
        contents.push(text);
    }
    assert_eq!(contents, ["one", "two", "one"]);
    // The store is a layout that everybody can read.
    let text = format!("oci:{}:{name}", fixture.store.folder().display());
    let reference = ImageReference::parse(text.as_ref()).unwrap();
    let as_layout = Image::open(&reference, &fixture.options()).unwrap();
    assert_eq!(as_layout.manifest_digest, original.manifest_digest);
}

#[test]
fn an_image_is_found_by_what_people_write() {
    let fixture = Fixture::new();
    let digest = fixture.add("docker.io/library/busybox:latest", &["one"]);
    let hex = digest.hex();
    for text in [
        "busybox",
        "busybox:latest",
        "library/busybox",
        "docker.io/library/busybox:latest",
        &digest.to_string(),
        &format!("busybox@{digest}"),
        &hex,
        &hex[..8],
        &format!("sha256:{}", &hex[..12]),
    ] {
        assert_eq!(fixture.store.find(text).unwrap().digest, digest, "{text}");
    }
    let nobody = Digest::sha256(b"nobody");
    for text in [
        "busybox:1",
        "alpine",
        "",
        &hex[..7],
        &hex[8..],
        &nobody.to_string(),
        &format!("busybox@{nobody}"),
    ] {
        let error = fixture.store.find(text).unwrap_err().to_string();
        assert!(error.starts_with("the store has no image `"), "{error}");
        assert!(
            error.ends_with("it has: `docker.io/library/busybox:latest`"),
            "{error}"
        );
    }
}

#[test]
fn a_name_belongs_to_the_last_image_that_got_it() {
    let fixture = Fixture::new();
    let first = fixture.add("a", &["one"]);
    let again = fixture.add("a", &["one"]);
    assert_eq!(
        (again, fixture.names()),
        (first.clone(), vec!["a".to_owned()])
    );
    let second = fixture.add("docker.io/library/a:latest", &["two"]);
    assert_eq!(fixture.store.find("a").unwrap().digest, second);
    assert_eq!(fixture.names(), ["-", "docker.io/library/a:latest"]);
    // The other one is there for as long as nobody removes it, and can be named again.
    fixture.store.find(&first.to_string()).unwrap();
    fixture.add("b", &["one"]);
    fixture.add("c", &["one"]);
    assert_eq!(fixture.names(), ["b c", "docker.io/library/a:latest"]);
    fixture.add("b", &["two"]);
    fixture.add("c", &["two"]);
    assert_eq!(fixture.names(), ["-", "b c docker.io/library/a:latest"]);
}

#[test]
fn what_is_no_image_is_not_added() {
    let fixture = Fixture::new();
    let digest = fixture.add("a", &["one", "two"]);
    let image = fixture.store.find("a").unwrap();
    let add = |name: &str, media_type: &str| {
        let added = fixture
            .store
            .add_image(name, media_type, &digest, image.size);
        added.map(|_| ()).unwrap_err().to_string()
    };
    assert!(add("b", OCI_LAYER).contains("only images can be added"));
    for name in ["", "A B", "/etc", "a\x1b", &"a".repeat(300)] {
        let error = add(name, OCI_MANIFEST);
        assert!(error.contains("is no name for an image"), "{error}");
    }
    fs::remove_file(fixture.store.blob_path(&Digest::sha256(b"two"))).unwrap();
    let error = add("b", OCI_MANIFEST);
    assert!(
        error.contains("without its blob sha256:3fc4ccfe745870e2"),
        "{error}"
    );
    assert_eq!(fixture.names(), ["a"]);
}

#[test]
fn the_index_of_a_fetched_platform_is_an_image() {
    let fixture = Fixture::new();
    let there = fixture.add("a", &["one"]);
    let manifest = fixture.store.find("a").unwrap();
    let elsewhere = Digest::sha256(b"nobody fetched it");
    let index = |manifests: &serde_json::Value| {
        json!({"schemaVersion": 2, "manifests": manifests}).to_string()
    };
    let entry = |digest: &Digest, architecture: &str, size: u64| {
        json!({
            "mediaType": OCI_MANIFEST, "digest": digest, "size": size,
            "platform": {"os": "linux", "architecture": architecture},
        })
    };
    let host = Platform::host();
    let add = |name: &str, bytes: &str| {
        let digest = Digest::sha256(bytes.as_bytes());
        let Ingestion::Missing(mut ingest) = fixture
            .store
            .ingest(&digest, bytes.len() as u64, &never())
            .unwrap()
        else {
            panic!("it is new");
        };
        ingest.write(bytes.as_bytes()).unwrap();
        let _lease = ingest.commit().unwrap();
        let media_type = crate::document::OCI_INDEX;
        let size = bytes.len() as u64;
        fixture
            .store
            .add_image(name, media_type, &digest, size)
            .map(drop)
    };
    add(
        "many",
        &index(&json!([
            entry(&elsewhere, "s390x", 7),
            entry(&there, host.architecture(), manifest.size),
        ])),
    )
    .unwrap();
    let image = fixture
        .store
        .open_image("many", &fixture.options())
        .unwrap();
    assert_eq!(image.manifest_digest, Some(there));
    assert_eq!(image.layers.len(), 1);
    assert!(
        fixture.damages().is_empty(),
        "what nobody fetched is not missing"
    );
    let error = add("none", &index(&json!([entry(&elsewhere, "s390x", 7)]))).unwrap_err();
    assert!(matches!(error, StoreError::Incomplete(missing) if missing == elsewhere));
}

#[test]
fn several_images_are_told_apart() {
    let mut index = index::Index::default();
    for last in ["aa", "ab"] {
        let digest = format!("sha256:{}{last}", "0".repeat(62)).parse().unwrap();
        let root = index::Root {
            media_type: OCI_MANIFEST.to_owned(),
            digest,
            size: 1,
        };
        index.set_name(last, root).unwrap();
    }
    let error = find::find(&index, "00000000").map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Ambiguous { .. }), "{error}");
    assert!(error.to_string().contains("give more of it"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Names come and go in any order: each belongs to the last image that got it, every image
    /// stays, and the index says the same after it was written and read.
    #[test]
    fn names_are_kept(steps in prop::collection::vec((0_u8..4, prop::option::of(0_u8..3)), 1..20)) {
        let fixture = Fixture::new();
        let digests = [0_u8, 1, 2].map(|number| Digest::sha256(&[number]));
        let mut expected = std::collections::BTreeMap::new();
        let mut added = std::collections::BTreeSet::new();
        for (name, image) in steps {
            let name = format!("name{name}");
            let lock = fixture.store.lock_index().unwrap();
            let mut index = index::read(&fixture.store).unwrap();
            if let Some(image) = image {
                let digest = digests[usize::from(image)].clone();
                added.insert(digest.clone());
                expected.insert(name.clone(), digest.clone());
                let media_type = OCI_MANIFEST.to_owned();
                index.set_name(&name, index::Root { media_type, digest, size: 1 }).unwrap();
            } else {
                expected.remove(&name);
                index.remove_name(&name);
            }
            index.write(&fixture.store, &lock).unwrap();
        }
        let index = index::read(&fixture.store).unwrap();
        let found: Vec<_> = index.roots().map(|root| root.digest.clone()).collect();
        prop_assert_eq!(found, added.into_iter().collect::<Vec<_>>());
        for number in 0..4 {
            let name = format!("name{number}");
            let found = index.named(&name).map(|root| root.digest.clone());
            prop_assert_eq!(found, expected.get(&name).cloned());
        }
    }
}
