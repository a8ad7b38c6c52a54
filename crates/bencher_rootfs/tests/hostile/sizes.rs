//! Numbers that overflow, and numbers that lie.

use bencher_rootfs::limits::Limits;
use bencher_rootfs::{BuildOptions, NoProgress, build};

use crate::archive::{Archive, Header, seal};
use crate::layers::{MemoryLayer, sources};
use crate::survive::{amounts_to, check, refused, survive};

/// A file whose header has these bytes for a size.
fn sized(field: [u8; 12]) -> Archive {
    let mut block = Header::file("f").block();
    block[124..136].copy_from_slice(&field);
    seal(&mut block);
    Archive::new().raw(&block)
}

/// A size as GNU writes what is too large for octal digits.
fn binary(size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    field[0] = 0x80;
    field[4..].copy_from_slice(&size.to_be_bytes());
    field
}

fn pax_sized(size: &str) -> Archive {
    Archive::new()
        .pax(&[("size", size)])
        .add(&Header::file("f"))
}

#[test]
fn sizes_that_overflow() {
    let none = "the size of the entry is not a number that it can be";
    // More than 64 bits, and less than nothing.
    refused(vec![sized([0xff; 12])], none);
    let mut wide = [0xff; 12];
    wide[0] = 0x80;
    refused(vec![sized(wide)], none);
    refused(vec![sized(binary(u64::MAX))], none);
    refused(vec![sized(*b"-0000000001\0")], none);
    for size in [
        "-1",
        "18446744073709551616",
        "0x10",
        "1e3",
        "+5",
        " 5",
        "5 ",
        "",
    ] {
        if !size.is_empty() {
            refused(vec![pax_sized(size)], none);
        }
    }
    // Where adding the padding would overflow.
    for size in [i64::MAX.cast_unsigned(), i64::MAX.cast_unsigned() - 510] {
        refused(
            vec![sized(binary(size))],
            "bytes of a file, which is 17592186040320",
        );
    }
    refused(vec![pax_sized("18446744073709551615")], "bytes of a file");
    refused(vec![pax_sized("18446744073709551105")], "bytes of a file");
}

#[test]
fn sizes_that_lie() {
    let cut = "the archive is cut off";
    refused(vec![sized(*b"77777777777\0")], cut);
    refused(vec![sized(binary(17_592_186_040_320))], cut);
    refused(vec![pax_sized("4096")], cut);
    // More than there is swallows what follows, and then nothing looks like a header.
    let long = Archive::new()
        .add(&Header::file("f").size(513))
        .raw(&[b'x'; 512])
        .file("g", "0123456789".repeat(60));
    refused(vec![long], "not a tar header");
    // Less than there is makes a header of contents.
    let short = Archive::new()
        .add(&Header::file("f").size(1))
        .raw(&[b'x'; 1024]);
    refused(vec![short], "not a tar header");
}

#[test]
fn sizes_of_what_has_no_contents() {
    // They mean nothing, as for other readers: what follows is the next header.
    for header in [
        Header::directory("n"),
        Header::symlink("n", "t"),
        Header::new(b'3', "n").device(1, 3),
        Header::new(b'6', "n"),
    ] {
        let huge = header.size(8_000_000_000);
        let layer = Archive::new().add(&huge).file("next", "1");
        let lines = survive(vec![layer]).unwrap();
        assert_eq!(lines.last().unwrap(), "/next 1");
        assert_eq!(lines.len(), 2);
    }
}

#[test]
fn sizes_of_extended_headers() {
    let limit = "bytes of an entry's extended headers, which is 1048576";
    for entry_type in [b'x', b'g', b'L', b'K'] {
        // Refused for what it says, before anything of it is read.
        for size in [1_048_577, 8_000_000_000, i64::MAX.cast_unsigned()] {
            let layer = Archive::new().add(&Header::new(entry_type, "h").size(size));
            refused(vec![layer.file("f", "")], limit);
        }
        let layer = Archive::new().add(&Header::new(entry_type, "h").size(5000));
        refused(vec![layer], "the archive is cut off");
    }
    // In pieces, too.
    let pieces = (0..3).fold(Archive::new(), |archive, _| {
        archive.pax(&[("comment", "c".repeat(400_000))])
    });
    refused(vec![pieces.file("f", "")], limit);
}

#[test]
fn owners_that_overflow() {
    for (key, value, what) in [
        ("uid", "4294967296", "user id"),
        ("uid", "4294967295", "user id"),
        ("gid", "-1", "group id"),
        ("gid", "99999999999999999999", "group id"),
    ] {
        let layer = Archive::new().pax(&[(key, value)]).file("f", "");
        refused(vec![layer], &format!("the {what} of the entry"));
    }
    refused(
        vec![Archive::new().add(&Header::file("f").owner(1 << 40, 0))],
        "the user id of the entry",
    );
}

#[test]
fn times_beyond_all_bounds() {
    for time in ["99999999999999", "-99999999999999", "0.0000000000000000001"] {
        amounts_to(
            vec![Archive::new().pax(&[("mtime", time)]).file("f", "")],
            &["/f 0"],
        );
    }
    for time in ["now", "1.2.3", "", "1e9", "99999999999999999999999"] {
        let layer = Archive::new().pax(&[("mtime", time)]).file("f", "");
        if time.is_empty() {
            survive(vec![layer]).unwrap();
        } else {
            refused(vec![layer], "the modification time of the entry");
        }
    }
}

#[test]
fn sparse_maps_that_lie() {
    let sparse = |map: &str, size: &str, contents: &str| {
        let records = [("GNU.sparse.map", map), ("GNU.sparse.size", size)];
        vec![Archive::new().pax(&records).file("f", contents)]
    };
    for (map, size, contents) in [
        ("0,1,0,1", "9", "xx"),
        ("5,1,0,1", "9", "xx"),
        ("18446744073709551615,2", "18446744073709551615", "xx"),
        ("0,18446744073709551615,18446744073709551615,2", "9", "x"),
        ("0,2", "1", "xx"),
        ("0,1", "9", "xx"),
        ("0,3", "9", "xx"),
    ] {
        refused(
            sparse(map, size, contents),
            "the map of a sparse file is malformed",
        );
    }
    refused(sparse("0,1", "17592186040321", "x"), "bytes of a file");
    let parts = vec!["0,0"; 65_537].join(",");
    refused(
        sparse(&parts, "9", ""),
        "parts of a sparse file, which is 65536",
    );
}

#[test]
fn the_largest_file_is_nothing_but_a_hole() {
    let size = Limits::default().file_bytes.to_string();
    let records = [("GNU.sparse.map", "0,1"), ("GNU.sparse.size", &size)];
    let layer = Archive::new().pax(&records).file("f", "x").end();
    let layers = [MemoryLayer::new("layer", layer)];
    let image = tempfile::NamedTempFile::new().unwrap();
    let options = BuildOptions::new(8 << 20);
    let report = build(&sources(&layers), image.as_file(), &options, &NoProgress).unwrap();
    assert_eq!(report.content_bytes, 4096);
    check(image.path());
}
