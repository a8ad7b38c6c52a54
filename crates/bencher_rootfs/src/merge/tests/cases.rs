//! One case per rule.

use super::*;
use crate::archive::Header;
use crate::limits::Limit;
use crate::tree::Timestamp;

#[track_caller]
fn check(layers: Vec<Archive>, expected: &[&str]) {
    assert_eq!(lines(&merged(layers).unwrap()), expected);
}

#[track_caller]
fn refused(layers: Vec<Archive>) -> MergeError {
    match merged(layers).unwrap_err() {
        LayersError::Merge(error) => error,
        other => panic!("{other}"),
    }
}

fn layer() -> Archive {
    Archive::new()
}

/// `/d/{a,b,sub/c}` and `/f`.
fn base() -> Archive {
    layer()
        .directory("d/")
        .file("d/a", "1")
        .file("d/b", "22")
        .directory("d/sub")
        .file("d/sub/c", "333")
        .file("f", "4444")
}

#[test]
fn upper_layers_add_and_replace() {
    check(
        vec![base(), layer().file("d/a", "new").file("d/new", "")],
        &[
            "/d/",
            "/d/a 3",
            "/d/b 2",
            "/d/new 0",
            "/d/sub/",
            "/d/sub/c 3",
            "/f 4",
        ],
    );
}

#[test]
fn whiteouts_remove_files_and_whole_directories() {
    check(
        vec![base(), layer().file("d/.wh.a", "").file(".wh.f", "")],
        &["/d/", "/d/b 2", "/d/sub/", "/d/sub/c 3"],
    );
    check(vec![base(), layer().file(".wh.d", "")], &["/f 4"]);
    check(
        vec![layer(), layer().file(".wh.missing", "").file("x/.wh.y", "")],
        &[],
    );
    // In the lowest layer there is nothing below.
    check(vec![layer().file("a", "").file(".wh.a", "")], &["/a 0"]);
}

#[test]
fn whiteouts_concern_lower_layers_wherever_they_stand() {
    let whiteout = |archive: Archive| archive.file(".wh.d", "");
    let entry = |archive: Archive| archive.directory("d").file("d/new", "");
    for upper in [whiteout(entry(layer())), entry(whiteout(layer()))] {
        check(vec![base(), upper], &["/d/", "/d/new 0", "/f 4"]);
    }
    let opaque = |archive: Archive| archive.file("d/.wh..wh..opq", "");
    for upper in [opaque(entry(layer())), entry(opaque(layer()))] {
        check(vec![base(), upper], &["/d/", "/d/new 0", "/f 4"]);
    }
    let file = |archive: Archive| archive.file("f", "new");
    for upper in [
        file(layer().file(".wh.f", "")),
        file(layer()).file(".wh.f", ""),
    ] {
        check(vec![layer().file("f", ""), upper], &["/f 3"]);
    }
}

#[test]
fn opaque_markers_keep_the_directory_and_reach_all_depths() {
    check(
        vec![base(), layer().file("d/.wh..wh..opq", "")],
        &["/d/", "/f 4"],
    );
    check(
        vec![base(), layer().file("new", "").file(".wh..wh..opq", "")],
        &["/new 0"],
    );
    check(
        vec![
            base(),
            layer().file("d/sub/new", "").file("d/.wh..wh..opq", ""),
        ],
        &["/d/", "/d/sub/", "/d/sub/new 0", "/f 4"],
    );
    // Nothing to empty.
    check(
        vec![
            base(),
            layer()
                .file("f/.wh..wh..opq", "")
                .file("x/.wh..wh..opq", ""),
        ],
        &["/d/", "/d/a 1", "/d/b 2", "/d/sub/", "/d/sub/c 3", "/f 4"],
    );
}

#[test]
fn whiteouts_through_symbolic_links() {
    let lower = || base().symlink("link", "d").symlink("abs", "/d/sub");
    check(
        vec![
            lower(),
            layer().file("link/.wh.a", "").file("abs/.wh.c", ""),
        ],
        &[
            "/abs -> /d/sub",
            "/d/",
            "/d/b 2",
            "/d/sub/",
            "/f 4",
            "/link -> d",
        ],
    );
    // The link itself.
    check(
        vec![
            lower(),
            layer().file(".wh.link", "").file("abs/.wh..wh..opq", ""),
        ],
        &[
            "/abs -> /d/sub",
            "/d/",
            "/d/a 1",
            "/d/b 2",
            "/d/sub/",
            "/f 4",
        ],
    );
}

