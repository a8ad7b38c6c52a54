//! `runner run` in real microVMs: what the command produces comes back exactly.

use crate::support::{Image, Ordinary, Ran, Runner, no_vm, processes_with, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Runs a shell script in a plain busybox image.
fn script(arguments: &[&str], script: &str) -> Ran {
    let mut words = arguments.to_vec();
    words.extend(["--", "sh", "-c", script]);
    Runner::new().run(&Image::new(&json!({})), &words)
}

fn pid(child: &std::process::Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// The process of the VMM that runs for `runner`.
fn vmm_of(runner: &Runner) -> Vec<u32> {
    let own = runner.state().to_string_lossy().into_owned();
    let runners = processes_with("qemu-system");
    runners
        .into_iter()
        .filter(|id| {
            std::fs::read_link(format!("/proc/{id}/fd/4"))
                .is_ok_and(|image| image.to_string_lossy().starts_with(&own))
        })
        .collect()
}

#[test]
fn output_and_exit_code_are_the_commands() {
    if no_vm() {
        return;
    }
    let ran = script(&[], "echo out; echo err >&2; exit 7").exits(7);
    assert_eq!(ran.text(), "out\n");
    assert_eq!(ran.command_stderr(), "err\n");
    assert!(
        ran.stderr.contains("not comparable with hardware") || kvm(),
        "{}",
        ran.stderr
    );
    let metrics: Vec<_> = ran
        .stderr
        .lines()
        .filter_map(|line| {
            line.strip_prefix("---BENCHER_METRICS:")?
                .strip_suffix("---")
        })
        .collect();
    let [metrics] = metrics.as_slice() else {
        panic!("one line of metrics: {}", ran.stderr);
    };
    let metrics: Value = serde_json::from_str(metrics).unwrap();
    assert_eq!(metrics["transport"], "serial");
    assert_eq!(metrics["timed_out"], false);
    assert!(metrics["wall_clock_ms"].as_f64().unwrap() > 0.0);
    for field in [
        "cpu_usage_us",
        "cpu_user_us",
        "cpu_system_us",
        "memory_peak_bytes",
    ] {
        assert!(metrics["cgroup"][field].is_u64(), "{metrics}");
    }
}

fn kvm() -> bool {
    bencher_runner::machine::kvm_state() == bencher_runner::machine::KvmState::Usable
}

#[test]
fn quiet_leaves_the_commands_bytes_and_the_metrics() {
    if no_vm() {
        return;
    }
    let ran = script(
        &["--quiet"],
        "printf 'a\\000\\377'; printf 'no line end' >&2",
    )
    .exits(0);
    assert_eq!(ran.stdout, b"a\0\xff");
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "no line end");
    assert!(lines[1].starts_with("---BENCHER_METRICS:{"));
}

#[test]
fn a_signal_is_128_and_its_number() {
    if no_vm() {
        return;
    }
    let ran = script(&["--format", "json"], "kill -9 $$").exits(137);
    let result = ran.json();
    assert_eq!(result["iterations"][0]["ended_by"], "signal");
    assert_eq!(result["iterations"][0]["signal"], 9);
    assert_eq!(result["outcome"]["exit_code"], 137);
}

#[test]
fn a_missing_command_is_127_and_an_unfit_one_126() {
    if no_vm() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({"Entrypoint": ["no-such-program"]}));
    let ran = runner.run(&image, &[] as &[&str]).exits(127);
    assert!(ran.stderr.contains("no-such-program"), "{}", ran.stderr);
    let image = Image::with_files(&json!({}), &[("data", 0o644, b"text")]);
    let ran = runner.run(&image, &["--", "/data"]).exits(126);
    assert!(ran.stderr.contains("/data"), "{}", ran.stderr);
}

#[test]
fn the_images_configuration_is_obeyed() {
    if no_vm() {
        return;
    }
    let image = Image::new(&json!({
        "Entrypoint": ["sh", "-c"],
        "Cmd": ["id -u; id -g; id -G; pwd; echo \"$GREETING\"; echo $HOME; hostname"],
        "Env": ["PATH=/bin", "GREETING=hello  world"],
        "WorkingDir": "/made/here",
        "User": "bench",
    }));
    let ran = Runner::new().run(&image, &[] as &[&str]).exits(0);
    assert_eq!(
        ran.text(),
        "1000\n1001\n1001 1002\n/made/here\nhello  world\n/home/bench\nbencher\n"
    );
}

#[test]
fn the_command_line_overrides_the_image() {
    if no_vm() {
        return;
    }
    let image = Image::new(&json!({
        "Entrypoint": ["echo", "image"],
        "Cmd": ["cmd"],
        "Env": ["PATH=/bin", "A=image", "B=image"],
        "User": "bench",
        "WorkingDir": "/tmp",
    }));
    let runner = Runner::new();
    let ran = runner.run(&image, &["--", "one", "two"]).exits(0);
    assert_eq!(ran.text(), "image one two\n");
    let arguments = [
        "--entrypoint",
        "sh",
        "--cmd",
        "-c",
        "--cmd",
        "echo $A $B $C; id -u; pwd",
        "--env",
        "A=run",
        "--env",
        "C=x=y",
        "--user",
        "1234:5",
        "--workdir",
        "/etc",
    ];
    let ran = runner.run(&image, &arguments).exits(0);
    assert_eq!(ran.text(), "run image x=y\n1234\n/etc\n");
}

