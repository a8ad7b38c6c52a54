//! What the nodes of a tree need on disk: everything that can be known before blocks are given out.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::Ext4Error;
use super::allocator::Run;
use super::device;
use super::directory::{Directory, Entry, TooLarge};
use super::extents::Extents;
use super::format::{BLOCK_BYTES, BLOCK_SIZE, GROUP_BYTES, ROOT_INODE, low16, low32, put_u32};
use super::inode::entry_type;
use super::layout::Layout;
use super::numbering::{LOST_AND_FOUND, Numbering};
use super::xattr::{self, Problem, Stored};
use crate::tree::{Kind, Node, NodeId, Segment, Timestamp, Tree};

/// The largest file: its blocks have numbers of 32 bits, of which the last one is not used.
const MAX_FILE_SIZE: u64 = u32::MAX as u64 * BLOCK_BYTES;
/// The longest target of a symbolic link: a block without its final NUL.
const MAX_TARGET: usize = BLOCK_SIZE - 1;
/// The longest target that fits into the inode, without its final NUL.
const MAX_INODE_TARGET: usize = 59;
/// The largest link count. A directory that would need more has a count of 1 (`dir_nlink`).
const MAX_LINKS: u32 = 65_000;

/// A tree on its way to a disk.
#[derive(Debug)]
pub(super) struct Source<'t> {
    pub(super) tree: &'t Tree,
    pub(super) layout: &'t Layout,
    pub(super) numbering: Numbering,
    pub(super) hash_seed: [u32; 4],
}

/// A node that only lacks blocks.
#[derive(Debug)]
pub(super) struct Prepared<'t> {
    pub(super) node: Node,
    pub(super) links: u16,
    pub(super) body: Body<'t>,
    pub(super) xattrs: Stored,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Body<'t> {
    Directory(Directory<'t>),
    /// The contents lie on the disk already.
    File {
        size: u64,
        extents: Extents,
    },
    /// The target of a symbolic link, for a block of its own.
    Target(&'t [u8]),
    /// Something of `size` bytes that `i_block` has room for.
    Inline {
        size: u64,
        block: [u8; 60],
    },
}

impl Prepared<'_> {
    /// The blocks of the disk that the node takes, contents included; a directory may take a few
    /// more on a disk whose free space is scattered.
    fn blocks(&self) -> u64 {
        let body = match &self.body {
            Body::Directory(directory) => directory.blocks(),
            Body::File { extents, .. } => extents.blocks() + extents.tree_blocks(),
            Body::Target(_) => 1,
            Body::Inline { .. } => 0,
        };
        body + u64::from(self.xattrs.block.is_some())
    }
}

