//! Device nodes, and what overlayfs would take for whiteouts.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use bencher_rootfs::limits::Limits;
use bencher_rootfs::{BuildOptions, NoProgress, extract, remove_extracted};

use crate::archive::{Archive, Header};
use crate::layers::{MemoryLayer, sources};
use crate::survive::{amounts_to, is_root, mode, survive};

fn layer() -> Archive {
    Archive::new()
}

/// A node of the host's first disk.
fn disk() -> Header {
    Header::new(b'4', "dev/sda").device(8, 0).mode(0o666)
}

#[test]
fn device_nodes() {
    amounts_to(
        vec![
            layer()
                .add(&disk())
                .add(&Header::new(b'3', "dev/mem").device(1, 1))
                .hard_link("dev/kmem", "dev/mem")
                .add(&Header::new(b'6', "pipe")),
        ],
        &[
            "/dev/",
            "/dev/kmem character device 1:1 = /dev/kmem",
            "/dev/mem character device 1:1 = /dev/kmem",
            "/dev/sda block device 8:0",
            "/pipe fifo",
        ],
    );
}

/// Making them does not open them, and only root of this machine may enter where they are.
#[test]
fn device_nodes_on_the_host_are_behind_a_closed_door() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    let layers = [MemoryLayer::new("layer", layer().add(&disk()).end())];
    let options = BuildOptions::new(64 << 20);
    let report = extract(&sources(&layers), &target, &options, &NoProgress).unwrap();
    assert_eq!(mode(&target) & 0o777, 0o700);
    let device = report.rootfs.join("dev/sda");
    if is_root("device_nodes_on_the_host_are_behind_a_closed_door") {
        assert!(
            fs::symlink_metadata(device)
                .unwrap()
                .file_type()
                .is_block_device()
        );
    } else {
        assert!(!device.exists());
        assert_eq!(report.lost_devices, 1);
    }
    remove_extracted(&target).unwrap();
}

/// Of the numbers that the kernel cuts off, the rest would be another device.
#[test]
fn device_numbers_beyond_linux() {
    for (major, minor) in [
        ("4104", "0"),
        ("8", "1048576"),
        ("4294967295", "4294967295"),
    ] {
        let layer = layer()
            .pax(&[("SCHILY.devmajor", major), ("SCHILY.devminor", minor)])
            .add(&Header::new(b'4', "disk"));
        let layers = [MemoryLayer::new("layer", layer.end())];
        let folder = tempfile::tempdir().unwrap();
        let options = BuildOptions::new(64 << 20);
        let image = tempfile::tempfile().unwrap();
        let error = bencher_rootfs::build(&sources(&layers), &image, &options, &NoProgress);
        let message = crate::survive::chain(&error.unwrap_err());
        assert!(message.contains("beyond what Linux has"), "{message}");
        let target = folder.path().join("target");
        let report = extract(&sources(&layers), &target, &options, &NoProgress).unwrap();
        assert_eq!(report.lost_devices, 1);
        assert!(!report.rootfs.join("disk").exists());
    }
}

/// There is no overlayfs anywhere: a device is a device, and hides what any file of its name would.
#[test]
fn forged_overlay_whiteout_device() {
    let base = layer().directory("d").file("d/a", "1").file("d/b", "22");
    amounts_to(
        vec![
            base.clone(),
            layer().add(&Header::new(b'3', "d/a").device(0, 0)),
        ],
        &["/d/", "/d/a character device 0:0", "/d/b 2"],
    );
    amounts_to(
        vec![
            base,
            layer().add(&Header::new(b'3', "d/c").device(0, 0)),
            layer().file("d/.wh.c", ""),
        ],
        &["/d/", "/d/a 1", "/d/b 2"],
    );
}

#[test]
fn forged_overlay_attributes() {
    let base = || {
        layer()
            .directory("d")
            .file("d/a", "1")
            .directory("etc")
            .file("etc/passwd", "22")
    };
    for prefix in ["trusted", "user"] {
        for (name, value) in [
            ("opaque", "y"),
            ("opaque", "x"),
            ("redirect", "/etc"),
            ("redirect", "../../../etc"),
            ("whiteout", ""),
            ("metacopy", ""),
            ("origin", "\0\x01"),
            ("impure", "y"),
        ] {
            let record = [(format!("SCHILY.xattr.{prefix}.overlay.{name}"), value)];
            amounts_to(
                vec![
                    base(),
                    layer()
                        .pax(&record)
                        .directory("d")
                        .pax(&record)
                        .file("d/b", ""),
                ],
                &["/d/", "/d/a 1", "/d/b 0", "/etc/", "/etc/passwd 2"],
            );
        }
    }
}

/// What the kernel would not let anyone set is left out.
#[test]
fn attributes_of_other_systems() {
    for name in [
        "com.apple.quarantine",
        "system.nfs4_acl",
        "ntfs.streams",
        "user",
        "x",
    ] {
        let record = [(format!("SCHILY.xattr.{name}"), "x")];
        amounts_to(vec![layer().pax(&record).file("f", "")], &["/f 0"]);
    }
    assert!(survive(vec![layer().pax(&[("SCHILY.xattr.", "x")]).file("f", "")]).is_err());
}

/// A program that would be root for whoever runs it on the host is behind the same door.
#[test]
fn set_user_id_programs() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    let program = Header::file("su").mode(0o6755);
    let layers = [MemoryLayer::new(
        "layer",
        layer().add_with(&program, b"#!").end(),
    )];
    let options = BuildOptions {
        limits: Limits::default(),
        ..BuildOptions::new(64 << 20)
    };
    let report = extract(&sources(&layers), &target, &options, &NoProgress).unwrap();
    assert_eq!(mode(&target) & 0o777, 0o700);
    assert_eq!(mode(&report.rootfs.join("su")) & 0o7777, 0o6755);
}
