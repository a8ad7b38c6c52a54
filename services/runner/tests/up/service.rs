//! The runner as a service.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::KEY;
use crate::server::Server;
use crate::support::{Cache, skip};

fn install(cache: &Cache, folder: &std::path::Path, options: &[&str]) -> crate::support::Ran {
    let path = |name: &str| folder.join(name).display().to_string();
    let (unit, environment) = (path("bencher-runner.service"), path("etc/runner.env"));
    let base = [
        "install-service",
        "--host",
        "https://api.example.com",
        "--runner",
        "bench-1",
        "--key",
        KEY,
        "--unit",
        &unit,
        "--environment",
        &environment,
    ];
    cache.run(&[&base[..], options].concat()).exits(0)
}

#[test]
fn a_unit_and_its_secret_file_are_written() {
    let cache = Cache::new();
    let folder = tempfile::tempdir().unwrap();
    let dry = install(&cache, folder.path(), &["--dry-run"]);
    assert!(
        dry.text().contains("[Service]") && !dry.text().contains(KEY),
        "{}",
        dry.text()
    );
    assert!(!folder.path().join("bencher-runner.service").exists());
    let ran = install(&cache, folder.path(), &["--", "--sandbox", "qemu"]);
    assert!(
        ran.stderr
            .contains("systemctl enable --now bencher-runner.service"),
        "{}",
        ran.stderr
    );
    let environment = folder.path().join("etc/runner.env");
    let mode = fs::metadata(&environment).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(fs::read_to_string(&environment).unwrap().contains(KEY));
    let unit_file = folder.path().join("bencher-runner.service");
    let unit = fs::read_to_string(&unit_file).unwrap();
    assert!(
        unit.contains("\"--sandbox\" \"qemu\"") && !unit.contains(KEY),
        "{unit}"
    );
    let Ok(verified) = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&unit_file)
        .output()
    else {
        skip(Some("no systemd-analyze on this machine"));
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr);
    let name = "bencher-runner.service:";
    assert!(!said.lines().any(|line| line.contains(name)), "{said}");
}

/// What a manager hears: ready, signs of life, stopping.
#[test]
fn a_manager_hears_of_the_runners_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    let hear = || {
        let mut buffer = [0; 256];
        let count = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count])
            .trim_end()
            .to_owned()
    };
    let (server, cache) = (Server::start(), Cache::new());
    let mut command = cache.command(&["up", "--no-auto-update", "--host", &server.url()]);
    command
        .args(["--runner", "bench-1", "--danger-allow-no-sandbox"])
        .env("BENCHER_RUNNER_KEY", KEY)
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let mut child = command.spawn().unwrap();
    assert_eq!(hear(), "READY=1");
    assert_eq!(hear(), "WATCHDOG=1");
    assert_eq!(hear(), "WATCHDOG=1");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    while hear() != "STOPPING=1" {}
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
