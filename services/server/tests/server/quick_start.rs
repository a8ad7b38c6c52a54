//! The beginning of `docs/fleet.md`, as it is written there, with a registry, a runner and a machine.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use test_support::{Registry, Setup, programs};

use crate::support::*;

const DOCUMENT: &str = include_str!("../../../../docs/fleet.md");

/// Where runners of tests find a kernel for guests, which they fetch at most once.
fn cache() -> PathBuf {
    let artifacts = std::env::var_os("RUNNER_TEST_ARTIFACTS");
    let folder = artifacts.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    PathBuf::from(folder).join("cache")
}

#[test]
fn the_commands_of_the_documentation_run_a_job_in_a_machine() {
    if programs::missing(&["qemu-system-x86_64"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(image) = image(folder.path(), &[BUSYBOX, "echo", "measured"]) else {
        return;
    };
    let Some(registry) = Registry::start(&Setup::default()).unwrap() else {
        return;
    };
    programs::run(
        folder.path(),
        "skopeo",
        &["copy", &image, "docker-archive:bench.tar"],
    )
    .unwrap();
    let [serve, up, submit] = &typed(DOCUMENT, "\n## One machine\n")[..] else {
        panic!("there are other commands");
    };
    let data = folder.path().join("srv");
    let data = ("/srv/bencher", data.to_str().unwrap());

    // At any free port instead of the usual one.
    let command = instead(&serve.commands[0], &[data]) + " --listen 127.0.0.1:0";
    let mut server = shell(folder.path(), None, &format!("exec {command}"))
        .stdout(Stdio::piped())
        .stderr(File::create(folder.path().join("server.log")).unwrap())
        .spawn()
        .map(Typing)
        .unwrap();
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let mut shown = String::new();
    let address = loop {
        let line = lines.next().expect("it says where it listens").unwrap();
        shown.extend([&line, "\n"]);
        if let Some(address) = line.strip_prefix("listening on ") {
            break address.to_owned();
        }
    };
    let (_, project) = shown.split_once("REGISTRY/").expect("the project");
    let project = project.lines().next().unwrap();
    let address = ("http://127.0.0.1:61016", address.as_str());
    let project = ("01a22910-…", project);
    assert_eq!(shown, instead(&serve.shown, &[data, project, address]));

    let command = instead(&up.commands[0], &[data, address]);
    let log = folder.path().join("runner.log");
    let mut runner = shell(folder.path(), None, &format!("exec {command}"))
        .env("XDG_CACHE_HOME", cache())
        .env("XDG_STATE_HOME", folder.path())
        // Tests run side by side, and the host is one.
        .env("BENCHER_RUNNER_NO_TUNING", "1")
        .stdin(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .map(Typing)
        .unwrap();

    let registry = ("127.0.0.1:5000", registry.host());
    let registry = (registry.0, registry.1.as_str());
    let commands = instead(
        &submit.commands.join("\n"),
        &[data, address, registry, project],
    );
    let mut submitted = shell(folder.path(), None, &commands)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while submitted.try_wait().unwrap().is_none() {
        let is_up = runner.0.try_wait().unwrap().is_none();
        if !is_up || begun.elapsed() > PATIENCE * 5 {
            submitted.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let submitted = submitted.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&submitted.stderr);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(submitted.status.success(), "{said}\n{log}");
    // What skopeo says comes before it.
    assert!(submitted.stdout.ends_with(b"measured\n"), "{submitted:?}");
    assert!(
        said.contains("a microVM of QEMU"),
        "it had a machine: {said}\n{log}"
    );
}
