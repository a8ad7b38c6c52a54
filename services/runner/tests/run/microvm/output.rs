//! Standard output, standard error and files.

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{pid, script};
use crate::support::{Image, Ran, Runner, no_vm, wait_for};

#[test]
fn output_arrives_while_the_command_runs() {
    if no_vm() {
        return;
    }
    let image = Image::new(&json!({}));
    let runner = Runner::new();
    let mut child = runner.start(&image, &["--", "sh", "-c", "echo early; sleep 1000"]);
    assert_eq!(wait_for(&mut child, "\n"), "early\n");
    assert_eq!(child.try_wait().unwrap(), None, "the command still runs");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    Ran::of(child.wait_with_output().unwrap()).exits(143);
}

#[test]
fn a_flood_arrives_complete() {
    if no_vm() {
        return;
    }
    let ran = script(&[], "yes 0123456789abcde | head -c 33554432").exits(0);
    let expected: Vec<u8> = b"0123456789abcde\n".repeat(2 << 20);
    assert!(ran.stdout == expected, "{} bytes came", ran.stdout.len());
}

#[test]
fn too_much_output_is_cut_to_the_byte_and_said() {
    if no_vm() {
        return;
    }
    let arguments = ["--max-output-size", "1000B", "--format", "json"];
    let result = script(&arguments, "yes | head -c 100000").exits(0).json();
    let stdout = &result["iterations"][0]["stdout"];
    assert_eq!(stdout["bytes"], 100_000);
    assert_eq!(stdout["kept_bytes"], 1000);
    assert_eq!(stdout["truncated"], true);
    assert_eq!(stdout["content"]["text"], "y\n".repeat(500));
}

#[test]
fn files_are_collected() {
    if no_vm() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = [
        "--workdir",
        "/tmp",
        "--output",
        "one",
        "--output",
        "/tmp/many",
        "--output",
        "/tmp/none",
        "--max-file-size",
        "5B",
        "--output-dir",
        out.to_str().unwrap(),
    ];
    let ran = script(
        &arguments,
        "printf abc >one; mkdir many; printf 0123456789 >many/long; printf '\\377' >many/raw; \
         chmod 640 one 2>/dev/null; echo done",
    )
    .exits(0);
    assert!(ran.stderr.contains("/tmp/none"), "{}", ran.stderr);
    assert_eq!(std::fs::read(out.join("1/files/tmp/one")).unwrap(), b"abc");
    assert_eq!(
        std::fs::read(out.join("1/files/tmp/many/long")).unwrap(),
        b"01234"
    );
    assert_eq!(
        std::fs::read(out.join("1/files/tmp/many/raw")).unwrap(),
        b"\xff"
    );
    assert_eq!(std::fs::read(out.join("1/stdout")).unwrap(), b"done\n");
    let result: Value =
        serde_json::from_slice(&std::fs::read(out.join("result.json")).unwrap()).unwrap();
    let iteration = &result["iterations"][0];
    assert_eq!(iteration["files"].as_array().unwrap().len(), 3);
    assert_eq!(iteration["files"][1]["guest_path"], "/tmp/many/long");
    assert_eq!(iteration["files"][1]["bytes"], 10);
    assert_eq!(iteration["files"][1]["truncated"], true);
    assert_eq!(
        iteration["files"][0]["sha256"],
        hex::encode(Sha256::digest("abc"))
    );
    assert_eq!(iteration["missing"][0]["guest_path"], "/tmp/none");
}

#[test]
fn an_output_asked_for_twice_is_collected_once() {
    if no_vm() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = [
        "--output",
        "/etc",
        "--output",
        "/etc/passwd",
        "--output",
        "/etc/",
        "--output-dir",
        out.to_str().unwrap(),
    ];
    script(&arguments, "true").exits(0);
    assert!(out.join("1/files/etc/passwd").is_file());
}

#[test]
fn what_is_not_collected_is_said_to_who_wants_to_know() {
    if no_vm() {
        return;
    }
    let collect = |level| {
        let arguments = ["--output", "/d", "--sandbox-log-level", level];
        script(&arguments, "mkdir /d; touch /d/file; ln -s file /d/link").exits(0)
    };
    let line = "guest: not collected, it is a symbolic link: /d/link";
    let ran = collect("debug");
    assert!(ran.stderr.contains(line), "{}", ran.stderr);
    let ran = collect("info");
    assert!(!ran.stderr.contains(line), "{}", ran.stderr);
}

#[test]
fn all_files_together_have_a_limit() {
    if no_vm() {
        return;
    }
    let arguments = [
        "--output",
        "/d",
        "--max-total-file-size",
        "1500B",
        "--format",
        "json",
    ];
    let make = "mkdir /d; for name in a b; do head -c 1000 /dev/zero >/d/$name; done";
    let result = script(&arguments, make).exits(0).json();
    let files = &result["iterations"][0]["files"];
    assert_eq!(files[0]["truncated"], false);
    assert_eq!(files[1]["bytes"], 1000);
    assert_eq!(files[1]["kept_bytes"], 500);
    assert_eq!(files[1]["truncated"], true);
    assert_eq!(result["limits"]["max_total_file_bytes"], 1500);
}
