//! Extended attributes: in the room that the inode has left, then in one block.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/attributes.rst`. In both places entries
//! grow from the start and values from the end:
//!
//! ```text
//! ┌────────┬─────────┬─────────┬──────┬───┬─────────┬─────────┐
//! │ header │ entry 1 │ entry 2 │ 0000 │ … │ value 2 │ value 1 │
//! └────────┴─────────┴─────────┴──────┴───┴─────────┴─────────┘
//! ```

use std::borrow::Cow;

use super::acl;
use super::checksum::Checksum;
use super::format::{BLOCK_SIZE, Block, low16, low32, put_u16, put_u32};
use super::inode::XATTR_SIZE;
use crate::tree::{Kind, Node};

const MAGIC: u32 = 0xEA02_0000;
/// Bytes of an entry before its name.
const ENTRY_SIZE: usize = 16;
/// Bytes of zeroes that end the entries.
const END_SIZE: usize = 4;
/// Bytes of the header in an inode, and in a block.
const INODE_HEADER: usize = 4;
const BLOCK_HEADER: usize = 32;
/// Where the checksum lies in the header of a block.
const CHECKSUM: usize = 16;

/// Bytes that a block has for entries and values.
const BLOCK_ROOM: usize = BLOCK_SIZE - BLOCK_HEADER - END_SIZE;
const INODE_ROOM: usize = XATTR_SIZE - INODE_HEADER - END_SIZE;

/// The prefixes that the format knows by number, and whose attributes the kernel lets one have.
const PREFIXES: [(&[u8], u8); 3] = [(b"user.", 1), (b"trusted.", 4), (b"security.", 6)];
const INDEX_ACCESS: u8 = 2;
const INDEX_DEFAULT: u8 = 3;

/// Whether ext4 on Linux has a place for extended attributes of this full name: those of the
/// `user`, `trusted` and `security` namespaces, and POSIX access control lists.
pub fn supports_xattr(name: &[u8]) -> bool {
    split(name).is_some()
}

/// The number of the prefix, and what follows it.
fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    match name {
        acl::ACCESS => return Some((INDEX_ACCESS, b"")),
        acl::DEFAULT => return Some((INDEX_DEFAULT, b"")),
        _ => {}
    }
    PREFIXES.into_iter().find_map(|(prefix, index)| {
        let suffix = name.strip_prefix(prefix)?;
        (1..=255).contains(&suffix.len()).then_some((index, suffix))
    })
}

/// Why the extended attributes of a node can not be stored.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Problem {
    /// The name has no place.
    Name(Vec<u8>),
    /// An access control list is invalid.
    AccessControlList(Vec<u8>, &'static str),
    /// They need `size` of the `limit` bytes of the block.
    TooLarge { size: usize, limit: usize },
}

/// The extended attributes of a node as stored.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Stored {
    /// What goes into the inode: nothing or [`XATTR_SIZE`] bytes.
    pub(super) inode: Vec<u8>,
    /// What goes into a block of its own, but for the checksum: see [`seal`].
    pub(super) block: Option<Box<Block>>,
}

struct Attribute<'a> {
    index: u8,
    suffix: &'a [u8],
    value: Cow<'a, [u8]>,
}

impl Attribute<'_> {
    fn size(&self) -> usize {
        ENTRY_SIZE + padded(self.suffix.len()) + padded(self.value.len())
    }
}

/// Lays out the attributes of a node, given by full name and value.
pub(super) fn store<'a>(
    node: &Node,
    attributes: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Stored, Problem> {
    let mut in_inode = Vec::new();
    let mut in_block = Vec::new();
    let (mut inode_size, mut block_size) = (0, 0);
    for (name, value) in attributes {
        let Some(attribute) = convert(node, name, value)? else {
            continue;
        };
        let size = attribute.size();
        if inode_size + size <= INODE_ROOM {
            inode_size += size;
            in_inode.push(attribute);
        } else {
            block_size += size;
            in_block.push(attribute);
        }
    }
    if block_size > BLOCK_ROOM {
        return Err(Problem::TooLarge {
            size: block_size,
            limit: BLOCK_ROOM,
        });
    }
    let mut stored = Stored::default();
    if !in_inode.is_empty() {
        stored.inode = vec![0; XATTR_SIZE];
        put_u32(&mut stored.inode, 0, MAGIC);
        // Values are found from the first entry on, and have no hashes.
        fill(&mut stored.inode[INODE_HEADER..], 0, &in_inode, |_| 0);
    }
    if !in_block.is_empty() {
        // The order in which the kernel searches a block.
        in_block.sort_unstable_by(|a, b| {
            let key = |attribute: &Attribute<'_>| (attribute.index, attribute.suffix.len());
            key(a).cmp(&key(b)).then_with(|| a.suffix.cmp(b.suffix))
        });
        stored.block = Some(block(&in_block));
    }
    Ok(stored)
}

