//! What the kernel does not show: the superblock, its backups, and the groups.

use std::os::unix::fs::FileExt;

use crate::image::Image;
use crate::model::Item;
use crate::oracle::{debugfs_of_backup, dumpe2fs, superblock_field};

const GROUP: u64 = 1 << 27;
const BLOCK: u64 = 4096;

fn image() -> Image {
    let model = crate::model::model([
        ("directory", Item::directory()),
        ("directory/file", Item::file(10_000)),
    ]);
    Image::build(8 * GROUP, &model)
}

#[test]
fn the_superblock_says_what_was_asked_for() {
    let image = image();
    for (field, value) in [
        (
            "Filesystem features",
            "ext_attr dir_index filetype extent 64bit flex_bg sparse_super large_file huge_file \
             dir_nlink extra_isize metadata_csum",
        ),
        ("Filesystem UUID", "61206469-6765-8374-a06f-662033322062"),
        (
            "Directory Hash Seed",
            "79746573-2c20-616e-7920-646967657374",
        ),
        ("Filesystem flags", "unsigned_directory_hash"),
        ("Filesystem state", "clean"),
        ("Filesystem created", "Sun Sep 13 12:26:40 2020"),
        ("Last write time", "Sun Sep 13 12:26:40 2020"),
        ("Reserved block count", "0"),
        ("Maximum mount count", "-1"),
        ("Inode count", "65536"),
        ("Free inodes", "65523"),
    ] {
        let shown = superblock_field(image.path(), field);
        assert_eq!(shown.as_deref(), Some(value), "{field}");
    }
}

#[test]
fn there_is_an_inode_for_each_16_kibibytes() {
    let image = image();
    assert_eq!(image.written.inodes, 65_536);
    assert_eq!(image.written.free_inodes, 65_536 - 13);
    // Superblocks and descriptors of groups 0, 1, 3, 5 and 7, bitmaps, inode tables.
    let overhead = 5 * 2 + 8 * 2 + 65_536 / 16;
    let shown = superblock_field(image.path(), "Overhead clusters");
    assert_eq!(shown, Some(overhead.to_string()));
    // The root, lost+found, a directory, and three blocks of contents.
    let free = 8 * GROUP - (overhead + 6) * BLOCK;
    assert_eq!(image.written.free_bytes, free);
}

/// The kernel has nothing left to initialize, and what is untouched is not even written.
#[test]
fn groups_are_initialized_or_need_not_be() {
    let shown = dumpe2fs(image().path());
    let groups: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with("Group ") && line.contains("(Blocks "))
        .collect();
    assert_eq!(groups.len(), 8, "{shown}");
    assert!(
        groups.iter().all(|line| line.contains("ITABLE_ZEROED")),
        "{shown}"
    );
    let with = |flag: &str| groups.iter().filter(|line| line.contains(flag)).count();
    assert_eq!(with("INODE_UNINIT"), 7, "{shown}");
    assert_eq!(with("BLOCK_UNINIT"), 6, "{shown}");
}

/// The backups alone are enough to use the filesystem.
#[test]
fn backups_hold_what_the_first_superblock_holds() {
    let image = image();
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
