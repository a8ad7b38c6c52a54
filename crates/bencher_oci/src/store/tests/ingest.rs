//! Writing blobs.

use std::os::unix::fs::MetadataExt as _;
use std::sync::mpsc::channel;
use std::thread;

use super::*;

const CONTENT: &[u8] = b"what a blob holds";

fn missing(store: &Store, digest: &Digest, size: usize) -> Ingest {
    match store.ingest(digest, size as u64, &never()).unwrap() {
        Ingestion::Missing(ingest) => *ingest,
        Ingestion::Present(_) => panic!("it is there"),
    }
}

fn is_present(store: &Store, digest: &Digest, size: usize) -> bool {
    matches!(
        store.ingest(digest, size as u64, &never()).unwrap(),
        Ingestion::Present(_)
    )
}

fn partial_lengths(store: &Store) -> Vec<u64> {
    let partial = store.partial_blobs().unwrap();
    partial.into_iter().map(|partial| partial.bytes).collect()
}

#[test]
fn a_blob_is_there_once_it_is_whole() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    let mut ingest = missing(&store, &digest, CONTENT.len());
    ingest.write(&CONTENT[..5]).unwrap();
    assert!(store.blobs().unwrap().is_empty());
    assert!(store.is_being_written(&digest).unwrap());
    drop(ingest);
    assert_eq!(partial_lengths(&store), [5]);
    assert!(!store.is_being_written(&digest).unwrap());

    let mut ingest = missing(&store, &digest, CONTENT.len());
    assert_eq!(ingest.offset(), 5);
    ingest.write(&CONTENT[5..]).unwrap();
    let lease = ingest.commit().unwrap();
    assert_eq!(lease.digest(), &digest);
    let path = store.blob_path(&digest);
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o444);
    assert!(partial_lengths(&store).is_empty());
    assert!(is_present(&store, &digest, CONTENT.len()));
}

#[test]
fn what_a_killed_writer_left_beside_a_whole_blob_is_removed() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    let mut ingest = missing(&store, &digest, CONTENT.len());
    ingest.write(CONTENT).unwrap();
    ingest.commit().unwrap();
    // Killed between its lock of the file and its second look for the blob.
    fs::write(store.partial_path(&digest), b"").unwrap();
    assert!(is_present(&store, &digest, CONTENT.len()));
    assert!(partial_lengths(&store).is_empty());
}

#[test]
fn all_of_it_may_have_come_already() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    missing(&store, &digest, CONTENT.len())
        .write(CONTENT)
        .unwrap();
    let ingest = missing(&store, &digest, CONTENT.len());
    assert_eq!(ingest.offset(), CONTENT.len() as u64);
    ingest.commit().unwrap();
    let empty = Digest::sha256(b"");
    missing(&store, &empty, 0).commit().unwrap();
    assert_eq!(store.blobs().unwrap().len(), 2);
}

#[test]
fn other_bytes_are_thrown_away() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    let mut wrong = missing(&store, &digest, CONTENT.len());
    wrong.write(&[b'x'; CONTENT.len()]).unwrap();
    let error = wrong.commit().unwrap_err().to_string();
    assert!(error.contains("was thrown away"), "{error}");
    assert!(partial_lengths(&store).is_empty());

    let mut long = missing(&store, &digest, CONTENT.len());
    long.write(CONTENT).unwrap();
    let error = long.write(b"!").unwrap_err();
    assert!(matches!(error, StoreError::TooLong { .. }), "{error}");
    assert!(long.write(b"!").is_err() && long.commit().is_err());
    assert!(partial_lengths(&store).is_empty());
    assert!(store.blobs().unwrap().is_empty());
}

#[test]
fn what_is_too_short_is_kept_and_what_can_not_be_resumed_starts_again() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    let mut short = missing(&store, &digest, CONTENT.len());
    short.write(&CONTENT[..3]).unwrap();
    let error = short.commit().unwrap_err().to_string();
    assert!(error.contains("ended after 3 of 17 bytes"), "{error}");
    assert_eq!(partial_lengths(&store), [3]);
    let mut ingest = missing(&store, &digest, CONTENT.len());
    ingest.restart().unwrap();
    assert_eq!(ingest.offset(), 0);
    ingest.write(CONTENT).unwrap();
    ingest.commit().unwrap();

    // What is longer than the blob is nothing to go on with.
    let other = Digest::sha256(b"other");
    fs::write(store.partial_path(&other), "longer than that").unwrap();
    assert_eq!(missing(&store, &other, 5).offset(), 0);
    assert!(
        partial_lengths(&store).is_empty(),
        "nothing is left of nothing"
    );
}