#[test]
fn directories_and_files_replace_each_other_in_any_order() {
    check(vec![base(), layer().file("d", "x")], &["/d 1", "/f 4"]);
    check(
        vec![base(), layer().directory("f").file("f/x", "")],
        &[
            "/d/",
            "/d/a 1",
            "/d/b 2",
            "/d/sub/",
            "/d/sub/c 3",
            "/f/",
            "/f/x 0",
        ],
    );
    // The contents first, their directory later.
    check(
        vec![
            layer().file("f", ""),
            layer().file("f/x", "").directory("f"),
        ],
        &["/f/", "/f/x 0"],
    );
    check(
        vec![layer().file("f/x", "").file("f", "1").file("f/y", "")],
        &["/f/", "/f/y 0"],
    );
    check(
        vec![base(), layer().symlink("d", "f"), layer().directory("d")],
        &["/d/", "/f 4"],
    );
    for kind in [b'3', b'4', b'6'] {
        let device = || layer().add(&Header::new(kind, "d"));
        let tree = merged(vec![base(), device(), layer().directory("d/x")]).unwrap();
        assert_eq!(lines(&tree), ["/d/", "/d/x/", "/f 4"]);
    }
}

#[test]
fn a_repeated_directory_takes_over_attributes_and_keeps_its_children() {
    let lower = layer()
        .pax(&[
            ("SCHILY.xattr.user.old", "1"),
            ("SCHILY.xattr.user.both", "1"),
        ])
        .directory("d")
        .file("d/x", "");
    let upper = layer()
        .pax(&[
            ("SCHILY.xattr.user.both", "2"),
            ("mtime", "5.25"),
            ("atime", "6"),
        ])
        .add(&Header::directory("d").mode(0o1700).owner(7, 8));
    let tree = merged(vec![lower, upper]).unwrap();
    assert_eq!(lines(&tree), ["/d/", "/d/x 0"]);
    let (_, d) = tree.children(tree.root()).next().unwrap();
    let node = tree.node(d);
    assert_eq!((node.permissions, node.uid, node.gid), (0o1700, 7, 8));
    let at = |seconds, nanoseconds| Timestamp {
        seconds,
        nanoseconds,
    };
    assert_eq!(node.modified, at(5, 250_000_000));
    assert_eq!(node.accessed, at(6, 0));
    let xattrs: Vec<_> = tree.xattrs(d).collect();
    assert_eq!(xattrs, [(&b"user.both"[..], &b"2"[..])]);
}

#[test]
fn the_root_has_attributes_too() {
    let root = Header::directory("./").mode(0o700).owner(1, 2).mtime(9);
    let tree = merged(vec![layer().add(&root), layer().file("a", "")]).unwrap();
    let node = tree.node(tree.root());
    assert_eq!((node.permissions, node.uid, node.gid), (0o700, 1, 2));
    assert_eq!(node.modified.seconds, 9);
    // What it is like when no layer says.
    let tree = merged(vec![]).unwrap();
    let node = tree.node(tree.root());
    assert_eq!(
        (node.permissions, node.uid, node.modified.seconds),
        (0o755, 0, 0)
    );

    assert!(matches!(
        refused(vec![layer().file("a/..", "")]),
        MergeError::Root(_)
    ));
    assert!(matches!(
        refused(vec![layer().file("a", "").hard_link(".", "a")]),
        MergeError::Root(_)
    ));
}

#[test]
fn missing_parents_are_made() {
    let tree = merged(vec![layer().file("a/b/c", "")]).unwrap();
    assert_eq!(lines(&tree), ["/a/", "/a/b/", "/a/b/c 0"]);
    for id in tree
        .ids()
        .filter(|&id| tree.node(id).kind == Kind::Directory)
    {
        let node = tree.node(id);
        assert_eq!((node.permissions, node.uid, node.gid), (0o755, 0, 0));
        assert_eq!(node.modified, Timestamp::default());
    }
}

#[test]
fn entries_below_symbolic_links_end_up_in_the_target() {
    let lower = || layer().directory("usr/lib").symlink("lib", "usr/lib");
    check(
        vec![lower(), layer().file("lib/x", "").directory("lib/d")],
        &[
            "/lib -> usr/lib",
            "/usr/",
            "/usr/lib/",
            "/usr/lib/d/",
            "/usr/lib/x 0",
        ],
    );
    // In the same layer, absolute, climbing beyond the root, over several links, dangling.
    check(
        vec![
            layer()
                .symlink("a", "/b")
                .symlink("b", "../../../c/./d//")
                .file("a/x", "")
                .symlink("c/d/up", "..")
                .file("a/up/y", ""),
        ],
        &[
            "/a -> /b",
            "/b -> ../../../c/./d//",
            "/c/",
            "/c/d/",
            "/c/d/up -> ..",
            "/c/d/x 0",
            "/c/y 0",
        ],
    );
    // A link to a file is no directory.
    check(
        vec![layer().file("f", "").symlink("l", "f").file("l/x", "")],
        &["/f/", "/f/x 0", "/l -> f"],
    );
    // Replaced by a directory of the upper layer, the link leads nowhere any more.
    check(
        vec![lower(), layer().directory("lib").file("lib/x", "")],
        &["/lib/", "/lib/x 0", "/usr/", "/usr/lib/"],
    );
}

