use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use super::*;
use crate::archive::Archive;
use crate::layers::{MemoryLayer, sources};
use crate::progress::NoProgress;

const MIB: u64 = 1 << 20;

fn layers() -> Vec<MemoryLayer> {
    let archive = Archive::new().file("a", vec![7; 100_000]).end();
    vec![MemoryLayer::new("layer", archive)]
}

fn get(cache: &ImageCache, disk: u64) -> CachedImage {
    cache
        .get_or_build(
            &sources(&layers()),
            &BuildOptions::new(disk * MIB),
            &NoProgress,
        )
        .unwrap()
}

/// The extensions of all files in the directory.
fn extensions(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            path.extension().unwrap().to_str().unwrap().to_owned()
        })
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn an_image_is_built_once_for_each_disk_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/when/needed");
    let cache = ImageCache::open(&path).unwrap();
    let first = get(&cache, 8);
    assert!(first.built.is_some());
    assert_eq!(first.file.metadata().unwrap().len(), 8 * MIB);
    assert_eq!(first.file.metadata().unwrap().mode() & 0o777, 0o644);
    let again = get(&cache, 8);
    assert!(again.built.is_none());
    assert_eq!(again.path, first.path);
    let other = get(&ImageCache::open(&path).unwrap(), 9);
    assert!(other.built.is_some());
    assert_ne!(other.path, first.path);
    assert_eq!(extensions(&path), set(&["ext4", "lock"]));
}

type Damage = fn(&Path, &[u8]);

#[test]
fn what_is_not_whole_is_built_again() {
    let directory = tempfile::tempdir().unwrap();
    let cache = ImageCache::open(directory.path()).unwrap();
    let path = get(&cache, 8).path;
    let whole = fs::read(&path).unwrap();
    let damages: [Damage; 3] = [
        |path, whole| fs::write(path, &whole[..whole.len() - 1]).unwrap(),
        |path, _| fs::write(path, "").unwrap(),
        |path, whole| fs::write(path, vec![0; whole.len()]).unwrap(),
    ];
    for damage in damages {
        fs::remove_file(&path).unwrap();
        damage(&path, &whole);
        let image = get(&cache, 8);
        assert!(image.built.is_some());
        assert!(fs::read(&path).unwrap() == whole);
    }
}

#[test]
fn several_at_once_build_once() {
    let directory = tempfile::tempdir().unwrap();
    let built = AtomicU64::new(0);
    let barrier = Barrier::new(6);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let cache = ImageCache::open(directory.path()).unwrap();
                barrier.wait();
                let image = get(&cache, 8);
                built.fetch_add(u64::from(image.built.is_some()), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(built.into_inner(), 1);
}

/// Tells the test what happens inside, and lets it happen only when the test wants it.
struct Gate<'a> {
    steps: Mutex<Vec<Step>>,
    reached: Option<(Step, &'a Barrier)>,
}

impl Progress for Gate<'_> {
    fn step(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
        if let Some((wanted, barrier)) = self.reached
            && wanted == step
        {
            barrier.wait();
            barrier.wait();
        }
    }
}

/// Lets the first go on once this one waits.
struct Second<'a>(&'a Barrier, Mutex<Vec<Step>>);

impl Progress for Second<'_> {
    fn step(&self, step: Step) {
        self.1.lock().unwrap().push(step);
        if step == Step::WaitForOther {
            self.0.wait();
        }
    }
}

