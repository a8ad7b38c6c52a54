//! Layers written by GNU tar and bsdtar, against what they extract themselves.

use std::ffi::CStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bencher_rootfs::BuildOptions;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chownat, lsetxattr,
    makedev, mknodat, utimensat,
};

use crate::host::{Mounted, has, run, text};
use crate::layers::MemoryLayer;
use crate::snapshot::{self, Snapshot};

const MIB: u64 = 1 << 20;

/// What an archive format can hold.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
struct Abilities {
    /// Nanoseconds, times after 2038, long names, large owners.
    extremes: bool,
    /// Nanoseconds before 1970.
    past: bool,
    xattrs: bool,
    /// Names of attributes with `=` and `%` in them.
    escaped_xattrs: bool,
    /// Sparse files, written as such.
    sparse: bool,
}

/// Makes files of all kinds.
fn fill(root: &Path, abilities: Abilities) {
    let path = |name: &str| root.join(name);
    let write = |name: &str, contents: &[u8]| fs::write(path(name), contents).unwrap();
    let mode = |name: &str, mode| {
        rustix::fs::chmod(path(name), Mode::from_raw_mode(mode)).unwrap();
    };
    fs::create_dir_all(path("a/b/c")).unwrap();
    write("a/empty", b"");
    write("a/block", &[b'x'; 512]);
    write(
        "a/b/large",
        &(0..300_000u32)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<_>>(),
    );
    fs::hard_link(path("a/b/large"), path("a/hard")).unwrap();
    std::os::unix::fs::symlink("../b/large", path("a/b/soft")).unwrap();
    write("a/setuid", b"#!");
    mode("a/setuid", 0o6755);
    mode("a/b", 0o1777);
    let node = |name: &str, kind, device| {
        mknodat(CWD, path(name), kind, Mode::RUSR | Mode::WUSR, device).unwrap();
    };
    node("a/fifo", FileType::Fifo, 0);
    node("a/null", FileType::CharacterDevice, makedev(1, 3));
    node("a/disk", FileType::BlockDevice, makedev(259, 1000));
    let strange = std::ffi::OsStr::from_bytes(b"a/\xff \n\\");
    fs::write(root.join(strange), "strange").unwrap();
    if abilities.extremes {
        write(&format!("a/{}", "n".repeat(255)), b"long");
        let deep = path("a").join(["d"; 120].join("/"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("deep"), "deep").unwrap();
        std::os::unix::fs::symlink("t".repeat(500), path("a/far")).unwrap();
        let owner = (
            Some(Uid::from_raw(4_000_000_000)),
            Some(Gid::from_raw(70_000)),
        );
        chownat(CWD, path("a/empty"), owner.0, owner.1, AtFlags::empty()).unwrap();
        let early = if abilities.past { -12_345 } else { 12_345 };
        for (name, seconds) in [("a/block", early), ("a/setuid", 5_000_000_000)] {
            let time = Timespec {
                tv_sec: seconds,
                tv_nsec: 123_456_789,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            utimensat(CWD, path(name), &times, AtFlags::empty()).unwrap();
        }
    }
    if abilities.xattrs {
        let set = |name: &str, attribute: &CStr, value: &[u8]| {
            lsetxattr(path(name), attribute, value, XattrFlags::empty()).unwrap();
        };
        set("a/block", c"user.binary", b"\0\n=\xff");
        if abilities.escaped_xattrs {
            set("a/block", c"user.with=equals%sign", b"1");
        }
        set("a/b", c"user.directory", b"d");
        set(
            "a/setuid",
            c"security.capability",
            b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        );
        run(
            "setfacl",
            &["-m", "u:1234:rwx,g:5678:r", text(&path("a/empty"))],
        );
        run("setfacl", &["-d", "-m", "u:1234:rwx", text(&path("a/b/c"))]);
    }
    if abilities.sparse {
        let sparse = File::create(path("sparse")).unwrap();
        sparse.set_len(50_000_000).unwrap();
        for number in 0..40 {
            sparse
                .write_all_at(b"data", number * 1_000_000 + 4096 * number)
                .unwrap();
        }
        File::create(path("hole"))
            .unwrap()
            .set_len(3_000_000)
            .unwrap();
    }
    if !abilities.extremes {
        whole_seconds(root);
    }
}

fn whole_seconds(root: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let times = fs::FileTimes::new().set_modified(time).set_accessed(time);
    for path in snapshot::take(root).into_keys() {
        let path = root.join(std::ffi::OsStr::from_bytes(&path));
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_file() || kind.is_dir() {
            File::open(&path).unwrap().set_times(times).unwrap();
        } else {
            let time = Timespec {
                tv_sec: 1_600_000_000,
                tv_nsec: 0,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
    }
}

/// Archives files of all kinds, and compares the image with what `extract` makes of the archive.
fn check(test: &str, program: &str, create: &[&str], extract: &[&str], abilities: Abilities) {
    if !has(test, &[program, "e2fsck", "mount", "setfacl"]) {
        return;
    }
    // Not in a tmpfs, which has no user attributes everywhere.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (source, target) = (
        directory.path().join("source"),
        directory.path().join("target"),
    );
    fs::create_dir(&source).unwrap();
    fs::create_dir(&target).unwrap();
    fill(&source, abilities);
    let archive = directory.path().join("archive");
    let common = ["-f", text(&archive), "-C"];
    let creating = [create, &["-c"], &common, &[text(&source), "."]].concat();
    run(program, &creating);
    let extracting = [extract, &["-x", "-p"], &common, &[text(&target)]].concat();
    run(program, &extracting);
    let mut expected: Snapshot = snapshot::take(&target);
    // Not every program sets the attributes of the directory that it extracts to.
    expected.extend(snapshot::take(&source).pop_first());
    let layer = MemoryLayer::new("layer", fs::read(&archive).unwrap());
    let size = layer.bytes.len();
    if abilities.sparse {
        assert!(
            size < 10_000_000,
            "the archive has {size} bytes and is not sparse"
        );
    }
    let mounted = Mounted::build(&[layer], &BuildOptions::new(64 * MIB));
    snapshot::assert_same(&snapshot::take(&mounted.root), &expected);
    if abilities.sparse {
        assert!(
            mounted.report.content_bytes < 4 * MIB,
            "{:?}",
            mounted.report
        );
    }
    // What was archived is what came out, so nothing got lost on both ways.
    if abilities.extremes {
        snapshot::assert_same(&snapshot::take(&mounted.root), &snapshot::take(&source));
    }
}

const EVERYTHING: Abilities = Abilities {
    extremes: true,
    past: true,
    xattrs: true,
    escaped_xattrs: true,
    sparse: false,
};
const SPARSE: Abilities = Abilities {
    sparse: true,
    ..EVERYTHING
};
const PLAIN: Abilities = Abilities {
    extremes: false,
    past: false,
    xattrs: false,
    escaped_xattrs: false,
    sparse: false,
};
const ATTRIBUTES: [&str; 4] = [
    "--numeric-owner",
    "--xattrs",
    "--xattrs-include=*",
    "--acls",
];

#[test]
fn gnu_tar_pax() {
    let create = [&ATTRIBUTES[..], &["--format=posix"]].concat();
    check("gnu_tar_pax", "tar", &create, &ATTRIBUTES, EVERYTHING);
}

#[test]
fn gnu_tar_sparse_files_of_every_version() {
    for version in ["0.0", "0.1", "1.0"] {
        let version = format!("--sparse-version={version}");
        let create = [&ATTRIBUTES[..], &["--format=posix", "--sparse", &version]].concat();
        let test = "gnu_tar_sparse_files_of_every_version";
        check(test, "tar", &create, &ATTRIBUTES, SPARSE);
    }
}

#[test]
fn gnu_tar_own_formats() {
    let plain_sparse = Abilities {
        sparse: true,
        ..PLAIN
    };
    for (format, abilities) in [
        ("gnu", plain_sparse),
        ("oldgnu", plain_sparse),
        ("ustar", PLAIN),
    ] {
        let format = format!("--format={format}");
        let mut create = vec!["--numeric-owner", &format];
        if abilities.sparse {
            create.push("--sparse");
        }
        let test = "gnu_tar_own_formats";
        check(test, "tar", &create, &["--numeric-owner"], abilities);
    }
}

#[test]
fn bsdtar_formats() {
    let flags = ["--numeric-owner", "--xattrs", "--acls"];
    let create = [&flags[..], &["--format=pax"]].concat();
    let abilities = Abilities {
        // libarchive 3.6 writes the seconds rounded down, with a fraction that counts from there,
        // and decodes the names in its own records only.
        past: false,
        escaped_xattrs: false,
        ..EVERYTHING
    };
    check("bsdtar_formats", "bsdtar", &create, &flags, abilities);
    for format in ["--format=ustar", "--format=gnutar"] {
        let create = ["--numeric-owner", format];
        check(
            "bsdtar_formats",
            "bsdtar",
            &create,
            &["--numeric-owner"],
            PLAIN,
        );
    }
}
