//! Extracted files against the image of the same layers.

use std::os::unix::process::CommandExt;
use std::process::Command;

use bencher_rootfs::{BuildOptions, NoProgress, extract, remove_extracted};

use crate::archive::{Archive, Header};
use crate::host::{Mounted, has};
use crate::layers::{MemoryLayer, sources};
use crate::{snapshot, stack};

const MIB: u64 = 1 << 20;

#[test]
fn as_root_every_field_is_that_of_the_image() {
    if !has(
        "as_root_every_field_is_that_of_the_image",
        &["mount", "e2fsck"],
    ) {
        return;
    }
    // Not in a tmpfs, which has no user attributes everywhere.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let layers = stack::layers();
    for count in 1..=3 {
        let layers = &layers[..count];
        let options = BuildOptions::new(64 * MIB);
        let target = directory.path().join("target");
        let report = extract(&sources(layers), &target, &options, &NoProgress).unwrap();
        assert_eq!(
            (report.lost_owners, report.lost_devices, report.lost_xattrs),
            (0, 0, 0)
        );
        let mounted = Mounted::build(layers, &options);
        assert_eq!(report.nodes, mounted.report.nodes);
        snapshot::assert_same(
            &snapshot::take(&report.rootfs),
            &snapshot::take(&mounted.root),
        );
        remove_extracted(&target).unwrap();
        assert!(!target.exists());
    }
}

/// What an ordinary user extracts, in the test that runs again as one.
fn awkward() -> Archive {
    let deep = ["d"; 1000].join("/");
    Archive::new()
        .add(&Header::directory("locked").mode(0))
        .add_with(&Header::file("locked/inside").mode(0), b"secret")
        .add(&Header::directory("read-only").mode(0o555))
        .directory("read-only/sub")
        .file("read-only/sub/file", "x")
        .add(&Header::new(b'3', "null").device(1, 3))
        .hard_link("null2", "null")
        .add(&Header::new(b'6', "fifo"))
        .add_with(
            &Header::file("theirs").owner(4321, 4321).mode(0o4755),
            b"#!",
        )
        .symlink("link", "/etc/passwd")
        .symlink("up", "../../../../../..")
        .file("up/inside", "not outside")
        .pax(&[
            ("SCHILY.xattr.trusted.x", "y"),
            ("SCHILY.xattr.user.x", "y"),
        ])
        .file("attributes", "")
        .gnu_long(b'L', format!("{deep}/file").as_bytes())
        .file("short", "deep")
}

const AGAIN: &str = "BENCHER_ROOTFS_TEST_AS_USER";

#[test]
fn without_root_what_can_be_kept_is_kept() {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        let test = "extraction::without_root_what_can_be_kept_is_kept";
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(AGAIN, "1")
            .uid(65534)
            .gid(65534)
            .current_dir("/")
            .status();
        match status {
            Ok(status) => assert!(status.success()),
            Err(error) => eprintln!("{test}: skipped, as another user can not run it: {error}"),
        }
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let owner = uid.as_raw();
    let layers = [MemoryLayer::new("layer", awkward().end())];
    let options = BuildOptions::new(64 * MIB);
    let report = extract(&sources(&layers), &target, &options, &NoProgress).unwrap();
    // Everything belongs to root in the image, one file to someone else.
    assert_eq!(report.lost_owners, report.nodes - 1);
    assert_eq!(report.lost_devices, 1);
    assert!((1..=2).contains(&report.lost_xattrs), "{report:?}");

    let path = |name: &str| report.rootfs.join(name);
    let mode = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        let metadata = path(name).symlink_metadata().unwrap();
        assert_eq!(metadata.uid(), owner);
        metadata.mode() & 0o7777
    };
    assert_eq!(mode("locked"), 0);
    assert_eq!(mode("read-only"), 0o555);
    assert_eq!(mode("theirs"), 0o4755);
    assert_eq!(mode("fifo"), 0o644);
    assert!(!path("null").exists());
    assert!(!path("null2").exists());
    let link = std::fs::read_link(path("link")).unwrap();
    assert_eq!(link, std::path::Path::new("/etc/passwd"));
    assert_eq!(std::fs::read(path("inside")).unwrap(), b"not outside");
    let outer = target.metadata().unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&outer) & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 1);

    remove_extracted(&target).unwrap();
    assert!(!target.exists());
    remove_extracted(&target).unwrap();
}
