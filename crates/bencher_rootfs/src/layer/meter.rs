//! What layers may cost, counted as it is spent.

use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use super::LayerError;
use crate::limits::{EntryName, Limit, LimitError, Limits};
use crate::tar::{Entry, TarError};

/// The limits on what all layers of an image have together, and how much of them is used up.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    entries: AtomicU64,
    metadata: AtomicU64,
    bytes: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            entries: AtomicU64::new(0),
            metadata: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn spend(
        used: &AtomicU64,
        amount: u64,
        (limit, maximum): (Limit, u64),
        entry: &[u8],
    ) -> Result<(), LimitError> {
        let before = used.fetch_add(amount, Ordering::Relaxed);
        if before.saturating_add(amount) > maximum {
            return Err(LimitError {
                limit,
                maximum,
                entry: EntryName::new(entry),
            });
        }
        Ok(())
    }

    pub(super) fn entry(&self, entry: &Entry, metadata: u64) -> Result<(), LimitError> {
        let limits = &self.limits;
        let maximum = (Limit::Entries, limits.entries);
        Self::spend(&self.entries, 1, maximum, &entry.path)?;
        let maximum = (Limit::MetadataBytes, limits.metadata_bytes);
        Self::spend(&self.metadata, metadata, maximum, &entry.path)
    }
}

/// Keeps account of the bytes of one layer.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    budget: &'a Budget,
    compressed: u64,
    position: u64,
}

impl<'a> Meter<'a> {
    /// For a layer of so many compressed bytes.
    pub(crate) fn new(budget: &'a Budget, compressed: u64) -> Self {
        Self {
            budget,
            compressed,
            position: 0,
        }
    }

    pub(super) fn budget(&self) -> &'a Budget {
        self.budget
    }

    /// So many bytes of the layer were read up to now; `entry` is where it stands.
    pub(crate) fn advance(&mut self, position: u64, entry: &[u8]) -> Result<(), LimitError> {
        let limits = &self.budget.limits;
        let more = position.saturating_sub(self.position);
        if more == 0 {
            return Ok(());
        }
        self.position = position;
        let maximum = (Limit::TotalBytes, limits.total_bytes);
        Budget::spend(&self.budget.bytes, more, maximum, entry)?;
        let fair = self.compressed.saturating_mul(limits.expansion_ratio);
        if position > limits.expansion_allowance.max(fair) {
            return Err(LimitError {
                limit: Limit::ExpansionRatio,
                maximum: limits.expansion_ratio,
                entry: EntryName::new(entry),
            });
        }
        Ok(())
    }
}

/// A source whose bytes are counted as they are taken, whatever they are taken for: an archive has
/// many ways to make its reader skip without an entry in sight.
#[derive(Debug)]
pub(super) struct Metered<'m, 'a, R> {
    source: R,
    meter: &'m mut Meter<'a>,
    position: u64,
}

impl<'m, 'a, R> Metered<'m, 'a, R> {
    pub(super) fn new(source: R, meter: &'m mut Meter<'a>) -> Self {
        Self {
            source,
            meter,
            position: 0,
        }
    }

    pub(super) fn into_inner(self) -> R {
        self.source
    }
}

impl<R: BufRead> Read for Metered<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Metered<'_, '_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let advanced = self.meter.advance(self.position, b"");
        advanced.map_err(io::Error::other)?;
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.position += count as u64;
    }
}

/// An error of the archive's reader; one of the meter inside it with the entry that it came at.
pub(super) fn blame(error: TarError, entry: &Entry) -> LayerError {
    match error {
        TarError::Read { position, source } => match source.downcast::<LimitError>() {
            Ok(error) => LayerError::Limit(LimitError {
                entry: EntryName::new(&entry.path),
                ..error
            }),
            Err(source) => TarError::Read { position, source }.into(),
        },
        error => error.into(),
    }
}
