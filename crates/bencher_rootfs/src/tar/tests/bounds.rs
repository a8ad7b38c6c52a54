//! Limits that the reader enforces.

use super::*;
use crate::limits::Limit;

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
