//! Comparing a mounted image with its model.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bencher_rootfs::tree::{Kind, Node, Timestamp};
use rustix::fs::{SeekFrom, lgetxattr, llistxattr, seek};

use crate::image::{Image, split};
use crate::model::{Body, Item, Model, Piece};
use crate::oracle::{self, Mount};

const BLOCK: u64 = 4096;

/// Checks an image with `e2fsck`, and every field of it with the kernel.
pub(crate) fn verify(image: &Image, model: &Model) {
    oracle::check(image.path());
    if let Some(mount) = Mount::read_only(image) {
        compare(mount.path(), model);
        mount.unmount();
    }
}

/// Compares the filesystem at `root` with `model`; a `lost+found` may be there besides.
pub(crate) fn compare(root: &Path, model: &Model) {
    let mut names: BTreeMap<&[u8], BTreeSet<Vec<u8>>> = BTreeMap::new();
    names.entry(b"").or_default().insert(b"lost+found".into());
    let mut links: BTreeMap<&[u8], u64> = BTreeMap::new();
    for (path, item) in model {
        if !path.is_empty() {
            let (parent, name) = split(path);
            names.entry(parent).or_default().insert(name.to_vec());
            if item.node.kind == Kind::Directory {
                *links.entry(parent).or_default() += 1;
            }
        }
        match &item.body {
            Body::Link(target) => *links.entry(target).or_default() += 1,
            _ if item.node.kind == Kind::Directory => *links.entry(path).or_default() += 2,
            _ => *links.entry(path).or_default() += 1,
        }
    }
    if !model.contains_key(&b"lost+found"[..]) {
        *links.entry(b"").or_default() += 1;
    }
    for (path, item) in model {
        let location = locate(root, path);
        let shown = path.escape_ascii().to_string();
        let metadata = fs::symlink_metadata(&location).unwrap_or_else(|error| {
            panic!("{shown}: {error}");
        });
        if let Body::Link(target) = &item.body {
            let original = fs::symlink_metadata(locate(root, target)).unwrap();
            assert_eq!(metadata.ino(), original.ino(), "{shown}");
            continue;
        }
        compare_node(&metadata, &item.node, &shown);
        let expected = links[&path[..]];
        let expected = if expected > 65_000 { 1 } else { expected };
        assert_eq!(metadata.nlink(), expected, "links of {shown}");
        assert_eq!(xattrs(&location), item.xattrs, "xattrs of {shown}");
        match item.node.kind {
            Kind::Directory => {
                let found: BTreeSet<Vec<u8>> = fs::read_dir(&location)
                    .unwrap()
                    .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
                    .collect();
                let expected = names.remove(&path[..]).unwrap_or_default();
                assert_eq!(found, expected, "names in {shown}");
            }
            Kind::File { size } => compare_contents(&location, size, item, &shown),
            _ => {}
        }
        if let Body::Target(target) = &item.body {
            let found = fs::read_link(&location).unwrap();
            assert_eq!(found.as_os_str().as_bytes(), target, "{shown}");
        }
    }
}

fn locate(root: &Path, path: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(path))
}

fn compare_node(metadata: &Metadata, node: &Node, shown: &str) {
    let kind = metadata.file_type();
    let device = || {
        let device = metadata.rdev();
        (rustix::fs::major(device), rustix::fs::minor(device))
    };
    let same_kind = match node.kind {
        Kind::Directory => kind.is_dir(),
        Kind::File { size } => kind.is_file() && metadata.len() == size,
        Kind::Symlink => kind.is_symlink(),
        Kind::CharacterDevice { major, minor } => {
            kind.is_char_device() && device() == (major, minor)
        }
        Kind::BlockDevice { major, minor } => kind.is_block_device() && device() == (major, minor),
        Kind::Fifo => kind.is_fifo(),
    };
    assert!(
        same_kind,
        "{shown}: {metadata:?} instead of {:?}",
        node.kind
    );
    assert_eq!(
        metadata.mode() & 0o7777,
        u32::from(node.permissions),
        "mode of {shown}"
    );
    assert_eq!(
        (metadata.uid(), metadata.gid()),
        (node.uid, node.gid),
        "owner of {shown}"
    );
    let time = |seconds, nanoseconds: i64| Timestamp {
        seconds,
        nanoseconds: u32::try_from(nanoseconds).unwrap(),
    };
    let modified = time(metadata.mtime(), metadata.mtime_nsec());
    assert_eq!(modified, clamped(node.modified), "mtime of {shown}");
    let accessed = time(metadata.atime(), metadata.atime_nsec());
    assert_eq!(accessed, clamped(node.accessed), "atime of {shown}");
}

/// What the kernel makes of a time that ext4 can not hold.
fn clamped(time: Timestamp) -> Timestamp {
    let range = -(1_i64 << 31)..=(1_i64 << 34) - (1 << 31) - 1;
    if range.contains(&time.seconds)
        && time.seconds != *range.start()
        && time.seconds != *range.end()
    {
        return time;
    }
    Timestamp {
        seconds: time.seconds.clamp(*range.start(), *range.end()),
        nanoseconds: 0,
    }
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut list = vec![0; 65_536];
    let length = llistxattr(path, &mut list[..]).unwrap();
    list[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 65_536];
            let length = lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
            value.truncate(length);
            (name.to_vec(), value)
        })
        .collect()
}

fn compare_contents(path: &Path, size: u64, item: &Item, shown: &str) {
    let Body::Pieces(pieces) = &item.body else {
        panic!("{shown} has no contents");
    };
    let file = File::open(path).unwrap();
    for piece in pieces {
        let mut found = vec![0; piece.length];
        file.read_exact_at(&mut found, piece.offset).unwrap();
        assert!(found == piece.bytes(), "contents of {shown}: {piece:?}");
    }
    let expected = merged(size, pieces);
    assert_eq!(data_ranges(&file, size), expected, "holes of {shown}");
    // What was not written reads as zeroes, in the last block of a piece too.
    if size < 64 << 20 {
        let mut whole = Vec::new();
        (&file).read_to_end(&mut whole).unwrap();
        for piece in pieces {
            let start = usize::try_from(piece.offset).unwrap();
            whole[start..start + piece.length].fill(0);
        }
        assert!(whole.iter().all(|&byte| byte == 0), "holes of {shown}");
    }
}

/// The stretches of whole blocks that pieces fill, up to the end of the file.
fn merged(size: u64, pieces: &[Piece]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for piece in pieces {
        let end = piece.end().next_multiple_of(BLOCK).min(size);
        match ranges.last_mut() {
            Some(last) if last.1 == piece.offset => last.1 = end,
            _ => ranges.push((piece.offset, end)),
        }
    }
    ranges
}

/// The stretches of a file that are no holes, as the kernel tells.
fn data_ranges(file: &File, size: u64) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    let mut position = 0;
    while position < size {
        let Ok(start) = seek(file, SeekFrom::Data(position)) else {
            break;
        };
        let end = seek(file, SeekFrom::Hole(start)).unwrap();
        ranges.push((start, end));
        position = end;
    }
    seek(file, SeekFrom::Start(0)).unwrap();
    ranges
}
