//! Everything about entries but their contents.

use bencher_rootfs::tree::{Kind, Timestamp};

use crate::compare::verify;
use crate::image::Image;
use crate::model::{Item, Model, model};

#[test]
fn an_empty_tree() {
    let (image, model) = Image::of([]);
    verify(&image, &model);
}

#[test]
fn every_kind_of_entry() {
    let (image, model) = Image::of([
        ("directory", Item::directory()),
        ("directory/empty", Item::directory()),
        ("file", Item::file(7)),
        ("empty", Item::file(0)),
        ("symlink", Item::symlink(b"file")),
        ("dangling", Item::symlink(b"../../\xFF\xFE")),
        ("fifo", Item::new(Kind::Fifo)),
        (
            "null",
            Item::new(Kind::CharacterDevice { major: 1, minor: 3 }),
        ),
        ("sda", Item::new(Kind::BlockDevice { major: 8, minor: 0 })),
    ]);
    verify(&image, &model);
}

#[test]
fn device_numbers_of_all_widths() {
    let mut model = model([]);
    for (number, (major, minor)) in [
        (0, 0),
        (255, 255),
        (256, 0),
        (0, 256),
        (4095, 1_048_575),
        (259, 65_536),
    ]
    .into_iter()
    .enumerate()
    {
        let character = Kind::CharacterDevice { major, minor };
        let block = Kind::BlockDevice { major, minor };
        model.insert(format!("c{number}").into_bytes(), Item::new(character));
        model.insert(format!("b{number}").into_bytes(), Item::new(block));
    }
    verify(&Image::build(8 << 20, &model), &model);
}

#[test]
fn owners_and_permissions() {
    let owned = |uid, gid, permissions| {
        Item::file(1).with(|node| {
            node.uid = uid;
            node.gid = gid;
            node.permissions = permissions;
        })
    };
    let (image, model) = Image::of([
        ("", Item::directory().with(|node| node.permissions = 0o1777)),
        ("setuid", owned(0, 0, 0o6755)),
        ("wide", owned(65_536, 1_000_000_000, 0o000)),
        ("widest", owned(u32::MAX - 1, u32::MAX - 1, 0o7777)),
        (
            "group",
            Item::directory().with(|node| node.permissions = 0o2770),
        ),
    ]);
    verify(&image, &model);
}

#[test]
fn times_of_five_centuries() {
    let mut model = model([]);
    for (number, seconds) in [
        i64::MIN,
        -(1 << 31) - 1,
        -(1 << 31),
        -(1 << 31) + 1,
        -1,
        0,
        (1 << 31) - 1,
        1 << 31,
        (1 << 32) - 1,
        1 << 32,
        (1 << 33) + 5,
        (1 << 34) - (1 << 31) - 2,
        (1 << 34) - (1 << 31) - 1,
        (1 << 34) - (1 << 31),
        i64::MAX,
    ]
    .into_iter()
    .enumerate()
    {
        let item = Item::file(0).with(|node| {
            node.modified = Timestamp {
                seconds,
                nanoseconds: 999_999_999,
            };
            node.accessed = Timestamp {
                seconds,
                nanoseconds: 1,
            };
        });
        model.insert(number.to_string().into_bytes(), item);
    }
    verify(&Image::build(8 << 20, &model), &model);
}

#[test]
fn symbolic_links_in_the_inode_and_in_a_block() {
    let mut model = model([]);
    for length in [1, 58, 59, 60, 61, 255, 4094, 4095] {
        let target: Vec<u8> = (b'a'..=b'w').cycle().take(length).collect();
        model.insert(length.to_string().into_bytes(), Item::symlink(&target));
    }
    verify(&Image::build(8 << 20, &model), &model);
}

#[test]
fn hard_links() {
    let (image, model) = Image::of([
        ("a", Item::directory()),
        ("a/file", Item::file(6)),
        ("b", Item::directory()),
        ("b/again", Item::link(b"a/file")),
        ("third", Item::link(b"a/file")),
        ("pipe", Item::new(Kind::Fifo)),
        ("b/pipe", Item::link(b"pipe")),
        ("symlink", Item::symlink(b"a")),
        ("b/symlink", Item::link(b"symlink")),
    ]);
    verify(&image, &model);
}

#[test]
fn an_image_can_have_its_own_lost_and_found() {
    let (image, model) = Image::of([
        ("lost+found", Item::directory()),
        ("lost+found/kept", Item::file(4)),
        ("before", Item::file(0)),
    ]);
    verify(&image, &model);
}

