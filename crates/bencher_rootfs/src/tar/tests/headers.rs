//! Header blocks of every dialect.

use super::*;
use crate::archive::seal;

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
