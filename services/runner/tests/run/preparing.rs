//! A user who stops the runner before there is a machine.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Image, Runner, no_image};

#[test]
fn a_signal_ends_the_wait_for_another_runner() {
    if no_image() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let arguments = [
        "--sandbox",
        "none",
        "--cache-dir",
        cache.path().to_str().unwrap(),
        "--format",
        "json",
        "--",
        "true",
    ];
    let result = runner.run(&image, &arguments);
    if !nix::unistd::geteuid().is_root() {
        // Without root there is no image to wait for.
        result.exits(0);
        return;
    }
    let key = result.exits(0).json()["image"]["rootfs_key"].clone();
    let folder = cache.path().join("rootfs");
    let file = |extension| folder.join(format!("{}.{extension}", key.as_str().unwrap()));
    fs::remove_file(file("ext4")).unwrap();
    let lock = File::create(file("lock")).unwrap();
    let held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error);
    let mut child = runner.start(&image, &arguments);
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = |line: &std::io::Result<String>| line.as_ref().unwrap().contains("waiting for it");
    assert!(log.any(|line| waits(&line)), "it does not wait");
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let rest: Vec<_> = log.map(Result::unwrap).collect();
    assert!(!rest.join("\n").contains("left alone"), "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(runner.run_folders().is_empty());
    drop(held);
    runner.run(&image, &arguments).exits(0);
}
