//! Links that lead elsewhere.

use crate::archive::Archive;
use crate::survive::{amounts_to, refused};

fn layer() -> Archive {
    Archive::new()
}

#[test]
fn path_traversal_by_symlink() {
    // The target is meant from the image's root, for whoever reads the layer as for the command.
    for target in ["/", "..", "../../../../../../..", "/../..", "./../."] {
        let expected = [format!("/s -> {target}"), "/x 1".to_owned()];
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        amounts_to(
            vec![layer().symlink("s", target).file("s/x", "1")],
            &expected,
        );
        // The link below, what goes through it above.
        amounts_to(
            vec![layer().symlink("s", target), layer().file("s/x", "1")],
            &expected,
        );
    }
    amounts_to(
        vec![layer().symlink("s", "/etc").file("s/passwd", "1")],
        &["/etc/", "/etc/passwd 1", "/s -> /etc"],
    );
}

#[test]
fn path_traversal_by_a_chain_of_symlinks() {
    amounts_to(
        vec![
            layer()
                .directory("a")
                .symlink("a/up", "..")
                .symlink("a/up/up", "..")
                .symlink("out", "a/up/up/up/up")
                .file("out/x", "1"),
        ],
        &[
            "/a/",
            "/a/up -> ..",
            "/out -> a/up/up/up/up",
            "/up -> ..",
            "/x 1",
        ],
    );
}

#[test]
fn a_directory_that_becomes_a_symlink_before_it_is_used_again() {
    amounts_to(
        vec![
            layer()
                .directory("d")
                .file("d/one", "1")
                .symlink("d", "/etc")
                .file("d/passwd", "22"),
        ],
        &["/d -> /etc", "/etc/", "/etc/passwd 2"],
    );
    amounts_to(
        vec![
            layer().directory("d").file("d/one", "1"),
            layer().symlink("d", "..").file("d/x", "22"),
        ],
        &["/d -> ..", "/x 2"],
    );
}

#[test]
fn a_file_over_a_symlink_replaces_the_link_and_not_its_target() {
    amounts_to(
        vec![layer().symlink("x", "../../x").file("x", "1")],
        &["/x 1"],
    );
    amounts_to(
        vec![
            layer().symlink("passwd", "/etc/passwd"),
            layer().file("passwd", "1"),
        ],
        &["/passwd 1"],
    );
}

#[test]
fn symlink_loops() {
    for archive in [
        layer().symlink("a", "a"),
        layer().symlink("a", "b").symlink("b", "a"),
        layer().symlink("a", "./a/."),
        // Each step doubles what is left to resolve.
        layer().symlink("a", "a/a"),
    ] {
        let reason = "too many symbolic links in the path";
        refused(vec![archive.clone().file("a/x", "")], reason);
        refused(vec![archive.clone(), layer().file("a/.wh.x", "")], reason);
        refused(vec![archive, layer().file("a/.wh..wh..opq", "")], reason);
    }
    // A loop that nothing goes through is an ordinary link.
    amounts_to(vec![layer().symlink("a", "a")], &["/a -> a"]);
    // As many as the kernel follows, and one more.
    let chain = |length: usize| {
        let links = (0..length).fold(layer().directory("l0"), |archive, number| {
            archive.symlink(format!("l{}", number + 1), format!("l{number}"))
        });
        links.file(format!("l{length}/x"), "")
    };
    crate::survive::survive(vec![chain(40)]).unwrap();
    refused(vec![chain(41)], "too many symbolic links in the path");
}

#[test]
fn path_traversal_by_hard_link() {
    for target in ["../x", "../../../../etc/passwd", "/../x", "a/../../x"] {
        refused(
            vec![layer().hard_link("link", target)],
            "the path leads out of the root filesystem",
        );
    }
    let nowhere = "is neither in a lower layer nor earlier in this one";
    for target in ["/etc/passwd", "/etc/shadow", "x"] {
        refused(vec![layer().hard_link("link", target)], nowhere);
    }
    refused(
        vec![layer().symlink("s", "../..").hard_link("link", "s/x")],
        nowhere,
    );
    refused(
        vec![
            layer().symlink("s", "/"),
            layer().hard_link("link", "s/etc/passwd"),
        ],
        nowhere,
    );
}

#[test]
fn a_hard_link_to_a_symlink_that_leads_out() {
    // The link itself gets a second name; writing there replaces the name.
    amounts_to(
        vec![
            layer()
                .symlink("s", "../../x")
                .hard_link("h", "s")
                .file("h", "1"),
        ],
        &["/h 1", "/s -> ../../x"],
    );
    amounts_to(
        vec![
            layer()
                .symlink("s", "/etc")
                .hard_link("h", "s")
                .file("h/passwd", "1"),
        ],
        &[
            "/etc/",
            "/etc/passwd 1",
            "/h -> /etc = /h",
            "/s -> /etc = /h",
        ],
    );
}

#[test]
fn hard_links_to_directories() {
    let reason = "is a directory";
    refused(vec![layer().directory("d").hard_link("h", "d")], reason);
    refused(vec![layer().hard_link("h", "/")], reason);
    refused(vec![layer().directory("d").hard_link("d/h", "d")], reason);
}
