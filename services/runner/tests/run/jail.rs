//! The VMM's jail: what it is made of, what becomes of it, and what is said where it can not be
//! made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Image, Ordinary, Ran, Runner, no_vm, skip, vmm_of, wait_for};

const WAIT: [&str; 4] = ["--", "sh", "-c", "echo ready; sleep 1000"];

fn status(process: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}

#[test]
fn the_vmm_is_nobody_and_sees_nothing() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let mut child = runner.start(&image, &WAIT);
    wait_for(&mut child, "ready\n");
    let [vmm] = vmm_of(&runner)[..] else {
        panic!("one VMM: {:?}", vmm_of(&runner));
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(vmm, set), "0000000000000000", "{set}");
    }
    assert_eq!(status(vmm, "NoNewPrivs"), "1");
    assert_eq!(status(vmm, "Seccomp"), "2");
    if nix::unistd::geteuid().is_root() {
        let ids = status(vmm, "Uid");
        let mut ids = ids.split_whitespace();
        let first = ids.next().unwrap().to_owned();
        assert!(first.parse::<u32>().unwrap() >= 2_000_000_000, "{first}");
        assert!(ids.all(|id| id == first), "every kind of id is the same");
        assert_eq!(status(vmm, "Groups"), "");
    }
    for namespace in ["mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let of = |process: u32| fs::read_link(format!("/proc/{process}/ns/{namespace}")).unwrap();
        assert_ne!(of(vmm), of(std::process::id()), "{namespace}");
    }
    let cgroup = |process: u32| {
        let lines = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
        let unified = lines.lines().find_map(|line| line.strip_prefix("0::"));
        unified.map(str::to_owned)
    };
    let own = cgroup(std::process::id());
    if nix::unistd::geteuid().is_root() && own.is_some() {
        assert_ne!(cgroup(vmm), own, "it is in a cgroup of its own");
    }
    let root = PathBuf::from(format!("/proc/{vmm}/root"));
    assert!(!root.join("proc/self").exists() && !root.join("home").exists());
    assert!(!root.join("dev/kvm").exists(), "TCG needs none");
    assert!(fs::write(root.join("new"), "").is_err(), "it is read-only");
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    Ran::of(child.wait_with_output().unwrap()).exits(143);
    assert!(vmm_of(&runner).is_empty());
}

/// `runner run` as a shell starts it that does `script` before, with `given` as its `$0`.
fn through_a_shell(
    runner: &Runner,
    image: &Image,
    script: &str,
    given: &Path,
    words: &[&str],
) -> Command {
    let inner = runner.command();
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(given)
        .arg(inner.get_program())
        .args(["run", "--image"])
        .arg(image.path())
        .args(words)
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// As services are started, and by administrators of careful hosts.
#[test]
fn a_runner_whose_files_are_for_nobody_else_has_a_vmm() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let script = "umask 077; exec \"$@\"";
    let words = ["--", "echo", "hello"];
    let mut command = through_a_shell(&runner, &image, script, Path::new("sh"), &words);
    let ran = Ran::of(command.output().unwrap()).exits(0);
    assert_eq!(ran.text(), "hello\n");
}

#[test]
fn what_the_runner_inherited_is_not_the_vmms() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let secret = tempfile::NamedTempFile::new().unwrap();
    let script = "exec 9<\"$0\"; exec \"$@\"";
    let mut command = through_a_shell(&runner, &image, script, secret.path(), &WAIT);
    let mut child = command.spawn().unwrap();
    wait_for(&mut child, "ready\n");
    let holds_it = |process: u32| {
        fs::read_dir(format!("/proc/{process}/fd"))
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
            .any(|open| open == secret.path())
    };
    assert!(holds_it(child.id()), "the runner has it");
    assert!(!holds_it(vmm_of(&runner)[0]), "the VMM has not");
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    Ran::of(child.wait_with_output().unwrap()).exits(143);
}

