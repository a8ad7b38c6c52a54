//! The virtual clock.

use serde_json::json;

use crate::support::{Image, Ran, Runner, no_vm};

fn run(arguments: &[&str], script: &str) -> Ran {
    let words = [
        &["--clock", "virtual"],
        arguments,
        &["--", "sh", "-c", script],
    ]
    .concat();
    Runner::new().run(&Image::new(&json!({})), &words)
}

#[test]
fn it_is_the_same_in_every_iteration() {
    if no_vm() {
        return;
    }
    let script = "cat /proc/sys/kernel/random/boot_id; date +%Y; sleep 1; echo $$";
    let ran = run(
        &["--iter", "2", "--clock-mips", "500", "--format", "json"],
        script,
    )
    .exits(0);
    let result = ran.json();
    let machine = &result["machine"];
    for (name, value) in [
        ("clock", json!("virtual")),
        ("accelerator", json!("tcg")),
        ("root_device", json!("nvdimm")),
        ("vcpus", json!(1)),
    ] {
        assert_eq!(machine[name], value, "{name}");
    }
    assert_eq!(machine["virtual_clock"]["mips"], 500);
    assert_eq!(result["limits"]["boot_timeout_seconds"], 300.0);
    let [first, second] = [0, 1].map(|index| &result["iterations"][index]);
    let text = first["stdout"]["content"]["text"].as_str().unwrap();
    assert!(text.ends_with("\n2030\n2\n"), "{text}");
    for path in ["/stdout/sha256", "/resources", "/instructions"] {
        assert_eq!(first.pointer(path), second.pointer(path), "{path}");
    }
    let nanoseconds = first["resources"]["wall_ns"].as_u64().unwrap();
    assert!(nanoseconds >= 1_000_000_000);
    assert_eq!(first["instructions"], nanoseconds / 2);
}

#[test]
fn the_timeout_is_by_the_hosts_clock() {
    if no_vm() {
        return;
    }
    let script = "trap 'echo ended; exit' TERM; while :; do :; done";
    let ran = run(&["--timeout", "1"], script).exits(124);
    assert_eq!(ran.text(), "ended\n");
    assert!(
        ran.stderr.contains("\"clock\":\"virtual\""),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_would_let_the_hosts_time_in_is_refused() {
    for (arguments, option) in [
        (
            &["--sandbox", "firecracker"] as &[&str],
            "--sandbox firecracker",
        ),
        (&["--sandbox", "none"], "--sandbox none"),
        (&["--accelerator", "kvm"], "--accelerator kvm"),
        (&["--vcpus", "2"], "--vcpus"),
        (&["--root-device", "virtio-blk"], "--root-device virtio-blk"),
        (&["--network"], "--network"),
        (&["--serial-console"], "--cpu-template and --serial-console"),
    ] {
        let mut command = Runner::new().command();
        command.args(["run", "--image", "x", "--clock", "virtual"]);
        let ran = Ran::of(command.args(arguments).output().unwrap()).exits(125);
        let expected =
            format!("runner: error: --clock virtual can not be combined with {option}: ");
        assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
    }
}

#[test]
fn rates_that_do_not_exist_are_refused() {
    for (arguments, expected) in [
        (
            &["--clock", "virtual", "--clock-mips", "300"] as &[&str],
            "counts 1000, 500, 250 or 125 million",
        ),
        (&["--clock-mips", "500"], "add --clock virtual"),
    ] {
        let mut command = Runner::new().command();
        command.args(["run", "--image", "x"]).args(arguments);
        let ran = Ran::of(command.output().unwrap()).exits(125);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
