//! Everything about the files in a directory.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr};
use sha2::{Digest, Sha256};

/// All fields of one path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) kind: &'static str,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
    pub(crate) device: u64,
    pub(crate) target: Vec<u8>,
    pub(crate) contents: [u8; 32],
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The number of names, and the first of them that was seen.
    pub(crate) links: (u64, Vec<u8>),
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uid, gid) = self.owner;
        write!(
            f,
            "{} {:o} {uid}:{gid} size {} time {:?} device {} -> {} contents {:02x?} links {} {}",
            self.kind,
            self.mode,
            self.size,
            self.modified,
            self.device,
            self.target.escape_ascii(),
            &self.contents[..4],
            self.links.0,
            self.links.1.escape_ascii(),
        )?;
        for (name, value) in &self.xattrs {
            write!(f, " {}={}", name.escape_ascii(), value.escape_ascii())?;
        }
        Ok(())
    }
}

pub(crate) type Snapshot = BTreeMap<Vec<u8>, Fields>;

/// The fields of everything below `root`, itself included, by path.
pub(crate) fn take(root: &Path) -> Snapshot {
    let mut snapshot = Snapshot::new();
    let mut first_names = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let kind = metadata.file_type();
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
        let (label, is_file) = match () {
            () if kind.is_dir() => ("directory", false),
            () if kind.is_file() => ("file", true),
            () if kind.is_symlink() => ("symlink", false),
            () if kind.is_char_device() => ("character device", false),
            () if kind.is_block_device() => ("block device", false),
            () if kind.is_fifo() => ("fifo", false),
            () => ("something else", false),
        };
        if kind.is_dir() {
            let mut entries: Vec<_> = fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                // Made by ext4, not by an image.
                .filter(|entry| !(name.is_empty() && entry.ends_with("lost+found")))
                .collect();
            entries.sort();
            // The first is looked at first, so that it is the first name of a file everywhere.
            todo.extend(entries.into_iter().rev());
        }
        let links = if kind.is_dir() {
            (1, name.to_vec())
        } else {
            let first = first_names
                .entry((metadata.dev(), metadata.ino()))
                .or_insert_with(|| name.to_vec());
            (metadata.nlink(), first.clone())
        };
        let fields = Fields {
            kind: label,
            mode: metadata.mode() & 0o7777,
            owner: (metadata.uid(), metadata.gid()),
            size: if kind.is_dir() { 0 } else { metadata.len() },
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            device: metadata.rdev(),
            target: if kind.is_symlink() {
                fs::read_link(&path).unwrap().as_os_str().as_bytes().into()
            } else {
                Vec::new()
            },
            contents: if is_file {
                Sha256::digest(fs::read(&path).unwrap()).into()
            } else {
                [0; 32]
            },
            xattrs: xattrs(&path),
            links,
        };
        snapshot.insert(name.to_vec(), fields);
    }
    snapshot
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 1 << 16];
    let length = llistxattr(path, &mut names).unwrap_or(0);
    names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 1 << 16];
            let length = lgetxattr(path, OsStr::from_bytes(name), &mut value).unwrap();
            value.truncate(length);
            (name.to_vec(), value)
        })
        .collect()
}

/// Compares field by field, and shows what is different.
#[track_caller]
pub(crate) fn assert_same(found: &Snapshot, expected: &Snapshot) {
    let mut differences = Vec::new();
    let paths: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    for path in paths {
        let (found, expected) = (found.get(path), expected.get(path));
        if found != expected {
            differences.push(format!(
                "{}:\n  found    {found:?}\n  expected {expected:?}",
                path.escape_ascii()
            ));
        }
    }
    let count = differences.len();
    differences.truncate(20);
    assert!(
        count == 0,
        "{count} differences:\n{}",
        differences.join("\n")
    );
    assert!(!found.is_empty());
}