#[test]
fn choices_that_contradict_each_other() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    for (arguments, reason) in [
        (
            &["--sandbox", "none", "--require-jail"][..],
            "there is no jail without a VMM",
        ),
        (
            &["--sandbox", "qemu", "--cpu-template", "T2"],
            "are for Firecracker, and QEMU was asked for",
        ),
        (
            &["--cpu-template", "/no/such/template.json"],
            "/no/such/template.json",
        ),
        (&["--jail-uids", "0:5"], "is no range of user ids"),
        (&["--hugepages", "--memory", "1TiB"], "huge pages of 2 MiB"),
    ] {
        let ran = runner.run(&image, &[arguments, &["--", "true"]].concat());
        let ran = ran.exits(125);
        assert!(ran.stderr.contains(reason), "{arguments:?}: {}", ran.stderr);
        assert!(runner.run_folders().is_empty());
    }
}

#[test]
fn a_vmm_that_is_killed_from_outside() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let mut child = runner.start(&image, &WAIT);
    wait_for(&mut child, "ready\n");
    let vmm = vmm_of(&runner)[0];
    kill(Pid::from_raw(vmm.try_into().unwrap()), Signal::SIGKILL).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap()).exits(125);
    assert!(
        ran.stderr
            .contains("the machine ended before the command's result was complete (signal: 9"),
        "{}",
        ran.stderr
    );
    assert!(runner.run_folders().is_empty());
}

#[test]
fn no_two_vmms_have_the_same_user() {
    if no_vm() {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        skip(Some("only root gives VMMs users of their own"));
        return;
    }
    let one_id = ["--jail-uids", "2000002000:1"];
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let mut child = runner.start(&image, &[&one_id[..], &WAIT].concat());
    wait_for(&mut child, "ready\n");
    let second = Runner::new();
    let arguments = [&one_id[..], &["--", "true"]].concat();
    let ran = second.run(&image, &arguments).exits(125);
    assert!(
        ran.stderr
            .contains("all 1 user ids from 2000002000 on are in use"),
        "{}",
        ran.stderr
    );
    assert!(second.run_folders().is_empty());
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    Ran::of(child.wait_with_output().unwrap()).exits(143);
    second.run(&image, &arguments).exits(0);
}

#[test]
fn what_a_host_can_not_give_is_said_or_an_error() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let result = runner
        .run(&image, &["--format", "json", "--", "true"])
        .exits(0);
    let jail = result.json()["machine"]["jail"].clone();
    let missing = jail["missing"].as_array().unwrap();
    assert_eq!(jail["complete"], missing.is_empty());
    let required = runner.run(&image, &["--require-jail", "--", "true"]);
    if missing.is_empty() {
        required.exits(0);
    } else {
        let required = required.exits(125);
        let first = missing[0].as_str().unwrap();
        assert!(required.stderr.contains(first), "{}", required.stderr);
        assert!(result.stderr.contains(first), "{}", result.stderr);
    }
    let off = runner.run(&image, &["--no-jail", "--", "true"]).exits(0);
    assert!(off.stderr.contains("turned off"), "{}", off.stderr);
}

#[test]
fn kvm_that_may_not_be_used() {
    if no_vm() {
        return;
    }
    let Some(user) = Ordinary::new() else { return };
    let Ok(device) = fs::metadata("/dev/kvm") else {
        skip(Some("no /dev/kvm on this machine"));
        return;
    };
    if std::os::unix::fs::PermissionsExt::mode(&device.permissions()) & 0o006 != 0 {
        skip(Some("everybody may use /dev/kvm on this machine"));
        return;
    }
    let user = user.with_kernel();
    let arguments = ["--sandbox", "firecracker", "--firecracker", "/bin/true"];
    let arguments = [&arguments[..], &["--", "true"]].concat();
    let ran = user.run(&Image::new(&json!({})), &arguments).exits(125);
    assert!(
        ran.stderr
            .contains("failed to open /dev/kvm: Permission denied"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_missing_firecracker() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let arguments = [
        "--sandbox",
        "firecracker",
        "--firecracker",
        "no-such-program",
    ];
    let arguments = [&arguments[..], &["--", "true"]].concat();
    let ran = runner.run(&Image::new(&json!({})), &arguments).exits(125);
    assert!(ran.stderr.contains("runner setup"), "{}", ran.stderr);
}