#[test]
fn who_waits_for_another_writer_can_be_told_to_end() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    let writer = missing(&store, &digest, CONTENT.len());
    let cancellation = Cancellation::default();
    let (send, ended) = channel();
    thread::spawn({
        let (store, digest, cancellation) = (store.clone(), digest.clone(), cancellation.clone());
        move || send.send(store.ingest(&digest, CONTENT.len() as u64, &cancellation))
    });
    cancellation.cancel();
    let hopeless = std::time::Duration::from_mins(2);
    let ended = ended.recv_timeout(hopeless).unwrap();
    assert!(matches!(ended, Err(StoreError::Cancelled)), "{ended:?}");
    // What was left alone does not keep the lock.
    drop(writer);
    missing(&store, &digest, CONTENT.len());
}

#[test]
fn a_writer_that_verifies_is_given_what_there_is_and_trusted() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    let begin = || match store.ingest_verified(&digest, CONTENT.len() as u64, &never()) {
        Ok(Ingestion::Missing(ingest)) => ingest,
        other => panic!("{other:?}"),
    };
    begin().write(&CONTENT[..6]).unwrap();
    let mut ingest = begin();
    assert_eq!(ingest.offset(), 6);
    let mut kept = Vec::new();
    ingest
        .kept(&mut |bytes| kept.extend_from_slice(bytes))
        .unwrap();
    assert_eq!(kept, CONTENT[..6]);
    ingest.write(&CONTENT[6..]).unwrap();
    ingest.commit().unwrap();
    assert_eq!(fs::read(store.blob_path(&digest)).unwrap(), CONTENT);
    assert!(store.verify(&|_| true).unwrap().is_empty());
    // It can say that what there was is of no use, and may not stop too early.
    fs::remove_file(store.blob_path(&digest)).unwrap();
    fs::write(store.partial_path(&digest), "whatever").unwrap();
    let mut ingest = begin();
    ingest.restart().unwrap();
    ingest.write(&CONTENT[..3]).unwrap();
    let short = ingest.commit();
    assert!(matches!(short, Err(StoreError::TooShort { actual: 3, .. })));
}

#[test]
fn errors_say_to_readers_of_streams_what_they_are() {
    let digest = Digest::sha256(CONTENT);
    let path = PathBuf::from("store");
    let full = io::Error::from(StoreError::NoSpace { path, digest });
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert!(full.to_string().contains("no space is left in store"));
    let within: StoreError = full.downcast().unwrap();
    assert!(matches!(within, StoreError::NoSpace { .. }));
}

#[test]
fn a_damaged_beginning_is_not_believed() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    fs::write(store.partial_path(&digest), "WHAT").unwrap();
    let mut ingest = missing(&store, &digest, CONTENT.len());
    ingest.write(&CONTENT[4..]).unwrap();
    assert!(matches!(ingest.commit(), Err(StoreError::Digest { .. })));
    assert_eq!(missing(&store, &digest, CONTENT.len()).offset(), 0);
}

#[test]
fn a_blob_of_another_length_is_not_taken_for_it() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    let mut ingest = missing(&store, &digest, CONTENT.len());
    ingest.write(CONTENT).unwrap();
    ingest.commit().unwrap();
    let error = store.ingest(&digest, 1, &never()).unwrap_err().to_string();
    assert!(
        error.contains("has 17 bytes in the store, the image says 1"),
        "{error}"
    );
}

#[test]
fn sha512_is_kept_as_well() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
    let digest = {
        let mut hasher = crate::digest::Hasher::like(&digest);
        hasher.update(CONTENT);
        hasher.finish()
    };
    let mut ingest = missing(&store, &digest, CONTENT.len());
    ingest.write(CONTENT).unwrap();
    ingest.commit().unwrap();
    assert_eq!(store.blobs().unwrap()[0].digest, digest);
}

#[test]
fn of_several_writers_one_writes_and_the_others_find_the_blob() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    let mut ingest = missing(&store, &digest, CONTENT.len());
    ingest.write(&CONTENT[..9]).unwrap();
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        for _ in 0..4 {
            let (store, digest, sender) = (store.clone(), digest.clone(), sender.clone());
            scope.spawn(move || sender.send(is_present(&store, &digest, CONTENT.len())));
        }
        assert!(receiver.try_recv().is_err(), "nobody has it yet");
        ingest.write(&CONTENT[9..]).unwrap();
        let lease = ingest.commit().unwrap();
        for _ in 0..4 {
            assert!(receiver.recv().unwrap());
        }
        drop(lease);
    });
    assert!(partial_lengths(&store).is_empty());
}

#[test]
fn the_next_writer_goes_on_where_one_gave_up() {
    let Fixture {
        folder: _folder,
        store,
    } = Fixture::new();
    let digest = Digest::sha256(CONTENT);
    let mut ingest = missing(&store, &digest, CONTENT.len());
    ingest.write(&CONTENT[..9]).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut ingest = missing(&store, &digest, CONTENT.len());
            let offset = ingest.offset();
            ingest.write(&CONTENT[9..]).unwrap();
            ingest.commit().unwrap();
            offset
        });
        drop(ingest);
        assert_eq!(waiting.join().unwrap(), 9);
    });
}
