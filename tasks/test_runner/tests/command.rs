//! The command as it is started by `cargo test-runner`, in workspaces that hold nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the harness in a workspace at `root`, of which a cargo that does nothing else tells.
fn harness(root: &Path, arguments: &[&str]) -> Output {
    let cargo = root.join("cargo");
    let metadata = format!(
        r#"{{"workspace_root":"{0}","target_directory":"{0}/target"}}"#,
        root.display()
    );
    let script = format!("#!/bin/sh\n[ \"$1\" = metadata ] && echo '{metadata}'\n");
    fs::write(&cargo, script).expect("it can be written");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).expect("it can be changed");
    Command::new(env!("CARGO_BIN_EXE_test_runner"))
        .args(arguments)
        .env("CARGO", &cargo)
        .current_dir(root)
        .output()
        .expect("it can be started")
}

#[test]
fn clean_removes_every_artifact_and_nothing_else() {
    let root = tempfile::tempdir().expect("a folder");
    let artifacts = root.path().join("target/test-runner");
    let other = root.path().join("target/debug");
    for folder in [&artifacts.join("images/busybox-1/blobs"), &other] {
        fs::create_dir_all(folder).expect("it can be made");
    }
    for expected in ["removed", "already gone"] {
        let output = harness(root.path(), &["clean"]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(expected), "{text}");
        assert!(!artifacts.exists());
    }
    assert!(other.exists());
}

#[test]
fn outside_a_workspace_it_says_so() {
    let root = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_test_runner"))
        .arg("clean")
        .current_dir(root.path())
        .output()
        .expect("it can be started");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("error: `cargo metadata"), "{text}");
}

#[test]
fn a_wrong_target_is_refused_before_anything_is_built() {
    let root = tempfile::tempdir().expect("a folder");
    let targets = root.path().join("fuzz/fuzz_targets");
    fs::create_dir_all(&targets).expect("it can be made");
    fs::write(targets.join("tar.rs"), "").expect("it can be written");
    let output = harness(root.path(), &["fuzz", "zip"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: there is no fuzz target zip: choose among tar\n"
    );
}

#[test]
fn scenarios_are_listed_anywhere() {
    let root = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_test_runner"))
        .args(["scenarios", "--list", "--scenario", "exit_code"])
        .current_dir(root.path())
        .output()
        .expect("it can be started");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "scenario   backends                            what is promised",
            "exit_code  firecracker,qemu-kvm,qemu-tcg,host  the command's exit code is the runner's",
        ]
    );
}

#[test]
fn an_unknown_scenario_is_refused_before_anything_is_built() {
    let root = tempfile::tempdir().expect("a folder");
    let output = harness(root.path(), &["scenarios", "--scenario", "exit"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: there is no scenario exit: `scenarios --list` names them all\n"
    );
}
