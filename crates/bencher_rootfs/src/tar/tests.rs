use std::io::{BufReader, Read};

use super::*;
use crate::archive::{Archive, Header, pax_records, seal};
use crate::limits::{Limit, Limits};
use crate::tree::Timestamp;

/// An entry with its contents as stored: pieces that follow each other are joined.
type Read1 = (Entry, Vec<(u64, Vec<u8>)>);

fn read_with(bytes: &[u8], limits: &Limits) -> Result<Vec<Read1>, TarError> {
    read_from(bytes, limits)
}

fn read_from(source: impl std::io::BufRead, limits: &Limits) -> Result<Vec<Read1>, TarError> {
    let mut reader = Reader::new(source, limits);
    let mut entry = Entry::default();
    let mut entries = Vec::new();
    while reader.next_entry(&mut entry)? {
        let mut pieces: Vec<(u64, Vec<u8>)> = Vec::new();
        while let Some(data) = reader.next_data()? {
            match pieces.last_mut() {
                Some((offset, bytes)) if *offset + bytes.len() as u64 == data.offset => {
                    bytes.extend_from_slice(data.bytes);
                }
                _ => pieces.push((data.offset, data.bytes.to_vec())),
            }
        }
        entries.push((entry.clone(), pieces));
    }
    assert!(!reader.next_entry(&mut entry)?);
    Ok(entries)
}

