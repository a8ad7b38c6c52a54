//! What a user gets wrong, and what the host lacks: one clear line, the right exit code, nothing
//! left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{Image, Ran, Runner, SmallDisk, no_image, no_vm};
use serde_json::{Value, json};

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

/// Whether this host has KVM or a Firecracker at all does not matter.
#[test]
fn more_vcpus_than_firecracker_has() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("firecracker");
    fs::write(&program, "#!/bin/sh\necho Firecracker v1.13.0\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    let (runner, ran) = run(&[
        "--sandbox",
        "firecracker",
        "--firecracker",
        program,
        "--vcpus",
        "33",
        "--image",
        "./none",
    ]);
    fails(&runner, ran, "32 vCPUs at most, and 33 were asked for");
}

#[test]
fn an_image_that_is_not_there() {
    let (runner, ran) = run(&["--sandbox", "none", "--image", "./no-such-folder"]);
    fails(&runner, ran, "no-such-folder");
    let name = ["--image", "busybox:latest", "--pull", "never"];
    let (runner, ran) = run(&[&["--sandbox", "none"], &name[..]].concat());
    fails(&runner, ran, "runner pull busybox:latest");
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

#[test]
fn a_full_disk_of_the_host() {
    if no_image() {
        return;
    }
    let Some(small) = SmallDisk::mount() else {
        return;
    };
    let runner = Runner::new();
    let image = Image::with_files(&json!({}), &[("big", 0o644, &vec![1; 5 << 20])]);
    let cache = small.path().to_str().unwrap();
    let ran = runner.run(
        &image,
        &["--sandbox", "none", "--cache-dir", cache, "--", "true"],
    );
    let left: Vec<_> = fs::read_dir(small.path().join("rootfs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| !name.to_string_lossy().ends_with("lock"))
        .collect();
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

#[test]
fn a_full_disk_below_the_output_folder() {
    if no_image() {
        return;
    }
    let Some(small) = SmallDisk::mount() else {
        return;
    };
    let out = small.path().join("out");
    let runner = Runner::new();
    let arguments = [
        "--sandbox",
        "none",
        "--quiet",
        "--output-dir",
        out.to_str().unwrap(),
        "--",
        "sh",
        "-c",
        "yes | head -c 5000000",
    ];
    let ran = runner.run(&Image::new(&json!({})), &arguments).exits(125);
    assert!(ran.stderr.contains("No space left"), "{}", ran.stderr);
    let kept = fs::read(out.join("1/stdout")).unwrap();
    assert!(!kept.is_empty(), "what fits is kept");
    assert!(kept.chunks(2).all(|line| line == b"y\n" || line == b"y"));
    assert!(runner.run_folders().is_empty());
}

#[test]
fn a_failed_preparation_has_a_result() {
    let schema: Value =
        serde_json::from_slice(&fs::read(crate::schema::PUBLISHED).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (_, ran) = run(&[
        "--sandbox",
        "none",
        "--image",
        "./no-such-folder",
        "--format",
        "json",
    ]);
    let result = ran.exits(125).json();
    assert!(validator.is_valid(&result), "{result}");
    assert_eq!(result["outcome"]["exit_code"], 125);
    let error = result["outcome"]["error"].as_str().unwrap();
    assert!(error.contains("no-such-folder"), "{error}");
    assert_eq!(result["iterations"], json!([]));
    assert!(result.get("image").is_none());
    assert_eq!(result["trust"]["comparable"], false);
}

#[test]
fn a_root_filesystem_that_would_replace_a_file() {
    if no_image() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mine");
    fs::write(&out, "precious").unwrap();
    let image = Image::new(&json!({}));
    let build = |out: &Path| {
        let mut command = Runner::new().command();
        command
            .args(["rootfs", "build", "--image"])
            .arg(image.path());
        Ran::of(command.arg("--out").arg(out).output().unwrap())
    };
    let ran = build(&out).exits(125);
    assert!(ran.stderr.contains("mine"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(&out).unwrap(), "precious");
    build(&folder.path().join("new.ext4")).exits(0);
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "nothing else is left beside it");
}
