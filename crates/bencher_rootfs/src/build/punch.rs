//! Taking back the space of contents that were written and then lost.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::error::RootfsError;
use crate::space::{Ranges, length, subtract};
use crate::tree::{BLOCK_SIZE, Tree};

/// Makes zeroes of everything in `used` that `tree` does not refer to.
///
/// Nothing that an upper layer deleted stays readable, and the image is as sparse as it can be.
pub(super) fn unused(file: &File, mut used: Ranges, tree: &Tree) -> Result<(), RootfsError> {
    let mut kept: Ranges = tree
        .ids()
        .flat_map(|id| tree.segments(id))
        .map(|segment| {
            let end = segment.position + segment.length;
            segment.position..end.next_multiple_of(BLOCK_SIZE)
        })
        .collect();
    if length(&kept) == length(&used) {
        return Ok(());
    }
    kept.sort_unstable_by_key(|range| range.start);
    used.sort_unstable_by_key(|range| range.start);
    for hole in subtract(used, kept) {
        punch(file, hole).map_err(RootfsError::write)?;
    }
    Ok(())
}

fn punch(file: &File, hole: Range<u64>) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match fallocate(file, flags, hole.start, hole.end - hole.start) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => zero(file, hole),
        other => Ok(other?),
    }
}

pub(super) fn zero(file: &File, hole: Range<u64>) -> io::Result<()> {
    static ZEROES: [u8; 64 << 10] = [0; 64 << 10];
    let mut position = hole.start;
    while position < hole.end {
        let length = usize::try_from(hole.end - position).unwrap_or(ZEROES.len());
        let length = length.min(ZEROES.len());
        file.write_all_at(&ZEROES[..length], position)?;
        position += length as u64;
    }
    Ok(())
}
