//! What every group of tests reads archives with.

mod bounds;
mod ends;
mod headers;
mod holes;
mod records;

use std::io::BufReader;

use super::*;
use crate::archive::{Archive, Header};
use crate::limits::Limits;
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
