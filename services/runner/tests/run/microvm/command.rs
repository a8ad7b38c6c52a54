//! What the command is, and how its end is told.

use serde_json::{Value, json};

use super::{kvm, script};
use crate::support::{Image, Ordinary, Ran, Runner, no_vm};

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
fn a_program_is_laid_out_the_same_in_each_iteration_unless_it_is_to_be_random() {
    if no_vm() {
        return;
    }
    for (arguments, layouts) in [(&[][..], "fixed"), (&["--aslr"][..], "random")] {
        let arguments = [arguments, &["--iter", "2", "--format", "json"]].concat();
        let result = script(&arguments, "grep stack /proc/self/maps")
            .exits(0)
            .json();
        let stack = |iteration: usize| {
            let iteration = &result["iterations"][iteration];
            iteration["stdout"]["content"]["text"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert!(stack(0).contains("[stack]"), "{}", stack(0));
        assert_eq!(stack(0) == stack(1), layouts == "fixed", "{}", stack(0));
        assert_eq!(result["command"]["layouts"], layouts);
    }
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
