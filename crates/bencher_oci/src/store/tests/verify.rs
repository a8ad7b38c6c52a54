//! Damage is found, whatever it is.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// Writes to a file that is not to be written to.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_whole_has_no_damage() {
    let fixture = Fixture::new();
    assert_eq!(fixture.damages(), []);
    fixture.add("a", &["one", "two"]);
    fs::write(fixture.store.partial_path(&Digest::sha256(b"x")), "y").unwrap();
    fs::write(fixture.store.folder().join("blobs/sha256/notes"), "mine").unwrap();
    assert_eq!(fixture.damages(), []);
    let cancelled = fixture.store.verify(&|_| false);
    assert!(matches!(cancelled, Err(StoreError::Cancelled)));
}

#[test]
fn damaged_and_missing_blobs_are_found_and_can_be_got_again() {
    let fixture = Fixture::new();
    let image = fixture.add("a", &["one", "two", "three"]);
    let [one, two] = ["one", "two"].map(|text| Digest::sha256(text.as_bytes()));
    overwrite(&fixture.store.blob_path(&one), b"eno");
    fs::remove_file(fixture.store.blob_path(&two)).unwrap();
    assert_eq!(fixture.store.find("a").unwrap().missing, vec![two.clone()]);
    let content = Damage::Content {
        blob: one.clone(),
        actual: Digest::sha256(b"eno"),
    };
    let missing = Damage::Missing {
        image,
        blob: two.clone(),
    };
    let damages = fixture.damages();
    assert_eq!(damages, [missing, content]);
    assert!(damages[0].to_string().contains("lacks blob sha256:"));
    assert!(
        damages[1]
            .to_string()
            .contains("is damaged, its content is")
    );

    let removed = fixture.store.remove_damaged(&one).unwrap();
    assert_eq!(removed, Removal::Done { bytes: 3 });
    fixture.add("a", &["one", "two", "three"]);
    assert_eq!(fixture.damages(), []);
    assert!(fixture.store.find("a").unwrap().missing.is_empty());
}

#[test]
fn a_damaged_manifest_and_a_damaged_index_are_found() {
    let fixture = Fixture::new();
    let image = fixture.add("a", &["one"]);
    overwrite(&fixture.store.blob_path(&image), b"{}");
    let damages = fixture.damages();
    assert!(
        matches!(&damages[..], [Damage::Content { blob, .. }] if *blob == image),
        "{damages:?}"
    );
    fs::write(fixture.store.folder().join("index.json"), "[]").unwrap();
    let damages = fixture.damages();
    assert!(matches!(damages[0], Damage::Index { .. }), "{damages:?}");
}

#[test]
fn what_is_no_file_is_missing() {
    let fixture = Fixture::new();
    fixture.add("a", &["one"]);
    let one = Digest::sha256(b"one");
    let path = fixture.store.blob_path(&one);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let damages = fixture.damages();
    assert!(
        matches!(&damages[..], [Damage::Missing { blob, .. }] if *blob == one),
        "{damages:?}"
    );
}
