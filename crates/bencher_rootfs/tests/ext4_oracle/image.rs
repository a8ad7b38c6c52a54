//! Images made from a model.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bencher_rootfs::ext4::{Ext4Error, Layout, Options, Written, write};
use bencher_rootfs::tree::{Kind, Segment, Slot, Tree, TreeBuilder};
use tempfile::NamedTempFile;

use crate::model::{Body, Item, Model, model};

const BLOCK: u64 = 4096;

pub(crate) const OPTIONS: Options = Options {
    digest: *b"a digest of 32 bytes, any digest",
    time: 1_600_000_000,
};

/// A finished image.
#[derive(Debug)]
pub(crate) struct Image {
    file: NamedTempFile,
    pub(crate) written: Written,
}

/// An image whose contents are written, but nothing else.
#[derive(Debug)]
pub(crate) struct Contents {
    file: NamedTempFile,
    layout: Layout,
    free: VecDeque<Range<u64>>,
    /// Blocks to leave free behind every piece.
    gap: u64,
}

impl Contents {
    pub(crate) fn new(size: u64, gap: u64) -> Result<Self, Ext4Error> {
        let layout = Layout::new(size)?;
        let file = NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        Ok(Self {
            file,
            layout,
            free: layout.data_ranges().into(),
            gap,
        })
    }

    /// Writes a piece of a file, and says where.
    pub(crate) fn put(&mut self, offset: u64, bytes: &[u8]) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let range = self.free.front_mut().expect("room for contents");
            let length = rest
                .len()
                .min(usize::try_from(range.end - range.start).unwrap());
            let (now, later) = rest.split_at(length);
            self.file.as_file().write_all_at(now, range.start).unwrap();
            segments.push(Segment {
                offset: offset + (bytes.len() - rest.len()) as u64,
                position: range.start,
                length: length as u64,
            });
            let used = (length as u64).next_multiple_of(BLOCK) + self.gap * BLOCK;
            range.start = (range.start + used).min(range.end);
            if range.is_empty() {
                self.free.pop_front();
            }
            rest = later;
        }
        segments
    }

    pub(crate) fn finish(self, tree: &Tree) -> Result<Image, Ext4Error> {
        let written = write(self.file.as_file(), &self.layout, tree, &OPTIONS)?;
        Ok(Image {
            file: self.file,
            written,
        })
    }
}

impl Image {
    /// Makes an image of a disk of `size` bytes.
    pub(crate) fn try_build(size: u64, model: &Model) -> Result<Self, Ext4Error> {
        Self::try_build_with_gaps(size, model, 0)
    }

    pub(crate) fn build(size: u64, model: &Model) -> Self {
        Self::try_build(size, model).expect("the image can be written")
    }

    /// Leaves `gap` blocks free behind every piece of contents.
    pub(crate) fn try_build_with_gaps(
        size: u64,
        model: &Model,
        gap: u64,
    ) -> Result<Self, Ext4Error> {
        let mut contents = Contents::new(size, gap)?;
        let tree = tree(model, &mut contents);
        contents.finish(&tree)
    }

    /// An image of these entries on a disk of 32 MiB.
    pub(crate) fn of<const N: usize>(items: [(&str, Item); N]) -> (Self, Model) {
        let model = model(items);
        (Self::build(32 << 20, &model), model)
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }
}

/// The tree of a model, whose contents it writes.
pub(crate) fn tree(model: &Model, contents: &mut Contents) -> Tree {
    let mut builder = TreeBuilder::new(model[&Vec::new()].node);
    let mut slots: BTreeMap<&[u8], Slot> = BTreeMap::new();
    slots.insert(b"", builder.root());
    let mut links = Vec::new();
    for (path, item) in model {
        if path.is_empty() {
            set_xattrs(&mut builder, slots[&b""[..]], item);
            continue;
        }
        let (parent, name) = split(path);
        let parent = slots[parent];
        let slot = match &item.body {
            Body::None => builder.add(parent, name, item.node),
            Body::Target(target) => builder.add_symlink(parent, name, item.node, target),
            Body::Pieces(pieces) => {
                let segments: Vec<_> = pieces
                    .iter()
                    .flat_map(|piece| contents.put(piece.offset, &piece.bytes()))
                    .collect();
                assert!(matches!(item.node.kind, Kind::File { .. }));
                builder.add_file(parent, name, item.node, &segments)
            }
            Body::Link(target) => {
                links.push((parent, name, target));
                continue;
            }
        };
        let slot = slot.unwrap();
        set_xattrs(&mut builder, slot, item);
        slots.insert(path, slot);
    }
    for (parent, name, target) in links {
        builder.link(parent, name, slots[&target[..]]).unwrap();
    }
    builder.finish()
}

fn set_xattrs(builder: &mut TreeBuilder, slot: Slot, item: &Item) {
    let xattrs: Vec<(&[u8], &[u8])> = item
        .xattrs
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    if !xattrs.is_empty() {
        builder.set_xattrs(slot, &xattrs).unwrap();
    }
}

/// The path of the directory, and the name in it.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}
