//! Removing, and what may not be removed.

use std::thread;

use super::*;

fn done(removal: Removal) -> u64 {
    match removal {
        Removal::Done { bytes } => bytes,
        Removal::InUse => panic!("it is in use"),
    }
}

#[test]
fn only_what_no_other_image_has_goes() {
    let fixture = Fixture::new();
    fixture.add("a", &["shared", "only a"]);
    let before = fixture.blobs().len();
    let b = fixture.add("b", &["shared", "only b"]);
    assert_eq!(fixture.blobs().len(), before + 3);
    let removed = done(fixture.store.remove("b").unwrap());
    assert!(removed > "only b".len() as u64);
    assert_eq!(fixture.blobs().len(), before);
    assert!(fixture.damages().is_empty());
    assert!(matches!(
        fixture.store.remove_image(&b),
        Err(StoreError::Unknown { .. })
    ));
    done(fixture.store.remove("a").unwrap());
    assert!(fixture.blobs().is_empty() && fixture.names().is_empty());
    let leases = fs::read_dir(fixture.store.folder().join("leases")).unwrap();
    assert_eq!(leases.count(), 0, "leases go with what they were of");
}

#[test]
fn of_an_image_with_two_names_the_name_goes_first() {
    let fixture = Fixture::new();
    fixture.add("a", &["one"]);
    let digest = fixture.add("b", &["one"]);
    assert_eq!(done(fixture.store.remove("a").unwrap()), 0);
    assert_eq!(fixture.names(), ["b"]);
    fixture.add("a", &["one"]);
    // By its digest it goes with all names.
    assert!(done(fixture.store.remove(&digest.hex()[..12]).unwrap()) > 0);
    assert!(fixture.names().is_empty());
}

#[test]
fn an_image_that_is_used_stays() {
    let fixture = Fixture::new();
    let digest = fixture.add("a", &["one"]);
    assert!(!fixture.store.is_in_use(&digest).unwrap());
    let image = fixture.store.open_image("a", &fixture.options()).unwrap();
    let copy = image.clone();
    drop(image);
    assert!(fixture.store.is_in_use(&digest).unwrap());
    assert_eq!(fixture.store.remove("a").unwrap(), Removal::InUse);
    // Nor does it go when its name goes to another image.
    fixture.add("a", &["two"]);
    assert_eq!(fixture.store.remove_image(&digest).unwrap(), Removal::InUse);
    fixture.store.remove_unreachable().unwrap();
    copy.layers[0].open().unwrap().finish().unwrap();
    drop(copy);
    done(fixture.store.remove_image(&digest).unwrap());
}

#[test]
fn what_was_removed_before_there_was_a_lease_is_unknown() {
    let fixture = Fixture::new();
    let digest = fixture.add("a", &["one"]);
    done(fixture.store.remove("a").unwrap());
    let opened = fixture.store.open_found(&digest, "a", &fixture.options());
    assert!(matches!(opened, Err(StoreError::Unknown { .. })));
    // Of the lease that came too late nothing is left for long.
    fixture.store.remove_unreachable().unwrap();
    let leases = fs::read_dir(fixture.store.folder().join("leases")).unwrap();
    assert_eq!(leases.count(), 0);
}

#[test]
fn blobs_that_nobody_has_go_unless_someone_adds_them() {
    let fixture = Fixture::new();
    let image = fixture.add("a", &["one"]);
    let write = |bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        match fixture
            .store
            .ingest(&digest, bytes.len() as u64, &never())
            .unwrap()
        {
            Ingestion::Missing(mut ingest) => {
                ingest.write(bytes).unwrap();
                ingest.commit().unwrap()
            }
            Ingestion::Present(lease) => lease,
        }
    };
    let lease = write(b"to be added");
    let digest = lease.digest().clone();
    assert_eq!(fixture.store.remove_unreachable().unwrap(), 0);
    assert_eq!(fixture.store.remove_blob(&digest).unwrap(), Removal::InUse);
    let second = write(b"to be added");
    drop(lease);
    assert_eq!(
        fixture.store.remove_unreachable().unwrap(),
        0,
        "two want it"
    );
    drop(second);
    assert_eq!(fixture.store.remove_unreachable().unwrap(), 11);
    assert_eq!(fixture.store.remove_blob(&image).unwrap(), Removal::InUse);
    assert!(fixture.damages().is_empty());
}

#[test]
fn partial_blobs_go_unless_they_are_being_written() {
    let fixture = Fixture::new();
    let digest = Digest::sha256(b"whole");
    let Ingestion::Missing(mut ingest) = fixture.store.ingest(&digest, 5, &never()).unwrap() else {
        panic!("it is new");
    };
    ingest.write(b"who").unwrap();
    assert_eq!(
        fixture.store.remove_partial(&digest).unwrap(),
        Removal::InUse
    );
    drop(ingest);
    assert_eq!(done(fixture.store.remove_partial(&digest).unwrap()), 3);
    assert!(fixture.store.partial_blobs().unwrap().is_empty());
}

#[test]
fn without_an_index_nothing_is_taken_for_garbage() {
    let fixture = Fixture::new();
    fixture.add("a", &["one"]);
    let index = fixture.store.folder().join("index.json");
    fs::write(&index, "{").unwrap();
    let blobs = fixture.blobs();
    let error = fixture.store.remove_unreachable().unwrap_err().to_string();
    assert!(
        error.contains("index.json") && error.contains("remove it"),
        "{error}"
    );
    assert_eq!(fixture.blobs(), blobs);
}

/// Threads that add, open, remove and sweep all at once; flock knows no difference between them
/// and processes. Whoever has an image can read all of it, and in the end all is whole.
#[test]
fn everything_at_once_leaves_the_store_whole() {
    let fixture = Fixture::new();
    let layouts: Vec<_> = (0..4)
        .map(|number| {
            layout(&[
                "shared",
                &format!("layer {}", number % 3),
                &number.to_string(),
            ])
        })
        .collect();
    let images: Vec<_> = layouts.iter().map(open).collect();
    let (store, options) = (&fixture.store, &fixture.options());
    thread::scope(|scope| {
        for (thread, image) in images.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..25 {
                    let name = format!("image{}", (thread + round) % 3);
                    store.copy_image(image, &name, &never()).map(drop).unwrap();
                    match store.open_image(&name, options) {
                        Ok(image) => {
                            for layer in &image.layers {
                                layer.open().unwrap().finish().unwrap();
                            }
                        }
                        Err(StoreError::Unknown { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                    match store.remove(&format!("image{}", round % 3)) {
                        Ok(_) | Err(StoreError::Unknown { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                    store.remove_unreachable().unwrap();
                }
            });
        }
    });
    assert_eq!(fixture.damages(), []);
    assert!(store.partial_blobs().unwrap().is_empty());
    for image in store.images().unwrap() {
        done(store.remove_image(&image.digest).unwrap());
    }
    assert!(fixture.blobs().is_empty());
}
