//! What the guest is, and what it is not.

use std::path::PathBuf;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::script;
use crate::support::{Image, Runner, no_vm, serve_once};

#[test]
fn virtual_cpus_and_memory_are_as_asked() {
    if no_vm() {
        return;
    }
    let ran = script(&["--vcpus", "3", "--memory", "300"], "nproc; free -m").exits(0);
    let mut lines = ran.text().lines();
    assert_eq!(lines.next(), Some("3"));
    let total: u64 = ran
        .text()
        .lines()
        .find_map(|line| {
            line.strip_prefix("Mem:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap();
    assert!((200..300).contains(&total), "{total} MiB");
}

#[test]
fn an_nvdimm_root_needs_no_copy_and_changes_nothing() {
    if no_vm() {
        return;
    }
    let arguments = ["--root-device", "nvdimm", "--iter", "2", "--format", "json"];
    let ran = script(
        &arguments,
        "test -e /left && exit 1; touch /left; mount | head -n 1",
    )
    .exits(0);
    let result = ran.json();
    assert_eq!(result["machine"]["root_device"], "nvdimm");
    let mount = result["iterations"][1]["stdout"]["content"]["text"]
        .as_str()
        .unwrap();
    assert!(mount.starts_with("/dev/pmem0 on / type ext4"), "{mount}");
}

#[test]
fn nothing_of_the_host_is_seen() {
    if no_vm() {
        return;
    }
    let ran = script(
        &[],
        "cat /proc/sys/kernel/random/boot_id; ls /sys/class/net; ps",
    )
    .exits(0);
    let host = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mut lines = ran.text().lines();
    assert_ne!(lines.next(), Some(host.trim()));
    assert_eq!(lines.next(), Some("lo"), "no network but loopback");
    assert!(
        ran.text().lines().count() < 8,
        "only its own processes: {}",
        ran.text()
    );
}

#[test]
fn a_full_disk_is_the_commands_error() {
    if no_vm() {
        return;
    }
    let ran = script(
        &["--disk", "24"],
        "dd if=/dev/zero of=/big bs=1M count=100; echo $?; ls -s /big >/dev/null && echo there",
    );
    let ran = ran.exits(0);
    assert_eq!(ran.text(), "1\nthere\n");
    assert!(ran.command_stderr().contains("No space left on device"));
}

#[test]
fn a_pinned_kernel_is_downloaded_once() {
    if no_vm() {
        return;
    }
    let fetched = Runner::new()
        .command()
        .args(["kernel", "fetch"])
        .output()
        .unwrap();
    let kernel = PathBuf::from(String::from_utf8(fetched.stdout).unwrap().trim());
    let content = std::fs::read(&kernel).unwrap();
    let digest = hex::encode(Sha256::digest(&content));
    let url = format!("{}#sha256:{digest}", serve_once(content));
    let modules = kernel.with_file_name("modules");
    let cache = tempfile::tempdir().unwrap();
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let arguments = [
        "--cache-dir",
        cache.path().to_str().unwrap(),
        "--kernel",
        &url,
        "--kernel-modules",
        modules.to_str().unwrap(),
        "--format",
        "json",
        "--",
        "true",
    ];
    let result = runner.run(&image, &arguments).exits(0).json();
    let machine = &result["machine"]["kernel"];
    assert_eq!(machine["sha256"], digest);
    assert_eq!(machine["origin"], format!("url:{url}"));
    // The server has gone: this one is from the cache.
    runner.run(&image, &arguments).exits(0);
}