/// The attribute as stored; nothing if there is nothing to store.
fn convert<'a>(
    node: &Node,
    name: &'a [u8],
    value: &'a [u8],
) -> Result<Option<Attribute<'a>>, Problem> {
    let (index, suffix) = split(name).ok_or_else(|| Problem::Name(name.to_vec()))?;
    let list = match index {
        INDEX_ACCESS if node.kind == Kind::Symlink => Err("it belongs to a symbolic link"),
        INDEX_ACCESS => acl::access(value, node.permissions),
        INDEX_DEFAULT if node.kind != Kind::Directory => Err("it does not belong to a directory"),
        INDEX_DEFAULT => acl::default(value),
        _ => {
            return Ok(Some(Attribute {
                index,
                suffix,
                value: value.into(),
            }));
        }
    };
    match list {
        Ok(value) => Ok(value.map(|value| Attribute {
            index,
            suffix,
            value: value.into(),
        })),
        Err(problem) => Err(Problem::AccessControlList(name.to_vec(), problem)),
    }
}

/// Puts the entries at `start` and the values at the end of `area`, from whose first byte they
/// are found. They fit.
fn fill(
    area: &mut [u8],
    start: usize,
    attributes: &[Attribute<'_>],
    hash: impl Fn(&Attribute<'_>) -> u32,
) {
    let mut entry = start;
    let mut value = area.len();
    for attribute in attributes {
        let length = attribute.value.len();
        area[entry] = attribute.suffix.len().to_le_bytes()[0];
        area[entry + 1] = attribute.index;
        if length > 0 {
            value -= padded(length);
            put_u16(area, entry + 2, low16(low32(value as u64)));
            area[value..value + length].copy_from_slice(&attribute.value);
        }
        put_u32(area, entry + 8, low32(length as u64));
        put_u32(area, entry + 12, hash(attribute));
        area[entry + ENTRY_SIZE..][..attribute.suffix.len()].copy_from_slice(attribute.suffix);
        entry += ENTRY_SIZE + padded(attribute.suffix.len());
    }
}

fn block(attributes: &[Attribute<'_>]) -> Box<Block> {
    let mut block = Box::new([0; BLOCK_SIZE]);
    put_u32(&mut block[..], 0, MAGIC);
    // One inode refers to the block, which is one block long.
    put_u32(&mut block[..], 4, 1);
    put_u32(&mut block[..], 8, 1);
    let hashes = attributes.iter().map(entry_hash);
    // An entry without a hash keeps the kernel from sharing the block between inodes.
    let hash = if hashes.clone().any(|hash| hash == 0) {
        0
    } else {
        hashes.fold(0_u32, |sum, hash| sum.rotate_left(16) ^ hash)
    };
    put_u32(&mut block[..], 12, hash);
    fill(&mut block[..], BLOCK_HEADER, attributes, entry_hash);
    block
}

/// `e_hash`: of the name without prefix, and the value in words.
fn entry_hash(attribute: &Attribute<'_>) -> u32 {
    let name = attribute
        .suffix
        .iter()
        .fold(0_u32, |hash, &byte| hash.rotate_left(5) ^ u32::from(byte));
    attribute.value.chunks(4).fold(name, |hash, bytes| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        hash.rotate_left(16) ^ u32::from_le_bytes(word)
    })
}

/// Adds the checksum to a block that will lie at `place`. `seed` is the volume's.
pub(super) fn seal(block: &mut Block, place: u64, seed: Checksum) {
    let checksum = seed.update(&place.to_le_bytes()).update(&block[..]);
    put_u32(block, CHECKSUM, checksum.value());
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Timestamp;

    fn node(kind: Kind) -> Node {
        Node {
            kind,
            permissions: 0o644,
            uid: 0,
            gid: 0,
            modified: Timestamp::default(),
            accessed: Timestamp::default(),
        }
    }

    fn store_all(kind: Kind, attributes: &[(&[u8], &[u8])]) -> Result<Stored, Problem> {
        store(&node(kind), attributes.iter().copied())
    }

    const FILE: Kind = Kind::File { size: 0 };

    #[test]
    fn knows_the_namespaces() {
        for name in [
            &b"user.a"[..],
            b"user.\xFF\n",
            b"trusted.overlay.opaque",
            b"security.capability",
            b"system.posix_acl_access",
            b"system.posix_acl_default",
        ] {
            assert!(supports_xattr(name), "{}", name.escape_ascii());
        }
        for name in [
            &b""[..],
            b"user.",
            b"users",
            b"system.data",
            b"system.posix_acl",
            b"com.apple.quarantine",
        ] {
            assert!(!supports_xattr(name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn small_ones_go_into_the_inode() {
        let stored = store_all(FILE, &[(b"user.ab", b"xyz"), (b"user.empty", b"")]).unwrap();
        assert_eq!(stored.block, None);
        let inode = stored.inode;
        assert_eq!(inode.len(), 96);
        assert_eq!(inode[..4], [0, 0, 2, 0xEA]);
        let first = [
            2, 1, 88, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', 0, 0,
        ];
        assert_eq!(inode[4..24], first);
        let second = [
            5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'e', b'm', b'p', b't', b'y', 0, 0, 0,
        ];
        assert_eq!(inode[24..48], second);
        assert_eq!(inode[92..], *b"xyz\0");
    }

    #[test]
    fn the_rooms_can_be_filled_to_the_last_byte() {
        let inode_value = [1; INODE_ROOM - 20];
        let block_value = [2; BLOCK_ROOM - 20];
        let full: [(&[u8], &[u8]); 2] = [(b"user.a", &inode_value), (b"user.b", &block_value)];
        let stored = store_all(FILE, &full).unwrap();
        assert_eq!(stored.inode[24..28], [0, 0, 0, 0]);
        assert_eq!(stored.inode[28..], inode_value);
        let block = stored.block.unwrap();
        assert_eq!(block[BLOCK_HEADER + 20..][..4], [0, 0, 0, 0]);
        assert_eq!(block[BLOCK_HEADER + 24..], block_value);

        let value = [2; BLOCK_ROOM - 19];
        let result = store_all(FILE, &[(b"user.a", &inode_value), (b"user.b", &value)]);
        let expected = Problem::TooLarge {
            size: BLOCK_ROOM + 4 - BLOCK_ROOM % 4,
            limit: BLOCK_ROOM,
        };
        assert_eq!(result, Err(expected));
    }

    #[test]
    fn blocks_are_sorted_by_number_length_and_name() {
        let large = [0; 100];
        let stored = store_all(
            FILE,
            &[
                (b"security.a", &large),
                (b"trusted.a", &large),
                (b"user.bb", &large),
                (b"user.c", &large),
            ],
        )
        .unwrap();
        let block = stored.block.unwrap();
        let mut names = Vec::new();
        let mut at = BLOCK_HEADER;
        while block[at] != 0 {
            let length = usize::from(block[at]);
            names.push((block[at + 1], block[at + ENTRY_SIZE..][..length].to_vec()));
            at += ENTRY_SIZE + padded(length);
        }
        let expected = [(1, &b"c"[..]), (1, b"bb"), (4, b"a"), (6, b"a")];
        assert_eq!(names, expected.map(|(index, name)| (index, name.to_vec())));
    }

    #[test]
    fn lists_belong_where_the_kernel_lets_them() {
        let list = [2, 0, 0, 0];
        for (kind, name, valid) in [
            (FILE, acl::ACCESS, true),
            (Kind::Directory, acl::ACCESS, true),
            (Kind::Directory, acl::DEFAULT, true),
            (FILE, acl::DEFAULT, false),
            (Kind::Symlink, acl::ACCESS, false),
        ] {
            let result = store_all(kind, &[(name, &list)]);
            assert_eq!(result.is_ok(), valid, "{kind:?}");
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        let result = store_all(FILE, &[(b"nfs4.acl", b"")]);
        assert_eq!(result, Err(Problem::Name(b"nfs4.acl".to_vec())));
    }
}