/// Reads the archive whole and in tiny pieces: the outcome must be the same.
fn read(bytes: &[u8]) -> Result<Vec<Read1>, TarError> {
    let whole = read_with(bytes, &Limits::default());
    for capacity in [1, 7, 513] {
        let pieces = read_from(
            BufReader::with_capacity(capacity, bytes),
            &Limits::default(),
        );
        match (&whole, &pieces) {
            (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
            (Err(whole), Err(pieces)) => assert_eq!(whole.to_string(), pieces.to_string()),
            _ => panic!("the size of the buffer matters: {whole:?} {pieces:?}"),
        }
    }
    whole
}

fn one(bytes: &[u8]) -> Read1 {
    let entries = read(bytes).unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.into_iter().next().unwrap()
}

fn problem(bytes: &[u8]) -> TarProblem {
    match read(bytes).unwrap_err() {
        TarError::Format { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
    Timestamp {
        seconds,
        nanoseconds,
    }
}

#[test]
fn every_type_of_entry() {
    let device = |entry_type| Header::new(entry_type, "n").device(8, 300_000);
    let table = [
        (Header::file("n"), EntryKind::File { size: 0 }),
        (Header::new(0, "n"), EntryKind::File { size: 0 }),
        (Header::new(b'7', "n"), EntryKind::File { size: 0 }),
        (Header::hard_link("n", "t"), EntryKind::HardLink),
        (Header::symlink("n", "t"), EntryKind::Symlink),
        (
            device(b'3'),
            EntryKind::CharacterDevice {
                major: 8,
                minor: 300_000,
            },
        ),
        (
            device(b'4'),
            EntryKind::BlockDevice {
                major: 8,
                minor: 300_000,
            },
        ),
        (Header::directory("n"), EntryKind::Directory),
        (Header::new(b'6', "n"), EntryKind::Fifo),
        (Header::new(b'D', "n").gnu(), EntryKind::Directory),
    ];
    for (header, kind) in table {
        let (entry, contents) = one(&Archive::new().add(&header).end());
        assert_eq!(entry.kind, kind);
        assert_eq!(entry.path, b"n");
        let has_link = matches!(kind, EntryKind::HardLink | EntryKind::Symlink);
        assert_eq!(entry.link, if has_link { &b"t"[..] } else { b"" });
        assert_eq!(contents, []);
    }
    for unknown in [b'M', b'N', b'A', b'8', b'Z', 0xff] {
        let archive = Archive::new().add(&Header::new(unknown, "n")).end();
        assert_eq!(problem(&archive), TarProblem::UnsupportedType(unknown));
    }
    // star's own sparse format, and one that only GNU's magic vouches for.
    let archive = Archive::new().add(&Header::new(b'S', "n")).end();
    assert_eq!(problem(&archive), TarProblem::UnsupportedType(b'S'));
}

#[test]
fn header_fields_of_every_dialect() {
    for header in [
        Header::file("a/b"),
        Header::file("a/b").gnu(),
        Header::file("a/b").v7(),
    ] {
        let header = header
            .mode(0o107_755)
            .owner(70_000, 4_294_967_294)
            .mtime(-5);
        let (entry, contents) = one(&Archive::new().add_with(&header, b"hello").end());
        assert_eq!(entry.path, b"a/b");
        assert_eq!(entry.permissions, 0o7755);
        assert_eq!((entry.uid, entry.gid), (70_000, 4_294_967_294));
        assert_eq!(entry.modified, at(-5, 0));
        assert_eq!(entry.accessed, None);
        assert_eq!(entry.kind, EntryKind::File { size: 5 });
        assert_eq!(contents, [(0, b"hello".to_vec())]);
    }
}

#[test]
fn names_fill_their_fields_and_prefixes_count_where_the_dialect_has_them() {
    let full = [b'n'; 100];
    let mut header = Header::file(full).link([b'l'; 100]);
    header.prefix = vec![b'p'; 155];
    let (entry, _) = one(&Archive::new().add(&header).end());
    assert_eq!(entry.path, [&[b'p'; 155][..], b"/", &full].concat());

    let (entry, _) = one(&Archive::new().add(&header.clone().v7()).end());
    assert_eq!(entry.path, full);
    // Go before 1.8.
    let (entry, _) = one(&Archive::new().add(&header.clone().gnu()).end());
    assert_eq!(entry.path, [&[b'p'; 155][..], b"/", &full].concat());

    header.prefix = b"p".to_vec();
    let mut block = header.block();
    block[476..488].copy_from_slice(b"00000000017 ");
    block[508..512].copy_from_slice(b"tar\0");
    seal(&mut block);
    let (entry, _) = one(&Archive::new().raw(&block).end());
    assert_eq!(entry.path, [b"p/", &full[..]].concat());
    assert_eq!(entry.accessed, Some(at(0o17, 0)));

    let mut block = Header::file("gnu").gnu().block();
    block[345..357].copy_from_slice(b"00000000017\0");
    seal(&mut block);
    let (entry, _) = one(&Archive::new().raw(&block).end());
    assert_eq!(entry.path, b"gnu");
    assert_eq!(entry.accessed, Some(at(0o17, 0)));
}

#[test]
fn a_slash_at_the_end_makes_a_directory() {
    for entry_type in [0, b'0'] {
        let header = Header::new(entry_type, "d/").v7();
        let archive = Archive::new().add_with(&header, b"ignored").file("f", "x");
        let entries = read(&archive.end()).unwrap();
        assert_eq!(entries[0].0.kind, EntryKind::Directory);
        assert_eq!(entries[0].1, []);
        assert_eq!(entries[1].0.path, b"f");
    }
}

#[test]
fn gnu_long_names_and_volume_labels() {
    let path = vec![b'p'; 3000];
    let link = vec![b'l'; 4000];
    let archive = Archive::new()
        .add_with(&Header::new(b'V', "label").gnu(), b"label")
        .gnu_long(b'K', &link)
        .gnu_long(b'L', &path)
        .symlink("short", "short")
        .file("next", "");
    let entries = read(&archive.end()).unwrap();
    assert_eq!(entries[0].0.path, path);
    assert_eq!(entries[0].0.link, link);
    assert_eq!(entries[1].0.path, b"next");
}

#[test]
fn pax_records_override_the_header() {
    let archive = Archive::new()
        .pax(&[
            ("path", "real/ path"),
            ("uid", "4000000000"),
            ("gid", "70000"),
            ("mtime", "-1.5"),
            ("atime", "5000000000.000000001"),
            ("size", "3"),
            ("uname", "nobody"),
            ("comment", ""),
            ("SCHILY.nlink", "2"),
            ("VENDOR.unknown", "\n\n"),
        ])
        .add(&Header::file("header/path").size(999))
        .raw(b"abc")
        .padded()
        .file("plain", "x");
    let entries = read(&archive.end()).unwrap();
    let (entry, contents) = &entries[0];
    assert_eq!(entry.path, b"real/ path");
    assert_eq!((entry.uid, entry.gid), (4_000_000_000, 70_000));
    assert_eq!(entry.modified, at(-2, 500_000_000));
    assert_eq!(entry.accessed, Some(at(5_000_000_000, 1)));
    assert_eq!(entry.kind, EntryKind::File { size: 3 });
    assert_eq!(*contents, [(0, b"abc".to_vec())]);
    let (entry, _) = &entries[1];
    assert_eq!(entry.path, b"plain");
    assert_eq!((entry.uid, entry.accessed), (0, None));
}

#[test]
fn global_headers_hold_until_taken_back() {
    let archive = Archive::new()
        .pax_global(&[("uid", "7"), ("mtime", "9.5"), ("comment", "x")])
        .file("a", "")
        .pax(&[("uid", "8"), ("mtime", "")])
        .file("b", "")
        .file("c", "")
        .pax_global(&[("uid", "")])
        .file("d", "");
    let entries = read(&archive.end()).unwrap();
    let seen: Vec<_> = entries
        .iter()
        .map(|(entry, _)| (entry.uid, entry.modified.nanoseconds))
        .collect();
    assert_eq!(
        seen,
        [(7, 500_000_000), (8, 0), (7, 500_000_000), (0, 500_000_000)]
    );
}

#[test]
fn extended_attributes_of_any_bytes() {
    let binary: Vec<u8> = (0..=255).collect();
    let capability = b"\x01\0\0\x02\n=\n\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let mut records: Vec<(&str, &[u8])> = vec![
        ("SCHILY.xattr.user.z", &binary),
        ("SCHILY.xattr.security.capability", capability),
        ("SCHILY.xattr.user.empty", b""),
        ("SCHILY.xattr.user.a%3Db%25%41", b"="),
        ("LIBARCHIVE.xattr.user.l%20%C3%A4", b"AAoL/w"),
        ("LIBARCHIVE.xattr.user.padded", b"AAo="),
    ];
    records.rotate_left(2);
    let archive = Archive::new().pax(&records).file("f", "");
    let (entry, _) = one(&archive.end());
    let expected: Vec<(&[u8], &[u8])> = vec![
        (b"security.capability", capability),
        (b"user.a=b%%41", b"="),
        (b"user.empty", b""),
        ("user.l ä".as_bytes(), b"\0\n\x0b\xff"),
        (b"user.padded", b"\0\n"),
        (b"user.z", &binary),
    ];
    let found: Vec<(&[u8], &[u8])> = entry
        .xattrs
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_slice()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn access_control_lists_become_attributes_unless_they_already_are() {
    let archive = Archive::new()
        .pax(&[
            (
                "SCHILY.acl.access",
                "user::rw-,user:5:r--,group::r--,mask::r--,other::---",
            ),
            ("SCHILY.acl.default", "user::rwx\ngroup::r-x\nother::r-x\n"),
        ])
        .directory("text")
        .pax(&[
            ("SCHILY.acl.access", "user::rw-,user:somebody:r--"),
            ("SCHILY.xattr.system.posix_acl_access", "binary"),
        ])
        .file("both", "")
        .pax(&[("SCHILY.acl.access", "user::rw-,user:somebody:r--")])
        .file("named", "");
    let error = read(&archive.clone().end()).unwrap_err().to_string();
    assert!(
        error.contains("\"named\"") && error.contains("somebody"),
        "{error}"
    );
    let bytes = archive.end();
    let mut reader = Reader::new(&bytes[..], &Limits::default());
    let mut entry = Entry::default();
    assert!(reader.next_entry(&mut entry).unwrap());
    let names: Vec<_> = entry.xattrs.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(
        names,
        [&b"system.posix_acl_access"[..], b"system.posix_acl_default"]
    );
    assert_eq!(entry.xattrs[0].1.len(), 4 + 5 * 8);
    assert!(reader.next_entry(&mut entry).unwrap());
    assert_eq!(
        entry.xattrs,
        [(b"system.posix_acl_access".to_vec(), b"binary".to_vec())]
    );
}

#[test]
fn malformed_pax_headers() {
    let bad: [&[u8]; 14] = [
        b"x",
        b"5 a=b",
        b"7 a=b\n",
        b"6 ab\n\n",
        b"0 a=b\n",
        b"-6 a=b\n",
        b"99999999999999999999999 a=b\n",
        b"2 a=b\n",
        b"6 a=bc\n",
        b"6 a=b\n6 a=b",
        b"30 SCHILY.xattr.=namelessssss\n",
        b"31 LIBARCHIVE.xattr.user.x=***\n",
        b"\0\0\0\0",
        b"29 GNU.sparse.offset=12\n",
    ];
    for payload in bad {
        let archive = Archive::new().extended(b'x', "h", payload).file("f", "");
        let problem = problem(&archive.end());
        assert!(
            matches!(problem, TarProblem::Pax(_) | TarProblem::Sparse(_)),
            "{}: {problem:?}",
            payload.escape_ascii()
        );
    }
    for (key, value, what) in [
        ("uid", "x", "user id"),
        ("gid", "4294967296", "group id"),
        ("gid", "4294967295", "group id"),
        ("size", "-1", "size"),
        ("mtime", "now", "modification time"),
        ("atime", "1.2.3", "access time"),
        ("SCHILY.devmajor", "9999999999", "device's major number"),
    ] {
        let archive = Archive::new().pax(&[(key, value)]).file("f", "");
        assert_eq!(problem(&archive.end()), TarProblem::Number(what));
    }
}

#[test]
fn star_device_numbers() {
    let archive = Archive::new()
        .pax(&[("SCHILY.devmajor", "4095"), ("SCHILY.devminor", "1048575")])
        .add(&Header::new(b'4', "disk"));
    let (entry, _) = one(&archive.end());
    let expected = EntryKind::BlockDevice {
        major: 4095,
        minor: 1_048_575,
    };
    assert_eq!(entry.kind, expected);
}

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

#[test]
fn both_kinds_of_checksum_and_no_other() {
    let header = Header::file("\u{e4}\u{f6}");
    let unsigned = header.block();
    let mut signed = unsigned;
    signed[148..156].fill(b' ');
    let sum: i32 = signed
        .iter()
        .map(|&byte| i32::from(byte.cast_signed()))
        .sum();
    signed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_ne!(signed, unsigned);
    for block in [unsigned, signed] {
        one(&Archive::new().raw(&block).end());
    }
    let mut wrong = unsigned;
    wrong[0] ^= 1;
    assert_eq!(
        problem(&Archive::new().raw(&wrong).end()),
        TarProblem::Checksum
    );
    assert_eq!(problem(&[b'x'; 4096]), TarProblem::Checksum);
}

#[test]
fn ends_of_archives() {
    let two = Archive::new().file("a", "1").file("b", "2").unterminated();
    let zeroes = |count: usize| vec![0; count];
    let accepted = [
        vec![],
        zeroes(512),
        zeroes(1024),
        zeroes(10_240),
        zeroes(700),
        [zeroes(1024), vec![b'x'; 777]].concat(),
    ];
    for end in accepted {
        assert_eq!(read(&[two.clone(), end].concat()).unwrap().len(), 2);
    }
    assert_eq!(read(&[]).unwrap().len(), 0);
    // The padding of the last contents, which some writers leave out.
    assert_eq!(read(&two[..two.len() - 511]).unwrap().len(), 2);

    let lone = [two.clone(), zeroes(512), two.clone()].concat();
    assert_eq!(problem(&lone), TarProblem::LoneZeroBlock);
    let dangling = Archive::new().pax(&[("uid", "1")]);
    assert_eq!(
        problem(&dangling.clone().unterminated()),
        TarProblem::DanglingExtendedHeader
    );
    assert_eq!(problem(&dangling.end()), TarProblem::DanglingExtendedHeader);
}

#[test]
fn truncation_is_noticed_everywhere() {
    let archive = Archive::new()
        .pax(&[("path", "long")])
        .file("a", [b'x'; 600])
        .file("b", "2")
        .unterminated();
    // Between entries, or where only padding is missing, there is nothing to notice.
    let complete = |length: usize| {
        length == 0 || (512 + 512 + 512 + 600..=512 * 5).contains(&length) || length > 512 * 6
    };
    for length in 0..archive.len() {
        let outcome = read_with(&archive[..length], &Limits::default());
        assert_eq!(outcome.is_ok(), complete(length), "{length}: {outcome:?}");
    }
}

#[test]
fn hard_links_with_and_without_data() {
    let link = Header::hard_link("link", "a").size(600);
    for body in [&b""[..], &[b'x'; 600]] {
        let archive = Archive::new()
            .file("a", [b'x'; 600])
            .add(&link)
            .raw(body)
            .padded()
            .file("after", "y");
        for archive in [archive.clone().end(), archive.unterminated()] {
            let entries = read(&archive).unwrap();
            let names: Vec<_> = entries.iter().map(|(entry, _)| &entry.path[..]).collect();
            assert_eq!(names, [&b"a"[..], b"link", b"after"]);
            assert_eq!(entries[1].1, []);
        }
    }
    let last = Archive::new().add(&link).unterminated();
    assert_eq!(read(&last).unwrap().len(), 1);
    let cut = Archive::new().add(&link).raw(&[b'x'; 512]).unterminated();
    assert_eq!(problem(&cut), TarProblem::Truncated);
}

#[test]
fn the_source_is_given_back_right_behind_the_archive() {
    let archive = Archive::new().file("a", "1").end();
    let bytes = [archive, b"rest".to_vec()].concat();
    let mut reader = Reader::new(&bytes[..], &Limits::default());
    while reader.next_entry(&mut Entry::default()).unwrap() {}
    assert_eq!(reader.position(), bytes.len() as u64 - 4);
    let mut rest = Vec::new();
    reader.into_inner().read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"rest");
}

#[test]
fn every_limit_names_itself_and_the_entry() {
    let limits = Limits {
        path_bytes: 50,
        xattr_value_bytes: 10,
        xattr_entry_bytes: 40,
        extended_header_bytes: 300,
        sparse_parts: 2,
        ..Limits::default()
    };
    let long = [b'p'; 51];
    let pax = |records: &[(&str, &str)]| {
        let mut all = vec![("path", "named")];
        all.extend_from_slice(records);
        Archive::new().pax(&all).file("f", "")
    };
    let table = [
        (Limit::PathBytes, "ppp", Archive::new().file(long, "")),
        (
            Limit::PathBytes,
            "ppp",
            Archive::new().gnu_long(b'L', &long).file("f", ""),
        ),
        (
            Limit::XattrValueBytes,
            "named",
            pax(&[("SCHILY.xattr.user.x", "12345678901")]),
        ),
        (
            Limit::XattrEntryBytes,
            "named",
            pax(&[
                ("SCHILY.xattr.user.x1", "1234567890"),
                ("SCHILY.xattr.user.x2", "1234567890"),
                ("SCHILY.xattr.user.x3", "1234567890"),
            ]),
        ),
        (
            Limit::ExtendedHeaderBytes,
            "PaxHeaders/entry",
            pax(&[("comment", &"x".repeat(300))]),
        ),
        (
            Limit::ExtendedHeaderBytes,
            "LongLink",
            Archive::new()
                .gnu_long(b'L', &[b'x'; 150])
                .gnu_long(b'K', &[b'x'; 151])
                .file("f", ""),
        ),
        (
            Limit::SparseParts,
            "named",
            pax(&[("GNU.sparse.map", "0,0,0,0,0,0"), ("GNU.sparse.size", "9")]),
        ),
        (
            Limit::SparseParts,
            "named",
            Archive::new()
                .pax(&[
                    ("path", "named"),
                    ("GNU.sparse.major", "1"),
                    ("GNU.sparse.realsize", "9"),
                ])
                .file("f", "3\n0\n0\n0\n0\n0\n0\n"),
        ),
    ];
    for (limit, name, archive) in table {
        match read_with(&archive.end(), &limits).unwrap_err() {
            TarError::Limit(error) => {
                assert_eq!(error.limit, limit);
                let message = error.to_string();
                assert!(message.contains(name), "{message}");
                assert!(message.contains(&limit.to_string()), "{message}");
                assert!(message.contains(&error.maximum.to_string()), "{message}");
            }
            other => panic!("{limit:?}: {other}"),
        }
    }
    // The same attribute again counts once.
    let again = [("SCHILY.xattr.user.x", "1234567890"); 4];
    read_with(&pax(&again).end(), &limits).unwrap();
}

#[test]
fn numbers_that_are_none() {
    let mut block = Header::file("f").block();
    block[124] = b'x';
    seal(&mut block);
    let archive = Archive::new().raw(&block).end();
    assert_eq!(problem(&archive), TarProblem::Number("size"));
    let archive = Archive::new().pax(&[("size", "0")]).raw(&block).end();
    assert_eq!(one(&archive).0.kind, EntryKind::File { size: 0 });
    let archive = Archive::new()
        .add(&Header::file("f").owner(1 << 32, 0))
        .end();
    assert_eq!(problem(&archive), TarProblem::Number("user id"));
}

#[test]
fn records_may_hold_any_bytes() {
    let payload = pax_records(&[(&b"a"[..], &b"=\n\0"[..]), (b"b", b"")]);
    let found: Vec<_> = pax::records(&payload).map(Result::unwrap).collect();
    assert_eq!(found, [(&b"a"[..], &b"=\n\0"[..]), (b"b", b"")]);
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
