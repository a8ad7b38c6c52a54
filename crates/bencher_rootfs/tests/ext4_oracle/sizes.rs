//! Disks of all sizes.

use std::os::unix::fs::{FileExt, MetadataExt};

use crate::compare::verify;
use crate::image::Image;
use crate::model::{Item, Model, model};
use crate::oracle::{debugfs_of_backup, superblock_field};

const GROUP: u64 = 1 << 27;
const BLOCK: u64 = 4096;

fn small_tree() -> Model {
    model([
        ("directory", Item::directory()),
        ("directory/file", Item::file(10_000)),
    ])
}

fn try_size(size: u64) -> Image {
    let model = small_tree();
    let image = Image::build(size, &model);
    let metadata = image.file().metadata().unwrap();
    assert_eq!(metadata.len(), size);
    // Each copy of the descriptors, bitmaps of the groups touched, and a little of the rest.
    let groups = size.div_ceil(GROUP);
    let most = 30 * groups * 64 + (1 << 20);
    assert!(
        metadata.blocks() * 512 <= most,
        "{size}: {} bytes are allocated",
        metadata.blocks() * 512
    );
    verify(&image, &model);
    image
}

#[test]
fn from_a_mebibyte_to_a_few_groups() {
    for size in [
        1 << 20,
        (1 << 20) + 4095,
        2 << 20,
        (5 << 20) + 123,
        16 << 20,
        100_000_000,
        GROUP - BLOCK,
        GROUP,
        GROUP + 65 * BLOCK,
        GROUP + 66 * BLOCK,
        GROUP + 67 * BLOCK,
        2 * GROUP + 63 * BLOCK,
        2 * GROUP + 64 * BLOCK,
        3 * GROUP - BLOCK,
        3 * GROUP + 66 * BLOCK,
        7 * GROUP + 1000 * BLOCK,
    ] {
        try_size(size);
    }
}

#[test]
fn from_a_gibibyte_to_many_tebibytes() {
    for size in [
        1 << 30,
        10_000_000_000,
        (64 << 30) + 4 * GROUP + 70 * BLOCK,
        1 << 40,
    ] {
        try_size(size);
    }
}

#[test]
fn there_is_an_inode_for_each_16_kibibytes() {
    let image = try_size(1 << 30);
    assert_eq!(image.written.inodes, 65_536);
    assert_eq!(image.written.free_inodes, 65_536 - 13);
    let count = superblock_field(image.path(), "Inode count");
    assert_eq!(count.as_deref(), Some("65536"));
    // Superblocks and descriptors of groups 0, 1, 3, 5 and 7, bitmaps, inode tables.
    let overhead = 5 * 2 + 8 * 2 + 65_536 / 16;
    let shown = superblock_field(image.path(), "Overhead clusters");
    assert_eq!(shown, Some(overhead.to_string()));
    // The root, lost+found, a directory, and three blocks of contents.
    let free = (1 << 30) - (overhead + 6) * BLOCK;
    assert_eq!(image.written.free_bytes, free);
}

#[test]
fn a_tree_of_many_entries_gets_more_inodes() {
    let mut model = model([]);
    for number in 0..30_000 {
        model.insert(format!("{number}").into_bytes(), Item::file(0));
    }
    let image = Image::build(128 << 20, &model);
    assert!(image.written.free_inodes >= 2000);
    verify(&image, &model);
}

/// The backups alone are enough to use the filesystem.
#[test]
fn backups_hold_what_the_first_superblock_holds() {
    let image = try_size(1 << 30);
    let mut first = vec![0; 1024];
    image.file().read_exact_at(&mut first, 1024).unwrap();
    let mut descriptors = vec![0; 4096];
    image.file().read_exact_at(&mut descriptors, BLOCK).unwrap();
    for group in [1, 3, 5, 7] {
        let start = group * GROUP;
        let mut backup = vec![0; 1024];
        image.file().read_exact_at(&mut backup, start).unwrap();
        assert_eq!(backup[0x5A..0x5C], [group.to_le_bytes()[0], 0]);
        // Its own group's number and its checksum are all that may differ.
        for own in [0x5A..0x5C, 0x3FC..0x400] {
            backup[own.clone()].copy_from_slice(&first[own]);
        }
        assert!(backup == first, "superblock of group {group}");
        let mut copy = vec![0; 4096];
        image
            .file()
            .read_exact_at(&mut copy, start + BLOCK)
            .unwrap();
        assert!(copy == descriptors, "descriptors of group {group}");
        // debugfs refuses a superblock or a descriptor whose checksum is wrong.
        let shown = debugfs_of_backup(image.path(), start / BLOCK, "stat /directory/file");
        assert!(shown.contains("Size: 10000"), "{shown}");
    }
}
