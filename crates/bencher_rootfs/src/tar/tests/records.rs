//! PAX records: what they override, and how they can be malformed.

use super::*;
use crate::archive::pax_records;

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

#[test]
fn records_may_hold_any_bytes() {
    let payload = pax_records(&[(&b"a"[..], &b"=\n\0"[..]), (b"b", b"")]);
    let found: Vec<_> = pax::records(&payload).map(Result::unwrap).collect();
    assert_eq!(found, [(&b"a"[..], &b"=\n\0"[..]), (b"b", b"")]);
}
