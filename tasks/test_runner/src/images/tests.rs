use std::cell::Cell;
use std::fs;
use std::path::Path;

use super::recipe::{Recipe, key};
use super::*;

/// A recipe that writes one file, or fails after it.
#[derive(Debug, Default)]
struct Fake {
    parts: Vec<Vec<u8>>,
    fails: bool,
    built: Cell<u32>,
}

impl Recipe for Fake {
    fn ingredients(&self) -> Vec<Vec<u8>> {
        self.parts.clone()
    }

    fn summary(&self) -> String {
        "faking".to_owned()
    }

    fn build(&self, layout: &Path) -> anyhow::Result<()> {
        self.built.set(self.built.get() + 1);
        fs::write(layout.join("index.json"), "{}")?;
        if self.fails {
            anyhow::bail!("no more of it");
        }
        Ok(())
    }
}

fn of(parts: &[&str]) -> Fake {
    Fake {
        parts: parts.iter().map(|part| part.as_bytes().to_vec()).collect(),
        ..Fake::default()
    }
}

#[test]
fn the_key_tells_recipes_apart() {
    let plain = key(&of(&["a", "b"]));
    assert_eq!(plain.len(), 12);
    assert_eq!(plain, key(&of(&["a", "b"])));
    for other in [&["ab"][..], &["a", "b", ""], &["b", "a"], &["a"], &[]] {
        assert_ne!(plain, key(&of(other)), "{other:?}");
    }
}

#[test]
fn a_failed_build_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = folder.path().join("x-1");
    let recipe = Fake {
        fails: true,
        ..Fake::default()
    };
    let error = build(&recipe, &layout).expect_err("it fails");
    assert_eq!(error.to_string(), "no more of it");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn what_an_interrupted_build_left_does_not_matter() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = folder.path().join("x-1");
    let left = layout.with_extension("partial");
    fs::create_dir(&left).expect("it can be made");
    fs::write(left.join("half"), "").expect("it can be written");
    build(&Fake::default(), &layout).expect("it succeeds");
    assert!(layout.join("index.json").exists());
    assert!(!layout.join("half").exists());
    assert!(!left.exists());
}

#[test]
fn the_link_names_the_newest_and_older_ones_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in [
        "busybox-1",
        "busybox-2",
        "busybox-1.work",
        "busybox-all-1",
        "debian-1",
    ] {
        fs::create_dir(at(name)).expect("it can be made");
    }
    for newest in ["busybox-1", "busybox-2"] {
        point(&at("busybox"), &at(newest)).expect("it can be linked");
        assert_eq!(
            fs::read_link(at("busybox")).expect("it is a link"),
            Path::new(newest)
        );
    }
    remove_older(folder.path(), "busybox", &at("busybox-2")).expect("they can be removed");
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["busybox", "busybox-2", "busybox-all-1", "debian-1"]);
}
