//! Whiteouts that remove what is not theirs.

use crate::archive::{Archive, Header};
use crate::survive::{amounts_to, refused};

fn layer() -> Archive {
    Archive::new()
}

/// `/d/a`, `/etc/passwd`.
fn base() -> Archive {
    layer()
        .directory("d")
        .file("d/a", "1")
        .directory("etc")
        .file("etc/passwd", "22")
}

const BASE: [&str; 4] = ["/d/", "/d/a 1", "/etc/", "/etc/passwd 2"];

#[test]
fn a_whiteout_of_the_parent() {
    for name in [".wh...", "d/.wh...", "./.wh...", "/.wh...", "d/.wh.../"] {
        refused(vec![base(), layer().file(name, "")], "not a whiteout");
    }
}

#[test]
fn a_whiteout_of_the_directory_itself() {
    for name in [".wh..", "d/.wh..", ".wh.", "d/.wh.", "d/.wh./"] {
        refused(vec![base(), layer().file(name, "")], "not a whiteout");
    }
}

#[test]
fn an_opaque_marker_under_a_symlink() {
    // Up and out of the root is the root: all of this image, nothing of the host.
    for target in ["/", "..", "../../../.."] {
        amounts_to(
            vec![
                base().symlink("s", target),
                layer().file("s/.wh..wh..opq", ""),
            ],
            &[],
        );
    }
    amounts_to(
        vec![
            base().symlink("s", "/etc"),
            layer().file("s/.wh..wh..opq", ""),
        ],
        &["/d/", "/d/a 1", "/etc/", "/s -> /etc"],
    );
    // A link of the same layer is not there yet when whiteouts are applied.
    amounts_to(
        vec![
            base(),
            layer().symlink("s", "/etc").file("s/.wh..wh..opq", ""),
        ],
        &["/d/", "/d/a 1", "/etc/", "/etc/passwd 2", "/s -> /etc"],
    );
}

#[test]
fn a_whiteout_under_a_symlink() {
    amounts_to(
        vec![
            base().symlink("s", "../../etc"),
            layer().file("s/.wh.passwd", ""),
        ],
        &["/d/", "/d/a 1", "/etc/", "/s -> ../../etc"],
    );
    // The link is removed, and not what it leads to.
    amounts_to(
        vec![base().symlink("s", "/etc"), layer().file(".wh.s", "")],
        &BASE,
    );
}

#[test]
fn a_whiteout_that_leads_out() {
    for name in [
        "../.wh.x",
        "a/../../.wh.x",
        "../.wh..wh..opq",
        "/../.wh.etc",
    ] {
        refused(
            vec![base(), layer().file(name, "")],
            "the path leads out of the root filesystem",
        );
    }
}

#[test]
fn whiteouts_of_what_is_not_there() {
    amounts_to(
        vec![
            base(),
            layer()
                .file(".wh.x", "")
                .file("no/where/.wh.x", "")
                .file("no/.wh..wh..opq", "")
                .file("d/a/.wh.x", "")
                .file("d/a/.wh..wh..opq", ""),
        ],
        &BASE,
    );
}

#[test]
fn something_below_a_whiteout() {
    refused(vec![base(), layer().file(".wh.d/x", "")], "not a whiteout");
    refused(
        vec![base(), layer().directory("d/.wh.a/x")],
        "not a whiteout",
    );
}

#[test]
fn whiteouts_of_every_type() {
    // The name says it, whatever the entry is; what it holds is skipped.
    let whiteouts = [
        layer().file("d/.wh.a", "with contents"),
        layer().directory("d/.wh.a"),
        layer().symlink("d/.wh.a", "../../../x"),
        layer().hard_link("d/.wh.a", "../x"),
        layer().add(&Header::new(b'3', "d/.wh.a").device(8, 0)),
        layer().add(&Header::new(b'6', "d/.wh.a")),
    ];
    for whiteout in whiteouts {
        amounts_to(vec![base(), whiteout], &["/d/", "/etc/", "/etc/passwd 2"]);
    }
}

#[test]
fn a_whiteout_does_not_hide_what_its_own_layer_has() {
    for upper in [
        layer().file("d/.wh.a", "").file("d/a", "333"),
        layer().file("d/a", "333").file("d/.wh.a", ""),
        layer().file("d/a", "333").file("d/.wh..wh..opq", ""),
    ] {
        amounts_to(
            vec![base(), upper],
            &["/d/", "/d/a 3", "/etc/", "/etc/passwd 2"],
        );
    }
}

#[test]
fn bookkeeping_of_aufs_is_left_out() {
    amounts_to(
        vec![
            base(),
            layer()
                .directory(".wh..wh.plnk")
                .file(".wh..wh.plnk/12.34", "x")
                .file("d/.wh..wh.aufs", "")
                .hard_link("d/.wh..wh.orph", "../../x"),
        ],
        &BASE,
    );
}
