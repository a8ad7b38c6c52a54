//! PAX extended headers: records that say more about an entry than its header block can.
//!
//! A record is `LENGTH KEY=VALUE\n`, its length in decimal counting all of it. Values may hold any
//! byte, newlines too, so only the length tells where a record ends.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::acl;
use super::error::TarProblem;
use super::header::usable_owner;
use super::number;
use super::sparse::{self, Part};
use crate::limits::{Limit, Limits, MAX_NAME_LENGTH};
use crate::tree::Timestamp;

/// libarchive leaves the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the records say; an absent field is left to the header block.
#[derive(Clone, Debug, Default)]
pub(super) struct Overrides {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) modified: Option<Timestamp>,
    pub(super) accessed: Option<Timestamp>,
    pub(super) device_major: Option<u32>,
    pub(super) device_minor: Option<u32>,
    pub(super) sparse: SparseRecords,
    access_list: Option<Vec<u8>>,
    default_list: Option<Vec<u8>>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    xattr_bytes: u64,
}

/// The `GNU.sparse.*` records.
#[derive(Clone, Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// The parts of formats 0.0 and 0.1.
    pub(super) parts: Option<Vec<Part>>,
    /// An offset of format 0.0 whose length is still to come.
    offset: Option<u64>,
}

/// Why a header was refused.
#[derive(Debug)]
pub(super) enum PaxError {
    Problem(TarProblem),
    Limit(Limit, u64),
}

impl From<TarProblem> for PaxError {
    fn from(problem: TarProblem) -> Self {
        Self::Problem(problem)
    }
}

/// The keys and values of a header.
pub(super) fn records(header: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), TarProblem>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let parsed = record(rest);
        rest = parsed.as_ref().map_or(&[], |(_, _, after)| after);
        Some(parsed.map(|(key, value, _)| (key, value)))
    })
}

type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// The first record and what follows it.
fn record(bytes: &[u8]) -> Result<Record<'_>, TarProblem> {
    let position = |bytes: &[u8], wanted| bytes.iter().position(|&byte| byte == wanted);
    let digits = position(&bytes[..bytes.len().min(20)], b' ')
        .ok_or(TarProblem::Pax("a record does not begin with its length"))?;
    let length = number::decimal(&bytes[..digits])
        .and_then(|length| usize::try_from(length).ok())
        .filter(|&length| digits < length && length <= bytes.len())
        .ok_or(TarProblem::Pax("the length of a record is wrong"))?;
    let (record, after) = bytes.split_at(length);
    let record = record[digits + 1..]
        .strip_suffix(b"\n")
        .ok_or(TarProblem::Pax("a record does not end with a newline"))?;
    let equals = position(record, b'=').ok_or(TarProblem::Pax("a record has no value"))?;
    Ok((&record[..equals], &record[equals + 1..], after))
}

impl Overrides {
    /// Takes over all records of a header, later ones winning. An empty value takes back what an
    /// earlier header said.
    pub(super) fn apply(&mut self, header: &[u8], limits: &Limits) -> Result<(), PaxError> {
        for record in records(header) {
            let (key, value) = record?;
            self.apply_record(key, value, limits)?;
        }
        if self.sparse.offset.is_some() {
            return Err(TarProblem::Sparse("an offset has no length").into());
        }
        Ok(())
    }