impl<'t> Source<'t> {
    /// Looks a node over, and decides everything but where its blocks lie.
    pub(super) fn prepare(&self, id: NodeId) -> Result<Prepared<'t>, Ext4Error> {
        let node = self.tree.node(id);
        let mut links = self.tree.links(id);
        let body = match node.kind {
            Kind::Directory => {
                let entries = self.entries(id);
                let subdirectories = entries
                    .iter()
                    .filter(|entry| entry.kind == entry_type(Kind::Directory))
                    .count();
                links = u32::try_from(2 + subdirectories)
                    .ok()
                    .filter(|&links| links <= MAX_LINKS)
                    .unwrap_or(1);
                Body::Directory(self.directory(id, entries)?)
            }
            Kind::File { size } => self.file(id, size)?,
            Kind::Symlink => self.symlink(id)?,
            Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                let words =
                    device::encode(major, minor).ok_or_else(|| Ext4Error::DeviceNumber {
                        path: self.path(id),
                        major,
                        minor,
                    })?;
                let mut block = [0; 60];
                put_u32(&mut block, 0, words[0]);
                put_u32(&mut block, 4, words[1]);
                Body::Inline { size: 0, block }
            }
            Kind::Fifo => Body::Inline {
                size: 0,
                block: [0; 60],
            },
        };
        if links > MAX_LINKS {
            return Err(Ext4Error::TooManyLinks {
                path: self.path(id),
                links,
                limit: MAX_LINKS,
            });
        }
        let xattrs = xattr::store(&node, self.tree.xattrs(id))
            .map_err(|problem| self.xattr_error(id, problem))?;
        Ok(Prepared {
            node,
            links: low16(links),
            body,
            xattrs,
        })
    }

    /// Where the contents of all files lie.
    pub(super) fn contents(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for id in self.tree.ids() {
            for segment in self.tree.segments(id) {
                let run = run_of(&segment);
                match runs.last_mut() {
                    Some(last) if last.end() == run.start => last.length += run.length,
                    _ => runs.push(run),
                }
            }
        }
        runs
    }

    /// The error of a disk that has no room for the tree, or the first other one that a larger
    /// disk would have met.
    pub(super) fn disk_too_small(&self) -> Ext4Error {
        self.needed().map_or_else(
            |error| error,
            |needed| Ext4Error::DiskTooSmall {
                size: self.layout.size_bytes(),
                needed,
            },
        )
    }

    /// The size of a disk that has room for the tree, in bytes.
    fn needed(&self) -> Result<u64, Ext4Error> {
        // `lost+found`.
        let mut blocks = 1;
        for id in self.tree.ids() {
            blocks += self.prepare(id)?.blocks();
        }
        let needed = Layout::size_for(blocks * BLOCK_BYTES, self.tree.len() as u64);
        // If the blocks would do but for being scattered, it is an inode table that finds no run
        // that is long enough. One group more has it.
        let size = self.layout.size_bytes();
        Ok(if needed > size {
            needed
        } else {
            size + GROUP_BYTES
        })
    }

    /// The directory that the tree lacks.
    pub(super) fn lost_and_found(inode: u32, time: u64) -> Prepared<'t> {
        let time = Timestamp {
            seconds: time.cast_signed(),
            nanoseconds: 0,
        };
        Prepared {
            node: Node {
                kind: Kind::Directory,
                permissions: 0o700,
                uid: 0,
                gid: 0,
                modified: time,
                accessed: time,
            },
            links: 2,
            body: Body::Directory(Directory::empty(inode, ROOT_INODE)),
            xattrs: Stored::default(),
        }
    }

    fn entries(&self, directory: NodeId) -> Vec<Entry<'t>> {
        let children = self.tree.children(directory);
        let mut entries = Vec::with_capacity(children.len() + 1);
        entries.extend(children.map(|(name, child)| Entry {
            name,
            inode: self.numbering.inode(child),
            kind: entry_type(self.tree.node(child).kind),
        }));
        if directory == self.tree.root()
            && let Some(inode) = self.numbering.lost_and_found()
        {
            entries.push(Entry {
                name: LOST_AND_FOUND,
                inode,
                kind: entry_type(Kind::Directory),
            });
        }
        entries
    }

    fn directory(&self, id: NodeId, entries: Vec<Entry<'t>>) -> Result<Directory<'t>, Ext4Error> {
        let count = entries.len();
        let inode = self.numbering.inode(id);
        let parent = self.numbering.inode(self.tree.parent(id));
        Directory::plan(inode, parent, entries, self.hash_seed).map_err(|TooLarge| {
            Ext4Error::DirectoryTooLarge {
                path: self.path(id),
                entries: count,
            }
        })
    }

    fn file(&self, id: NodeId, size: u64) -> Result<Body<'t>, Ext4Error> {
        if size > MAX_FILE_SIZE {
            return Err(Ext4Error::FileTooLarge {
                path: self.path(id),
                size,
                limit: MAX_FILE_SIZE,
            });
        }
        let mut extents = Extents::default();
        for segment in self.tree.segments(id) {
            // Fits, as the file ends before the last block that has a number.
            let logical = low32(segment.offset / BLOCK_BYTES);
            extents.push(logical, run_of(&segment));
        }
        Ok(Body::File { size, extents })
    }

    fn symlink(&self, id: NodeId) -> Result<Body<'t>, Ext4Error> {
        let target = self.tree.symlink_target(id);
        let length = target.len();
        if length == 0 || length > MAX_TARGET || target.contains(&0) {
            return Err(Ext4Error::SymlinkTarget {
                path: self.path(id),
                length,
                limit: MAX_TARGET,
            });
        }
        if length > MAX_INODE_TARGET {
            return Ok(Body::Target(target));
        }
        let mut block = [0; 60];
        block[..length].copy_from_slice(target);
        Ok(Body::Inline {
            size: length as u64,
            block,
        })
    }

    fn xattr_error(&self, id: NodeId, problem: Problem) -> Ext4Error {
        let path = self.path(id);
        let text = |name: Vec<u8>| name.escape_ascii().to_string();
        match problem {
            Problem::Name(name) => Ext4Error::XattrName {
                path,
                name: text(name),
            },
            Problem::AccessControlList(name, problem) => Ext4Error::AccessControlList {
                path,
                name: text(name),
                problem,
            },
            Problem::TooLarge { size, limit } => Ext4Error::XattrsTooLarge { path, size, limit },
        }
    }

    /// A path of a node, for an error: finding it may take a walk over the whole tree.
    fn path(&self, id: NodeId) -> PathBuf {
        let tree = self.tree;
        let named_in = |directory: NodeId, id: NodeId| {
            let mut children = tree.children(directory);
            children.find_map(|(name, child)| (child == id).then_some(name))
        };
        let mut names = Vec::new();
        let mut current = id;
        while current != tree.root() {
            let parent = tree.parent(current);
            let found = named_in(parent, current).map(|name| (parent, name));
            // Only directories know their parent.
            let found = found.or_else(|| {
                tree.ids()
                    .find_map(|directory| Some((directory, named_in(directory, current)?)))
            });
            let Some((parent, name)) = found else { break };
            names.push(name);
            current = parent;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        PathBuf::from(OsString::from_vec(path))
    }
}

/// The blocks that a segment lies in.
fn run_of(segment: &Segment) -> Run {
    Run {
        start: segment.position / BLOCK_BYTES,
        length: segment.length.div_ceil(BLOCK_BYTES),
    }
}
