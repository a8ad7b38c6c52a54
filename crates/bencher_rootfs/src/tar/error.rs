//! What can be wrong with an archive.

use std::io;

use crate::limits::{EntryName, LimitError};

/// Why reading an archive failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// The source failed.
    #[error("failed to read the archive at byte {position}")]
    Read {
        /// Bytes read before.
        position: u64,
        /// Why.
        source: io::Error,
    },
    /// The archive breaks its format.
    #[error("{entry}, near byte {position} of the archive: {problem}")]
    Format {
        /// The entry concerned, or the one before it.
        entry: EntryName,
        /// Bytes read before.
        position: u64,
        /// What is wrong.
        problem: TarProblem,
    },
    /// The archive asks for too much.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// How an archive breaks its format.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarProblem {
    /// The stream ends inside of a header or of contents.
    #[error("the archive is cut off")]
    Truncated,
    /// A header's sum is not the one it records.
    #[error("not a tar header (its checksum is wrong): the archive is damaged, or no archive")]
    Checksum,
    /// After one block of zeroes comes neither another one nor the end.
    #[error("a lone block of zeroes inside the archive")]
    LoneZeroBlock,
    /// Extended headers without the entry that they describe.
    #[error("the archive ends after extended headers that describe no entry")]
    DanglingExtendedHeader,
    /// A number is unreadable or beyond what it can be on Linux.
    #[error("the {0} of the entry is not a number that it can be")]
    Number(&'static str),
    /// A PAX record is malformed.
    #[error("a PAX header is malformed: {0}")]
    Pax(&'static str),
    /// The map of a sparse file is malformed.
    #[error("the map of a sparse file is malformed: {0}")]
    Sparse(&'static str),
    /// An access control list is malformed, or names users that only its maker knows.
    #[error("the access control list can not be used: {0}")]
    Acl(String),
    /// An entry of a type that has no meaning in a layer.
    #[error("entries of type {:?} are not supported", char::from(*.0))]
    UnsupportedType(u8),
}
