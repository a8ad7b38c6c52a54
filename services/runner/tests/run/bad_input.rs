//! What a user gets wrong, and what the host lacks: one clear line, the right exit code, nothing
//! left behind.

use std::fs;
use std::path::Path;

use crate::support::{Image, Ran, Runner, no_image, no_vm, skip};
use serde_json::json;

/// Checks that a run failed as the runner's own failure, with `text` in its one error line.
#[track_caller]
fn fails(runner: &Runner, ran: Ran, text: &str) {
    let ran = ran.exits(125);
    let errors: Vec<_> = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("runner: error: "))
        .collect();
    assert_eq!(errors.len(), 1, "{}", ran.stderr);
    assert!(errors[0].contains(text), "{}", errors[0]);
    assert!(ran.stdout.is_empty());
    assert!(
        runner.run_folders().is_empty(),
        "{:?}",
        runner.run_folders()
    );
}

fn run(arguments: &[&str]) -> (Runner, Ran) {
    let runner = Runner::new();
    let mut command = runner.command();
    command.arg("run").args(arguments);
    let ran = Ran::of(command.output().unwrap());
    (runner, ran)
}

#[test]
fn a_wrong_command_line_is_125() {
    for arguments in [
        &["run"] as &[&str],
        &["run", "--image", "x", "--iter", "0"],
        &["run", "--image", "x", "--memory", "lots"],
        &["run", "--image", "x", "--timeout", "0"],
        &["walk"],
    ] {
        let output = Runner::new().command().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let help = Runner::new()
        .command()
        .args(["run", "--help"])
        .output()
        .unwrap();
    assert_eq!(help.status.code(), Some(0));
}

#[test]
fn an_image_that_is_not_there() {
    let (runner, ran) = run(&["--sandbox", "none", "--image", "./no-such-folder"]);
    fails(&runner, ran, "no-such-folder");
    let (runner, ran) = run(&["--sandbox", "none", "--image", "busybox:latest"]);
    fails(&runner, ran, "skopeo copy");
}

#[test]
fn a_corrupt_image() {
    if no_image() {
        return;
    }
    // Content of its own: what the cache has already is not read again.
    let image = Image::with_files(&json!({}), &[("of its own", 0o644, b"a_corrupt_image")]);
    let blobs = image.path().join("blobs/sha256");
    let largest = fs::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut content = fs::read(&largest).unwrap();
    content[5000] ^= 1;
    fs::write(&largest, content).unwrap();
    let runner = Runner::new();
    let ran = runner.run(&image, &["--sandbox", "none", "--", "true"]);
    fails(&runner, ran, "damaged");
}

#[test]
fn an_image_without_a_command() {
    if no_image() {
        return;
    }
    let runner = Runner::new();
    let ran = runner.run(&Image::new(&json!({})), &["--sandbox", "none"]);
    fails(&runner, ran, "no command to run");
}

#[test]
fn a_disk_too_small_for_the_image() {
    if no_image() {
        return;
    }
    let runner = Runner::new();
    let image = Image::with_files(&json!({}), &[("big", 0o644, &vec![1; 30 << 20])]);
    let ran = runner.run(&image, &["--sandbox", "none", "--disk", "16", "--", "true"]);
    fails(&runner, ran, "--disk");
}

#[test]
fn an_output_folder_that_is_not_usable() {
    if no_image() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "precious").unwrap();
    let image = Image::new(&json!({}));
    let run_into = |path: &Path| {
        let runner = Runner::new();
        let arguments = [
            "--sandbox",
            "none",
            "--output-dir",
            path.to_str().unwrap(),
            "--",
            "true",
        ];
        let ran = runner.run(&image, &arguments);
        (runner, ran)
    };
    let (runner, ran) = run_into(folder.path());
    fails(&runner, ran, "is not empty");
    let (runner, ran) = run_into(&folder.path().join("mine/below"));
    fails(&runner, ran, "failed to write the output folder");
    assert_eq!(
        fs::read_to_string(folder.path().join("mine")).unwrap(),
        "precious"
    );
}

