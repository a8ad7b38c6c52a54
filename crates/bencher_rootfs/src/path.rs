//! Paths of archive entries: where in the root filesystem they lead, and what their names mean.
//!
//! What correct extractors (containerd, Docker, umoci) do, as far as they agree:
//!
//! - `./a`, `/a`, `a//b`, `a/./b` and `a/` are taken for what they mean; `a/../b` is taken lexically,
//!   whatever `a` is. A path that climbs above its start is refused, also an absolute one, which
//!   some of them take for the root.
//! - The last component may be a whiteout (OCI image specification, "Image Layer Filesystem
//!   Changeset"), see [`Meaning`].

use crate::limits::{EntryName, Limit, LimitError, Limits, MAX_NAME_LENGTH};

const WHITEOUT_PREFIX: &[u8] = b".wh.";
/// Bookkeeping of the aufs storage driver, which old layers still have in them.
const METADATA_PREFIX: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Why a path was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A limit was exceeded.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The path says nothing.
    #[error("{0}: the path is empty")]
    Empty(EntryName),
    /// No file name can hold a NUL.
    #[error("{0}: the path has a NUL in it")]
    Nul(EntryName),
    /// The path has too many `..`.
    #[error("{0}: the path leads out of the root filesystem")]
    Escape(EntryName),
    /// A whiteout names nothing that could be removed.
    #[error("{0}: not a whiteout, although its name begins as one")]
    Whiteout(EntryName),
}

/// What the name of an entry means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// The entry at the normalised path.
    Entry,
    /// The lower layers' entry at the normalised path is gone.
    Whiteout,
    /// Everything that lower layers have in the directory at the normalised path is gone.
    Opaque,
    /// Nothing: bookkeeping of a storage driver.
    Metadata,
}

/// Normalises the path of an entry into `normal`: components separated by single slashes, none of
/// them `.` or `..`; empty for the root. Tells what it means; the mark of a whiteout is taken off.
pub(crate) fn interpret(
    raw: &[u8],
    limits: &Limits,
    normal: &mut Vec<u8>,
) -> Result<Meaning, PathError> {
    normalise(raw, limits, normal)?;
    let last_start = normal.iter().rposition(|&byte| byte == b'/');
    let last_start = last_start.map_or(0, |slash| slash + 1);
    let (parents, last) = normal.split_at(last_start);
    if last == OPAQUE {
        normal.truncate(last_start.saturating_sub(1));
        return Ok(Meaning::Opaque);
    }
    for component in parents.split(|&byte| byte == b'/').chain([last]) {
        if component.starts_with(METADATA_PREFIX) {
            return Ok(Meaning::Metadata);
        }
    }
    let whiteout = |component: &[u8]| component.starts_with(WHITEOUT_PREFIX);
    if parents.split(|&byte| byte == b'/').any(whiteout) {
        return Err(PathError::Whiteout(EntryName::new(raw)));
    }
    match last.strip_prefix(WHITEOUT_PREFIX) {
        None => Ok(Meaning::Entry),
        // Without its prefix it would be the directory itself or its parent.
        Some(b"" | b"." | b"..") => Err(PathError::Whiteout(EntryName::new(raw))),
        Some(_) => {
            normal.drain(last_start..last_start + WHITEOUT_PREFIX.len());
            Ok(Meaning::Whiteout)
        }
    }
}

/// Normalises a path into `normal`, without looking for whiteouts.
pub(crate) fn normalise(
    raw: &[u8],
    limits: &Limits,
    normal: &mut Vec<u8>,
) -> Result<(), PathError> {
    let limit = |limit, maximum| {
        PathError::Limit(LimitError {
            limit,
            maximum,
            entry: EntryName::new(raw),
        })
    };
    normal.clear();
    if raw.is_empty() {
        return Err(PathError::Empty(EntryName::new(raw)));
    }
    if raw.len() as u64 > limits.path_bytes {
        return Err(limit(Limit::PathBytes, limits.path_bytes));
    }
    if raw.contains(&0) {
        return Err(PathError::Nul(EntryName::new(raw)));
    }
    let mut depth = 0;
    for component in raw.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                if depth == 0 {
                    return Err(PathError::Escape(EntryName::new(raw)));
                }
                depth -= 1;
                let slash = normal.iter().rposition(|&byte| byte == b'/');
                normal.truncate(slash.unwrap_or(0));
            }
            _ => {
                if component.len() > MAX_NAME_LENGTH {
                    return Err(limit(Limit::NameBytes, MAX_NAME_LENGTH as u64));
                }
                if depth > 0 {
                    normal.push(b'/');
                }
                normal.extend_from_slice(component);
                depth += 1;
                if depth > limits.path_depth {
                    return Err(limit(Limit::PathDepth, limits.path_depth));
                }
            }
        }
    }
    Ok(())
}

