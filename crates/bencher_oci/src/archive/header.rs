//! One tar header block: ustar, with GNU's and PAX's extensions.
//!
//! Formats: POSIX.1-2017 `pax`, sections "ustar Interchange Format" and "pax Extended Header";
//! the GNU tar manual, "Basic Tar Format" and "Extensions".

/// The unit of a tar.
pub(super) const BLOCK: usize = 512;

/// What one header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The entry's name, not yet overridden by an extension.
    pub(super) name: Vec<u8>,
    /// The target of a link, likewise.
    pub(super) link: Vec<u8>,
    /// The length of the data that follows; 0 for entries that cannot have data.
    pub(super) size: u64,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    HardLink,
    SymbolicLink,
    /// PAX records for the next entry.
    Pax,
    /// PAX records for all that follow; none of them matters for an archive of blobs.
    PaxGlobal,
    /// GNU: the data is the next entry's name.
    LongName,
    /// GNU: the data is the next entry's link target.
    LongLink,
    /// GNU: a file with holes.
    Sparse,
    /// Folders, devices, what nobody knows: skipped with their data.
    Other,
}

impl Header {
    /// Parses a block that is not all zeros; `None` if its check sum or its size is not valid.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Option<Self> {
        let stored = number(&block[148..156])?;
        if stored != checksum(block, u64::from) && stored != checksum(block, signed) {
            return None;
        }
        let kind = match block[156] {
            b'0' | b'\0' | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymbolicLink,
            b'x' => Kind::Pax,
            b'g' => Kind::PaxGlobal,
            b'L' => Kind::LongName,
            b'K' => Kind::LongLink,
            b'S' => Kind::Sparse,
            _ => Kind::Other,
        };
        let size = match block[156] {
            // Links, devices, folders and fifos have no data, whatever their size field says.
            b'1'..=b'6' => 0,
            _ => number(&block[124..136])?,
        };
        let is_posix = &block[257..263] == b"ustar\0";
        let mut name = if is_posix {
            text(&block[345..500]).to_vec()
        } else {
            Vec::new()
        };
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(text(&block[..100]));
        Some(Self {
            name,
            link: text(&block[157..257]).to_vec(),
            size,
            kind,
        })
    }
}

/// The bytes before the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Octal digits, or GNU's big-endian binary number behind a set top bit.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((&first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        // 0xff begins a negative number.
        let high = u64::from(first & 0x7f);
        return rest.iter().try_fold(high, |value, &byte| {
            Some(value.checked_mul(256)? + u64::from(byte))
        });
    }
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0_u64, |value, &digit| match digit {
        b'0'..=b'7' => Some(value.checked_mul(8)? + u64::from(digit - b'0')),
        _ => None,
    })
}

/// The sum of the block's bytes, with spaces in the place of the sum itself.
fn checksum(block: &[u8; BLOCK], value: impl Fn(u8) -> u64) -> u64 {
    block
        .iter()
        .enumerate()
        .fold(0_u64, |sum, (position, &byte)| {
            let byte = if (148..156).contains(&position) {
                b' '
            } else {
                byte
            };
            sum.wrapping_add(value(byte))
        })
}

/// Some old tars summed their bytes as signed ones.
fn signed(byte: u8) -> u64 {
    i64::from(byte.cast_signed()).cast_unsigned()
}

/// The values of the PAX keys that move an entry: `path`, `linkpath` and `size`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PaxRecords {
    pub(super) path: Option<Vec<u8>>,
    pub(super) linkpath: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) sparse: bool,
}

impl PaxRecords {
    /// Parses `LENGTH KEY=VALUE\n` records; `None` if any is malformed.
    pub(super) fn parse(mut data: &[u8]) -> Option<Self> {
        let mut records = Self::default();
        while !data.is_empty() {
            let space = data.iter().take(20).position(|&byte| byte == b' ')?;
            let len: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
            let record = data.get(space + 1..len)?.strip_suffix(b"\n")?;
            data = &data[len..];
            let equals = record.iter().position(|&byte| byte == b'=')?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => records.path = Some(value.to_vec()),
                b"linkpath" => records.linkpath = Some(value.to_vec()),
                b"size" => records.size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
                _ if key.starts_with(b"GNU.sparse.") => records.sparse = true,
                _ => {}
            }
        }
        Some(records)
    }
}