#[test]
fn a_result_file_that_can_not_be_written() {
    if no_image() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let arguments = [
        "--sandbox",
        "none",
        "--result",
        "/no/such/folder/r.json",
        "--",
        "true",
    ];
    let ran = runner.run(&image, &arguments);
    fails(&runner, ran, "/no/such/folder/r.json");
}

#[test]
fn a_missing_vmm() {
    if no_image() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let ran = runner.run(&image, &["--qemu", "no-such-qemu", "--", "true"]);
    fails(&runner, ran, "apt-get install qemu-system-x86");
}

#[test]
fn too_little_memory() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let ran = runner.run(&image, &["--memory", "16", "--", "true"]);
    fails(&runner, ran, "--memory");
}

#[test]
fn a_file_that_is_no_kernel() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let ran = runner.run(&image, &["--kernel", "/etc/passwd", "--", "true"]);
    fails(&runner, ran, "/etc/passwd is not a Linux kernel");
    let ran = runner.run(
        &image,
        &["--kernel", "https://localhost/vmlinux", "--", "true"],
    );
    fails(&runner, ran, "is not pinned");
}

#[test]
fn a_boot_that_takes_too_long() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let ran = runner.run(&image, &["--boot-timeout", "0.05", "--", "true"]);
    fails(&runner, ran, "--boot-timeout");
}

#[test]
fn a_user_that_the_image_lacks() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let ran = runner.run(&image, &["--user", "nobody-here", "--", "true"]);
    fails(&runner, ran, "nobody-here");
}

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

#[test]
fn an_unwritable_cache() {
    if no_image() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let cache = file.join("cache");
    let arguments = [
        "--sandbox",
        "none",
        "--cache-dir",
        cache.to_str().unwrap(),
        "--",
        "true",
    ];
    let ran = runner.run(&image, &arguments);
    fails(&runner, ran, "file/cache");
}

/// A VMM that is a shell script: it says `words` on the stream instead of booting a guest.
fn with_fake_vmm(words: &str) -> (Runner, Ran) {
    let folder = tempfile::tempdir().unwrap();
    let vmm = folder.path().join("vmm");
    fs::write(&vmm, format!("#!/bin/sh\n{words}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&vmm, mode).unwrap();
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let ran = runner.run(&image, &["--qemu", vmm.to_str().unwrap(), "--", "true"]);
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
        ran.stderr.contains("the machine ended before"),
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
        ran.stderr.contains("the machine ended before"),
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
fn a_full_disk_of_the_host() {
    if no_image() {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        skip(Some("only root can mount a small filesystem"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(folder.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        skip(Some("a tmpfs can not be mounted here"));
        return;
    }
    let runner = Runner::new();
    let image = Image::with_files(&json!({}), &[("big", 0o644, &vec![1; 5 << 20])]);
    let cache = folder.path().to_str().unwrap();
    let ran = runner.run(
        &image,
        &["--sandbox", "none", "--cache-dir", cache, "--", "true"],
    );
    let left: Vec<_> = fs::read_dir(folder.path().join("rootfs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| !name.to_string_lossy().ends_with("lock"))
        .collect();
    let unmounted = std::process::Command::new("umount")
        .arg(folder.path())
        .status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    fails(&runner, ran, "disk is full");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_result_that_would_replace_a_device_or_a_folder() {
    if no_image() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let path = folder.path().to_str().unwrap();
    let ran = runner.run(
        &image,
        &["--sandbox", "none", "--result", path, "--", "true"],
    );
    fails(&runner, ran, path);
    runner
        .run(
            &image,
            &["--sandbox", "none", "--result", "/dev/null", "--", "true"],
        )
        .exits(0);
    let kind = fs::metadata("/dev/null").unwrap().file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_char_device(&kind));
}

#[test]
fn a_failed_preparation_leaves_no_output_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = out.to_str().unwrap();
    let (runner, ran) = run(&[
        "--sandbox",
        "none",
        "--image",
        "./no-such-folder",
        "--output-dir",
        path,
    ]);
    fails(&runner, ran, "no-such-folder");
    assert!(!out.exists());
}
