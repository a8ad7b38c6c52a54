//! `--sandbox none`: the same promises without a VM.

use crate::support::{Image, Ordinary, Ran, Runner, no_image, processes_with, skip};
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
    let Some(user) = Ordinary::new() else { return };
    let script = "id -u; touch /new && cat /etc/group | head -n 1";
    let ran = user.run(
        &Image::new(&json!({})),
        &["--sandbox", "none", "--", "sh", "-c", script],
    );
    if ran.stderr.contains("user namespace") {
        skip(Some(
            "this host lets no ordinary user make a user namespace",
        ));
        return;
    }
    let ran = ran.exits(0);
    assert_eq!(ran.text(), "0\nroot:x:0:\n");
}
