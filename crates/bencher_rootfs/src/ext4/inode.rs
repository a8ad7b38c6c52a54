//! Inodes of 256 bytes.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/inodes.rst`.

use super::checksum::Checksum;
use super::format::{
    EXTRA_INODE_SIZE, INODE_SIZE, SECTORS_PER_BLOCK, high16, high32, low16, low32, put_u16, put_u32,
};
use super::time::DiskTime;
use crate::tree::{Kind, Node};

/// `i_flags`: the directory has a hash index.
pub(super) const INDEX_FLAG: u32 = 0x1000;
/// `i_flags`: `i_block` is the root of an extent tree.
pub(super) const EXTENTS_FLAG: u32 = 0x8_0000;

/// Where the extended attributes in the inode begin.
pub(super) const XATTR_OFFSET: usize = 128 + EXTRA_INODE_SIZE as usize;
/// Bytes for them.
pub(super) const XATTR_SIZE: usize = INODE_SIZE - XATTR_OFFSET;

/// An inode in memory, with what is not in the tree's [`Node`].
#[derive(Clone, Debug)]
pub(super) struct Inode<'a> {
    pub(super) node: Node,
    pub(super) size: u64,
    /// `i_links_count`.
    pub(super) links: u16,
    /// Blocks of the disk that belong to the inode, of contents and of metadata.
    pub(super) blocks: u64,
    pub(super) flags: u32,
    /// `i_block`: an extent tree, a symbolic link's target, or a device number.
    pub(super) block: [u8; 60],
    /// The block with the extended attributes that are not in the inode, or 0.
    pub(super) xattr_block: u64,
    /// The extended attributes in the inode.
    pub(super) xattrs: &'a [u8],
}

impl Inode<'_> {
    /// The inode as stored. `seed` is that of this inode's checksums.
    pub(super) fn encode(&self, seed: Checksum) -> [u8; INODE_SIZE] {
        let mut raw = [0; INODE_SIZE];
        let node = &self.node;
        let modified = DiskTime::nearest(node.modified);
        let accessed = DiskTime::nearest(node.accessed);
        // 48 bits of sectors are enough for the largest file, so `i_blocks` counts them and the
        // inode needs no `EXT4_HUGE_FILE_FL`.
        let sectors = self.blocks * SECTORS_PER_BLOCK;
        put_u16(&mut raw, 0x00, mode(node));
        put_u16(&mut raw, 0x02, low16(node.uid));
        put_u32(&mut raw, 0x04, low32(self.size));
        put_u32(&mut raw, 0x08, accessed.seconds);
        put_u32(&mut raw, 0x0C, modified.seconds);
        put_u32(&mut raw, 0x10, modified.seconds);
        put_u16(&mut raw, 0x18, low16(node.gid));
        put_u16(&mut raw, 0x1A, self.links);
        put_u32(&mut raw, 0x1C, low32(sectors));
        put_u32(&mut raw, 0x20, self.flags);
        raw[0x28..0x64].copy_from_slice(&self.block);
        put_u32(&mut raw, 0x68, low32(self.xattr_block));
        put_u32(&mut raw, 0x6C, high32(self.size));
        put_u16(&mut raw, 0x74, low16(high32(sectors)));
        put_u16(&mut raw, 0x76, low16(high32(self.xattr_block)));
        put_u16(&mut raw, 0x78, high16(node.uid));
        put_u16(&mut raw, 0x7A, high16(node.gid));
        put_u16(&mut raw, 0x80, EXTRA_INODE_SIZE);
        // The change and creation times are the modification's: the image must not depend on when
        // it was built.
        put_u32(&mut raw, 0x84, modified.extra);
        put_u32(&mut raw, 0x88, modified.extra);
        put_u32(&mut raw, 0x8C, accessed.extra);
        put_u32(&mut raw, 0x90, modified.seconds);
        put_u32(&mut raw, 0x94, modified.extra);
        raw[XATTR_OFFSET..][..self.xattrs.len()].copy_from_slice(self.xattrs);
        let checksum = seed.update(&raw).value();
        put_u16(&mut raw, 0x7C, low16(checksum));
        put_u16(&mut raw, 0x82, high16(checksum));
        raw
    }
}

/// `i_mode`.
fn mode(node: &Node) -> u16 {
    let kind = match node.kind {
        Kind::Fifo => 0x1000,
        Kind::CharacterDevice { .. } => 0x2000,
        Kind::Directory => 0x4000,
        Kind::BlockDevice { .. } => 0x6000,
        Kind::File { .. } => 0x8000,
        Kind::Symlink => 0xA000,
    };
    kind | (node.permissions & 0o7777)
}

/// The type of a node in the entries of a directory (`filetype` feature).
pub(super) fn entry_type(kind: Kind) -> u8 {
    match kind {
        Kind::File { .. } => 1,
        Kind::Directory => 2,
        Kind::CharacterDevice { .. } => 3,
        Kind::BlockDevice { .. } => 4,
        Kind::Fifo => 5,
        Kind::Symlink => 7,
    }
}
