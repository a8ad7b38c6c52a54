//! Names that lead elsewhere, or are none.

use bencher_rootfs::limits::Limits;

use crate::archive::{Archive, Header};
use crate::survive::{amounts_to, refused, survive_within};

/// A file whose name is in a PAX record, which may hold any bytes.
fn named(name: &[u8]) -> Archive {
    Archive::new().pax(&[(&b"path"[..], name)]).file("f", "x")
}

const OUT: &str = "the path leads out of the root filesystem";

#[test]
fn path_traversal_by_name() {
    for name in [
        "../x",
        "../../../../../../etc/passwd",
        "/../x",
        "a/../../x",
        "./../x",
        "a/b/../../../x",
        "..",
        "a/../..",
        ".//..//x",
    ] {
        refused(vec![named(name.as_bytes())], OUT);
        refused(vec![Archive::new().file(name, "x")], OUT);
        refused(
            vec![Archive::new().gnu_long(b'L', name.as_bytes()).file("f", "")],
            OUT,
        );
        refused(vec![Archive::new().directory(name)], OUT);
        refused(vec![Archive::new().symlink(name, "t")], OUT);
    }
    let mut prefixed = Header::file("x");
    prefixed.prefix = b"..".to_vec();
    refused(vec![Archive::new().add(&prefixed)], OUT);
    // What stays inside, and what only looks like a step up.
    amounts_to(vec![named(b"a/../x")], &["/x 1"]);
    amounts_to(vec![named(b"...")], &["/... 1"]);
    amounts_to(vec![named(b"..\\x")], &["/..\\\\x 1"]);
}

#[test]
fn absolute_names() {
    amounts_to(vec![named(b"/etc/passwd")], &["/etc/", "/etc/passwd 1"]);
    amounts_to(vec![named(b"//etc//x")], &["/etc/", "/etc/x 1"]);
}

#[test]
fn empty_names() {
    refused(vec![Archive::new().file("", "x")], "the path is empty");
    refused(
        vec![Archive::new().gnu_long(b'L', b"").file("f", "x")],
        "the path is empty",
    );
    // The root by another name is nothing but a folder.
    for name in [".", "./", "/", "a/.."] {
        let link = Archive::new().symlink(name, "t");
        refused(
            vec![link],
            "the root of the filesystem can only be a directory",
        );
    }
}

#[test]
fn nul_in_names() {
    for name in [&b"a\0b"[..], b"\0", b"etc/passwd\0.txt"] {
        refused(vec![named(name)], "the path has a NUL in it");
        let hidden = [b".wh.", name].concat();
        refused(vec![named(&hidden)], "the path has a NUL in it");
        let link = |entry_type| {
            Archive::new()
                .file("a", "")
                .pax(&[(&b"linkpath"[..], name)])
                .add(&Header::new(entry_type, "l"))
        };
        refused(vec![link(b'2')], "must not be empty, nor have a NUL");
        refused(vec![link(b'1')], "the path has a NUL in it");
    }
    // In a header's field a NUL ends the name.
    amounts_to(vec![Archive::new().file(b"a\0b", "x")], &["/a 1"]);
}

#[test]
fn names_that_are_too_long() {
    refused(
        vec![named(&[b'n'; 256])],
        "bytes of a file name, which is 255",
    );
    refused(
        vec![named(&b"n/".repeat(2049))],
        "bytes of a path, which is 4096",
    );
    let link = Archive::new()
        .pax(&[("linkpath", "t".repeat(4096))])
        .add(&Header::new(b'2', "l"));
    refused(
        vec![link],
        "bytes of a symbolic link's target, which is 4095",
    );
}

#[test]
fn names_that_control_a_terminal_are_escaped_in_messages() {
    refused(
        vec![named(b"\x1b]0;owned\x07\n/../..")],
        r"\x1b]0;owned\x07\n",
    );
    refused(
        vec![named("\u{202e}gpj.exe/../..".as_bytes())],
        r"\xe2\x80\xae",
    );
}

#[test]
fn paths_three_thousand_deep() {
    let deep = |components: usize| [&b"d/".repeat(components)[..], b"f"].concat();
    refused(vec![named(&deep(3000))], "bytes of a path, which is 4096");
    refused(vec![named(&deep(1024))], "depth of a path, which is 1024");
    // Deeper than a path can say, by a detour over symbolic links.
    let detour = named(&deep(1000))
        .pax(&[("linkpath", "d/".repeat(1000))])
        .add(&Header::new(b'2', "l"))
        .pax(&[(&b"path"[..], &[b"l/", &deep(1000)[..]].concat()[..])])
        .file("f", "x");
    refused(vec![detour], "depth of a path, which is 1024");
    // Whoever allows it gets it: nothing overflows on the way down or back.
    let limits = Limits {
        path_bytes: 10_000,
        path_depth: 4000,
        ..Limits::default()
    };
    let layers = vec![named(&deep(3000)), named(b".wh.d").directory("e")];
    assert_eq!(
        survive_within(layers[..1].to_vec(), &limits).unwrap().len(),
        3001
    );
    assert_eq!(survive_within(layers, &limits).unwrap(), ["/e/"]);
}