#[test]
fn what_was_resolved_before_is_not_trusted_after_a_replacement() {
    check(
        vec![
            layer()
                .directory("real")
                .directory("d")
                .file("d/one", "")
                .symlink("d", "real")
                .file("d/two", "")
                .directory("d")
                .file("d/three", ""),
        ],
        &["/d/", "/d/three 0", "/real/", "/real/two 0"],
    );
    check(
        vec![
            layer()
                .file("target", "")
                .file("d/one", "")
                .hard_link("d", "target")
                .file("d/two", ""),
        ],
        &["/d/", "/d/two 0", "/target 0"],
    );
}

#[test]
fn loops_of_symbolic_links_are_refused() {
    for archive in [
        layer().symlink("a", "a").file("a/x", ""),
        layer().symlink("a", "b").symlink("b", "/a").file("a/x", ""),
        layer().symlink("a", "a/a").file("a/x", ""),
    ] {
        let error = refused(vec![archive]);
        assert!(matches!(error, MergeError::SymlinkLoop(_)), "{error}");
        assert!(error.to_string().contains("\"a/x\""), "{error}");
    }
    // As a last component a link is just replaced.
    check(vec![layer().symlink("a", "a").file("a", "")], &["/a 0"]);
}

#[test]
fn depth_is_limited_also_through_symbolic_links() {
    let limits = Limits {
        path_depth: 4,
        ..Limits::default()
    };
    let deep = layer()
        .directory("a/b/c")
        .symlink("l", "a/b/c")
        .file("l/ok", "")
        .directory("l/ok2")
        .file("l/ok2/x", "")
        .end();
    match merge(&[&deep], &limits).unwrap_err() {
        LayersError::Merge(MergeError::Limit(error)) => {
            assert_eq!(error.limit, Limit::PathDepth);
            assert!(error.to_string().contains("l/ok2/x"), "{error}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn hard_links_to_this_and_to_lower_layers() {
    check(
        vec![
            base(),
            layer()
                .hard_link("d/link", "./d/a")
                .hard_link("again", "/d/link")
                .file("new", "12345")
                .hard_link("newer", "new"),
        ],
        &[
            "/again 1 = /again",
            "/d/",
            "/d/a 1 = /again",
            "/d/b 2",
            "/d/link 1 = /again",
            "/d/sub/",
            "/d/sub/c 3",
            "/f 4",
            "/new 5 = /new",
            "/newer 5 = /new",
        ],
    );
}

#[test]
fn hard_links_through_and_to_symbolic_links() {
    check(
        vec![
            base().symlink("s", "d/sub"),
            layer().hard_link("s/x", "s/c").hard_link("t", "s"),
        ],
        &[
            "/d/",
            "/d/a 1",
            "/d/b 2",
            "/d/sub/",
            "/d/sub/c 3 = /d/sub/c",
            "/d/sub/x 3 = /d/sub/c",
            "/f 4",
            "/s -> d/sub = /s",
            "/t -> d/sub = /s",
        ],
    );
}

#[test]
fn a_name_that_is_overwritten_leaves_the_other_alone() {
    check(
        vec![
            layer().file("a", "old").hard_link("b", "a"),
            layer().file("a", "newer"),
        ],
        &["/a 5", "/b 3"],
    );
    check(
        vec![
            layer().file("a", "old").hard_link("b", "a"),
            layer().file(".wh.a", ""),
        ],
        &["/b 3"],
    );
    // A link over the directory that its target is in.
    check(
        vec![layer().file("d/t", "123"), layer().hard_link("d", "d/t")],
        &["/d 3"],
    );
    // A link to itself.
    check(vec![layer().file("a", "1").hard_link("a", "a")], &["/a 1"]);
}

#[test]
fn hard_links_without_a_target_are_refused() {
    let cases = [
        layer().hard_link("link", "later").file("later", ""),
        layer().hard_link("link", "missing/x"),
        layer().file("f", "").hard_link("link", "f/x"),
        layer().symlink("s", "nowhere").hard_link("link", "s/x"),
    ];
    for archive in cases {
        let error = refused(vec![archive]);
        assert!(matches!(error, MergeError::LinkTarget(..)), "{error}");
        assert!(error.to_string().contains("\"link\""), "{error}");
    }
    // The whiteout hides the target before the link sees it.
    let upper = layer().hard_link("link", "f").file(".wh.f", "");
    assert!(matches!(
        refused(vec![base(), upper]),
        MergeError::LinkTarget(..)
    ));
    for target in ["d", "/", "d/sub/"] {
        let error = refused(vec![base(), layer().hard_link("link", target)]);
        assert!(matches!(error, MergeError::LinkToDirectory(..)), "{error}");
    }
    // Making the parent of the link replaces its target.
    let error = refused(vec![layer().file("a", "").hard_link("a/b", "a")]);
    assert!(matches!(error, MergeError::LinkToDirectory(..)), "{error}");
}

#[test]
fn attributes_that_linux_does_not_know_are_left_out_and_counted() {
    let all = [
        ("SCHILY.xattr.user.x", "1"),
        ("SCHILY.xattr.trusted.x", "1"),
        ("SCHILY.xattr.security.x", "1"),
        ("SCHILY.xattr.com.apple.x", "1"),
        ("SCHILY.acl.access", "u::rwx,u:5:r,g::r,m::r,o::-"),
        ("SCHILY.acl.default", "u::rwx,g::r,o::-"),
    ];
    let kept = |header: Header| {
        let archive = layer().pax(&all).add(&header).end();
        let budget = Budget::new(&Limits::default());
        let mut meter = Meter::new(&budget, 1);
        let mut merger = Merger::new(&Limits::default());
        let mut log = LayerLog::default();
        layer::read::<_, _, LayersError>(&archive[..], &mut meter, &mut Forget, Some(&mut log))
            .unwrap();
        merger.apply(log, None).unwrap();
        let (tree, dropped) = merger.finish();
        let (_, id) = tree.children(tree.root()).next().unwrap();
        assert_eq!(tree.xattrs(id).count() as u64 + dropped, 6);
        dropped
    };
    assert_eq!(kept(Header::directory("x")), 1);
    assert_eq!(kept(Header::file("x")), 2);
    assert_eq!(kept(Header::new(b'6', "x")), 3);
    assert_eq!(kept(Header::symlink("x", "y")), 4);
}

#[test]
fn the_last_of_several_entries_of_one_name_wins() {
    check(
        vec![layer().file("a", "1").file("a", "22").file("./a", "333")],
        &["/a 3"],
    );
}

#[test]
fn an_access_list_determines_the_permissions() {
    let archive = layer()
        .pax(&[("SCHILY.acl.access", "u::rw-,u:5:rwx,g::r--,m::rwx,o::r--")])
        .add(&Header::file("f").mode(0o4644));
    let tree = merged(vec![archive]).unwrap();
    let (_, id) = tree.children(tree.root()).next().unwrap();
    assert_eq!(tree.node(id).permissions, 0o4674);
}

#[test]
fn symbolic_links_have_all_permissions() {
    let link = Header::symlink("l", "t").mode(0o640);
    let tree = merged(vec![layer().add(&link)]).unwrap();
    let (_, id) = tree.children(tree.root()).next().unwrap();
    assert_eq!(tree.node(id).permissions, 0o777);
}

#[test]
fn names_of_any_bytes() {
    let name = [b"\xff\n ", &[b'x'; 252][..]].concat();
    let tree = merged(vec![layer().pax(&[(&b"path"[..], &name)]).file("f", "")]).unwrap();
    let (found, _) = tree.children(tree.root()).next().unwrap();
    assert_eq!(found, name);
}

proptest::proptest! {
    /// No layer, however damaged, gives a tree that is not one.
    #[test]
    fn damaged_layers_give_sound_trees_or_errors(
        changes in proptest::collection::vec((0..8000usize, proptest::num::u8::ANY), 0..12),
    ) {
        let upper = layer()
            .symlink("s", "d/sub")
            .file("s/x", "1")
            .hard_link("d/link", "s/x")
            .pax(&[("path", "d/y"), ("SCHILY.xattr.user.x", "1")])
            .file("short", "2")
            .file("d/.wh.a", "")
            .file("d/sub/.wh..wh..opq", "");
        let lower = base().end();
        let mut upper = upper.end();
        let (blocks, _) = upper.as_chunks_mut::<512>();
        for (place, value) in changes {
            let block = place / 512 % blocks.len();
            blocks[block][place % 512] = value;
            if blocks[block][257..262] == *b"ustar" {
                crate::archive::seal(&mut blocks[block]);
            }
        }
        let Ok(tree) = merge(&[&lower, &upper], &Limits::default()) else {
            return Ok(());
        };
        let mut names = vec![0; tree.len()];
        for id in tree.ids() {
            for (name, child) in tree.children(id) {
                proptest::prop_assert!(!name.is_empty() && name != b"." && name != b"..");
                proptest::prop_assert!(!name.contains(&b'/') && !name.contains(&0));
                names[child.index()] += 1;
                if tree.node(child).kind == Kind::Directory {
                    proptest::prop_assert_eq!(tree.parent(child), id);
                }
            }
        }
        names[0] += 1;
        for id in tree.ids() {
            proptest::prop_assert_eq!(names[id.index()], tree.links(id));
        }
    }
}