/// A file capability in the form that the kernel shows it: `cap_net_raw+ep`.
const CAPABILITY: [u8; 20] = [
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

#[test]
fn extended_attributes_in_the_inode_and_in_a_block() {
    let (image, model) = Image::of([
        ("", Item::directory().with_xattr(b"user.root", b"/")),
        (
            "ping",
            Item::file(1).with_xattr(b"security.capability", &CAPABILITY),
        ),
        (
            "several",
            Item::file(1)
                .with_xattr(b"user.empty", b"")
                .with_xattr(b"user.newline", b"a\nb\0c\xFF")
                .with_xattr(b"user.\xC3\xA4\xFF", b"name of any bytes")
                .with_xattr(b"trusted.overlay.opaque", b"y")
                .with_xattr(b"security.selinux", b"system_u:object_r:bin_t:s0\0"),
        ),
        (
            "block",
            Item::file(1)
                .with_xattr(b"user.large", &[0xFF; 2000])
                .with_xattr(b"user.larger", &[0x80; 1900])
                .with_xattr(b"user.b", &[1; 30]),
        ),
        (
            "non-ASCII names in a block",
            Item::file(1)
                .with_xattr(b"user.\xC3\xA4\xFF", &[7; 300])
                .with_xattr(b"user.\x01", &[7; 301]),
        ),
        (
            "longest name",
            Item::file(1).with_xattr(&[&b"user."[..], &[b'n'; 250]].concat(), b"value"),
        ),
        (
            "directory",
            Item::directory().with_xattr(b"user.large", &[3; 1000]),
        ),
        (
            "symlink",
            Item::symlink(b"ping").with_xattr(b"trusted.s", &[4; 100]),
        ),
        (
            "long symlink",
            Item::symlink(&[b'l'; 100]).with_xattr(b"trusted.s", &[4; 100]),
        ),
        (
            "fifo",
            Item::new(Kind::Fifo).with_xattr(b"trusted.f", &[5; 100]),
        ),
        (
            "device",
            Item::new(Kind::CharacterDevice { major: 1, minor: 3 })
                .with_xattr(b"trusted.d", &[6; 100]),
        ),
    ]);
    verify(&image, &model);
}

/// An access control list in the form that the kernel shows it.
fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut value = vec![2, 0, 0, 0];
    for (tag, permissions, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}

fn access_list() -> Vec<u8> {
    list(&[
        (1, 6, u32::MAX),
        (2, 7, 1234),
        (2, 4, 4_000_000_000),
        (4, 5, u32::MAX),
        (8, 1, 99),
        (16, 4, u32::MAX),
        (32, 0, u32::MAX),
    ])
}

#[test]
fn access_control_lists() {
    let access = &b"system.posix_acl_access"[..];
    let default = &b"system.posix_acl_default"[..];
    let minimal = list(&[(1, 7, u32::MAX), (4, 5, u32::MAX), (32, 5, u32::MAX)]);
    let many: Vec<(u16, u16, u32)> = [(1, 6, u32::MAX)]
        .into_iter()
        .chain((0..300).map(|id| (2, 6, 70_000 + id)))
        .chain([(4, 0, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)])
        .collect();
    let (image, model) = Image::of([
        (
            "file",
            Item::file(1)
                .with(|node| node.permissions = 0o640)
                .with_xattr(access, &access_list()),
        ),
        (
            "directory",
            Item::directory()
                .with(|node| node.permissions = 0o640)
                .with_xattr(access, &access_list())
                .with_xattr(default, &access_list()),
        ),
        (
            "inheriting",
            Item::directory().with_xattr(default, &minimal),
        ),
        (
            "large",
            Item::file(1)
                .with(|node| node.permissions = 0o640)
                .with_xattr(access, &list(&many)),
        ),
    ]);
    verify(&image, &model);
}

/// What the kernel does with such a list when it is set and the mode after it.
#[test]
fn access_control_lists_that_the_mode_overrides() {
    let access = &b"system.posix_acl_access"[..];
    let minimal = list(&[(1, 7, u32::MAX), (4, 5, u32::MAX), (32, 5, u32::MAX)]);
    let given = model([
        (
            "minimal",
            Item::file(1)
                .with(|node| node.permissions = 0o755)
                .with_xattr(access, &minimal),
        ),
        (
            "other mode",
            Item::file(1)
                .with(|node| node.permissions = 0o777)
                .with_xattr(access, &access_list()),
        ),
    ]);
    let mut expected: Model = given.clone();
    expected.get_mut(&b"minimal"[..]).unwrap().xattrs.clear();
    let mut widened = access_list();
    for (entry, permissions) in [(0, 7), (5, 7), (6, 7)] {
        widened[4 + 8 * entry + 2] = permissions;
    }
    let xattrs = &mut expected.get_mut(&b"other mode"[..]).unwrap().xattrs;
    xattrs.insert(access.to_vec(), widened);
    verify(&Image::build(8 << 20, &given), &expected);
}
