use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::archive::Archive;
use crate::layers::{MemoryLayer, sources};
use crate::progress::NoProgress;

fn layers() -> Vec<MemoryLayer> {
    let archive = Archive::new()
        .file("d/a", vec![1; 10_000])
        .hard_link("d/b", "d/a")
        .symlink("d/c", "a")
        .file("lost", "x");
    let upper = Archive::new().file(".wh.lost", "").file("new", "n");
    vec![
        MemoryLayer::new("lower", archive.end()),
        MemoryLayer::new("upper", upper.end()),
    ]
}

#[test]
fn files_links_and_contents() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let options = BuildOptions::new(0);
    let report = extract(&sources(&layers()), &target, &options, &NoProgress).unwrap();
    assert_eq!(report.rootfs, target.join("rootfs"));
    assert_eq!(report.nodes, 5);
    let path = |name| report.rootfs.join(name);
    assert_eq!(fs::read(path("d/c")).unwrap(), vec![1; 10_000]);
    let inode = |name| fs::metadata(path(name)).unwrap().ino();
    assert_eq!(inode("d/a"), inode("d/b"));
    assert_eq!(fs::metadata(path("d/a")).unwrap().nlink(), 2);
    assert_eq!(fs::read(path("new")).unwrap(), b"n");
    assert!(!path("lost").exists());
    let time = fs::metadata(path("d/a")).unwrap().mtime();
    assert_eq!(time, 1_700_000_000);
}

#[test]
fn an_existing_directory_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("mine"), "").unwrap();
    let options = BuildOptions::new(0);
    let error = extract(&sources(&layers()), directory.path(), &options, &NoProgress);
    let error = error.unwrap_err();
    assert!(matches!(error, ExtractError::Directory { .. }), "{error}");
    assert!(directory.path().join("mine").exists());
}

#[test]
fn failures_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let mut layers = layers();
    layers[1].fails_at = Some(600);
    let error = extract(
        &sources(&layers),
        &target,
        &BuildOptions::new(0),
        &NoProgress,
    );
    assert!(matches!(error, Err(ExtractError::Build(_))), "{error:?}");
    assert!(!target.exists());
}

#[test]
fn it_can_be_cancelled_while_files_are_made() {
    use std::sync::atomic::{AtomicBool, Ordering};
    struct Cancel(AtomicBool);
    impl Progress for Cancel {
        fn step(&self, step: Step) {
            let extracting = matches!(step, Step::Extract { .. });
            self.0.store(extracting, Ordering::Relaxed);
        }
        fn is_cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let cancel = Cancel(AtomicBool::new(false));
    let error = extract(&sources(&layers()), &target, &BuildOptions::new(0), &cancel);
    let error = error.unwrap_err();
    assert!(
        matches!(error, ExtractError::Build(RootfsError::Cancelled)),
        "{error}"
    );
    assert!(!target.exists());
}

#[test]
fn removing_does_not_follow_symbolic_links() {
    let directory = tempfile::tempdir().unwrap();
    let outside = directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "").unwrap();
    let inside = directory.path().join("inside");
    fs::create_dir_all(inside.join("a/b")).unwrap();
    symlink(&outside, inside.join("a/link")).unwrap();
    remove_extracted(&inside).unwrap();
    assert!(!inside.exists());
    assert!(outside.join("kept").exists());
    // Nor if it is one itself.
    let link = directory.path().join("link");
    symlink(&outside, &link).unwrap();
    remove_extracted(&link).unwrap_err();
    assert!(outside.join("kept").exists());
}
