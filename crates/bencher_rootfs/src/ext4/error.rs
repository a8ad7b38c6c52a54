//! Why a tree could not be written as an ext4 image.

use std::io;
use std::path::PathBuf;

/// Why a tree could not be written as an ext4 image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ext4Error {
    /// The disk can not hold the tree and the structures that describe it.
    #[error(
        "the disk of {size} bytes is too small: the image needs at least {needed} bytes, \
         and more to leave free space"
    )]
    DiskTooSmall {
        /// The size that was asked for, in bytes.
        size: u64,
        /// The smallest size that would do, in bytes.
        needed: u64,
    },
    /// The group descriptors of such a disk would not fit.
    #[error("a disk of {size} bytes is too large: choose at most {limit} bytes")]
    DiskTooLarge {
        /// The size that was asked for, in bytes.
        size: u64,
        /// The largest size that can be asked for, in bytes.
        limit: u64,
    },
    /// Inode numbers have 32 bits.
    #[error("{entries} entries are more than an ext4 filesystem can number ({limit})")]
    TooManyEntries {
        /// The number of inodes needed.
        entries: u64,
        /// The largest number of inodes.
        limit: u64,
    },
    /// The two levels of a directory's index are full.
    #[error("the directory {path:?} has {entries} entries, too many for an ext4 directory index")]
    DirectoryTooLarge {
        /// The directory.
        path: PathBuf,
        /// The number of its entries.
        entries: usize,
    },
    /// A file has more names than its link count can tell.
    #[error("the file {path:?} has {links} hard links, more than ext4 allows ({limit})")]
    TooManyLinks {
        /// One of its names.
        path: PathBuf,
        /// The number of its names.
        links: u32,
        /// The largest link count.
        limit: u32,
    },
    /// Blocks of a file are numbered with 32 bits.
    #[error("the file {path:?} has {size} bytes, more than ext4 allows ({limit})")]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        size: u64,
        /// The largest length in bytes.
        limit: u64,
    },
    /// A symbolic link needs a target that fits into one block.
    #[error(
        "the symbolic link {path:?} has a target of {length} bytes: it must have 1 to {limit} \
         bytes, none of them NUL"
    )]
    SymlinkTarget {
        /// The symbolic link.
        path: PathBuf,
        /// The length of the target in bytes.
        length: usize,
        /// The largest length in bytes.
        limit: usize,
    },
    /// There is no such device number on Linux.
    #[error(
        "the device {path:?} has the number {major}:{minor}, beyond what Linux has (4095:1048575)"
    )]
    DeviceNumber {
        /// The device.
        path: PathBuf,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// ext4 has no place for extended attributes of this name; see
    /// [`supports_xattr`](super::supports_xattr).
    #[error("{path:?} has the extended attribute {name:?}, which ext4 can not hold")]
    XattrName {
        /// The entry that has it.
        path: PathBuf,
        /// The name, as text as far as it is.
        name: String,
    },
    /// The extended attributes of one entry must fit into its inode and one block.
    #[error(
        "{path:?} has extended attributes of {size} bytes that its inode has no room for, more \
         than the {limit} bytes of the one block that ext4 has for them"
    )]
    XattrsTooLarge {
        /// The entry that has them.
        path: PathBuf,
        /// Bytes needed in the block.
        size: usize,
        /// Bytes that the block has for attributes.
        limit: usize,
    },
    /// An access control list is not one.
    #[error("{path:?} has an access control list ({name}) that is invalid: {problem}")]
    AccessControlList {
        /// The entry that has it.
        path: PathBuf,
        /// The name of the extended attribute.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The contents of a file are said to lie where they can not.
    #[error(
        "contents of {length} bytes at byte {position} of the image overlap others, or lie \
         outside of the space for contents"
    )]
    Contents {
        /// Byte position in the image.
        position: u64,
        /// Length in bytes.
        length: u64,
    },
    /// The image file could not be written.
    #[error("failed to write {length} bytes at byte {position} of the filesystem image")]
    Write {
        /// Byte position in the image.
        position: u64,
        /// Number of bytes.
        length: u64,
        /// Why.
        source: io::Error,
    },
    /// The image file could not be brought to its size.
    #[error("failed to set the size of the filesystem image to {size} bytes")]
    Resize {
        /// The size in bytes.
        size: u64,
        /// Why.
        source: io::Error,
    },
}
