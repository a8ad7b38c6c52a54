//! The tables of `docs/security.md` against the tests that they name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a word in front of a test's name stands for.
fn folder(word: &str) -> Option<&'static str> {
    match word {
        "rootfs" => Some("crates/bencher_rootfs/tests/hostile"),
        "oci" => Some("crates/bencher_oci/tests/images"),
        "registry" => Some("crates/bencher_oci/tests/registry"),
        "runner" => Some("services/runner/tests/run"),
        _ => None,
    }
}

/// The tests in the last cell of each row: their folder, module and name.
fn named(page: &str) -> Vec<(&'static str, String, String)> {
    let mut tests = Vec::new();
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let mut here = None;
        for word in cell.split([' ', ';', ',']) {
            here = folder(word).or(here);
            let name = word.trim_matches('`');
            if let (Some(folder), Some((module, name))) = (here, name.split_once("::")) {
                tests.push((folder, module.to_owned(), name.to_owned()));
            }
        }
    }
    tests
}

#[test]
fn every_test_in_the_tables_exists() {
    let page = fs::read_to_string(workspace().join("docs/security.md")).unwrap();
    let tests = named(&page);
    assert!(tests.len() > 80, "the tables are not found: {tests:?}");
    for (folder, module, name) in tests {
        let path = workspace().join(folder).join(format!("{module}.rs"));
        let source =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let definition = format!("#[test]\nfn {name}() {{");
        assert!(
            source.contains(&definition),
            "{}: no test {name}",
            path.display()
        );
    }
}

/// What is not in a table would be looked for in vain.
#[test]
fn every_hostile_test_is_in_a_table() {
    let page = fs::read_to_string(workspace().join("docs/security.md")).unwrap();
    let tests = named(&page);
    let folders = ["rootfs", "oci", "runner"].map(|word| folder(word).unwrap());
    for folder in folders {
        for entry in fs::read_dir(workspace().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let Some(module) = path.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            let is_listed = folder == folders[0]
                || module.starts_with("hostile")
                || matches!(module, "formats" | "builders");
            if !is_listed || path.is_dir() {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            for part in source.split("#[test]\nfn ").skip(1) {
                let (name, _) = part.split_once('(').unwrap();
                let test = (folder, module.to_owned(), name.to_owned());
                assert!(tests.contains(&test), "{test:?} is in no table");
            }
        }
    }
}
