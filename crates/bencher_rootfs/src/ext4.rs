//! Writing a [`Tree`](crate::tree::Tree) as an ext4 filesystem, without root and without mounting.
//!
//! The contents of the files are already on the disk, in stretches that [`Layout`] left free for
//! them; [`write`](write()) adds everything else. What is not written stays a hole of the image
//! file, so an image takes hardly more space than its contents, whatever the size of its disk.
//!
//! The format is described in the kernel's `Documentation/filesystems/ext4`
//! (<https://docs.kernel.org/filesystems/ext4/>); each module names its part of it.
//!
//! | feature | why |
//! |---|---|
//! | `extents`, `64bit`, `huge_file`, `large_file` | large files on large disks |
//! | `flex_bg` | bitmaps and inodes can lie behind the contents, whose number is not known before |
//! | `sparse_super` | few copies of the descriptors |
//! | `dir_index`, `dir_nlink`, `filetype` | large directories |
//! | `ext_attr`, `extra_isize` | extended attributes, ACLs, nanoseconds and years after 2038 |
//! | `metadata_csum` | parts of large disks need not be initialized; damage is noticed |
//!
//! There is no journal: an image lives for one run, and the thread that commits a journal would
//! wake up during measurements. For the same reason all inode tables are marked as zeroed, which
//! they are, so the kernel starts no thread to do so.

mod acl;
mod allocator;
mod bitmap;
mod checksum;
mod descriptor;
mod device;
mod directory;
mod error;
mod extents;
mod format;
mod groups;
mod hash;
mod inode;
mod layout;
mod nodes;
mod numbering;
mod output;
mod source;
mod superblock;
mod tables;
mod time;
mod write;
mod xattr;

pub use error::Ext4Error;
pub use layout::{Layout, MAX_DISK_SIZE, MIN_DISK_SIZE};
pub use write::{Options, Written, write};
pub use xattr::supports_xattr;
