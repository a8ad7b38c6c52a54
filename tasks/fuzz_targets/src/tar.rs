//! A hostile layer: whatever a tar says, what the reader gives out stays within its limits and
//! within what the tar holds.

use crate::{Outcome, is_one_harmless_line};
use bencher_rootfs::limits::Limits;
use bencher_rootfs::tar::{Entry, EntryKind, Reader, TarError};

/// Checks one input.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let limits = Limits::default();
    let mut reader = Reader::new(input, &limits);
    let mut entry = Entry::default();
    let mut given = 0;
    loop {
        match reader.next_entry(&mut entry) {
            Ok(true) => check_entry(&entry, &limits),
            Ok(false) => break,
            Err(error) => return refused(&error),
        }
        // Some entries are skipped, as a caller does with what it does not want.
        if entry.path.len() % 4 == 3 {
            continue;
        }
        let mut end = 0;
        loop {
            match reader.next_data() {
                Ok(Some(data)) => {
                    assert!(!data.bytes.is_empty(), "an empty piece");
                    assert!(data.offset >= end, "pieces out of order");
                    end = data.offset + data.bytes.len() as u64;
                    given += data.bytes.len();
                }
                Ok(None) => break,
                Err(error) => return refused(&error),
            }
        }
        if let EntryKind::File { size } = entry.kind {
            assert!(end <= size, "contents beyond the end of the file");
        }
    }
    assert!(given <= input.len(), "more contents than the tar holds");
    assert!(
        reader.position() <= input.len() as u64,
        "read beyond the end"
    );
    Outcome::Accepted
}

fn refused(error: &TarError) -> Outcome {
    is_one_harmless_line(&error.to_string());
    Outcome::Refused
}

fn check_entry(entry: &Entry, limits: &Limits) {
    let within = |length: usize, limit: u64| length as u64 <= limit;
    assert!(entry.permissions <= 0o7777);
    assert!(
        within(entry.path.len(), limits.path_bytes),
        "the path is too long"
    );
    assert!(entry.modified.nanoseconds < 1_000_000_000);
    if let EntryKind::File { size } = entry.kind {
        assert!(size <= limits.file_bytes, "the file is too large");
    }
    let mut bytes = 0;
    for (name, value) in &entry.xattrs {
        assert!(
            within(value.len(), limits.xattr_value_bytes),
            "a value is too long"
        );
        bytes += name.len() + value.len();
    }
    assert!(
        within(bytes, limits.xattr_entry_bytes),
        "too many attributes"
    );
    assert!(
        entry.xattrs.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "attributes are not sorted or have a name twice"
    );
}