    /// The same for a header of all entries to come. It can not have what would make them the
    /// same file: Go's reader looks at no global record, so what one layer means would depend on
    /// who reads it.
    pub(super) fn apply_global(&mut self, header: &[u8], limits: &Limits) -> Result<(), PaxError> {
        for record in records(header) {
            let (key, _) = record?;
            if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
                return Err(TarProblem::Pax(
                    "a global header can not have a path, a link's target, a size or a map",
                )
                .into());
            }
        }
        self.apply(header, limits)
    }

    fn apply_record(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), PaxError> {
        let given = (!value.is_empty()).then_some(value);
        match key {
            b"path" => self.path = given.map(<[u8]>::to_vec),
            b"linkpath" => self.link = given.map(<[u8]>::to_vec),
            b"size" => self.size = parse(given, "size", number::decimal)?,
            b"uid" => self.uid = parse(given, "user id", owner)?,
            b"gid" => self.gid = parse(given, "group id", owner)?,
            b"mtime" => self.modified = parse(given, "modification time", number::time)?,
            b"atime" => self.accessed = parse(given, "access time", number::time)?,
            b"SCHILY.devmajor" => {
                self.device_major = parse(given, "device's major number", small)?;
            }
            b"SCHILY.devminor" => {
                self.device_minor = parse(given, "device's minor number", small)?;
            }
            b"SCHILY.acl.access" => self.access_list = given.map(<[u8]>::to_vec),
            b"SCHILY.acl.default" => self.default_list = given.map(<[u8]>::to_vec),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    let name = decode_percent(name, |byte| matches!(byte, b'%' | b'='));
                    self.add_xattr(name, value.to_vec(), limits)?;
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let value = BASE64
                        .decode(value)
                        .map_err(|_| TarProblem::Pax("an extended attribute is not in base64"))?;
                    self.add_xattr(decode_percent(name, |_| true), value, limits)?;
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.apply(key, value, limits)?;
                }
                // Everything else (comments, names of owners, creation times, …) has no place in
                // a root filesystem.
            }
        }
        Ok(())
    }

    fn add_xattr(
        &mut self,
        name: Vec<u8>,
        value: Vec<u8>,
        limits: &Limits,
    ) -> Result<(), PaxError> {
        if name.is_empty() || name.len() > MAX_NAME_LENGTH || name.contains(&0) {
            return Err(TarProblem::Pax(
                "the name of an extended attribute must have 1 to 255 bytes, none of them NUL",
            )
            .into());
        }
        if value.len() as u64 > limits.xattr_value_bytes {
            return Err(PaxError::Limit(
                Limit::XattrValueBytes,
                limits.xattr_value_bytes,
            ));
        }
        let place = self.xattrs.binary_search_by(|(other, _)| other.cmp(&name));
        self.xattr_bytes += value.len() as u64;
        match place {
            Ok(known) => {
                self.xattr_bytes -= self.xattrs[known].1.len() as u64;
                self.xattrs[known].1 = value;
            }
            Err(place) => {
                self.xattr_bytes += name.len() as u64;
                self.xattrs.insert(place, (name, value));
            }
        }
        if self.xattr_bytes > limits.xattr_entry_bytes {
            return Err(PaxError::Limit(
                Limit::XattrEntryBytes,
                limits.xattr_entry_bytes,
            ));
        }
        Ok(())
    }

    /// The extended attributes with the access control lists among them, sorted by name. A list
    /// that is also there as an attribute (GNU tar writes both) is taken from that, as its text
    /// may have names in it.
    pub(super) fn take_xattrs(
        &mut self,
        xattrs: &mut Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<(), TarProblem> {
        xattrs.clear();
        xattrs.append(&mut self.xattrs);
        let lists = [
            (acl::ACCESS_XATTR, self.access_list.take()),
            (acl::DEFAULT_XATTR, self.default_list.take()),
        ];
        for (name, text) in lists {
            let place = xattrs.binary_search_by(|(other, _)| other.as_slice().cmp(name));
            if let (Some(text), Err(place)) = (text, place) {
                let value = acl::to_xattr(&text).map_err(TarProblem::Acl)?;
                xattrs.insert(place, (name.to_vec(), value));
            }
        }
        Ok(())
    }
}

impl SparseRecords {
    fn apply(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), PaxError> {
        const NOT_A_NUMBER: TarProblem = TarProblem::Sparse("it has something else than numbers");
        let number = || number::decimal(value).ok_or(NOT_A_NUMBER);
        match key {
            b"major" => self.major = Some(number()?),
            b"minor" => self.minor = Some(number()?),
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(number()?),
            b"map" => self.parts = Some(sparse::pax_parts(value)?),
            b"offset" if self.offset.is_some() => {
                return Err(TarProblem::Sparse("an offset has no length").into());
            }
            b"offset" => self.offset = Some(number()?),
            b"numbytes" => {
                let offset = self.offset.take();
                let offset = offset.ok_or(TarProblem::Sparse("a length has no offset"))?;
                let length = number()?;
                self.parts
                    .get_or_insert_default()
                    .push(Part { offset, length });
            }
            // `numblocks` repeats how many parts there are.
            _ => {}
        }
        if self.parts.as_ref().map_or(0, Vec::len) as u64 > limits.sparse_parts {
            return Err(PaxError::Limit(Limit::SparseParts, limits.sparse_parts));
        }
        Ok(())
    }
}

fn parse<T>(
    value: Option<&[u8]>,
    what: &'static str,
    parser: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<T>, TarProblem> {
    value
        .map(|value| parser(value).ok_or(TarProblem::Number(what)))
        .transpose()
}

fn small(value: &[u8]) -> Option<u32> {
    u32::try_from(number::decimal(value)?).ok()
}

fn owner(value: &[u8]) -> Option<u32> {
    usable_owner(small(value)?)
}

/// Decodes `%XX` where it stands for a byte that `wanted` accepts.
///
/// GNU tar and libarchive write `=` and `%` this way in the names of extended attributes, as the
/// first `=` ends the key.
fn decode_percent(name: &[u8], wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        if let Some(byte) = escaped.filter(|&byte| wanted(byte)) {
            decoded.push(byte);
            rest = &after[2..];
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}