/// Splits a normalised path other than the root's into the directory and the name in it.
pub(crate) fn split(normal: &[u8]) -> (&[u8], &[u8]) {
    match normal.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&normal[..slash], &normal[slash + 1..]),
        None => (b"", normal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> Result<(Meaning, String), PathError> {
        let mut normal = b"old".to_vec();
        let meaning = interpret(raw.as_bytes(), &Limits::default(), &mut normal)?;
        Ok((meaning, String::from_utf8(normal).unwrap()))
    }

    #[test]
    fn every_spelling_means_the_same() {
        for spelling in [
            "a/b",
            "./a/b",
            "/a/b",
            "a//b",
            "a/./b",
            "a/b/",
            "a/b/.",
            "a/x/../b",
            "x/../a/b",
            "//./a/b//",
            "x/y/../../a/b",
        ] {
            assert_eq!(
                path(spelling),
                Ok((Meaning::Entry, "a/b".into())),
                "{spelling}"
            );
        }
        for root in [".", "./", "/", "a/..", "//"] {
            assert_eq!(path(root), Ok((Meaning::Entry, String::new())), "{root}");
        }
        assert_eq!(path("...").unwrap().1, "...");
        assert_eq!(path("..a/.b").unwrap().1, "..a/.b");
    }

    #[test]
    fn escapes_are_refused() {
        for escape in ["..", "../a", "/..", "a/../..", "a/../../b", "./../a"] {
            let name = EntryName::new(escape.as_bytes());
            assert_eq!(path(escape), Err(PathError::Escape(name)));
        }
        assert!(matches!(path(""), Err(PathError::Empty(_))));
        assert!(matches!(path("a\0b"), Err(PathError::Nul(_))));
    }

    #[test]
    fn whiteouts() {
        let table = [
            (".wh.a", Meaning::Whiteout, "a"),
            ("d/.wh.a", Meaning::Whiteout, "d/a"),
            ("./d/.wh..a", Meaning::Whiteout, "d/.a"),
            (".wh....", Meaning::Whiteout, "..."),
            ("d/.wh.a/", Meaning::Whiteout, "d/a"),
            (".wh..wh..opq", Meaning::Opaque, ""),
            ("d/e/.wh..wh..opq", Meaning::Opaque, "d/e"),
            (".wh..wh.plnk", Meaning::Metadata, ".wh..wh.plnk"),
            (".wh..wh.plnk/1.2", Meaning::Metadata, ".wh..wh.plnk/1.2"),
            ("d/.wh..wh.orph", Meaning::Metadata, "d/.wh..wh.orph"),
            (".wha", Meaning::Entry, ".wha"),
            ("a.wh.b", Meaning::Entry, "a.wh.b"),
        ];
        for (raw, meaning, normal) in table {
            assert_eq!(path(raw), Ok((meaning, normal.into())), "{raw}");
        }
        for raw in [
            ".wh.", ".wh..", ".wh...", "d/.wh...", "d/.wh..", ".wh.a/b", "d/.wh./x",
        ] {
            let name = EntryName::new(raw.as_bytes());
            assert_eq!(path(raw), Err(PathError::Whiteout(name)));
        }
    }

    #[test]
    fn limits_name_themselves() {
        let limits = Limits {
            path_depth: 3,
            path_bytes: 600,
            ..Limits::default()
        };
        let check = |raw: &str, expected: Limit| {
            let error = normalise(raw.as_bytes(), &limits, &mut Vec::new()).unwrap_err();
            match error {
                PathError::Limit(error) => assert_eq!(error.limit, expected),
                other => panic!("{other}"),
            }
        };
        check("a/b/c/d", Limit::PathDepth);
        check("a/b/c/d/../..", Limit::PathDepth);
        check(&"x".repeat(256), Limit::NameBytes);
        check(&"x/".repeat(301), Limit::PathBytes);
        let fits = format!("a/b/{}", "x".repeat(255));
        normalise(fits.as_bytes(), &limits, &mut Vec::new()).unwrap();
    }

    #[test]
    fn splitting() {
        assert_eq!(split(b"a"), (&b""[..], &b"a"[..]));
        assert_eq!(split(b"a/b/c"), (&b"a/b"[..], &b"c"[..]));
    }
}
