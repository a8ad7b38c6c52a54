//! The 512-byte header block.

use std::ops::Range;

use super::error::TarProblem;
use super::number;

/// The unit of an archive, in bytes.
pub(super) const BLOCK: usize = 512;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MODIFIED: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const DEVICE_MAJOR: Range<usize> = 329..337;
const DEVICE_MINOR: Range<usize> = 337..345;
/// POSIX.
const PREFIX: Range<usize> = 345..500;
/// star, which has its own magic at the end and times behind a shorter prefix.
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_ACCESSED: Range<usize> = 476..488;
const STAR_MAGIC: Range<usize> = 508..512;
/// GNU.
const GNU_ACCESSED: Range<usize> = 345..357;
const GNU_CHANGED: Range<usize> = 357..369;
const GNU_SPARSE_MAP: Range<usize> = 386..482;
const GNU_SPARSE_MORE: usize = 482;
const GNU_REAL_SIZE: Range<usize> = 483..495;

/// Who wrote the header, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    V7,
    Ustar,
    Star,
    Gnu,
}

/// A header block whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

impl<'a> Header<'a> {
    /// Checks the sum of the block. Old writers summed up signed bytes, so both are taken.
    pub(super) fn parse(block: &'a [u8; BLOCK]) -> Result<Self, TarProblem> {
        let recorded = number::field(&block[CHECKSUM]).ok_or(TarProblem::Checksum)?;
        let (before, rest) = block.split_at(CHECKSUM.start);
        let after = &rest[CHECKSUM.len()..];
        let unsigned = |bytes: &[u8]| bytes.iter().map(|&byte| i64::from(byte)).sum::<i64>();
        let signed = |bytes: &[u8]| -> i64 {
            let signed = bytes.iter().map(|&byte| i64::from(byte.cast_signed()));
            signed.sum()
        };
        // The field itself counts as spaces.
        let spaces = 8 * i64::from(b' ');
        if recorded == unsigned(before) + spaces + unsigned(after)
            || recorded == signed(before) + spaces + signed(after)
        {
            Ok(Self(block))
        } else {
            Err(TarProblem::Checksum)
        }
    }

    pub(super) fn dialect(self) -> Dialect {
        match &self.0[MAGIC] {
            b"ustar\0" if self.0[STAR_MAGIC] == *b"tar\0" => Dialect::Star,
            b"ustar\0" => Dialect::Ustar,
            b"ustar " => Dialect::Gnu,
            _ => Dialect::V7,
        }
    }

    pub(super) fn entry_type(self) -> u8 {
        self.0[TYPE]
    }

    /// The path, with its prefix where the dialect has one.
    pub(super) fn path(self, path: &mut Vec<u8>) {
        path.clear();
        let prefix = match self.dialect() {
            Dialect::Ustar => PREFIX,
            Dialect::Star => STAR_PREFIX,
            // Go before 1.8 wrote GNU's magic and a prefix: where the times should be is text.
            Dialect::Gnu if self.gnu_times().is_none() => PREFIX,
            Dialect::Gnu | Dialect::V7 => 0..0,
        };
        let prefix = text(&self.0[prefix]);
        if !prefix.is_empty() {
            path.extend_from_slice(prefix);
            path.push(b'/');
        }
        path.extend_from_slice(text(&self.0[NAME]));
    }

    pub(super) fn link(self) -> &'a [u8] {
        text(&self.0[LINK])
    }

    pub(super) fn permissions(self) -> Result<u16, TarProblem> {
        let mode = number::field(&self.0[MODE]).ok_or(TarProblem::Number("mode"))?;
        // Some writers add the file type, which the type field tells better.
        u16::try_from(mode & 0o7777).map_err(|_| TarProblem::Number("mode"))
    }

    pub(super) fn uid(self) -> Result<u32, TarProblem> {
        owner(&self.0[UID]).ok_or(TarProblem::Number("user id"))
    }

    pub(super) fn gid(self) -> Result<u32, TarProblem> {
        owner(&self.0[GID]).ok_or(TarProblem::Number("group id"))
    }

    pub(super) fn size(self) -> Result<u64, TarProblem> {
        unsigned(&self.0[SIZE]).ok_or(TarProblem::Number("size"))
    }

    /// Whole seconds since 1970.
    pub(super) fn modified(self) -> Result<i64, TarProblem> {
        number::field(&self.0[MODIFIED]).ok_or(TarProblem::Number("modification time"))
    }

    /// Whole seconds since 1970, if the dialect has a place for it that is in use.
    pub(super) fn accessed(self) -> Option<i64> {
        match self.dialect() {
            Dialect::Gnu => self.gnu_times().filter(|_| self.0[GNU_ACCESSED.start] != 0),
            Dialect::Star => number::field(&self.0[STAR_ACCESSED]),
            Dialect::Ustar | Dialect::V7 => None,
        }
    }

    /// The access time, provided that this really is where the times are.
    fn gnu_times(self) -> Option<i64> {
        number::field(&self.0[GNU_CHANGED])?;
        number::field(&self.0[GNU_ACCESSED])
    }

    pub(super) fn device(self) -> Result<(u32, u32), TarProblem> {
        let field = |range, what| {
            number::field(&self.0[range])
                .and_then(|value| u32::try_from(value).ok())
                .ok_or(TarProblem::Number(what))
        };
        Ok((
            field(DEVICE_MAJOR, "device's major number")?,
            field(DEVICE_MINOR, "device's minor number")?,
        ))
    }

    /// The parts of an old GNU sparse file in this block, and whether more blocks follow.
    pub(super) fn gnu_sparse_map(self) -> (&'a [u8], bool) {
        (&self.0[GNU_SPARSE_MAP], self.0[GNU_SPARSE_MORE] != 0)
    }

    pub(super) fn gnu_real_size(self) -> Result<u64, TarProblem> {
        unsigned(&self.0[GNU_REAL_SIZE]).ok_or(TarProblem::Number("real size"))
    }
}

fn unsigned(field: &[u8]) -> Option<u64> {
    u64::try_from(number::field(field)?).ok()
}

/// A user or group id. Solaris writes "nobody" (-2) as a negative number.
fn owner(field: &[u8]) -> Option<u32> {
    let value = number::field(field)?;
    if let Ok(negative) = i32::try_from(value) {
        return usable_owner(negative.cast_unsigned());
    }
    u32::try_from(value).ok().and_then(usable_owner)
}

/// All bits set means "nobody at all" to the kernel.
pub(super) fn usable_owner(id: u32) -> Option<u32> {
    (id != u32::MAX).then_some(id)
}

/// A text field ends at its first NUL, or is full.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0);
    &field[..end.unwrap_or(field.len())]
}
