//! `runner cache`: what is kept, and what may go.

mod crash;
mod in_use;
mod many;
mod schema;

use std::fs;

use serde_json::{Value, json};

use crate::support::{Cache, Image, Ran, SmallDisk, digest};

/// An image of layers that nobody unpacks.
pub(crate) fn image(layers: &[&[u8]]) -> Image {
    let diff_ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let layers: Vec<_> = layers.iter().map(|layer| layer.to_vec()).collect();
    Image::of(&config, &layers)
}

/// What `cache ls` shows: kind, names, marks.
fn listed(cache: &Cache) -> Vec<(String, String)> {
    let listing = cache.run(&["cache", "ls", "--json"]).exits(0).json();
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    let mut listed: Vec<_> = listing["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let names = item["names"].as_array().unwrap();
            let names: Vec<_> = names.iter().map(|name| name.as_str().unwrap()).collect();
            (text(item, "kind"), names.join(" "))
        })
        .collect();
    listed.sort();
    listed
}

fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

/// A file of the store that may not be written to is damaged all the same.
fn damage(cache: &Cache, content: &[u8]) {
    let hex = digest(content).replace("sha256:", "");
    let path = cache.path().join("store/blobs/sha256").join(hex);
    fs::remove_file(&path).unwrap();
    fs::write(path, "something else").unwrap();
}

#[test]
fn images_are_added_listed_and_removed() {
    let cache = Cache::new();
    let empty = cache.run(&["cache", "ls"]).exits(0);
    assert!(
        empty.text().ends_with("\n0 things, 0 B\n"),
        "{}",
        empty.text()
    );
    let before = fs::read_dir(cache.path()).unwrap().count();
    assert_eq!(before, 0, "looking makes nothing");

    let (first, second) = (
        image(&[b"shared", b"first"]),
        image(&[b"shared", b"second"]),
    );
    cache.add(first.path(), "example.com/team/first:1").exits(0);
    cache.add(second.path(), "second").exits(0);
    let ran = cache.run(&["cache", "ls"]).exits(0);
    let rows: Vec<_> = ran.text().lines().collect();
    assert!(rows[0].starts_with("KIND   ID "), "{}", ran.text());
    assert!(rows[1].starts_with("image  ") && rows[1].ends_with("  example.com/team/first:1"));
    assert!(rows[1].contains("just now"), "{}", rows[1]);

    // By a name as it is written elsewhere, and by what the table shows.
    cache
        .run(&["cache", "rm", "docker.io/library/second:latest"])
        .exits(0);
    let shown = rows[1].split_whitespace().nth(1).unwrap();
    cache.run(&["cache", "rm", shown]).exits(0);
    assert!(listed(&cache).is_empty());
    let ran = cache.run(&["cache", "rm", "second", "nothing"]).exits(125);
    let errors: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(errors.len(), 2, "{}", ran.stderr);
    assert_eq!(
        errors[0],
        "runner: error: the cache has no `second`: give a name or an id out of `runner cache ls`"
    );
}

#[test]
fn pruning_takes_what_nobody_needs_and_then_the_oldest() {
    let cache = Cache::new();
    let layers = [b"1".repeat(3000), b"2".repeat(3000), b"3".repeat(3000)];
    for (number, layer) in layers.iter().enumerate() {
        let image = image(&[layer]);
        cache.add(image.path(), &format!("image{number}")).exits(0);
    }
    let used = |number: usize, seconds| {
        let listing = cache.run(&["cache", "ls", "--json"]).json();
        let items = listing["items"].as_array().unwrap();
        let name = json!([format!("image{number}")]);
        let item = items.iter().find(|item| item["names"] == name).unwrap();
        let lease = item["id"].as_str().unwrap().replace(':', "-");
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let file = fs::File::options()
            .write(true)
            .open(cache.path().join("store/leases").join(lease));
        file.unwrap().set_modified(time).unwrap();
    };
    used(1, 1_000_000);
    used(0, 2_000_000);
    used(2, 3_000_000);
    // What comes to an image's name goes; images with names stay without a limit.
    cache.add(image(&[b"new"]).path(), "image2").exits(0);
    let partial = cache
        .path()
        .join("store/partial")
        .join(format!("sha256-{}", "0".repeat(64)));
    fs::write(&partial, "some of it").unwrap();
    let report = cache.run(&["cache", "prune", "--json"]).exits(0).json();
    assert_eq!(report["removed"].as_array().unwrap().len(), 2, "{report:#}");
    assert!(!partial.exists());
    let names = ["image0", "image1", "image2"].map(|name| pair("image", name));
    assert_eq!(listed(&cache), names);

    let total = report["total_bytes"].as_u64().unwrap();
    let limit = format!("{}B", total - 1);
    let ran = cache
        .run(&["cache", "prune", "--max-size", &limit])
        .exits(0);
    assert!(ran.text().contains("  image1\n"), "{}", ran.text());
    assert!(ran.text().contains("1 thing removed, "), "{}", ran.text());
    assert_eq!(
        listed(&cache),
        [pair("image", "image0"), pair("image", "image2")]
    );
    // Looking at an image is a use of it.
    cache.run(&["inspect", "image0"]).exits(0);
    let left = cache.run(&["cache", "df", "--json"]).json()["kinds"][0]["bytes"].clone();
    let limit = format!("{}B", left.as_u64().unwrap() - 1);
    let newest = cache.run(&["cache", "ls", "--json"]).json();
    assert_eq!(newest["items"][1]["names"], json!(["image0"]));
    cache
        .run(&["cache", "prune", "--max-size", &limit])
        .exits(0);
    assert_eq!(listed(&cache), [pair("image", "image0")]);
    cache.run(&["cache", "prune", "--max-size", "0"]).exits(0);
    assert!(listed(&cache).is_empty());
    let blobs = fs::read_dir(cache.path().join("store/blobs/sha256")).unwrap();
    assert_eq!(blobs.count(), 0);
}

