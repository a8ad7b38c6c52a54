//! `--sandbox none`: the same promises without a VM.

use crate::support::{Image, Ran, Runner, no_image, processes_with};
use serde_json::json;

fn script(arguments: &[&str], script: &str) -> Ran {
    let mut words = vec!["--sandbox", "none"];
    words.extend(arguments);
    words.extend(["--", "sh", "-c", script]);
    Runner::new().run(&Image::new(&json!({})), &words)
}

#[test]
fn output_exit_code_and_warning() {
    if no_image() {
        return;
    }
    let ran = script(&[], "echo out; echo err >&2; exit 7").exits(7);
    assert_eq!(ran.text(), "out\n");
    assert_eq!(ran.command_stderr(), "err\n");
    assert!(ran.stderr.contains("no sandbox"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("\"transport\":\"local\""),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_root_is_the_images_and_its_own() {
    if no_image() {
        return;
    }
    let ran = script(
        &["--iter", "2"],
        "test -e /left && exit 1; touch /left; test -e /bin/busybox; ls /bin | head -n 1; ps | head -n 2",
    )
    .exits(0);
    let lines: Vec<_> = ran.text().lines().collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert_eq!(lines[0], "busybox");
    assert!(
        lines[2].trim_start().starts_with("1 "),
        "its own process ids: {lines:?}"
    );
}

#[test]
fn a_timeout_and_files() {
    if no_image() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let ran = script(
        &[
            "--timeout",
            "1",
            "--grace-period",
            "0.2",
            "--output",
            "/tmp/part",
            "--output-dir",
            out.to_str().unwrap(),
        ],
        "trap '' TERM; echo part >/tmp/part; echo said; sleep 7654",
    )
    .exits(124);
    assert_eq!(ran.text(), "said\n");
    assert_eq!(
        std::fs::read(out.join("1/files/tmp/part")).unwrap(),
        b"part\n"
    );
    assert!(
        processes_with("sleep\x007654").is_empty(),
        "everything is gone"
    );
}

#[test]
fn an_ordinary_user_may() {
    if no_image() {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        // The other tests were run by an ordinary user already.
        println!("skipped: not root, so this is what the other tests are");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).unwrap();
    let image = Image::new(&json!({}));
    for path in [folder.path(), image.path()] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).unwrap();
    }
    let program = folder.path().join("runner");
    std::fs::copy(env!("CARGO_BIN_EXE_runner"), &program).unwrap();
    let output = std::process::Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--no-new-privs",
        ])
        .arg(&program)
        .args(["run", "--sandbox", "none", "--image"])
        .arg(image.path())
        .args([
            "--",
            "sh",
            "-c",
            "id -u; touch /new && cat /etc/group | head -n 1",
        ])
        .env("HOME", folder.path())
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_STATE_HOME")
        .stdin(std::process::Stdio::null())
        .output();
    let ran = match output {
        Ok(output) => Ran::of(output),
        Err(error) => {
            println!("skipped: setpriv can not be started: {error}");
            return;
        }
    };
    if ran.stderr.contains("user namespace") {
        println!("skipped: this host lets no ordinary user make a user namespace");
        return;
    }
    let ran = ran.exits(0);
    assert_eq!(ran.text(), "0\nroot:x:0:\n");
}