#[test]
fn the_second_says_that_it_waits_and_its_leftovers_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let cache = ImageCache::open(directory.path()).unwrap();
    let barrier = Barrier::new(2);
    let options = BuildOptions::new(8 * MIB);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let gate = Gate {
                steps: Mutex::default(),
                reached: Some((Step::Merge, &barrier)),
            };
            cache
                .get_or_build(&sources(&layers()), &options, &gate)
                .unwrap()
        });
        // The first one is in the middle of building.
        barrier.wait();
        assert_eq!(extensions(directory.path()), set(&["lock", "tmp"]));
        ImageCache::open(directory.path()).unwrap();
        assert_eq!(extensions(directory.path()), set(&["lock", "tmp"]));
        let entry = CacheEntry {
            name: ImageIdentity::new([layers()[0].diff_id], 8 * MIB).to_string(),
            disk_bytes: 0,
            stored_bytes: 0,
            created: SystemTime::UNIX_EPOCH,
            last_used: SystemTime::UNIX_EPOCH,
        };
        assert!(!cache.remove(&entry).unwrap());

        let second = Second(&barrier, Mutex::default());
        let image = cache
            .get_or_build(&sources(&layers()), &options, &second)
            .unwrap();
        assert!(image.built.is_none());
        assert_eq!(*second.1.lock().unwrap(), [Step::WaitForOther]);
        assert!(first.join().unwrap().built.is_some());
    });
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    // Also if there was an image before.
    let cache = ImageCache::open(directory.path()).unwrap();
    let image = get(&cache, 8).path;
    fs::write(image.with_extension("tmp"), "x").unwrap();
    ImageCache::open(directory.path()).unwrap();
    assert_eq!(extensions(directory.path()), set(&["ext4", "lock"]));
    fs::remove_file(&image).unwrap();
    fs::remove_file(image.with_extension("lock")).unwrap();

    for leftover in ["abc.tmp", "def.tmp", "def.lock"] {
        fs::write(directory.path().join(leftover), "x").unwrap();
    }
    fs::write(directory.path().join("foreign.txt"), "x").unwrap();
    ImageCache::open(directory.path()).unwrap();
    assert_eq!(extensions(directory.path()), set(&["txt"]));
}

#[test]
fn a_failed_build_leaves_nothing_and_can_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let cache = ImageCache::open(directory.path()).unwrap();
    let mut bad = layers();
    bad[0].fails_at = Some(1000);
    let options = BuildOptions::new(8 * MIB);
    let error = cache
        .get_or_build(&sources(&bad), &options, &NoProgress)
        .unwrap_err();
    assert!(matches!(error, CacheError::Build(_)), "{error}");
    assert_eq!(extensions(directory.path()), set(&["lock"]));
    assert!(get(&cache, 8).built.is_some());
}

#[test]
fn images_in_use_are_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let cache = ImageCache::open(directory.path()).unwrap();
    let image = get(&cache, 8);
    let entries = cache.entries().unwrap();
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(entry.disk_bytes, 8 * MIB);
    assert!(entry.stored_bytes > 0 && entry.stored_bytes < MIB);
    assert!(entry.last_used >= entry.created - std::time::Duration::from_mins(1));
    assert!(image.path.to_str().unwrap().contains(&entry.name));

    assert!(!cache.remove(entry).unwrap());
    let other = get(&cache, 8);
    drop(image);
    assert!(!cache.remove(entry).unwrap());
    drop(other);
    assert!(cache.remove(entry).unwrap());
    assert!(extensions(directory.path()).is_empty());
    assert!(cache.entries().unwrap().is_empty());
    assert!(get(&cache, 8).built.is_some());
}

#[test]
fn builders_and_removers_get_along() {
    let directory = tempfile::tempdir().unwrap();
    let cache = ImageCache::open(directory.path()).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..30 {
                    let image = get(&cache, 8);
                    // In use, so it is still the file that others find.
                    let found = image.path.metadata().unwrap();
                    assert_eq!(found.ino(), image.file.metadata().unwrap().ino());
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..200 {
                for entry in cache.entries().unwrap() {
                    cache.remove(&entry).unwrap();
                }
            }
        });
    });
}

#[test]
fn a_directory_that_can_not_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = ImageCache::open(&file.join("below")).unwrap_err();
    assert!(matches!(error, CacheError::Directory { .. }), "{error}");
    assert!(error.to_string().contains("file/below"), "{error}");
    assert!(matches!(
        ImageCache::open(&file).unwrap_err(),
        CacheError::Directory { .. }
    ));
}