#[test]
fn each_iteration_has_a_root_filesystem_of_its_own() {
    if no_vm() {
        return;
    }
    let ran = script(
        &["--iter", "2"],
        "test -e /left && exit 1; touch /left; echo clean",
    )
    .exits(0);
    assert_eq!(ran.text(), "clean\nclean\n");
}

#[test]
fn a_failed_iteration_ends_the_run_unless_allowed() {
    if no_vm() {
        return;
    }
    let ran = script(&["--iter", "2"], "echo once; exit 3").exits(3);
    assert_eq!(ran.text(), "once\n");
    let ran = script(&["--iter", "2", "--allow-failure"], "echo twice; exit 3").exits(0);
    assert_eq!(ran.text(), "twice\ntwice\n");
}

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
    let machine = vmm_of(&runner);
    assert_eq!(machine.len(), 1);
    kill(pid(&child), Signal::SIGKILL).unwrap();
    // Its pipes end when the last process that holds them has gone: the VMM.
    child.wait_with_output().unwrap();
    assert!(vmm_of(&runner).is_empty());
    assert_eq!(runner.run_folders().len(), 1, "kill -9 leaves the folder");
    runner.run(&image, &["--", "true"]).exits(0);
    assert!(runner.run_folders().is_empty(), "the next start removes it");
}

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
fn virtual_cpus_and_memory_are_as_asked() {
    if no_vm() {
        return;
    }
    let ran = script(&["--vcpus", "3", "--memory", "300"], "nproc; free -m").exits(0);
    let mut lines = ran.text().lines();
    assert_eq!(lines.next(), Some("3"));
    let total: u64 = ran
        .text()
        .lines()
        .find_map(|line| {
            line.strip_prefix("Mem:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap();
    assert!((200..300).contains(&total), "{total} MiB");
}

#[test]
fn an_nvdimm_root_needs_no_copy_and_changes_nothing() {
    if no_vm() {
        return;
    }
    let arguments = ["--root-device", "nvdimm", "--iter", "2", "--format", "json"];
    let ran = script(
        &arguments,
        "test -e /left && exit 1; touch /left; mount | head -n 1",
    )
    .exits(0);
    let result = ran.json();
    assert_eq!(result["machine"]["root_device"], "nvdimm");
    let mount = result["iterations"][1]["stdout"]["content"]["text"]
        .as_str()
        .unwrap();
    assert!(mount.starts_with("/dev/pmem0 on / type ext4"), "{mount}");
}

#[test]
fn the_result_follows_its_schema() {
    if no_vm() {
        return;
    }
    let schema: Value =
        serde_json::from_slice(&std::fs::read(crate::schema::PUBLISHED).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (arguments, command, code) in [
        (
            vec!["--output", "/etc/passwd", "--output", "/none"],
            "echo fine",
            0,
        ),
        (vec!["--timeout", "0.5"], "sleep 100", 124),
        (vec!["--sandbox", "none"], "exit 1", 1),
    ] {
        let arguments = [arguments, vec!["--format", "json"]].concat();
        let result = script(&arguments, command).exits(code).json();
        let errors: Vec<_> = validator
            .iter_errors(&result)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    let empty = json!({"version": 1});
    assert!(!validator.is_valid(&empty), "the schema asks for something");
}

#[test]
fn nothing_of_the_host_is_seen() {
    if no_vm() {
        return;
    }
    let ran = script(
        &[],
        "cat /proc/sys/kernel/random/boot_id; ls /sys/class/net; ps",
    )
    .exits(0);
    let host = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mut lines = ran.text().lines();
    assert_ne!(lines.next(), Some(host.trim()));
    assert_eq!(lines.next(), Some("lo"), "no network but loopback");
    assert!(
        ran.text().lines().count() < 8,
        "only its own processes: {}",
        ran.text()
    );
}

#[test]
fn a_full_disk_is_the_commands_error() {
    if no_vm() {
        return;
    }
    let ran = script(
        &["--disk", "24"],
        "dd if=/dev/zero of=/big bs=1M count=100; echo $?; ls -s /big >/dev/null && echo there",
    );
    let ran = ran.exits(0);
    assert_eq!(ran.text(), "1\nthere\n");
    assert!(ran.command_stderr().contains("No space left on device"));
}

#[test]
fn an_ordinary_user_may() {
    if no_vm() {
        return;
    }
    let Some(user) = Ordinary::new() else { return };
    let user = user.with_kernel();
    let image = Image::new(&json!({"User": "bench"}));
    for device in ["virtio-blk", "nvdimm"] {
        let ran = user
            .run(
                &image,
                &["--root-device", device, "--", "sh", "-c", "id -u"],
            )
            .exits(0);
        assert_eq!(ran.text(), "1000\n", "{device}");
    }
}

#[test]
fn a_docker_save_archive_runs_too() {
    if no_vm() {
        return;
    }
    let layout = Image::new(&json!({"Cmd": ["echo", "saved"]}));
    let archive = layout.docker_archive();
    let ran = Ran::of(
        Runner::new()
            .command()
            .arg("run")
            .arg("--image")
            .arg(archive.path())
            .output()
            .unwrap(),
    );
    assert_eq!(ran.exits(0).text(), "saved\n");
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
