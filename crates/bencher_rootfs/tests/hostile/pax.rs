//! Extended headers that contradict the header, each other, or themselves.

use crate::archive::{Archive, Header, pax_records};
use crate::survive::{amounts_to, refused, survive};

/// An archive inside an archive: whoever reads sizes differently finds other entries.
fn smuggled() -> Vec<u8> {
    let inner = Archive::new()
        .file("smuggled", "1")
        .file("../outside", "2")
        .symlink("etc", "/etc");
    inner.unterminated()
}

/// The record's size counts, and not the header's, so what is contents stays contents.
#[test]
fn pax_size_overriding_the_header() {
    let inner = smuggled();
    let size = inner.len().to_string();
    let expected = ["/after 1", &format!("/f {size}")];
    for header_size in [0, 512, 8_000_000_000] {
        let layer = Archive::new()
            .pax(&[("size", &size)])
            .add(&Header::file("f").size(header_size))
            .raw(&inner)
            .file("after", "x");
        amounts_to(vec![layer], &expected);
    }
    // It is the file's size, and not that of a long name between them.
    let layer = Archive::new()
        .pax(&[("size", &size)])
        .gnu_long(b'L', b"f")
        .add(&Header::file("short"))
        .raw(&inner)
        .file("after", "x");
    amounts_to(vec![layer], &expected);
    // The last record counts, and an empty one takes it back.
    let layer = Archive::new()
        .pax(&[("size", "5"), ("size", &size)])
        .add(&Header::file("f"))
        .raw(&inner)
        .file("after", "x");
    amounts_to(vec![layer], &expected);
    let layer = Archive::new()
        .pax(&[("size", "99999"), ("size", "")])
        .file("f", "x");
    amounts_to(vec![layer], &["/f 1"]);
}

/// The other way round nothing is contents, and what follows is read with all its consequences.
#[test]
fn pax_size_of_nothing() {
    let layer = Archive::new()
        .pax(&[("size", "0")])
        .add(&Header::file("f").size(1024))
        .raw(&smuggled());
    refused(vec![layer], "the path leads out of the root filesystem");
}

#[test]
fn pax_records_whose_length_lies() {
    for payload in [
        &b"5 path=f\n"[..],
        b"99 path=f\n",
        b"8 path=f\n",
        b"11 path=f\n",
        b"0 path=f\n",
        b"-10 path=f\n",
        b"+10 path=f\n",
        b"18446744073709551626 path=f\n",
        b"99999999999999999999999999 path=f\n",
        b"10path=f\n",
        b" 10 path=f\n",
        b"\n",
        b"10 path=ff",
        b"10 path-ff\n",
        b"3 \n",
        b"2 ",
        b"\0\0\0\0",
    ] {
        let layer = Archive::new().extended(b'x', "h", payload).file("f", "");
        refused(vec![layer], "a PAX header is malformed");
        let layer = Archive::new().extended(b'g', "h", payload).file("f", "");
        refused(vec![layer], "a PAX header is malformed");
    }
    // One record inside the value of another is a value.
    let inner = pax_records(&[("path", "../outside")]);
    let layer = Archive::new()
        .pax(&[(&b"comment"[..], &inner[..]), (b"path", b"inside")])
        .file("f", "");
    amounts_to(vec![layer], &["/inside 0"]);
}

/// What every entry would have makes no sense, and other readers do not look at it.
#[test]
fn a_global_header_that_moves_every_entry() {
    for (key, value) in [
        ("path", "all"),
        ("linkpath", "all"),
        ("size", "0"),
        ("GNU.sparse.name", "all"),
        ("GNU.sparse.map", "0,1"),
        ("GNU.sparse.major", "1"),
    ] {
        let layer = Archive::new().pax_global(&[(key, value)]).file("f", "x");
        refused(vec![layer], "a global header can not have");
    }
    amounts_to(
        vec![
            Archive::new()
                .pax_global(&[("comment", "x"), ("mtime", "1")])
                .file("f", "x"),
        ],
        &["/f 1"],
    );
}

#[test]
fn names_that_come_from_several_headers() {
    // GNU's and PAX's long name: the later kind of header does not matter, GNU's comes first.
    let layer = Archive::new()
        .pax(&[("path", "../pax")])
        .gnu_long(b'L', b"gnu")
        .file("header", "");
    amounts_to(vec![layer], &["/gnu 0"]);
    let layer = Archive::new()
        .pax(&[("path", "safe"), ("GNU.sparse.name", "../outside")])
        .file("header", "");
    refused(vec![layer], "the path leads out");
    let layer = Archive::new()
        .pax(&[("path", "a"), ("path", "b")])
        .file("c", "");
    amounts_to(vec![layer], &["/b 0"]);
}

#[test]
fn extended_headers_that_describe_nothing() {
    let reason = "extended headers that describe no entry";
    refused(vec![Archive::new().pax(&[("path", "x")])], reason);
    refused(vec![Archive::new().gnu_long(b'L', b"x")], reason);
    refused(
        vec![Archive::new().file("a", "").gnu_long(b'K', b"x")],
        reason,
    );
    // A global header describes what follows, and nothing may.
    assert_eq!(
        survive(vec![Archive::new().pax_global(&[("comment", "x")])]),
        Ok(vec![])
    );
}

#[test]
fn huge_extended_attributes() {
    let attribute = |length: usize| [("SCHILY.xattr.user.x", "v".repeat(length))];
    let layer = |length| vec![Archive::new().pax(&attribute(length)).file("f", "")];
    refused(
        layer(65_537),
        "bytes of an extended attribute's value, which is 65536",
    );
    let many: Vec<_> = (0..3)
        .map(|number| (format!("SCHILY.xattr.user.{number}"), "v".repeat(60_000)))
        .collect();
    refused(
        vec![Archive::new().pax(&many).file("f", "")],
        "bytes of an entry's extended attributes, which is 131072",
    );
    let many: Vec<_> = (0..60_000)
        .map(|number| (format!("SCHILY.xattr.user.{number}"), ""))
        .collect();
    refused(
        vec![Archive::new().pax(&many).file("f", "")],
        "bytes of an entry's extended headers, which is 1048576",
    );
    let name = format!("SCHILY.xattr.user.{}", "n".repeat(251));
    refused(
        vec![Archive::new().pax(&[(name, "v")]).file("f", "")],
        "the name of an extended attribute must have 1 to 255 bytes",
    );
}

/// What Linux allows and ext4 has no room for is an error of the image, not a loss.
#[test]
fn extended_attributes_that_ext4_has_no_room_for() {
    let attribute = [("SCHILY.xattr.user.x", "v".repeat(5000))];
    let layer = Archive::new().pax(&attribute).file("f", "").end();
    let layers = [crate::layers::MemoryLayer::new("layer", layer)];
    let image = tempfile::tempfile().unwrap();
    let options = bencher_rootfs::BuildOptions::new(8 << 20);
    let sources = crate::layers::sources(&layers);
    let error = bencher_rootfs::build(&sources, &image, &options, &bencher_rootfs::NoProgress);
    let message = crate::survive::chain(&error.unwrap_err());
    assert!(
        message.contains("\"/f\" has extended attributes of 5020 bytes"),
        "{message}"
    );
}
