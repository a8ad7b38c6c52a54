//! Large directories, as they were written and while the kernel changes them.

use std::fs;
use std::path::Path;

use crate::compare::{compare, verify};
use crate::image::Image;
use crate::model::{Item, Model, model, pattern};
use crate::oracle::{Mount, check, debugfs, superblock_field};

fn crowded(count: usize, name: impl Fn(usize) -> Vec<u8>) -> Model {
    let mut model = model([("big", Item::directory())]);
    for number in 0..count {
        let path = [b"big/", &name(number)[..]].concat();
        model.insert(path, Item::file(0));
    }
    model
}

fn long_name(number: usize) -> Vec<u8> {
    // Bytes of all values but those that no name may have.
    let bytes = pattern(248, number as u64);
    let mut name = format!("{number:07}").into_bytes();
    name.extend(bytes.iter().map(|&byte| match byte {
        0 | b'/' => b'_',
        byte => byte,
    }));
    name
}

/// Lets the kernel change an image, and looks at what it left.
fn exercise(image: &Image, model: &Model) {
    let Some(mount) = Mount::read_write(image) else {
        return;
    };
    let big = mount.join("big");
    for number in 0..1000 {
        let path = big.join(format!("new entry {number}"));
        fs::write(&path, pattern(number * 10, number as u64)).unwrap();
    }
    for number in 0..1000 {
        let path = big.join(format!("new entry {number}"));
        let renamed = big.join(format!("renamed to something longer {number}"));
        assert_eq!(
            fs::read(&path).unwrap(),
            pattern(number * 10, number as u64)
        );
        fs::rename(path, renamed).unwrap();
    }
    make_and_remove_directories(&big);
    for number in 0..1000 {
        fs::remove_file(big.join(format!("renamed to something longer {number}"))).unwrap();
    }
    mount.unmount();
    check(image.path());
    assert_eq!(superblock_field(image.path(), "FS Error count"), None);

    // Only the directory's own times have changed.
    let mount = Mount::read_only(image).unwrap();
    let mut model = model.clone();
    let metadata = fs::metadata(mount.join("big")).unwrap();
    let modified = std::os::unix::fs::MetadataExt::mtime(&metadata);
    let node = &mut model.get_mut(&b"big"[..]).unwrap().node;
    assert!(modified > node.modified.seconds);
    node.modified.seconds = modified;
    node.modified.nanoseconds =
        u32::try_from(std::os::unix::fs::MetadataExt::mtime_nsec(&metadata)).unwrap();
    // Listing a directory may note that it was read.
    node.accessed.seconds = std::os::unix::fs::MetadataExt::atime(&metadata);
    node.accessed.nanoseconds =
        u32::try_from(std::os::unix::fs::MetadataExt::atime_nsec(&metadata)).unwrap();
    compare(mount.path(), &model);
    mount.unmount();
}

fn make_and_remove_directories(parent: &Path) {
    for number in 0..50 {
        let path = parent.join(format!("directory {number}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), b"contents").unwrap();
        fs::remove_file(path.join("file")).unwrap();
        fs::remove_dir(&path).unwrap();
    }
}

#[test]
fn twenty_thousand_short_names() {
    let model = crowded(20_000, |number| format!("entry-{number}").into_bytes());
    let image = Image::build(256 << 20, &model);
    verify(&image, &model);
    exercise(&image, &model);
}

#[test]
fn twenty_thousand_names_of_255_bytes() {
    let model = crowded(20_000, long_name);
    let image = Image::build(256 << 20, &model);
    verify(&image, &model);
    exercise(&image, &model);
}

/// Sizes at which a directory gets its second block, its index, and the second level of it.
#[test]
fn directories_around_their_thresholds() {
    let mut model = model([]);
    for count in [0, 1, 14, 15, 16, 17, 26, 27] {
        model.insert(format!("{count}").into_bytes(), Item::directory());
        for number in 0..count {
            let path = [format!("{count}/").as_bytes(), &long_name(number)].concat();
            model.insert(path, Item::file(0));
        }
    }
    verify(&Image::build(16 << 20, &model), &model);
    // 13 in a leaf, and 507 leaves.
    for count in [6000, 7500] {
        let model = crowded(count, long_name);
        let image = Image::build(64 << 20, &model);
        verify(&image, &model);
        exercise(&image, &model);
    }
}

#[test]
fn names_of_any_bytes() {
    let mut model = model([("big", Item::directory())]);
    for byte in (1..=255).filter(|&byte| byte != b'/') {
        if byte != b'.' {
            model.insert([b"big/", &[byte][..]].concat(), Item::file(1));
        }
        model.insert([b"big/..", &[byte][..]].concat(), Item::file(0));
        model.insert([&b"big/"[..], &[byte; 255]].concat(), Item::file(0));
    }
    let image = Image::build(64 << 20, &model);
    verify(&image, &model);
    exercise(&image, &model);
}

/// A directory whose link count does not fit has one of 1.
#[test]
fn more_subdirectories_than_links() {
    let mut model = model([("big", Item::directory())]);
    for number in 0..65_001 {
        model.insert(format!("big/{number}").into_bytes(), Item::directory());
    }
    let image = Image::build(1 << 30, &model);
    verify(&image, &model);
    exercise(&image, &model);
}

#[test]
fn exactly_as_many_subdirectories_as_links() {
    let mut model = model([("big", Item::directory())]);
    for number in 0..64_998 {
        model.insert(format!("big/{number}").into_bytes(), Item::directory());
    }
    let image = Image::build(1 << 30, &model);
    verify(&image, &model);
}

/// Two names of the same hash, of which one ends a leaf and the other begins the next: found by
/// trying many names.
#[test]
fn a_leaf_can_go_on_with_the_hash_of_the_one_before() {
    for (count, pair, hash) in [
        (413, ["c23864", "c175856"], 0xB1AA_E6A6_u32),
        (418, ["c89771", "c108335"], 0xAF94_F948),
    ] {
        let mut model = crowded(count, |number| format!("f{number}").into_bytes());
        for name in pair {
            model.insert(format!("big/{name}").into_bytes(), Item::file(0));
        }
        let image = Image::build(64 << 20, &model);
        let index = debugfs(image.path(), "htree_dump /big");
        // The lowest bit in the index says so.
        let continued = format!("{:08x}", hash | 1);
        assert!(index.to_lowercase().contains(&continued), "{index}");
        verify(&image, &model);
        exercise(&image, &model);
    }
}

#[test]
fn deep_directories() {
    let mut model = model([]);
    let mut path = Vec::new();
    for depth in 0..500 {
        if depth > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(b"d");
        model.insert(path.clone(), Item::directory());
    }
    verify(&Image::build(16 << 20, &model), &model);
}
