//! Headers that describe the entry after them.

use std::io::BufRead;

use super::contents::Contents;
use super::error::TarError;
use super::header::Header;
use super::pax::Overrides;
use super::reader::Reader;
use crate::limits::{EntryName, Limit};

/// What extended headers said about the entry to come.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) overrides: Option<Overrides>,
    pub(super) long_path: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
    pub(super) bytes: u64,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.overrides.is_none() && self.long_path.is_none() && self.long_link.is_none()
    }
}

impl<R: BufRead> Reader<R> {
    /// Takes over a PAX header for the next entry.
    pub(super) fn read_local_header(
        &mut self,
        header: Header<'_>,
        pending: &mut Pending,
    ) -> Result<(), TarError> {
        self.read_extended(header, pending)?;
        let mut overrides = match pending.overrides.take() {
            Some(overrides) => overrides,
            None => self.global.clone(),
        };
        let applied = overrides.apply(&self.extended, &self.limits);
        // Messages, that about this header included, are to tell the real name.
        if let Some(path) = overrides.sparse.name.as_ref().or(overrides.path.as_ref()) {
            self.current = EntryName::new(path);
        }
        applied.map_err(|error| self.pax_error(error))?;
        pending.overrides = Some(overrides);
        Ok(())
    }

    /// Takes over a PAX header for all entries to come.
    pub(super) fn read_global_header(
        &mut self,
        header: Header<'_>,
        pending: &mut Pending,
    ) -> Result<(), TarError> {
        self.read_extended(header, pending)?;
        let applied = self.global.apply_global(&self.extended, &self.limits);
        applied.map_err(|error| self.pax_error(error))
    }

    /// Reads a GNU long name, without the NULs that end it.
    pub(super) fn read_long_name(
        &mut self,
        header: Header<'_>,
        pending: &mut Pending,
    ) -> Result<Vec<u8>, TarError> {
        self.read_extended(header, pending)?;
        let name = self.extended.split(|&byte| byte == 0).next();
        Ok(name.unwrap_or_default().to_vec())
    }

    /// Reads the payload of an extended header into `extended`.
    fn read_extended(&mut self, header: Header<'_>, pending: &mut Pending) -> Result<(), TarError> {
        let size = self.size(header)?;
        let maximum = self.limits.extended_header_bytes;
        pending.bytes = pending.bytes.saturating_add(size);
        if pending.bytes > maximum {
            // What it describes is not known yet, but writers name it after that.
            let mut name = Vec::new();
            header.path(&mut name);
            self.current = EntryName::new(&name);
            return Err(self.limit(Limit::ExtendedHeaderBytes, maximum));
        }
        self.contents = Contents::new(size);
        let mut extended = std::mem::take(&mut self.extended);
        extended.clear();
        while let Some(data) = self.next_data()? {
            extended.extend_from_slice(data.bytes);
        }
        self.extended = extended;
        self.finish_contents()
    }
}
