//! Builds `bencher_init`, the guest's static PID 1, and puts it where the crate embeds it.
//!
//! A build of its own, because init is linked statically and optimised for size whatever the
//! profile of the crate around it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let workspace = manifest
        .ancestors()
        .nth(2)
        .expect("the crate is two folders below the workspace");
    for path in [
        "crates/bencher_init/src",
        "crates/bencher_init/Cargo.toml",
        "crates/bencher_output_protocol/src",
        "crates/bencher_output_protocol/Cargo.toml",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    let init = build_init(workspace, &out);
    // Not over the old file, which has other names where a target folder was copied by links.
    let place = out.join("bencher_init");
    drop(std::fs::remove_file(&place));
    std::fs::copy(&init, place)
        .unwrap_or_else(|error| panic!("failed to copy {}: {error}", init.display()));
}

fn build_init(workspace: &Path, out: &Path) -> PathBuf {
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    let target = format!("{architecture}-unknown-linux-gnu");
    // OUT_DIR is <target>/<profile>/build/<package>/out: every profile shares one build of init,
    // in a folder of its own, since cargo holds a lock on the outer one.
    let folder = out.ancestors().nth(4).unwrap_or(out).join("guest");
    let status = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"))
        .current_dir(workspace)
        .args(["build", "--quiet", "--locked", "--package", "bencher_init"])
        .args(["--profile", "guest", "--target", &target, "--target-dir"])
        .arg(&folder)
        // A lint run of the workspace is not to lint, nor its coverage to instrument, the guest.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .status()
        .expect("cargo can be started");
    assert!(
        status.success(),
        "failed to build bencher_init for {target}"
    );
    folder.join(target).join("guest/bencher_init")
}
