//! What ext4 can not hold is refused with an error that says what it is.

use std::fs;

use bencher_rootfs::ext4::{Ext4Error, Layout};
use bencher_rootfs::tree::{Kind, Segment, TreeBuilder};

use crate::compare::verify;
use crate::image::{Contents, Image};
use crate::model::{Item, Model, model, node, pattern};
use crate::oracle::check;

fn refusal<const N: usize>(items: [(&str, Item); N]) -> String {
    let error = Image::try_build(8 << 20, &model(items)).expect_err("ext4 can not hold this");
    error.to_string()
}

#[test]
fn devices_beyond_linux() {
    let device = Item::new(Kind::BlockDevice {
        major: 4096,
        minor: 1,
    });
    assert_eq!(
        refusal([("dev", Item::directory()), ("dev/odd", device)]),
        "the device \"/dev/odd\" has the number 4096:1, beyond what Linux has (4095:1048575)"
    );
}

#[test]
fn targets_of_symbolic_links() {
    for target in [&b""[..], b"a\0b", &[b'a'; 4096]] {
        let error = refusal([("link", Item::symlink(target))]);
        let expected = format!(
            "the symbolic link \"/link\" has a target of {} bytes: it must have 1 to 4095 bytes, \
             none of them NUL",
            target.len()
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn too_many_extended_attributes() {
    let item = Item::file(0).with_xattr(b"user.large", &[1; 4060]);
    assert_eq!(
        refusal([("a", Item::directory()), ("a/file\n", item)]),
        "\"/a/file\\n\" has extended attributes of 4084 bytes that its inode has no room for, more \
         than the 4060 bytes of the one block that ext4 has for them"
    );
}

#[test]
fn extended_attributes_without_a_place() {
    let item = Item::file(0).with_xattr(b"com.apple.quarantine", b"0081");
    assert_eq!(
        refusal([("file", item)]),
        "\"/file\" has the extended attribute \"com.apple.quarantine\", which ext4 can not hold"
    );
}

#[test]
fn invalid_access_control_lists() {
    let item = Item::file(0).with_xattr(b"system.posix_acl_access", b"\x02\0\0\0\x01");
    assert_eq!(
        refusal([("file", item)]),
        "\"/file\" has an access control list (system.posix_acl_access) that is invalid: it does \
         not end with a whole entry"
    );
}

#[test]
fn files_that_are_too_large() {
    let size = u64::from(u32::MAX) * 4096 + 1;
    let error = refusal([("huge", Item::sparse(size, vec![]))]);
    assert_eq!(
        error,
        format!(
            "the file \"/huge\" has {size} bytes, more than ext4 allows ({})",
            size - 1
        )
    );
}

#[test]
fn hard_links_up_to_the_limit() {
    let mut model = model([("file", Item::file(1))]);
    for number in 1..65_000 {
        model.insert(format!("{number}").into_bytes(), Item::link(b"file"));
    }
    verify(&Image::build(64 << 20, &model), &model);
    model.insert(b"one more".to_vec(), Item::link(b"file"));
    let error = Image::try_build(64 << 20, &model).unwrap_err();
    assert!(matches!(
        error,
        Ext4Error::TooManyLinks { links: 65_001, .. }
    ));
}

fn error_of_segments(position: u64, other: u64) -> Ext4Error {
    let contents = Contents::new(8 << 20, 0).unwrap();
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let root = builder.root();
    for (name, position) in [(b"a", position), (b"b", other)] {
        let segment = Segment {
            offset: 0,
            position,
            length: 5000,
        };
        let node = node(Kind::File { size: 5000 });
        builder.add_file(root, name, node, &[segment]).unwrap();
    }
    contents.finish(&builder.finish()).unwrap_err()
}

#[test]
fn contents_where_they_can_not_be() {
    for (position, other) in [
        (4096, 1 << 20),
        (1 << 20, 1 << 20),
        (1 << 20, (1 << 20) + 4096),
        (1 << 20, 8 << 20),
        (1 << 20, u64::MAX - 4095),
    ] {
        let error = error_of_segments(position, other);
        assert!(matches!(error, Ext4Error::Contents { .. }), "{error}");
    }
}

/// The size that the error tells is enough, and one much smaller is not.
fn needed_size(model: &Model, size: u64) -> u64 {
    let Err(Ext4Error::DiskTooSmall { needed, size: told }) = Image::try_build(size, model) else {
        panic!("the disk of {size} bytes is not too small");
    };
    assert_eq!(told, size);
    let image = Image::build(needed, model);
    check(image.path());
    needed
}

#[test]
fn disks_that_are_too_small() {
    // Many small directories, long names, and large attributes.
    let mut many = model([]);
    for number in 0..2000 {
        many.insert(format!("{number}").into_bytes(), Item::directory());
    }
    assert!(needed_size(&many, 1 << 20) <= 10 << 20);

    let mut long = model([]);
    for number in 0..2000 {
        long.insert(format!("{number:0>255}").into_bytes(), Item::directory());
    }
    assert!(needed_size(&long, 8 << 20) <= 11 << 20);

    let mut attributes = model([]);
    for number in 0..1000 {
        let item = Item::file(0).with_xattr(b"user.x", &pattern(500, number));
        attributes.insert(format!("{number}").into_bytes(), item);
    }
    assert!(needed_size(&attributes, 4 << 20) <= 6 << 20);
}

#[test]
fn disks_with_too_few_inodes() {
    // One group has at most 32,768.
    let mut model = model([]);
    for number in 0..33_000 {
        model.insert(format!("{number}").into_bytes(), Item::file(0));
    }
    let needed = needed_size(&model, 100 << 20);
    assert!(needed <= 140 << 20, "{needed}");
}

#[test]
fn a_disk_filled_to_the_last_block() {
    let size = 8 << 20;
    let inodes = Image::build(size, &model([("file", Item::file(0))]))
        .written
        .inodes;
    let layout = Layout::new(size).unwrap();
    let ranges = layout.data_ranges();
    let free: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    // Two bitmaps, the inodes, the root and lost+found.
    let metadata = (2 + u64::from(inodes) / 16 + 2) * 4096;
    let length = usize::try_from(free - metadata).unwrap();
    let full = model([("file", Item::file(length))]);
    let image = Image::build(size, &full);
    assert_eq!(image.written.free_bytes, 0);
    verify(&image, &full);

    let more = model([("file", Item::file(length + 1))]);
    let Err(Ext4Error::DiskTooSmall { needed, .. }) = Image::try_build(size, &more) else {
        panic!("one block is missing");
    };
    assert_eq!(needed, size + (1 << 20));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let mut model = model([("a", Item::directory())]);
    for number in 0..3000_u64 {
        let item = Item::file(5000).with_xattr(b"user.x", &pattern(300, number));
        model.insert(format!("a/{number}").into_bytes(), item);
    }
    let [first, second] = [(); 2].map(|()| {
        let image = Image::build(64 << 20, &model);
        fs::read(image.path()).unwrap()
    });
    assert!(first == second);
}