#[test]
fn damage_is_found_and_mended() {
    let cache = Cache::new();
    let image = image(&[b"one", b"two"]);
    cache.add(image.path(), "a").exits(0);
    let whole = cache.run(&["cache", "verify"]).exits(0);
    assert!(whole.text().ends_with(": no damage\n"), "{}", whole.text());
    damage(&cache, b"one");
    let ran = cache.run(&["cache", "verify"]).exits(1);
    assert!(
        ran.text()
            .contains(&format!("blob {} is damaged", digest(b"one")))
    );
    assert!(
        ran.text().contains("runner cache verify --repair"),
        "{}",
        ran.text()
    );
    let file = cache.path().join("saved.tar");
    let saved = cache.run(&["save", "a", file.to_str().unwrap()]).exits(125);
    assert!(saved.stderr.contains("its blob"), "{}", saved.stderr);
    assert!(!file.exists());

    let repaired = cache.run(&["cache", "verify", "--repair"]).exits(1);
    assert!(repaired.text().contains("removed: it is got or made again"));
    let report = cache.run(&["cache", "verify", "--json"]).exits(1).json();
    assert_eq!(report["damages"][0]["kind"], "image", "{report:#}");
    // Adding it again brings what it lacks.
    cache.add(image.path(), "a").exits(0);
    cache.run(&["cache", "verify"]).exits(0);
    damage(&cache, b"two");
    cache.run(&["cache", "verify", "--repair"]).exits(1);
    cache.run(&["cache", "verify", "--repair"]).exits(1);
    cache.run(&["cache", "verify"]).exits(0);
    assert!(listed(&cache).is_empty());
}

#[test]
fn what_it_takes_of_the_disk_adds_up() {
    let cache = Cache::new();
    cache.add(image(&[b"shared", b"1"]).path(), "a").exits(0);
    cache.add(image(&[b"shared", b"2"]).path(), "b").exits(0);
    let usage = cache.run(&["cache", "df", "--json"]).exits(0).json();
    let listing = cache.run(&["cache", "ls", "--json"]).exits(0).json();
    let images = &usage["kinds"][0];
    assert_eq!(
        (&images["kind"], &images["count"]),
        (&json!("image"), &json!(2))
    );
    assert_eq!(images["bytes"], listing["total_bytes"]);
    assert_eq!(images["bytes"], images["reclaimable_bytes"]);
    let bytes = |value: &Value| value.as_u64().unwrap();
    let items = listing["items"].as_array().unwrap();
    let both: u64 = items.iter().map(|item| bytes(&item["bytes"])).sum();
    assert_eq!(
        bytes(&images["bytes"]) + 6,
        both,
        "what is shared counts once"
    );
    let kinds = usage["kinds"].as_array().unwrap().iter();
    let kinds: u64 = kinds.map(|kind| bytes(&kind["bytes"])).sum();
    assert_eq!(
        kinds + bytes(&usage["other_bytes"]),
        bytes(&usage["total_bytes"])
    );
    let table = cache.run(&["cache", "df"]).exits(0);
    for row in [
        "image", "blob", "partial", "rootfs", "kernel", "other", "total", "free",
    ] {
        assert!(
            table.text().lines().any(|line| line.starts_with(row)),
            "{row}"
        );
    }
}

#[test]
fn a_full_disk_is_said_and_what_came_is_kept() {
    let Some(small) = SmallDisk::mount() else {
        return;
    };
    let cache = Cache::new();
    let layer = vec![7; 4 << 20];
    let image = image(&[&layer]);
    let path = small.path().to_str().unwrap();
    let image_path = image.path().to_str().unwrap();
    let add = ["cache", "add", image_path, "a", "--cache-dir", path];
    let ran = cache.run(&add).exits(125);
    assert!(
        ran.stderr.contains("no space is left in "),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    let list = ["cache", "ls", "--json", "--cache-dir", path];
    let listing = cache.run(&list).exits(0).json();
    assert_eq!(listing["items"][0]["kind"], "partial", "{listing:#}");
    assert!(listing["items"][0]["bytes"].as_u64() > Some(1 << 20));
    cache
        .run(&["cache", "verify", "--cache-dir", path])
        .exits(0);
}

#[test]
fn bad_words_are_refused_in_one_line() {
    let cache = Cache::new();
    let image = image(&[b"one"]);
    let path = image.path().to_str().unwrap();
    let fails = |arguments: &[&str], reason: &str| {
        let ran: Ran = cache.run(arguments).exits(125);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    };
    fails(
        &["cache", "add", path, "No Name"],
        "is no name for an image",
    );
    fails(&["cache", "add", "/nothing", "a"], "no such file or folder");
    fails(
        &["cache", "add", "nobody/has:it", "a"],
        "no such file or folder here",
    );
    fails(&["cache", "prune", "--max-size", "much"], "is not a size");
    fails(&["cache", "rm"], "required");
    let file = cache.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("cache");
    let below = below.to_str().unwrap();
    fails(
        &["cache", "add", path, "a", "--cache-dir", below],
        "--cache-dir",
    );
    fs::create_dir_all(cache.path().join("store")).unwrap();
    fs::write(cache.path().join("store/oci-layout"), "{}").unwrap();
    fs::write(cache.path().join("store/index.json"), "{").unwrap();
    for command in ["ls", "prune", "df"] {
        fails(&["cache", command], "remove it, and get the images again");
    }
    let damaged = cache.run(&["cache", "verify"]).exits(1);
    assert!(damaged.text().contains("index.json"), "{}", damaged.text());
}
