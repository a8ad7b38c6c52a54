//! Guests and VMMs that break: the error says how, and nothing is left behind.

use std::fs;

use serde_json::json;

use crate::support::{Image, Ran, Runner, no_vm};

#[test]
fn a_guest_kernel_that_panics() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    // From inside the guest: the kernel is told to panic.
    let script = "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 100";
    let ran = runner.run(&image, &["--", "sh", "-c", script]);
    let ran = ran.exits(125);
    assert!(
        ran.stderr.contains("the guest's kernel panicked"),
        "{}",
        ran.stderr
    );
    assert!(runner.run_folders().is_empty());
}

/// A VMM that is a shell script: it says `words` on the stream instead of booting a guest.
fn with_fake_vmm(words: &str) -> (Runner, Ran) {
    with_fake_vmm_in("--no-jail", words)
}

fn with_fake_vmm_in(jail: &str, words: &str) -> (Runner, Ran) {
    let folder = tempfile::tempdir().unwrap();
    let vmm = folder.path().join("vmm");
    fs::write(&vmm, format!("#!/bin/sh\n{words}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&vmm, mode).unwrap();
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let arguments = ["--qemu", vmm.to_str().unwrap(), jail, "--", "true"];
    let ran = runner.run(&image, &arguments);
    (runner, ran)
}

#[test]
fn a_guest_that_sends_garbage() {
    if no_vm() {
        return;
    }
    // A length of 0xffffffff, kind 3.
    let (runner, ran) = with_fake_vmm(r"printf '\377\377\377\377\003' >&3; sleep 100");
    assert!(
        ran.stderr
            .contains("frame 0 (kind 3) announces 4294967295 bytes"),
        "{}",
        ran.stderr
    );
    ran.exits(125);
    assert!(runner.run_folders().is_empty());
    // An empty frame of kind 12: the end, before a hello.
    let (_, ran) = with_fake_vmm(r"printf '\000\000\000\000\014' >&3; sleep 100");
    assert!(
        ran.stderr.contains("frame 0 (done) is out of turn"),
        "{}",
        ran.stderr
    );
    // Half a header, and the end of the VMM.
    let (_, ran) = with_fake_vmm(r"printf '\001\000' >&3");
    assert!(
        ran.stderr
            .contains("the machine ended before the command began (exit status: 0)"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_vmm_that_fails_is_quoted() {
    if no_vm() {
        return;
    }
    let (_, ran) = with_fake_vmm("echo 'vmm: cannot do that' >&2; exit 1");
    let ran = ran.exits(125);
    assert!(
        ran.stderr
            .contains("the machine ended before the command began (exit status: 1)"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("| vmm: cannot do that"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_vmm_that_can_not_be_jailed() {
    if no_vm() {
        return;
    }
    let (runner, ran) = with_fake_vmm_in("--jail-uids=2000001000:4", "exit 0");
    let ran = ran.exits(125);
    assert!(
        ran.stderr.contains("a script can not be jailed"),
        "{}",
        ran.stderr
    );
    assert!(runner.run_folders().is_empty());
}
