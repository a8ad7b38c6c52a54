//! Random trees.

use std::collections::BTreeMap;

use bencher_rootfs::tree::{Kind, Node, Timestamp};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::compare::verify;
use crate::image::Image;
use crate::model::{Body, Item, Model, Piece, node};

fn names() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-z]{1,12}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 1..=255),
    ]
    .prop_map(|mut name| {
        for byte in &mut name {
            if *byte == 0 || *byte == b'/' {
                *byte = b'_';
            }
        }
        if name == b"." || name == b".." || name == b"lost+found" {
            name.push(b'x');
        }
        name
    })
}

fn times() -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![
        -(1_i64 << 33)..(1 << 35),
        Just(0),
        1_500_000_000_i64..1_800_000_000,
    ];
    (seconds, 0..1_000_000_000_u32).prop_map(|(seconds, nanoseconds)| Timestamp {
        seconds,
        nanoseconds,
    })
}

/// Pieces of whole blocks apart from each other, and a size with a hole or none at the end.
fn contents() -> impl Strategy<Value = (u64, Vec<Piece>)> {
    (
        vec((0..4_u64, 1..20_000_usize, any::<u64>()), 0..12),
        0..10_000_u64,
    )
        .prop_map(|(parts, hole)| {
            let mut pieces = Vec::new();
            let mut end = 0_u64;
            for (skipped, length, seed) in parts {
                let offset = end.next_multiple_of(4096) + skipped * 4096;
                pieces.push(Piece::new(offset, length, seed));
                end = offset + length as u64;
            }
            (end + hole, pieces)
        })
}

fn bodies() -> impl Strategy<Value = (Kind, Body)> {
    let device = (0..4096_u32, 0..1_048_576_u32);
    prop_oneof![
        4 => Just((Kind::Directory, Body::None)),
        6 => contents().prop_map(|(size, pieces)| (Kind::File { size }, Body::Pieces(pieces))),
        2 => vec(1..=255_u8, 1..200).prop_map(|target| (Kind::Symlink, Body::Target(target))),
        1 => Just((Kind::Fifo, Body::None)),
        1 => device.clone().prop_map(|(major, minor)| {
            (Kind::CharacterDevice { major, minor }, Body::None)
        }),
        1 => device.prop_map(|(major, minor)| (Kind::BlockDevice { major, minor }, Body::None)),
    ]
}

fn xattrs() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
    let prefix = prop_oneof![Just(&b"trusted."[..]), Just(&b"security."[..])];
    // Names that are hashed as signed bytes by some and as unsigned ones by others stay out.
    let name = (prefix, vec(1..128_u8, 1..40)).prop_map(|(prefix, name)| [prefix, &name].concat());
    prop_oneof![
        3 => Just(BTreeMap::new()),
        1 => btree_map(name, vec(any::<u8>(), 0..400), 0..6),
    ]
}

fn items() -> impl Strategy<Value = Item> {
    let attributes = (0..0o10_000_u16, any::<[u32; 2]>(), times(), times());
    (bodies(), attributes, xattrs()).prop_map(
        |((kind, body), (permissions, [uid, gid], modified, accessed), xattrs)| Item {
            node: Node {
                permissions,
                // No file belongs to the last one, which means nobody.
                uid: uid.min(u32::MAX - 1),
                gid: gid.min(u32::MAX - 1),
                modified,
                accessed,
                ..node(kind)
            },
            body,
            xattrs,
        },
    )
}

/// Entries, each with a number that chooses its directory, and whether it is a link of a file.
fn trees() -> impl Strategy<Value = Model> {
    vec((any::<usize>(), names(), items(), 0..10_u8), 0..150).prop_map(|entries| {
        let mut model = Model::new();
        model.insert(Vec::new(), Item::directory());
        let mut directories = vec![Vec::new()];
        let mut others: Vec<Vec<u8>> = Vec::new();
        for (place, name, item, link) in entries {
            let mut path = directories[place % directories.len()].clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(name);
            if model.contains_key(&path) || path.len() > 2000 {
                continue;
            }
            if link == 0 && !others.is_empty() {
                let target = &others[place % others.len()];
                model.insert(path, Item::link(target));
                continue;
            }
            match item.node.kind {
                Kind::Directory => directories.push(path.clone()),
                _ => others.push(path.clone()),
            }
            model.insert(path, item);
        }
        model
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        // Failures are kept by turning them into tests.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_trees(model in trees(), size in (32_u64 << 20)..(300 << 20), gap in 0..3_u64) {
        let image = Image::try_build_with_gaps(size, &model, gap).unwrap();
        verify(&image, &model);
    }
}
