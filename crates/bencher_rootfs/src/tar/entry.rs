//! One entry of an archive, all dialects made equal.

use crate::tree::Timestamp;

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EntryKind {
    /// A regular file of this many bytes, holes included.
    File {
        /// Length in bytes.
        size: u64,
    },
    /// One more name for the file at [`Entry::link`].
    HardLink,
    /// A symbolic link to [`Entry::link`].
    Symlink,
    /// A character device.
    CharacterDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A directory.
    #[default]
    Directory,
    /// A named pipe.
    Fifo,
}

/// One entry of an archive. Names are as the archive has them: not checked, not normalised.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Its path.
    pub path: Vec<u8>,
    /// The target of a hard link or symbolic link; empty for everything else.
    pub link: Vec<u8>,
    /// Permission bits with set-user-ID, set-group-ID and sticky: at most `0o7777`.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last modification.
    pub modified: Timestamp,
    /// Time of the last access, if the archive tells.
    pub accessed: Option<Timestamp>,
    /// Extended attributes by name, sorted; access control lists among them in the kernel's form.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}
