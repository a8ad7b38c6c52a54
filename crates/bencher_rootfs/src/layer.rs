//! Reading one layer: its entries become a [`Log`], its contents go where they belong.

mod codec;
mod log;
mod meter;
mod replay;
#[cfg(test)]
mod tests;

use std::io::BufRead;

pub(crate) use log::{Chunk, Log};
pub(crate) use meter::{Budget, Meter};
pub(crate) use replay::{Record, RecordKind};

use meter::Metered;

use crate::limits::{EntryName, Limit, LimitError, Limits, MAX_SYMLINK_LENGTH};
use crate::path::{self, Meaning, PathError};
use crate::tar::{Entry, EntryKind, Reader, TarError};
use crate::tree::Segment;

/// Why a layer was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The archive can not be read.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// A path is refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A limit was exceeded.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A symbolic link must point somewhere.
    #[error("{0}: the target of a symbolic link must not be empty, nor have a NUL in it")]
    SymlinkTarget(EntryName),
}

/// Where the contents of a layer's files go, one file after the other.
pub(crate) trait ContentSink {
    /// Why it failed.
    type Error;

    /// Takes contents that belong to `offset` of the file at hand. Offsets ascend.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Keeps a chunk of a log outside of memory, if there is a place for it.
    fn keep_chunk(&mut self, chunk: &[u8]) -> Result<Option<Chunk>, Self::Error> {
        let _ = chunk;
        Ok(None)
    }

    /// The file is complete: tells where its contents lie.
    fn end_file(&mut self, segments: &mut Vec<Segment>) -> Result<(), Self::Error>;
}

/// What a layer changes: first the whiteouts, which concern lower layers only, then the entries.
#[derive(Debug, Default)]
pub(crate) struct LayerLog {
    pub(crate) whiteouts: Log,
    pub(crate) entries: Log,
}

/// Reads the archive in `source`, and gives the source back behind its end. Without a log, only
/// the contents matter.
pub(crate) fn read<R, S, E>(
    source: R,
    meter: &mut Meter<'_>,
    sink: &mut S,
    mut log: Option<&mut LayerLog>,
) -> Result<R, E>
where
    R: BufRead,
    S: ContentSink,
    E: From<LayerError> + From<S::Error>,
{
    let budget = meter.budget();
    let mut reader = Reader::new(Metered::new(source, meter), &budget.limits);
    let mut entry = Entry::default();
    let mut path = Vec::new();
    let mut target = Vec::new();
    let mut segments = Vec::new();
    while reader
        .next_entry(&mut entry)
        .map_err(|error| meter::blame(error, &entry))?
    {
        let meaning =
            path::interpret(&entry.path, &budget.limits, &mut path).map_err(LayerError::from)?;
        segments.clear();
        if meaning == Meaning::Entry {
            link_target(&entry, &budget.limits, &mut target)?;
            if let EntryKind::File { size } = entry.kind {
                check_size(&entry, size, &budget.limits)?;
                while let Some(data) = reader
                    .next_data()
                    .map_err(|error| meter::blame(error, &entry))?
                {
                    sink.write(data.offset, data.bytes)?;
                }
                sink.end_file(&mut segments)?;
            }
        }
        let Some(log) = log.as_deref_mut() else {
            continue;
        };
        let metadata = match meaning {
            Meaning::Entry => log.entries.push_entry(&path, &entry, &target, &segments),
            Meaning::Whiteout => log.whiteouts.push_whiteout(&path, false),
            Meaning::Opaque => log.whiteouts.push_whiteout(&path, true),
            Meaning::Metadata => 0,
        };
        budget.entry(&entry, metadata).map_err(LayerError::from)?;
        log.entries
            .keep_full_chunk(|chunk| sink.keep_chunk(chunk))?;
        log.whiteouts
            .keep_full_chunk(|chunk| sink.keep_chunk(chunk))?;
    }
    Ok(reader.into_inner().into_inner())
}

fn check_size(entry: &Entry, size: u64, limits: &Limits) -> Result<(), LayerError> {
    if size > limits.file_bytes {
        return Err(LayerError::Limit(LimitError {
            limit: Limit::FileBytes,
            maximum: limits.file_bytes,
            entry: EntryName::new(&entry.path),
        }));
    }
    Ok(())
}

/// The target of a link as it will be used: a path for hard links, any text for symbolic ones.
fn link_target(entry: &Entry, limits: &Limits, target: &mut Vec<u8>) -> Result<(), LayerError> {
    target.clear();
    match entry.kind {
        EntryKind::HardLink => path::normalise(&entry.link, limits, target)?,
        EntryKind::Symlink => {
            if entry.link.is_empty() || entry.link.contains(&0) {
                return Err(LayerError::SymlinkTarget(EntryName::new(&entry.path)));
            }
            if entry.link.len() > MAX_SYMLINK_LENGTH {
                return Err(LayerError::Limit(LimitError {
                    limit: Limit::SymlinkBytes,
                    maximum: MAX_SYMLINK_LENGTH as u64,
                    entry: EntryName::new(&entry.path),
                }));
            }
            target.extend_from_slice(&entry.link);
        }
        _ => {}
    }
    Ok(())
}
