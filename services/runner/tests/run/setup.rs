//! `runner setup`: what a host lacks is fetched, and what it can do is said.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::support::{Ordinary, Ran, Runner, no_vm, serve_once};

/// An archive like those of Firecracker's releases.
fn release(program: &[u8]) -> Vec<u8> {
    let zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(zipped);
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    let name = "release-v1.15.1-x86_64/firecracker-v1.15.1-x86_64";
    archive.append_data(&mut header, name, program).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

/// A cache with nothing but the kernel of the tests' cache.
fn cache_with_kernel(cache: &Path) {
    let fetched = Runner::new()
        .command()
        .args(["kernel", "fetch"])
        .output()
        .unwrap();
    let image = String::from_utf8(fetched.stdout).unwrap();
    let folder = Path::new(image.trim()).parent().unwrap();
    fs::create_dir_all(cache.join("kernels")).unwrap();
    std::os::unix::fs::symlink(
        folder,
        cache.join("kernels").join(folder.file_name().unwrap()),
    )
    .unwrap();
}

fn setup(cache: &Path, url: &str) -> Ran {
    let mut command = Runner::new().command();
    command
        .env_remove("FIRECRACKER_BIN")
        .args(["setup", "--firecracker-url", url, "--cache-dir"])
        .arg(cache);
    Ran::of(command.output().unwrap())
}

#[test]
fn firecracker_is_fetched_once_and_the_host_described() {
    if no_vm() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    cache_with_kernel(cache.path());
    let archive = release(b"the program");
    let digest = hex::encode(Sha256::digest(&archive));
    let url = format!("{}#sha256:{digest}", serve_once(archive));
    let ran = setup(cache.path(), &url).exits(0);
    let program = cache.path().join("firecracker/firecracker");
    assert_eq!(fs::read(&program).unwrap(), b"the program");
    let rows: Vec<_> = ran
        .text()
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let names: Vec<_> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["kernel", "firecracker", "qemu", "kvm", "jail", "network"]
    );
    let shown = format!("of unknown version, {}", program.display());
    assert_eq!(rows[1].1.trim(), shown, "this one is no program");
    // The server has gone.
    let again = setup(cache.path(), &url).exits(0);
    assert_eq!(again.text(), ran.text());
}

#[test]
fn what_a_guests_network_lacks_is_said() {
    if no_vm() {
        return;
    }
    let Some(user) = Ordinary::new().map(Ordinary::with_kernel) else {
        return;
    };
    let nobody_there = format!("http://127.0.0.1:1/x#sha256:{}", "0".repeat(64));
    let setup = ["setup", "--firecracker-url", &nobody_there];
    let row = |command: &mut std::process::Command| {
        let ran = Ran::of(command.args(setup).output().unwrap()).exits(0);
        let row = ran.text().lines().find(|line| line.starts_with("network "));
        row.unwrap().to_owned()
    };
    let refused = row(&mut user.command());
    assert!(
        refused.starts_with("network      - (--network needs root, who alone "),
        "{refused}"
    );
    let of_root = row(&mut Runner::new().command());
    for (path, program, package) in [
        ("/usr/sbin/nft", "nft", "nftables"),
        ("/usr/sbin/ip", "ip", "iproute2"),
    ] {
        let is_there =
            Path::new(path).exists() || bencher_runner::paths::find_program(program).is_some();
        let is_missed = of_root.contains(&format!("apt-get install {package}"));
        assert_ne!(is_there, is_missed, "{of_root}");
    }
    let is_usable = of_root == "network      usable";
    assert_ne!(is_usable, of_root.contains("--network needs"), "{of_root}");
}

#[test]
fn what_can_not_be_fetched_is_explained() {
    if no_vm() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    cache_with_kernel(cache.path());
    let wrong = format!(
        "{}#sha256:{}",
        serve_once(release(b"another")),
        "0".repeat(64)
    );
    let ran = setup(cache.path(), &wrong).exits(0);
    assert!(ran.stderr.contains("nothing was kept"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--firecracker-url"), "{}", ran.stderr);
    assert!(
        ran.text().contains("firecracker  - (none)"),
        "{}",
        ran.text()
    );
    assert!(!cache.path().join("firecracker").exists());
    let ran = setup(cache.path(), "https://host/firecracker.tgz").exits(125);
    assert!(ran.stderr.contains("is not pinned"), "{}", ran.stderr);
}
