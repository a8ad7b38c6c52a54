use std::collections::BTreeSet;
use std::path::Path;

use super::super::sink::Record;
use super::*;
use proptest::prelude::*;

fn limits(file_count: u32) -> Limits {
    Limits {
        output_bytes: 0,
        file_count,
        file_bytes: u64::MAX,
        total_file_bytes: u64::MAX,
    }
}

/// Collects `outputs` of the image in `top` with `/work` as the working directory.
fn collect(top: &Path, file_count: u32, names_limit: usize, outputs: &[&str]) -> Record {
    let root = RootFolder::open(top).unwrap();
    let mut record = Record::default();
    let mut collector = Collector::new(&mut record, &root, &limits(file_count)).unwrap();
    collector.names_limit = names_limit;
    let outputs: Vec<_> = outputs
        .iter()
        .map(|path| path.as_bytes().to_vec())
        .collect();
    collector.collect(&outputs, b"/work").unwrap();
    record
}

fn paths(record: &Record) -> Vec<&str> {
    let files = record.files.iter();
    files.map(|(path, _, _)| path.as_str()).collect()
}

fn make(top: &Path, paths: &[&str]) {
    for path in paths {
        let path = top.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
}

#[test]
fn names_that_do_not_fit_are_counted_and_the_first_ones_kept() {
    let top = tempfile::tempdir().unwrap();
    make(top.path(), &["d/a", "d/b", "d/c", "d/e/1", "d/e/2"]);
    // Room for two names at the top, and none below.
    let record = collect(top.path(), 9, 90, &["/d"]);
    assert_eq!(paths(&record), ["/d/a", "/d/b"]);
    assert_eq!(
        record.logs,
        ["2 names were not looked at, for there are too many in this folder: /d"]
    );
    // Once a folder has been walked its room is free again.
    make(top.path(), &["f/a/1", "f/a/2", "f/b/1", "f/b/2", "f/c/1"]);
    let record = collect(top.path(), 9, 250, &["/f"]);
    assert_eq!(
        paths(&record),
        ["/f/a/1", "/f/a/2", "/f/b/1", "/f/b/2", "/f/c/1"]
    );
}

#[test]
fn paths_are_joined_like_a_shell_does() {
    for (path, folder, expected) in [
        ("/a", "/w", "/a"),
        ("a", "/w", "/w/a"),
        ("a/", "/w/", "/w//a"),
        ("", "/w", "/w"),
        ("/", "/w", ""),
        ("", "/", ""),
        ("..", "/w", "/w/.."),
    ] {
        let joined = absolute(path.as_bytes(), folder.as_bytes());
        assert_eq!(joined, expected.as_bytes(), "{path:?} from {folder:?}");
    }
}

#[test]
fn the_top_itself_can_be_an_output() {
    let top = tempfile::tempdir().unwrap();
    make(top.path(), &["work/a", "z"]);
    for output in ["/", "..", "/work/..", "//"] {
        let record = collect(top.path(), 9, NAMES_LIMIT, &[output]);
        assert_eq!(record.files.len(), 2, "{output}");
        assert!(record.missing.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn exactly_the_first_files_are_sent(
        // Names whose order differs from that of whole paths: "a.b" is before "a/b", but "a" first.
        tree in proptest::collection::btree_set("[ab.]{1,2}(/[ab.]{1,2}){0,2}", 0..12),
        file_count in 0_u32..14,
    ) {
        let top = tempfile::tempdir().unwrap();
        let mut files = BTreeSet::new();
        for path in &tree {
            let names: Vec<_> = path.split('/').map(|name| format!("n{name}")).collect();
            let path = format!("d/{}", names.join("/"));
            let full = top.path().join(&path);
            // Where a file is in the way of a folder, or the other way round, there is none.
            if std::fs::create_dir_all(full.parent().unwrap()).is_ok()
                && !full.is_dir()
                && std::fs::write(&full, "x").is_ok()
            {
                files.insert(names);
            }
        }
        std::fs::create_dir_all(top.path().join("d")).unwrap();
        let expected: Vec<_> = files
            .iter()
            .map(|names| format!("/d/{}", names.join("/")))
            .take(file_count as usize)
            .collect();
        let record = collect(top.path(), file_count, NAMES_LIMIT, &["/d"]);
        prop_assert_eq!(paths(&record), expected);
        let left_out = files.len().saturating_sub(file_count as usize);
        prop_assert_eq!(record.missing.len(), usize::from(left_out > 0));
        if let Some(missing) = record.missing.first() {
            let reason = format!("/d: the limit of files is reached, {left_out} left out");
            prop_assert_eq!(missing, &reason);
        }
    }
}
