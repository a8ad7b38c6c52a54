//! Walks an archive entry by entry.

use std::io::BufRead;

use super::contents::{Contents, Data, padding};
use super::entry::{Entry, EntryKind};
use super::error::{TarError, TarProblem};
use super::extended::Pending;
use super::header::{BLOCK, Dialect, Header};
use super::pax::{Overrides, PaxError};
use super::sparse::{self, MapError, MapParser, Part};
use super::stream::{BlockRead, Stream};
use crate::limits::{EntryName, Limit, LimitError, Limits};
use crate::tree::Timestamp;

/// Reads a tar archive from a buffered source, in one pass.
///
/// Of [`Limits`] it enforces those on extended headers, paths, extended attributes and sparse
/// files; those that concern more than one entry are up to the caller.
#[derive(Debug)]
pub struct Reader<R> {
    stream: Stream<R>,
    pub(super) limits: Limits,
    block: [u8; BLOCK],
    /// `block` holds a header that was read ahead.
    block_is_ahead: bool,
    pub(super) contents: Contents,
    /// Bytes that follow a hard link's header, if its size means what POSIX says.
    link_body: u64,
    pub(super) global: Overrides,
    /// Payload of the extended header at hand.
    pub(super) extended: Vec<u8>,
    /// The entry at hand, for messages.
    pub(super) current: EntryName,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// A reader of the archive that `source` begins with.
    pub fn new(source: R, limits: &Limits) -> Self {
        Self {
            stream: Stream::new(source),
            limits: *limits,
            block: [0; BLOCK],
            block_is_ahead: false,
            contents: Contents::default(),
            link_body: 0,
            global: Overrides::default(),
            extended: Vec::new(),
            current: EntryName::new(b""),
            ended: false,
        }
    }

    /// Reads the next entry into `entry`, skipping what is left of the contents of the one before.
    /// Tells whether there was one.
    ///
    /// The end is a block of zeroes, followed by another one or nothing, or the end of the source
    /// between two entries. What follows is left in the source.
    ///
    /// # Errors
    /// [`TarError`]. The reader is of no use after one.
    pub fn next_entry(&mut self, entry: &mut Entry) -> Result<bool, TarError> {
        if self.ended {
            return Ok(false);
        }
        self.finish_contents()?;
        self.resolve_link_body()?;
        let mut pending = Pending::default();
        while self.next_header(&pending)? {
            let block = self.block;
            let header = Header::parse(&block).map_err(|problem| self.error(problem))?;
            match header.entry_type() {
                b'x' | b'X' => self.read_local_header(header, &mut pending)?,
                b'g' => self.read_global_header(header, &mut pending)?,
                b'L' => {
                    let path = self.read_long_name(header, &mut pending)?;
                    self.current = EntryName::new(&path);
                    pending.long_path = Some(path);
                }
                b'K' => pending.long_link = Some(self.read_long_name(header, &mut pending)?),
                // The label of a volume.
                b'V' if header.dialect() == Dialect::Gnu => {
                    self.contents = Contents::new(self.size(header)?);
                    self.finish_contents()?;
                }
                _ => {
                    self.read_entry(header, pending, entry)?;
                    return Ok(true);
                }
            }
        }
        self.ended = true;
        Ok(false)
    }

