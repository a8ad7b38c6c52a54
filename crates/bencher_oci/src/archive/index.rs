//! The table of an archive's files: names and where their bytes are.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::io;

use super::header::{BLOCK, Header, Kind, PaxRecords, text};
use crate::Excerpt;
use crate::blob::BlobFile;

/// The most entries of an archive. An image archive has a few per layer.
const MAX_ENTRIES: usize = 50_000;
/// The longest name, and the most bytes of one extension header.
const MAX_NAME: usize = 4096;
const MAX_EXTENSION: u64 = 64 << 10;
/// The most bytes of all names together.
const MAX_NAMES: usize = 8 << 20;
/// How many links may follow one another.
const MAX_HOPS: usize = 8;

/// Why a file is not a tar that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The system cannot read the file.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// There is no tar header where one should be at the very beginning.
    #[error("is not a tar archive")]
    NotATar,
    /// A header in the middle is damaged.
    #[error("is damaged: the tar header at byte {0} is not valid")]
    Header(u64),
    /// An entry ends behind the end of the file.
    #[error("is truncated: its entry {0} ends behind the end of the file; get the archive again")]
    Truncated(Excerpt),
    /// A file with holes.
    #[error("has the sparse entry {0}: make the archive without `--sparse`")]
    Sparse(Excerpt),
    /// More entries, or longer names, than any image archive has.
    #[error("has too many or too long file names for an image archive")]
    TooManyNames,
}

/// A file, or a link to one, of an archive.
#[derive(Debug)]
enum Entry {
    File { offset: u64, len: u64 },
    HardLink(String),
    SymbolicLink(String),
}

#[derive(Debug)]
struct Named {
    entry: Entry,
    repeated: bool,
}

/// The files of an archive by their names.
#[derive(Debug, Default)]
pub(super) struct ArchiveIndex {
    entries: HashMap<String, Named>,
    names_len: usize,
}

/// What extension headers say about the entry that follows them.
#[derive(Default)]
struct Pending {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl ArchiveIndex {
    /// Reads every header of the tar `blob`, and none of its data.
    pub(super) fn scan(blob: &BlobFile) -> Result<Self, ArchiveError> {
        let mut index = Self::default();
        let mut pending = Pending::default();
        let mut at = 0;
        let mut count = 0;
        // A missing end mark is forgiven, half a header is not.
        while at < blob.len() {
            let Some(header) = read_header(blob, at)? else {
                break;
            };
            count += 1;
            if count > MAX_ENTRIES {
                return Err(ArchiveError::TooManyNames);
            }
            let data = at + BLOCK as u64;
            let is_extension = matches!(
                header.kind,
                Kind::Pax | Kind::PaxGlobal | Kind::LongName | Kind::LongLink
            );
            let size = match pending.size {
                Some(size) if header.kind == Kind::File => size,
                _ => header.size,
            };
            let end = data.checked_add(size).filter(|&end| end <= blob.len());
            let Some(end) = end else {
                let name = pending.name.as_deref().unwrap_or(&header.name);
                return Err(ArchiveError::Truncated(excerpt(name)));
            };
            if is_extension {
                pending
                    .read(blob, &header, data)
                    .map_err(|error| error.at(at))?;
            } else {
                index.add(header, std::mem::take(&mut pending), data, size)?;
            }
            at = end.next_multiple_of(BLOCK as u64);
        }
        Ok(index)
    }

    fn add(
        &mut self,
        header: Header,
        pending: Pending,
        offset: u64,
        len: u64,
    ) -> Result<(), ArchiveError> {
        let name = pending.name.unwrap_or(header.name);
        let link = pending.link.unwrap_or(header.link);
        if header.kind == Kind::Sparse || pending.sparse {
            return Err(ArchiveError::Sparse(excerpt(&name)));
        }
        let entry = match header.kind {
            Kind::File => Entry::File { offset, len },
            Kind::HardLink => Entry::HardLink(utf8(link)),
            Kind::SymbolicLink => Entry::SymbolicLink(utf8(link)),
            _ => return Ok(()),
        };
        // A name that no image could ask for is as good as none.
        let Some(name) = std::str::from_utf8(&name)
            .ok()
            .and_then(|name| resolve("", name))
        else {
            return Ok(());
        };
        self.names_len += name.len();
        if let Entry::HardLink(target) | Entry::SymbolicLink(target) = &entry {
            self.names_len += target.len();
        }
        if self.names_len > MAX_NAMES {
            return Err(ArchiveError::TooManyNames);
        }
        match self.entries.entry(name) {
            Slot::Occupied(mut slot) => slot.get_mut().repeated = true,
            Slot::Vacant(slot) => {
                slot.insert(Named {
                    entry,
                    repeated: false,
                });
            }
        }
        Ok(())
    }

