//! Sparse files: which parts of a file the archive stores.
//!
//! Four encodings: the old GNU one in the header block and blocks after it; PAX 0.0 as pairs of
//! records; PAX 0.1 as one record; PAX 1.0 as lines of text in front of the contents.
//! Source: GNU tar manual, appendix "Storing Sparse Files".

use super::error::TarProblem;
use super::number;

/// A stored part of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// Its length, both in the file and in the archive.
    pub(super) length: u64,
}

/// One block after the header of an old GNU sparse file: 21 parts, and whether more follow.
pub(super) fn gnu_extension(block: &[u8; 512]) -> (&[u8], bool) {
    (&block[..504], block[504] != 0)
}

/// Adds the parts of an old GNU map: pairs of 12-byte numbers, the first empty one being the end.
pub(super) fn gnu_parts(map: &[u8], parts: &mut Vec<Part>) -> Result<(), TarProblem> {
    let number = |field| {
        number::field(field)
            .and_then(|value| u64::try_from(value).ok())
            .ok_or(TarProblem::Sparse("an offset or length is not a number"))
    };
    for pair in map.chunks_exact(24) {
        if pair[0] == 0 || pair[12] == 0 {
            break;
        }
        parts.push(Part {
            offset: number(&pair[..12])?,
            length: number(&pair[12..])?,
        });
    }
    Ok(())
}

/// The parts of a PAX 0.1 map: numbers separated by commas.
pub(super) fn pax_parts(map: &[u8]) -> Result<Vec<Part>, TarProblem> {
    if map.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = map
        .split(|&byte| byte == b',')
        .map(number::decimal)
        .collect::<Option<Vec<u64>>>()
        .ok_or(TarProblem::Sparse("it has something else than numbers"))?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(TarProblem::Sparse("an offset has no length"));
    }
    Ok(pairs
        .iter()
        .map(|&[offset, length]| Part { offset, length })
        .collect())
}

/// Reads the map of PAX 1.0, byte by byte: the number of parts, then offset and length of each,
/// every number a line of its own.
#[derive(Debug, Default)]
pub(super) struct MapParser {
    number: Option<u64>,
    count: Option<u64>,
    offset: Option<u64>,
    parts: Vec<Part>,
}

impl MapParser {
    /// Takes the next byte; gives the parts when they are complete.
    pub(super) fn push(&mut self, byte: u8, limit: u64) -> Result<Option<Vec<Part>>, MapError> {
        const NOT_A_NUMBER: MapError =
            MapError::Malformed(TarProblem::Sparse("it has something else than numbers"));
        if byte.is_ascii_digit() {
            let number = self
                .number
                .unwrap_or(0)
                .checked_mul(10)
                .and_then(|number| number.checked_add(u64::from(byte - b'0')))
                .ok_or(NOT_A_NUMBER)?;
            self.number = Some(number);
            return Ok(None);
        }
        let number = self.number.take().filter(|_| byte == b'\n');
        let number = number.ok_or(NOT_A_NUMBER)?;
        match (self.count, self.offset.take()) {
            (None, _) if number > limit => return Err(MapError::TooMany),
            (None, _) => self.count = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => self.parts.push(Part {
                offset,
                length: number,
            }),
        }
        let complete = self.offset.is_none() && self.count == Some(self.parts.len() as u64);
        Ok(complete.then(|| std::mem::take(&mut self.parts)))
    }
}

/// Why a PAX 1.0 map was refused.
#[derive(Debug)]
pub(super) enum MapError {
    Malformed(TarProblem),
    TooMany,
}

/// Checks that the parts ascend, do not overlap, lie inside the file, and are as long together as
/// what the archive stores. Drops empty ones, which only mark the end of the file.
pub(super) fn check(parts: &mut Vec<Part>, size: u64, stored: u64) -> Result<(), TarProblem> {
    let mut end = 0u64;
    let mut total = 0u64;
    for part in parts.iter() {
        if part.offset < end {
            return Err(TarProblem::Sparse("its parts overlap or are out of order"));
        }
        end = part
            .offset
            .checked_add(part.length)
            .filter(|&end| end <= size)
            .ok_or(TarProblem::Sparse("a part lies beyond the end of the file"))?;
        // Can not overflow: parts do not overlap.
        total += part.length;
    }
    if total != stored {
        return Err(TarProblem::Sparse(
            "its parts are not as long as what is stored",
        ));
    }
    parts.retain(|part| part.length > 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u64, length: u64) -> Part {
        Part { offset, length }
    }

    fn parse_lines(text: &[u8]) -> Option<Vec<Part>> {
        let mut parser = MapParser::default();
        for &byte in text {
            match parser.push(byte, 10) {
                Ok(Some(parts)) => return Some(parts),
                Ok(None) => {}
                Err(_) => return None,
            }
        }
        None
    }

    #[test]
    fn pax_1_0_maps() {
        assert_eq!(parse_lines(b"0\n"), Some(vec![]));
        assert_eq!(
            parse_lines(b"2\n0\n512\n4096\n1\nrest"),
            Some(vec![part(0, 512), part(4096, 1)])
        );
        for bad in [
            &b"2\n0\n512\n"[..],
            b"\n",
            b"1\n\n",
            b"1 \n",
            b"-1\n",
            b"11\n",
            b"1\n99999999999999999999\n",
        ] {
            assert_eq!(parse_lines(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn pax_0_1_maps() {
        assert_eq!(pax_parts(b"").unwrap(), []);
        assert_eq!(pax_parts(b"1,2,3,4").unwrap(), [part(1, 2), part(3, 4)]);
        for bad in [&b"1"[..], b"1,2,3", b"1,2,", b"a,b", b","] {
            assert!(pax_parts(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn maps_must_fit_the_file_and_what_is_stored() {
        let ok = |parts: &[Part], size, stored| {
            let mut parts = parts.to_vec();
            check(&mut parts, size, stored).map(|()| parts)
        };
        assert_eq!(ok(&[], 100, 0), Ok(vec![]));
        assert_eq!(
            ok(
                &[part(0, 5), part(10, 0), part(10, 90), part(100, 0)],
                100,
                95
            ),
            Ok(vec![part(0, 5), part(10, 90)])
        );
        assert!(ok(&[part(0, 5), part(4, 5)], 100, 10).is_err());
        assert!(ok(&[part(50, 51)], 100, 51).is_err());
        assert!(ok(&[part(0, 5)], 100, 6).is_err());
        assert!(ok(&[part(u64::MAX, 2)], u64::MAX, 2).is_err());
    }
}
