//! Writers that are killed leave a store that is whole.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};

use super::image;
use crate::support::Cache;

/// Bytes that differ from one another and from those of another seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// What has been written to the store so far, in whole blobs and unfinished ones.
fn written(cache: &Cache) -> u64 {
    ["blobs/sha256", "partial"]
        .iter()
        .filter_map(|folder| fs::read_dir(cache.path().join("store").join(folder)).ok())
        .flatten()
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// Kills `child` once so many bytes are written, unless it ends before. Returns whether it was
/// killed.
fn kill_after(child: &mut Child, cache: &Cache, bytes: u64) -> bool {
    while written(cache) < bytes && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    // One that has ended can not be killed.
    let _ended = child.kill();
    child.wait().unwrap().signal().is_some()
}

/// How many whole blobs there are.
fn blobs(cache: &Cache) -> usize {
    fs::read_dir(cache.path().join("store/blobs/sha256"))
        .unwrap()
        .count()
}

#[test]
fn who_is_killed_while_it_removes_leaves_a_whole_store() {
    const LAYERS: u64 = 40;
    let cache = Cache::new();
    let mut killed = 0;
    for round in 0..6 {
        let layers: Vec<_> = (0..LAYERS)
            .map(|layer| noise(round * 64 + layer, 64))
            .collect();
        let layers: Vec<_> = layers.iter().map(Vec::as_slice).collect();
        let image = image(&layers);
        cache.add(image.path(), "image").exits(0);
        let left = usize::from(noise(round + 2000, 1)[0]) * blobs(&cache) / 256;
        let mut child = cache
            .command(&["cache", "rm", "image"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while blobs(&cache) > left && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ended = child.kill();
        killed += u32::from(child.wait().unwrap().signal().is_some());
        cache.run(&["cache", "verify"]).exits(0);
        // Either it was not touched, or it is unknown.
        let found = cache.run(&["inspect", "image"]);
        assert_eq!(found.code == 0, blobs(&cache) == layers.len() + 2);
        cache.run(&["cache", "prune", "--max-size", "0"]).exits(0);
        assert_eq!(blobs(&cache), 0);
    }
    println!("{killed} of 6 were killed while they removed");
}

#[test]
fn a_writer_that_is_killed_at_any_moment_leaves_a_whole_store() {
    const LAYER: usize = 2 << 20;
    let cache = Cache::new();
    let mut killed = 0;
    for round in 0..16 {
        let layers: Vec<_> = (0..3)
            .map(|layer| noise(round * 8 + layer, LAYER))
            .collect();
        let layers: Vec<_> = layers.iter().map(Vec::as_slice).collect();
        let image = image(&layers);
        let name = format!("image{round}");
        let add = ["cache", "add", image.path().to_str().unwrap(), &name];
        let start = || {
            let mut command = cache.command(&add);
            command.stderr(Stdio::null()).spawn().unwrap()
        };
        let mut first = start();
        // Every other time somebody else wants the same image at the same time.
        let second = (round % 2 == 1).then(start);
        let moment = u64::from(noise(round + 1000, 1)[0]) * 3 * LAYER as u64 / 255;
        let before = written(&cache);
        killed += u32::from(kill_after(&mut first, &cache, before + moment));
        let verified = cache.run(&["cache", "verify"]).exits(0);
        assert!(
            verified.text().ends_with("no damage\n"),
            "{}",
            verified.text()
        );
        if let Some(second) = second {
            let ended = second.wait_with_output().unwrap();
            assert!(ended.status.success(), "the other one goes on");
        }
        cache.run(&add).exits(0);
        cache.run(&["inspect", &name]).exits(0);
        // Whoever came after a killed one took what it left.
        let partial = fs::read_dir(cache.path().join("store/partial")).unwrap();
        assert_eq!(partial.count(), 0);
        cache.run(&["cache", "verify"]).exits(0);
        cache.run(&["cache", "rm", &name]).exits(0);
    }
    println!("{killed} of 16 were killed while they wrote");
    assert!(killed > 0, "nobody was killed in time");
    assert_eq!(blobs(&cache), 0);
}