    /// Where the bytes of the file `path` are. Links are followed, within this table only.
    pub(super) fn find(&self, path: &str) -> Option<(u64, u64)> {
        let mut name = resolve("", path)?;
        for _ in 0..MAX_HOPS {
            name = match &self.entries.get(&name)?.entry {
                Entry::File { offset, len } => return Some((*offset, *len)),
                Entry::HardLink(target) => resolve("", target)?,
                Entry::SymbolicLink(target) => {
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    resolve(folder, target)?
                }
            };
        }
        None
    }

    pub(super) fn is_repeated(&self, path: &str) -> bool {
        self.entries.get(path).is_some_and(|named| named.repeated)
    }
}

/// The header at `at`, or `None` for the zeros that end an archive.
fn read_header(blob: &BlobFile, at: u64) -> Result<Option<Header>, ArchiveError> {
    let bad = || {
        if at == 0 {
            ArchiveError::NotATar
        } else {
            ArchiveError::Header(at)
        }
    };
    if blob.len() - at < BLOCK as u64 {
        return Err(bad());
    }
    let mut block = [0; BLOCK];
    blob.read_exact_at(&mut block, at)
        .map_err(ArchiveError::Io)?;
    if block.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    Header::parse(&block).map(Some).ok_or_else(bad)
}

/// Why an extension header is refused; it becomes an error of the archive with its place.
enum ExtensionError {
    Io(io::Error),
    Malformed,
    TooLong,
}

impl ExtensionError {
    fn at(self, position: u64) -> ArchiveError {
        match self {
            Self::Io(error) => ArchiveError::Io(error),
            Self::Malformed => ArchiveError::Header(position),
            Self::TooLong => ArchiveError::TooManyNames,
        }
    }
}

impl Pending {
    fn read(&mut self, blob: &BlobFile, header: &Header, at: u64) -> Result<(), ExtensionError> {
        if header.kind == Kind::PaxGlobal {
            return Ok(());
        }
        let len = usize::try_from(header.size.min(MAX_EXTENSION + 1));
        let mut data = vec![0; len.map_err(|_| ExtensionError::TooLong)?];
        if data.len() as u64 > MAX_EXTENSION {
            return Err(ExtensionError::TooLong);
        }
        blob.read_exact_at(&mut data, at)
            .map_err(ExtensionError::Io)?;
        match header.kind {
            Kind::LongName => self.name = Some(text(&data).to_vec()),
            Kind::LongLink => self.link = Some(text(&data).to_vec()),
            _ => {
                let records = PaxRecords::parse(&data).ok_or(ExtensionError::Malformed)?;
                self.name = records.path.or(self.name.take());
                self.link = records.linkpath.or(self.link.take());
                self.size = records.size.or(self.size);
                self.sparse |= records.sparse;
            }
        }
        Ok(())
    }
}

/// The name `path` has from the archive's root when it is meant from `folder`, without `.` and
/// `..`; `None` if it leads out of the archive or is none.
fn resolve(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.len() > MAX_NAME {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// A link's target; one that is not UTF-8 leads to no name of the table.
fn utf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

fn excerpt(name: &[u8]) -> Excerpt {
    Excerpt::new(&String::from_utf8_lossy(name))
}

/// The names of the files in an uncompressed archive, sorted. This is what opening an archive
/// does with untrusted bytes before anything else.
///
/// # Errors
/// An [`ArchiveError`] that says why the archive is refused.
pub fn list_archive(file: std::fs::File) -> Result<Vec<String>, ArchiveError> {
    let blob = BlobFile::whole(file).map_err(ArchiveError::Io)?;
    let mut names: Vec<_> = ArchiveIndex::scan(&blob)?.entries.into_keys().collect();
    names.sort();
    Ok(names)
}
