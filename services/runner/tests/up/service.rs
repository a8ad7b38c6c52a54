//! The runner as a service.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::KEY;
use crate::fitness::firecracker;
use crate::server::Server;
use crate::support::{Cache, skip};

fn install(cache: &Cache, folder: &Path, options: &[&str]) -> crate::support::Ran {
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

/// What no test waits long for.
const SOON: Duration = Duration::from_millis(200);

/// Who starts services.
struct Manager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        Self { socket, folder }
    }

    fn hears(&self) -> String {
        let mut buffer = [0; 256];
        let count = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count])
            .trim_end()
            .to_owned()
    }

    /// Starts a service that is to give a sign of life within a time.
    fn start(&self, server: &Server, cache: &Cache, within: Duration, options: &[&str]) -> Child {
        let mut command = cache.command(&["up", "--no-auto-update", "--host", &server.url()]);
        command
            .args(["--runner", "bench-1", "--danger-allow-no-sandbox"])
            .args(options)
            .env("BENCHER_RUNNER_KEY", KEY)
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"))
            .env("WATCHDOG_USEC", within.as_micros().to_string());
        command.spawn().unwrap()
    }

    /// Stops it, and hears of that.
    fn stops(&self, mut child: Child) {
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        while self.hears() != "STOPPING=1" {}
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

/// What a manager hears: ready, signs of life, stopping.
#[test]
fn a_manager_hears_of_the_runners_state() {
    let (server, cache, manager) = (Server::start(), Cache::new(), Manager::new());
    let child = manager.start(&server, &cache, SOON, &[]);
    // What comes before depends on how long it looks at the host.
    while manager.hears() != "READY=1" {}
    assert_eq!(manager.hears(), "WATCHDOG=1");
    assert_eq!(manager.hears(), "WATCHDOG=1");
    manager.stops(child);
}

/// A Firecracker in this folder that says its version once something is written to the FIFO, which comes with it.
fn waiting(folder: &Path) -> (PathBuf, PathBuf) {
    let fifo = folder.join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let script = format!("read -r word < '{}'", fifo.display());
    (firecracker(folder, &script), fifo)
}

/// A program that has become another one is a service that runs already, and looks at the host once more.
#[test]
fn signs_of_life_come_while_the_host_is_looked_at() {
    let (server, cache, manager) = (Server::start(), Cache::new(), Manager::new());
    let (program, fifo) = waiting(manager.folder.path());
    let options = ["--firecracker", program.to_str().unwrap()];
    let child = manager.start(&server, &cache, SOON, &options);
    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1");
    }
    fs::write(fifo, "go on\n").unwrap();
    while manager.hears() != "READY=1" {}
    manager.stops(child);
}

/// Whoever waits does so since the last sign of the program before.
#[test]
fn the_first_signs_of_life_come_at_once() {
    let (server, cache, manager) = (Server::start(), Cache::new(), Manager::new());
    let (program, fifo) = waiting(manager.folder.path());
    let options = ["--firecracker", program.to_str().unwrap()];
    // Later ones come after the end of this test's patience.
    let within = Duration::from_hours(1);
    let child = manager.start(&server, &cache, within, &options);
    assert_eq!(manager.hears(), "WATCHDOG=1");
    fs::write(fifo, "go on\n").unwrap();
    assert_eq!(manager.hears(), "READY=1");
    assert_eq!(manager.hears(), "WATCHDOG=1");
    manager.stops(child);
}

/// The key of a runner may be in the environment of whoever installs it.
#[test]
fn a_manager_that_is_asked_for_its_version_hears_no_secrets() {
    let cache = Cache::new();
    let folder = tempfile::tempdir().unwrap();
    let heard = folder.path().join("environment");
    let manager = folder.path().join("systemctl");
    let script = format!("#!/bin/sh\nenv > '{}'\n", heard.display());
    fs::write(&manager, script).unwrap();
    fs::set_permissions(&manager, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = cache.command(&["install-service", "--dry-run"]);
    command
        .args(["--host", "https://api.example.com", "--runner", "bench-1"])
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .env("BENCHER_RUNNER_KEY", KEY);
    let installed = command.output().unwrap();
    assert!(installed.status.success(), "{installed:?}");
    let heard = fs::read_to_string(heard).unwrap();
    assert!(heard.contains("PATH="), "{heard}");
    assert!(!heard.contains(KEY), "{heard}");
}
