//! Disks of all sizes.

use std::os::unix::fs::MetadataExt;

use crate::compare::verify;
use crate::image::Image;
use crate::model::{Item, Model, model};

const GROUP: u64 = 1 << 27;
const BLOCK: u64 = 4096;

fn small_tree() -> Model {
    model([
        ("directory", Item::directory()),
        ("directory/file", Item::file(10_000)),
    ])
}

fn try_size(size: u64) {
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
fn a_tree_of_many_entries_gets_more_inodes() {
    let mut model = model([]);
    for number in 0..30_000 {
        model.insert(format!("{number}").into_bytes(), Item::file(0));
    }
    let image = Image::build(128 << 20, &model);
    assert!(image.written.free_inodes >= 2000);
    verify(&image, &model);
}
