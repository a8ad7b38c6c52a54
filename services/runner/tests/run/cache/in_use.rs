//! What a running job uses stays.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Cache, Image, Runner, no_image, no_vm, wait_for};

/// Kinds of what is in use.
fn used(cache: &Cache) -> Vec<String> {
    let listing = cache.run(&["cache", "ls", "--json"]).exits(0).json();
    let items = listing["items"].as_array().unwrap().iter();
    let mut kinds: Vec<_> = items
        .filter(|item| item["in_use"] == true)
        .map(|item| item["kind"].as_str().unwrap().to_owned())
        .collect();
    kinds.sort();
    kinds
}

fn ids(listing: &Value) -> Vec<&str> {
    let items = listing["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap()).collect()
}

/// Runs an image out of the store, tries to remove everything meanwhile, and everything afterwards.
fn nothing_goes_while_it_runs(cache: &Cache, sandbox: &[&str], expected: &[&str]) {
    let image = Image::new(&json!({"Cmd": ["sh", "-c", "echo ready; sleep 1000"]}));
    cache.add(image.path(), "example.com/waits:1").exits(0);
    let run = [&["run", "--image", "example.com/waits:1"], sandbox].concat();
    let mut child = cache
        .command(&run)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&mut child, "ready");
    assert_eq!(used(cache), expected);
    let before = cache.run(&["cache", "ls", "--json"]).json();
    let pruned = cache.run(&["cache", "prune", "--max-size", "0"]).exits(0);
    assert!(pruned.stderr.contains("runners use"), "{}", pruned.stderr);
    for id in ids(&before) {
        let ran = cache.run(&["cache", "rm", id]).exits(125);
        assert!(ran.stderr.contains("is in use"), "{}", ran.stderr);
    }
    let ran = cache
        .run(&["cache", "rm", "example.com/waits:1"])
        .exits(125);
    assert!(ran.stderr.contains("is in use"), "{}", ran.stderr);
    // Its name may go to another image, and it stays.
    let other = super::image(&[b"other"]);
    cache.add(other.path(), "example.com/waits:1").exits(0);
    cache.run(&["cache", "prune"]).exits(0);
    assert_eq!(used(cache), expected);
    // The locks go with their process, however that ends.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(used(cache).is_empty());
    cache.run(&["cache", "prune", "--max-size", "0"]).exits(0);
    let after = cache.run(&["cache", "ls", "--json"]).json();
    assert!(ids(&after).is_empty(), "{after:#}");
}

#[test]
fn an_image_of_the_store_and_its_root_filesystem_stay_while_they_are_used() {
    if no_image() {
        return;
    }
    let cache = Cache::new();
    let expected: &[&str] = if nix::unistd::geteuid().is_root() {
        &["image", "rootfs"]
    } else {
        // Without root the files are extracted for each run.
        &["image"]
    };
    nothing_goes_while_it_runs(&cache, &["--sandbox", "none"], expected);
}

#[test]
fn the_kernel_of_a_machine_stays_as_well() {
    if no_vm() {
        return;
    }
    let cache = Cache::new();
    let fetched = Runner::new()
        .command()
        .args(["kernel", "fetch"])
        .output()
        .unwrap();
    let kernel = String::from_utf8(fetched.stdout).unwrap();
    let folder = Path::new(kernel.trim()).parent().unwrap();
    std::fs::create_dir(cache.path().join("kernels")).unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(folder)
        .arg(cache.path().join("kernels"))
        .status();
    assert!(copied.unwrap().success());
    let expected = ["image", "kernel", "rootfs"];
    nothing_goes_while_it_runs(&cache, &["--sandbox", "qemu"], &expected);
}
