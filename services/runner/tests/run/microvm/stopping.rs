//! Time-outs, signals, and the end of the runner itself.

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use super::{pid, script};
use crate::support::{Handle, Image, Ran, Runner, no_vm, vmm_of, wait_for};

#[test]
fn a_timeout_keeps_what_was_produced() {
    if no_vm() {
        return;
    }
    let arguments = [
        "--timeout",
        "1",
        "--grace-period",
        "0.3",
        "--format",
        "json",
    ];
    let ran = script(
        &arguments,
        "trap '' TERM INT; echo before; while :; do sleep 1; done",
    );
    let result = ran.exits(124).json();
    let iteration = &result["iterations"][0];
    assert_eq!(iteration["ended_by"], "timeout");
    assert_eq!(iteration["stdout"]["content"]["text"], "before\n");
    assert_eq!(iteration["stdout"]["truncated"], false);
    assert!(iteration["resources"]["wall_ns"].as_u64().unwrap() > 1_000_000_000);
}

#[test]
fn the_stop_signal_is_the_images() {
    if no_vm() {
        return;
    }
    let image = Image::new(&json!({"StopSignal": "SIGUSR1", "Env": ["PATH=/bin"]}));
    let arguments = [
        "--timeout",
        "1",
        "--",
        "sh",
        "-c",
        "trap 'echo stopped; exit 5' USR1; echo ready; while :; do sleep 0.1; done",
    ];
    let ran = Runner::new().run(&image, &arguments).exits(124);
    assert_eq!(ran.text(), "ready\nstopped\n");
}

#[test]
fn sigterm_stops_the_command_and_leaves_nothing() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let command = [
        "--",
        "sh",
        "-c",
        "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done",
    ];
    let mut child = runner.start(&image, &command);
    wait_for(&mut child, "ready\n");
    assert_eq!(vmm_of(&runner).len(), 1);
    kill(pid(&child), Signal::SIGTERM).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap()).exits(143);
    assert_eq!(ran.text(), "bye\n");
    assert!(vmm_of(&runner).is_empty());
    assert!(runner.run_folders().is_empty());
}

#[test]
fn a_second_interrupt_does_not_wait() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let command = [
        "--grace-period",
        "1000",
        "--",
        "sh",
        "-c",
        "trap 'echo refused' INT TERM; echo ready; while :; do sleep 0.1; done",
    ];
    let mut child = runner.start(&image, &command);
    wait_for(&mut child, "ready\n");
    kill(pid(&child), Signal::SIGINT).unwrap();
    wait_for(&mut child, "refused\n");
    kill(pid(&child), Signal::SIGINT).unwrap();
    Ran::of(child.wait_with_output().unwrap()).exits(130);
    assert!(vmm_of(&runner).is_empty());
}

#[test]
fn the_machine_dies_with_the_runner_and_its_folder_is_swept() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let mut child = runner.start(&image, &["--", "sh", "-c", "echo ready; sleep 1000"]);
    wait_for(&mut child, "ready\n");
    let [machine] = vmm_of(&runner)[..] else {
        panic!("one VMM: {:?}", vmm_of(&runner));
    };
    let machine = Handle::of(machine);
    kill(pid(&child), Signal::SIGKILL).unwrap();
    child.wait_with_output().unwrap();
    machine.wait_for_end();
    assert!(vmm_of(&runner).is_empty());
    assert_eq!(runner.run_folders().len(), 1, "kill -9 leaves the folder");
    runner.run(&image, &["--", "true"]).exits(0);
    assert!(runner.run_folders().is_empty(), "the next start removes it");
}

#[test]
fn an_output_that_nobody_reads_delays_no_timeout() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("result.json");
    let arguments = [
        "--timeout",
        "2",
        "--result",
        result.to_str().unwrap(),
        "--",
        "sh",
        "-c",
        "echo begin; yes",
    ];
    let mut child = runner.start(&image, &arguments);
    wait_for(&mut child, "begin\n");
    // The pipe stays open and full.
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(124));
    let result: Value = serde_json::from_slice(&std::fs::read(result).unwrap()).unwrap();
    let iteration = &result["iterations"][0];
    assert_eq!(iteration["ended_by"], "timeout");
    assert!(
        iteration["resources"].is_object(),
        "the guest still told what it used"
    );
}

#[test]
fn a_panic_in_the_middle_of_a_flood_keeps_what_came() {
    if no_vm() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["--output-dir", out.to_str().unwrap()];
    let ran = script(
        &arguments,
        "echo begin; yes flood & head -c 3000000 /dev/zero >/tmp/delay; \
         echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 100",
    )
    .exits(125);
    assert!(
        ran.stderr.contains("the guest's kernel panicked"),
        "{}",
        ran.stderr
    );
    let text = ran.text();
    assert!(text.starts_with("begin\nflood\nflood\n"));
    assert_eq!(std::fs::read_to_string(out.join("1/stdout")).unwrap(), text);
    let result: Value =
        serde_json::from_slice(&std::fs::read(out.join("result.json")).unwrap()).unwrap();
    assert_eq!(result["iterations"][0]["ended_by"], "failure");
    assert_eq!(
        result["iterations"][0]["stdout"]["bytes"].as_u64(),
        u64::try_from(text.len()).ok()
    );
}
