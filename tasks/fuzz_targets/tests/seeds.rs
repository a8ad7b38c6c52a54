//! The committed seeds through the checks, and that every target has both.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fuzz_targets::{Outcome, TARGETS};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files in a folder, without their extension.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn every_check_has_a_fuzz_target_and_seeds() {
    let checks: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names(&folder().join("fuzz_targets")), checks);
    assert_eq!(names(&folder().join("seeds")), checks);
}

/// A seed that is refused at once leads a fuzzer nowhere: some must be accepted to their end.
fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = folder().join("seeds").join(name);
    let mut accepted = 0;
    for entry in fs::read_dir(seeds).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        accepted += usize::from((target.check)(&fs::read(&path).unwrap()) == Outcome::Accepted);
    }
    assert!(accepted > 0, "all seeds of {name} are refused");
}

#[test]
fn seeds_of_adapters() {
    run("adapters");
}

#[test]
fn seeds_of_archive_index() {
    run("archive_index");
}

#[test]
fn seeds_of_channel_messages() {
    run("channel_messages");
}

#[test]
fn seeds_of_documents() {
    run("documents");
}

#[test]
fn seeds_of_ext4() {
    run("ext4");
}

#[test]
fn seeds_of_guest_frames() {
    run("guest_frames");
}

#[test]
fn seeds_of_host_frames() {
    run("host_frames");
}

#[test]
fn seeds_of_image_reference() {
    run("image_reference");
}

#[test]
fn seeds_of_merge() {
    run("merge");
}

#[test]
fn seeds_of_registry_answers() {
    run("registry_answers");
}

#[test]
fn seeds_of_tar() {
    run("tar");
}
