//! A stack of layers with everything that layers can have, against `umoci raw unpack`.

use bencher_rootfs::BuildOptions;

use crate::archive::{Archive, Header};
use crate::host::{Mounted, has, run, text};
use crate::layers::MemoryLayer;
use crate::{oci, snapshot};

const MIB: u64 = 1 << 20;

/// A file capability: `cap_net_raw+ep`, with a newline in it for good measure.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\n\0\0\0\0\0\0\0";

/// `user::rw-,user:1000:rwx,group::r--,mask::rwx,other::r--`
const ACCESS_LIST: &[u8] = b"\x02\0\0\0\
    \x01\0\x06\0\xff\xff\xff\xff\
    \x02\0\x07\0\xe8\x03\0\0\
    \x04\0\x04\0\xff\xff\xff\xff\
    \x10\0\x07\0\xff\xff\xff\xff\
    \x20\0\x04\0\xff\xff\xff\xff";

fn base() -> Archive {
    let long = "n".repeat(255);
    let archive = Archive::new()
        .pax(&[("mtime", "1600000000.123456789")])
        .add(&Header::directory("./"))
        .directory("etc")
        .file("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        .directory("usr")
        .directory("usr/bin")
        .directory("usr/lib")
        .symlink("lib", "usr/lib")
        .symlink("bin", "/usr/bin")
        .add_with(&Header::file("bin/su").mode(0o4755), b"#!/bin/sh\n")
        .add_with(&Header::file("bin/wall").mode(0o2755).owner(0, 5), b"tty")
        .hard_link("bin/sudo", "bin/su")
        .hard_link("lib2", "lib")
        .directory("dev")
        .add(&Header::new(b'3', "dev/null").device(1, 3).mode(0o666))
        .add(&Header::new(b'4', "dev/disk").device(259, 70_000))
        .add(&Header::new(b'6', "dev/fifo").mode(0o600))
        .add(&Header::directory("tmp").mode(0o1777))
        .directory("var")
        .add_with(
            &Header::file("var/owned").owner(3_000_000_000, 70_000),
            b"x",
        )
        .pax(&[("mtime", "-1.5")])
        .file("var/before1970", "")
        .pax(&[("mtime", "5000000000.000000001")])
        .file("var/after2038", "")
        .pax(&[("path", &format!("var/{long}"))])
        .file("short", "long name")
        .pax(&[(&b"path"[..], &b"var/\xff\xfe\n"[..])])
        .file("short", "not text")
        .pax(&[
            (&b"SCHILY.xattr.user.binary"[..], &b"\0=\n\xff"[..]),
            (b"SCHILY.xattr.security.capability", CAPABILITY),
            (b"SCHILY.xattr.trusted.x", b"y"),
        ])
        .file("var/attributes", "x")
        .pax(&[(&b"SCHILY.xattr.system.posix_acl_access"[..], ACCESS_LIST)])
        .add_with(&Header::file("var/list").mode(0o674), b"")
        .pax(&[("SCHILY.xattr.user.directory", "d")])
        .directory("srv")
        .directory("srv/many");
    (0..3000).fold(archive, |archive, number| {
        let name = format!("srv/many/file{number}");
        archive.file(name, format!("contents {number}").repeat(number % 700))
    })
}

fn upper() -> Archive {
    Archive::new()
        .directory("etc")
        .file("etc/.wh.passwd", "")
        .file("etc/hostname", "upper\n")
        // Through symbolic links of the lower layer.
        .file("lib/libc.so", vec![0x7f; 70_000])
        .hard_link("bin/again", "usr/bin/wall")
        // A file becomes a directory and the other way round.
        .directory("var")
        .directory("var/owned")
        .file("var/owned/inside", "i")
        .file("srv", "was a directory")
        .directory("opaque")
        .file("opaque/old", "")
        .add(&Header::directory("tmp").mode(0o700).owner(1, 2))
}

fn top() -> Archive {
    Archive::new()
        .directory("opaque")
        .file("opaque/new", "n")
        .file("opaque/.wh..wh..opq", "")
        .directory("srv")
        .directory("srv/many")
        .file("srv/many/file1", "replaced")
        .symlink("etc/link", "hostname")
        .file("etc/hostname", "top\n")
        .directory("var")
        .file("var/.wh.after2038", "")
        .file(".wh.dev", "")
}

pub(crate) fn layers() -> Vec<MemoryLayer> {
    [base(), upper(), top()]
        .into_iter()
        .zip(["base", "upper", "top"])
        .map(|(archive, name)| MemoryLayer::new(name, archive.end()))
        .collect()
}

#[test]
fn every_field_is_what_umoci_makes_of_it() {
    if !has("umoci", &["umoci", "e2fsck", "mount"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("oci");
    let unpacked = directory.path().join("unpacked");
    for count in 1..=3 {
        let layers = &layers()[..count];
        std::fs::create_dir(&image).unwrap();
        oci::write(&image, layers);
        let reference = format!("{}:latest", text(&image));
        run(
            "umoci",
            &["raw", "unpack", "--image", &reference, text(&unpacked)],
        );
        let expected = snapshot::take(&unpacked);
        // Both ways of placing contents.
        for disk in [64, 22] {
            let mounted = Mounted::build(layers, &BuildOptions::new(disk * MIB));
            snapshot::assert_same(&snapshot::take(&mounted.root), &expected);
        }
        std::fs::remove_dir_all(&image).unwrap();
        std::fs::remove_dir_all(&unpacked).unwrap();
    }
}
