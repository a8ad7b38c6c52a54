use super::*;

fn node(kind: Kind) -> Node {
    Node {
        kind,
        permissions: 0o755,
        uid: 1,
        gid: 2,
        modified: Timestamp {
            seconds: -3,
            nanoseconds: 999_999_999,
        },
        accessed: Timestamp::default(),
    }
}

fn file(size: u64) -> Node {
    node(Kind::File { size })
}

/// Every path with its id, in the order of a depth-first walk.
fn paths(tree: &Tree) -> Vec<(String, usize)> {
    fn walk(tree: &Tree, directory: NodeId, prefix: &str, found: &mut Vec<(String, usize)>) {
        for (name, id) in tree.children(directory) {
            let path = format!("{prefix}/{}", String::from_utf8_lossy(name));
            found.push((path.clone(), id.index()));
            if tree.node(id).kind == Kind::Directory {
                assert_eq!(tree.parent(id), directory);
                walk(tree, id, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(tree, tree.root(), "", &mut found);
    found
}

#[test]
fn an_inode_and_a_dentry_stay_small() {
    assert_eq!(size_of::<Inode>(), 48);
    assert_eq!(size_of::<Dentry>(), 16);
}

#[test]
fn ids_follow_a_sorted_depth_first_walk_whatever_the_order_of_insertion() {
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let root = builder.root();
    let b = builder.add(root, b"b", node(Kind::Directory)).unwrap();
    builder.add(root, b"c", file(0)).unwrap();
    builder.add(b, b"z", file(0)).unwrap();
    let inner = builder.add(b, b"y", node(Kind::Directory)).unwrap();
    builder.add(inner, b"x", node(Kind::Fifo)).unwrap();
    builder.add(root, b"a", file(0)).unwrap();
    builder
        .add(root, b"dropped", node(Kind::Directory))
        .unwrap();
    assert!(builder.remove(root, b"dropped"));
    let tree = builder.finish();
    assert_eq!(tree.len(), 7);
    let expected = ["/a", "/b", "/b/y", "/b/y/x", "/b/z", "/c"];
    let expected: Vec<_> = expected.iter().map(ToString::to_string).zip(1..).collect();
    assert_eq!(paths(&tree), expected);
    assert_eq!(tree.parent(tree.root()), tree.root());
}

#[test]
fn every_field_of_a_node_comes_back() {
    let kinds = [
        Kind::Directory,
        Kind::File { size: u64::MAX },
        Kind::CharacterDevice {
            major: u32::MAX,
            minor: 7,
        },
        Kind::BlockDevice {
            major: 8,
            minor: u32::MAX - 1,
        },
        Kind::Fifo,
    ];
    for kind in kinds {
        let given = Node {
            kind,
            permissions: 0o7123,
            uid: u32::MAX,
            gid: u32::MAX - 1,
            modified: Timestamp {
                seconds: -(1 << 31),
                nanoseconds: 999_999_999,
            },
            accessed: Timestamp {
                seconds: 15_032_385_535,
                nanoseconds: 6,
            },
        };
        let mut builder = TreeBuilder::new(node(Kind::Directory));
        let slot = builder.add(builder.root(), b"n", given).unwrap();
        assert_eq!(builder.node(slot), given);
        let tree = builder.finish();
        let (_, id) = tree.children(tree.root()).next().unwrap();
        assert_eq!(tree.node(id), given);
    }
}

#[test]
fn hard_links_share_one_node_and_survive_the_loss_of_a_name() {
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let root = builder.root();
    let first = builder.add(root, b"first", file(0)).unwrap();
    builder.link(root, b"second", first).unwrap();
    builder.link(root, b"second", first).unwrap();
    builder.link(root, b"third", first).unwrap();
    builder.add(root, b"first", node(Kind::Fifo)).unwrap();
    let directory = builder.add(root, b"d", node(Kind::Directory)).unwrap();
    assert_eq!(
        builder.link(root, b"e", directory),
        Err(TreeError::LinkToDirectory)
    );
    let tree = builder.finish();
    let children: Vec<_> = tree.children(tree.root()).collect();
    let (second, third) = (children[2].1, children[3].1);
    assert_eq!(second, third);
    assert_eq!(tree.links(second), 2);
    assert_eq!(tree.len(), 4);
}

#[test]
fn replacing_the_last_name_by_itself_keeps_the_node() {
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let root = builder.root();
    let only = builder.add(root, b"only", file(1)).unwrap();
    builder.link(root, b"only", only).unwrap();
    assert_eq!(builder.node(only).kind, Kind::File { size: 1 });
    let tree = builder.finish();
    assert_eq!(tree.len(), 2);
}

#[test]
fn clearing_a_directory_removes_everything_below_it_only() {
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let root = builder.root();
    let outer = builder.add(root, b"outer", node(Kind::Directory)).unwrap();
    let inner = builder.add(outer, b"inner", node(Kind::Directory)).unwrap();
    let deep = builder.add(inner, b"deep", file(0)).unwrap();
    builder.link(root, b"kept", deep).unwrap();
    builder.add(outer, b"gone", file(0)).unwrap();
    builder.clear(outer);
    builder.add(outer, b"new", file(0)).unwrap();
    let tree = builder.finish();
    let names: Vec<_> = paths(&tree).into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["/kept", "/outer", "/outer/new"]);
}

#[test]
fn freed_slots_are_used_again() {
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let root = builder.root();
    for _ in 0..1000 {
        builder.add(root, b"same", file(0)).unwrap();
    }
    assert!(builder.inodes.len() <= 3);
}

#[test]
fn names_are_checked() {
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let root = builder.root();
    let long = [b'x'; 256];
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", &long] {
        assert_eq!(builder.add(root, name, file(0)), Err(TreeError::Name));
    }
    builder.add(root, &long[..255], file(0)).unwrap();
    let parent = builder.add(root, b"...", file(0)).unwrap();
    assert_eq!(
        builder.add(parent, b"x", file(0)),
        Err(TreeError::NotADirectory)
    );
}

#[test]
fn segments_come_back_and_bad_ones_are_refused() {
    let segment = |offset, position, length| Segment {
        offset,
        position,
        length,
    };
    let good: [&[Segment]; 4] = [
        &[],
        &[segment(0, 4096, 10_000)],
        &[segment(4096, 0, 4096)],
        &[segment(0, 8192, 4096), segment(8192, 1 << 50, 1808)],
    ];
    for segments in good {
        let mut builder = TreeBuilder::new(node(Kind::Directory));
        builder
            .add_file(builder.root(), b"f", file(10_000), segments)
            .unwrap();
        let tree = builder.finish();
        let (_, id) = tree.children(tree.root()).next().unwrap();
        assert_eq!(tree.segments(id).len(), segments.len());
        assert_eq!(tree.segments(id).collect::<Vec<_>>(), segments);
        assert_eq!(tree.segments(tree.root()).len(), 0);
    }
    let bad: [&[Segment]; 6] = [
        &[segment(0, 0, 0)],
        &[segment(1, 0, 1)],
        &[segment(0, 1, 1)],
        &[segment(0, 0, 10_001)],
        &[segment(4096, 0, 10), segment(0, 4096, 10)],
        &[segment(0, 0, 4097), segment(4096, 8192, 10)],
    ];
    for segments in bad {
        let mut builder = TreeBuilder::new(node(Kind::Directory));
        let result = builder.add_file(builder.root(), b"f", file(10_000), segments);
        assert_eq!(result, Err(TreeError::Segments));
    }
}

#[test]
fn xattrs_come_back_sorted_and_equal_sets_are_stored_once() {
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let root = builder.root();
    let value = [0, b'\n', 255, b'='];
    for name in [b"a", b"b"] {
        let slot = builder.add(root, name, file(0)).unwrap();
        builder
            .set_xattrs(slot, &[(b"user.z", b""), (b"user.a", &value)])
            .unwrap();
    }
    let none = builder.add(root, b"c", file(0)).unwrap();
    builder.set_xattrs(none, &[(b"user.x", b"")]).unwrap();
    builder.set_xattrs(none, &[]).unwrap();
    assert_eq!(
        builder.set_xattrs(none, &[(b"user.x", b"1"), (b"user.x", b"2")]),
        Err(TreeError::Xattrs)
    );
    assert_eq!(
        builder.set_xattrs(none, &[(b"", b"1")]),
        Err(TreeError::Xattrs)
    );
    let tree = builder.finish();
    let children: Vec<_> = tree.children(tree.root()).map(|(_, id)| id).collect();
    let expected: Vec<(&[u8], &[u8])> = vec![(b"user.a", &value), (b"user.z", b"")];
    assert_eq!(tree.xattrs(children[0]).collect::<Vec<_>>(), expected);
    assert_eq!(tree.xattrs(children[1]).collect::<Vec<_>>(), expected);
    assert_eq!(tree.xattrs(children[2]).count(), 0);
    assert_eq!(
        tree.inodes[children[0].index()].xattrs,
        tree.inodes[children[1].index()].xattrs
    );
}

#[test]
fn symlinks_keep_their_targets() {
    let mut builder = TreeBuilder::new(node(Kind::Directory));
    let root = builder.root();
    let slot = builder
        .add_symlink(root, b"s", node(Kind::Fifo), b"../\xff")
        .unwrap();
    assert_eq!(builder.symlink_target(slot), b"../\xff");
    let tree = builder.finish();
    let (_, id) = tree.children(tree.root()).next().unwrap();
    assert_eq!(tree.node(id).kind, Kind::Symlink);
    assert_eq!(tree.symlink_target(id), b"../\xff");
    assert_eq!(tree.symlink_target(tree.root()), b"");
}

#[test]
fn times_beyond_what_ext4_can_hold_are_moved_to_the_nearest() {
    let at = |seconds, nanoseconds| Timestamp {
        seconds,
        nanoseconds,
    };
    let (first, last) = (at(-(1 << 31), 0), at(15_032_385_535, 999_999_999));
    let table = [
        (at(i64::MIN, 5), first),
        (at(first.seconds - 1, 999_999_999), first),
        (first, first),
        (at(-1, 1), at(-1, 1)),
        (last, last),
        (at(last.seconds + 1, 0), last),
        (at(i64::MAX, 5), last),
    ];
    for (given, kept) in table {
        let mut builder = TreeBuilder::new(node(Kind::Directory));
        let slot = builder.root();
        let given = Node {
            modified: given,
            accessed: given,
            ..node(Kind::Directory)
        };
        builder.set_attributes(slot, &given);
        assert_eq!(builder.node(slot).modified, kept);
        assert_eq!(builder.node(slot).accessed, kept);
    }
}
