//! Sparse files of every encoding, whole and damaged.

use super::*;
use crate::archive::seal;

/// Four encodings of the same file: 5 bytes at 10, a hole, 3 bytes at 2000, a hole up to 5000.
fn sparse_archives() -> Vec<(&'static str, Vec<u8>)> {
    let data = b"helloend";
    let mut old = Header::new(b'S', "f").gnu().size(8).block();
    let number = |block: &mut [u8], at: usize, value: u64| {
        block[at..at + 12].copy_from_slice(format!("{value:011o}\0").as_bytes());
    };
    number(&mut old, 386, 10);
    number(&mut old, 398, 5);
    old[482] = 1;
    number(&mut old, 483, 5000);
    seal(&mut old);
    let mut extension = [0; 512];
    number(&mut extension, 0, 2000);
    number(&mut extension, 12, 3);
    number(&mut extension, 24, 5000);
    number(&mut extension, 36, 0);

    let stored = Header::file("GNUSparseFile.0/f").size(8);
    let map = b"3\n10\n5\n2000\n3\n5000\n0\n";
    let mut body = map.to_vec();
    body.resize(512, 0);
    body.extend_from_slice(data);
    vec![
        (
            "old GNU",
            Archive::new().raw(&old).raw(&extension).raw(data).padded(),
        ),
        (
            "PAX 0.0",
            Archive::new()
                .pax(&[
                    ("path", "f"),
                    ("GNU.sparse.size", "5000"),
                    ("GNU.sparse.numblocks", "2"),
                    ("GNU.sparse.offset", "10"),
                    ("GNU.sparse.numbytes", "5"),
                    ("GNU.sparse.offset", "2000"),
                    ("GNU.sparse.numbytes", "3"),
                ])
                .add(&stored)
                .raw(data)
                .padded(),
        ),
        (
            "PAX 0.1",
            Archive::new()
                .pax(&[
                    ("GNU.sparse.name", "f"),
                    ("GNU.sparse.size", "5000"),
                    ("GNU.sparse.numblocks", "2"),
                    ("GNU.sparse.map", "10,5,2000,3"),
                ])
                .add(&stored)
                .raw(data)
                .padded(),
        ),
        (
            "PAX 1.0",
            Archive::new()
                .pax(&[
                    ("GNU.sparse.major", "1"),
                    ("GNU.sparse.minor", "0"),
                    ("GNU.sparse.name", "f"),
                    ("GNU.sparse.realsize", "5000"),
                ])
                .add_with(&stored, &body),
        ),
    ]
    .into_iter()
    .map(|(name, archive)| (name, archive.file("after", "x").end()))
    .collect()
}

#[test]
fn sparse_files_of_every_encoding() {
    for (encoding, archive) in sparse_archives() {
        let entries = read(&archive).unwrap();
        let (entry, contents) = &entries[0];
        assert_eq!(entry.path, b"f", "{encoding}");
        assert_eq!(entry.kind, EntryKind::File { size: 5000 }, "{encoding}");
        let expected = [(10, b"hello".to_vec()), (2000, b"end".to_vec())];
        assert_eq!(*contents, expected, "{encoding}");
        assert_eq!(entries[1].0.path, b"after", "{encoding}");
        assert_eq!(entries[1].1, [(0, b"x".to_vec())], "{encoding}");
    }
}

#[test]
fn contents_that_nobody_reads_are_skipped() {
    for (encoding, archive) in sparse_archives() {
        let mut reader = Reader::new(&archive[..], &Limits::default());
        let mut entry = Entry::default();
        assert!(reader.next_entry(&mut entry).unwrap());
        assert!(reader.next_entry(&mut entry).unwrap(), "{encoding}");
        assert_eq!(entry.path, b"after");
    }
}

#[test]
fn malformed_sparse_files() {
    let pax = |records: &[(&str, &str)], body: &[u8]| {
        Archive::new()
            .pax(records)
            .add_with(&Header::file("f"), body)
            .end()
    };
    let one_zero = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.realsize", "100"),
    ];
    let bad = [
        pax(&[("GNU.sparse.map", "0,1")], b"x"),
        pax(&[("GNU.sparse.map", "0,2"), ("GNU.sparse.size", "5")], b"x"),
        pax(
            &[("GNU.sparse.map", "0,1,0,1"), ("GNU.sparse.size", "5")],
            b"xx",
        ),
        pax(&[("GNU.sparse.map", "5,1"), ("GNU.sparse.size", "5")], b"x"),
        pax(&[("GNU.sparse.numbytes", "5")], b"x"),
        pax(&[("GNU.sparse.major", "2"), ("GNU.sparse.size", "5")], b"x"),
        pax(&one_zero, b""),
        pax(&one_zero, b"2\n0\n1\n"),
        pax(&one_zero, b"what"),
        pax(&one_zero[..2], b"0\n"),
    ];
    for archive in bad {
        let problem = problem(&archive);
        assert!(matches!(problem, TarProblem::Sparse(_)), "{problem:?}");
    }
}

proptest::proptest! {
    /// No input makes the reader panic, run for ever, or give out more than it read.
    #[test]
    fn arbitrary_damage_is_survived(
        choice in 0..4usize,
        changes in proptest::collection::vec((0..4096usize, proptest::num::u8::ANY), 0..20),
        fix_checksums in proptest::bool::ANY,
    ) {
        let mut bytes = sparse_archives().swap_remove(choice).1;
        for (place, value) in changes {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        if fix_checksums {
            let (blocks, _) = bytes.as_chunks_mut::<512>();
            for block in blocks.iter_mut().filter(|block| block[257..262] == *b"ustar") {
                seal(block);
            }
        }
        if let Ok(entries) = read(&bytes) {
            let total: usize = entries
                .iter()
                .flat_map(|(_, pieces)| pieces.iter().map(|(_, bytes)| bytes.len()))
                .sum();
            proptest::prop_assert!(total <= bytes.len());
        }
    }
}