    /// The next piece of the contents of the entry at hand; nothing at their end.
    ///
    /// # Errors
    /// [`TarError::Read`], and [`TarProblem::Truncated`] if the source ends first.
    pub fn next_data(&mut self) -> Result<Option<Data<'_>>, TarError> {
        self.settle();
        let limit = self.contents.seek();
        if limit == 0 {
            return Ok(None);
        }
        let available = self.stream.available()?;
        if available == 0 {
            return Err(self.error(TarProblem::Truncated));
        }
        let length = usize::try_from(limit).unwrap_or(usize::MAX).min(available);
        self.contents.given = length;
        Ok(Some(Data {
            offset: self.contents.offset,
            bytes: &self.stream.peek()?[..length],
        }))
    }

    /// Bytes of the archive that were read, what [`next_data`](Self::next_data) gave included.
    pub fn position(&self) -> u64 {
        self.stream.position() + self.contents.given as u64
    }

    /// Gives the source back, right behind what was read. It may hold more than the archive.
    pub fn into_inner(mut self) -> R {
        self.settle();
        self.stream.into_inner()
    }

    /// Takes what was given out off the stream.
    fn settle(&mut self) {
        let given = std::mem::take(&mut self.contents.given);
        self.stream.consume(given);
        self.contents.remaining -= given as u64;
        self.contents.offset += given as u64;
    }

    pub(super) fn finish_contents(&mut self) -> Result<(), TarError> {
        self.settle();
        let Contents {
            remaining, padding, ..
        } = std::mem::take(&mut self.contents);
        self.skip(remaining)?;
        // Some writers leave out the padding at the very end.
        self.stream.skip(padding)?;
        Ok(())
    }

    /// The size of a hard link is how much data follows it for PAX, and means nothing for others.
    /// Writers do not tell which they are, but what follows tells: a header, or not.
    ///
    /// The data, if any, are those of the target, which came before: they are skipped.
    fn resolve_link_body(&mut self) -> Result<(), TarError> {
        let body = std::mem::take(&mut self.link_body);
        if body == 0 {
            return Ok(());
        }
        match self.stream.read_block(&mut self.block)? {
            BlockRead::Whole if is_zero(&self.block) || Header::parse(&self.block).is_ok() => {
                self.block_is_ahead = true;
                Ok(())
            }
            BlockRead::Whole => {
                self.skip(body.saturating_sub(BLOCK as u64))?;
                if body > BLOCK as u64 {
                    self.stream.skip(padding(body))?;
                }
                Ok(())
            }
            BlockRead::Partial => Err(self.error(TarProblem::Truncated)),
            BlockRead::End => Ok(()),
        }
    }

    /// Reads the next header into `block`; tells whether there is one.
    fn next_header(&mut self, pending: &Pending) -> Result<bool, TarError> {
        let found = if std::mem::take(&mut self.block_is_ahead) {
            BlockRead::Whole
        } else {
            self.stream.read_block(&mut self.block)?
        };
        match found {
            BlockRead::Whole if !is_zero(&self.block) => return Ok(true),
            BlockRead::Whole => {
                let next = self.stream.read_block(&mut self.block)?;
                if next == BlockRead::Whole && !is_zero(&self.block) {
                    return Err(self.error(TarProblem::LoneZeroBlock));
                }
            }
            BlockRead::Partial => return Err(self.error(TarProblem::Truncated)),
            BlockRead::End => {}
        }
        if pending.is_empty() {
            Ok(false)
        } else {
            Err(self.error(TarProblem::DanglingExtendedHeader))
        }
    }

    fn read_entry(
        &mut self,
        header: Header<'_>,
        pending: Pending,
        entry: &mut Entry,
    ) -> Result<(), TarError> {
        let mut overrides = match pending.overrides {
            Some(overrides) => overrides,
            None => self.global.clone(),
        };
        header.path(&mut entry.path);
        let path = overrides.sparse.name.take();
        if let Some(path) = path.or(pending.long_path).or(overrides.path.take()) {
            entry.path = path;
        }
        self.current = EntryName::new(&entry.path);
        if entry.path.len() as u64 > self.limits.path_bytes {
            return Err(self.limit(Limit::PathBytes, self.limits.path_bytes));
        }
        set_attributes(header, &mut overrides, entry).map_err(|problem| self.error(problem))?;

        let size = match overrides.size {
            Some(size) => size,
            None => self.size(header)?,
        };
        self.contents = Contents::default();
        self.set_kind(header, &mut overrides, size, entry)?;

        entry.link.clear();
        if matches!(entry.kind, EntryKind::HardLink | EntryKind::Symlink) {
            match pending.long_link.or(overrides.link) {
                Some(link) => entry.link = link,
                None => entry.link.extend_from_slice(header.link()),
            }
        }
        Ok(())
    }

    /// Determines the kind of the entry and how its contents are stored.
    fn set_kind(
        &mut self,
        header: Header<'_>,
        overrides: &mut Overrides,
        size: u64,
        entry: &mut Entry,
    ) -> Result<(), TarError> {
        let mut device = (0, 0);
        if matches!(header.entry_type(), b'3' | b'4') {
            device = device_number(header, overrides).map_err(|problem| self.error(problem))?;
        }
        let (major, minor) = device;
        entry.kind = match header.entry_type() {
            // Before there was a type for directories, a slash at the end told.
            b'0' | 0 if entry.path.ends_with(b"/") => self.skip_directory_body(size)?,
            b'0' | 0 | b'7' => self.set_file(overrides, size)?,
            b'1' => {
                self.link_body = size;
                EntryKind::HardLink
            }
            b'2' => EntryKind::Symlink,
            b'3' => EntryKind::CharacterDevice { major, minor },
            b'4' => EntryKind::BlockDevice { major, minor },
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            // A directory with the list of its files, of an incremental backup.
            b'D' if header.dialect() == Dialect::Gnu => self.skip_directory_body(size)?,
            b'S' if header.dialect() == Dialect::Gnu => self.set_old_gnu_sparse(header, size)?,
            other => return Err(self.error(TarProblem::UnsupportedType(other))),
        };
        Ok(())
    }

    fn skip_directory_body(&mut self, size: u64) -> Result<EntryKind, TarError> {
        self.contents = Contents::new(size);
        self.finish_contents()?;
        Ok(EntryKind::Directory)
    }

    fn set_file(&mut self, overrides: &mut Overrides, size: u64) -> Result<EntryKind, TarError> {
        self.contents = Contents::new(size);
        let sparse = &mut overrides.sparse;
        let parts = match (sparse.major, sparse.minor, sparse.parts.take()) {
            (None | Some(0), _, None) => return Ok(EntryKind::File { size }),
            (None | Some(0), _, Some(parts)) => parts,
            (Some(1), None | Some(0), _) => self.read_sparse_map()?,
            _ => {
                let problem = TarProblem::Sparse("its version is none of 0.0, 0.1 and 1.0");
                return Err(self.error(problem));
            }
        };
        let size = sparse
            .size
            .ok_or_else(|| self.error(TarProblem::Sparse("the size of the file is missing")))?;
        self.set_sparse(parts, size)
    }

    fn set_old_gnu_sparse(
        &mut self,
        header: Header<'_>,
        stored: u64,
    ) -> Result<EntryKind, TarError> {
        let mut parts = Vec::new();
        let (map, mut more) = header.gnu_sparse_map();
        sparse::gnu_parts(map, &mut parts).map_err(|problem| self.error(problem))?;
        while more {
            if self.stream.read_block(&mut self.block)? != BlockRead::Whole {
                return Err(self.error(TarProblem::Truncated));
            }
            let (map, another) = sparse::gnu_extension(&self.block);
            sparse::gnu_parts(map, &mut parts).map_err(|problem| self.error(problem))?;
            more = another;
            if parts.len() as u64 > self.limits.sparse_parts {
                return Err(self.limit(Limit::SparseParts, self.limits.sparse_parts));
            }
        }
        let size = header
            .gnu_real_size()
            .map_err(|problem| self.error(problem))?;
        self.contents = Contents::new(stored);
        self.set_sparse(parts, size)
    }

    /// Reads a PAX 1.0 map, which the contents begin with, up to the end of its last block.
    fn read_sparse_map(&mut self) -> Result<Vec<Part>, TarError> {
        let mut parser = MapParser::default();
        let limit = self.limits.sparse_parts;
        loop {
            let Some(data) = self.next_data()? else {
                return Err(self.error(TarProblem::Sparse("it is cut off")));
            };
            let mut outcome = Ok(None);
            let mut used = 0;
            for &byte in data.bytes {
                used += 1;
                outcome = parser.push(byte, limit);
                if !matches!(outcome, Ok(None)) {
                    break;
                }
            }
            self.contents.given = used;
            self.settle();
            match outcome {
                Ok(None) => {}
                Ok(Some(parts)) => {
                    let padding = padding(self.contents.offset).min(self.contents.remaining);
                    self.skip(padding)?;
                    self.contents.remaining -= padding;
                    return Ok(parts);
                }
                Err(MapError::Malformed(problem)) => return Err(self.error(problem)),
                Err(MapError::TooMany) => return Err(self.limit(Limit::SparseParts, limit)),
            }
        }
    }

    /// The contents that remain are the parts of a sparse file of `size` bytes.
    fn set_sparse(&mut self, mut parts: Vec<Part>, size: u64) -> Result<EntryKind, TarError> {
        sparse::check(&mut parts, size, self.contents.remaining)
            .map_err(|problem| self.error(problem))?;
        self.contents.parts = Some((parts, 0));
        self.contents.offset = 0;
        Ok(EntryKind::File { size })
    }

    pub(super) fn size(&self, header: Header<'_>) -> Result<u64, TarError> {
        header.size().map_err(|problem| self.error(problem))
    }

    /// Skips bytes that must be there.
    fn skip(&mut self, count: u64) -> Result<(), TarError> {
        if self.stream.skip(count)? {
            Ok(())
        } else {
            Err(self.error(TarProblem::Truncated))
        }
    }

    fn error(&self, problem: TarProblem) -> TarError {
        TarError::Format {
            entry: self.current.clone(),
            position: self.stream.position(),
            problem,
        }
    }

    pub(super) fn limit(&self, limit: Limit, maximum: u64) -> TarError {
        TarError::Limit(LimitError {
            limit,
            maximum,
            entry: self.current.clone(),
        })
    }

    pub(super) fn pax_error(&self, error: PaxError) -> TarError {
        match error {
            PaxError::Problem(problem) => self.error(problem),
            PaxError::Limit(limit, maximum) => self.limit(limit, maximum),
        }
    }
}

fn set_attributes(
    header: Header<'_>,
    overrides: &mut Overrides,
    entry: &mut Entry,
) -> Result<(), TarProblem> {
    let whole = |seconds| Timestamp {
        seconds,
        nanoseconds: 0,
    };
    entry.permissions = header.permissions()?;
    entry.uid = overrides.uid.map_or_else(|| header.uid(), Ok)?;
    entry.gid = overrides.gid.map_or_else(|| header.gid(), Ok)?;
    entry.modified = overrides
        .modified
        .map_or_else(|| header.modified().map(whole), Ok)?;
    entry.accessed = overrides.accessed.or(header.accessed().map(whole));
    overrides.take_xattrs(&mut entry.xattrs)
}

fn device_number(header: Header<'_>, overrides: &Overrides) -> Result<(u32, u32), TarProblem> {
    match (overrides.device_major, overrides.device_minor) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        (major, minor) => {
            let (header_major, header_minor) = header.device()?;
            Ok((major.unwrap_or(header_major), minor.unwrap_or(header_minor)))
        }
    }
}

fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|&byte| byte == 0)
}
