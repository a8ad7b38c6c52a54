//! The server as a service.

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use test_support::Postgres;

use crate::support::*;

/// The address of a database, with a password.
const DATABASE: &str = "postgres://bencher:s3cret@db/bencher";

/// What `install-service` says, with files in `folder`.
fn install(folder: &Path, options: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bencher-server"));
    command
        .args(["install-service", "--unit"])
        .arg(folder.join("bencher-server.service"))
        .arg("--environment")
        .arg(folder.join("etc/server.env"))
        .args(options);
    for name in [
        "BENCHER_SERVER_DATABASE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_unit_and_its_secrets_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("BENCHER_SERVER_DATABASE", DATABASE),
        ("AWS_SECRET_ACCESS_KEY", "a$\"b"),
    ];
    let (unit, secrets) = (
        folder.path().join("bencher-server.service"),
        folder.path().join("etc/server.env"),
    );
    let dry = install(folder.path(), &["--dry-run"], &variables);
    assert!(dry.status.success(), "{dry:?}");
    let shown = text(&dry.stdout);
    assert!(
        shown.contains("[Service]") && shown.contains("BENCHER_SERVER_DATABASE=…"),
        "{shown}"
    );
    assert!(
        !shown.contains("s3cret") && !unit.exists() && !secrets.exists(),
        "{shown}"
    );
    let done = install(folder.path(), &["--", "--keep-jobs", "90"], &variables);
    assert!(done.status.success(), "{done:?}");
    let said = text(&done.stderr);
    assert!(
        said.contains("systemctl enable --now bencher-server.service") && !said.contains("s3cret"),
        "{said}"
    );
    let mode = fs::metadata(&secrets).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        fs::read_to_string(&secrets).unwrap(),
        format!("BENCHER_SERVER_DATABASE=\"{DATABASE}\"\nAWS_SECRET_ACCESS_KEY=\"a\\$\\\"b\"\n")
    );
    let written = fs::read_to_string(&unit).unwrap();
    assert!(written.contains("\"--keep-jobs\" \"90\""), "{written}");
    assert!(!written.contains("s3cret"), "{written}");
    // An upgrade, by somebody who has nothing of this in the environment.
    let again = install(folder.path(), &[], &[]);
    assert!(again.status.success(), "{again:?}");
    assert!(text(&again.stderr).contains("kept "), "{again:?}");
    assert!(fs::read_to_string(&secrets).unwrap().contains("s3cret"));
    assert!(!fs::read_to_string(&unit).unwrap().contains("--keep-jobs"));
}

#[test]
fn what_no_service_can_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (options, expected) in [
        (&["--user", "root"][..], "needs no rights"),
        (&["--user", "a b"], "a user's name has"),
        (&["--", "--database", DATABASE], "--database"),
        (&["--", "--listen", "0.0.0.0:443"], "below 1024"),
    ] {
        let refused = install(folder.path(), options, &[]);
        let said = text(&refused.stderr);
        assert!(!refused.status.success(), "{options:?}: {said}");
        let is_told = said.contains(expected) && !said.contains("s3cret");
        assert!(is_told, "{options:?}: {said}");
        assert!(!folder.path().join("bencher-server.service").exists());
    }
}

/// What `systemd-analyze security` may say of the unit at most, in tenths: what is left is that it speaks over
/// the network and reads the host's programs.
const EXPOSURE: &str = "14";

#[test]
fn systemd_finds_nothing_wrong_and_little_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("bencher-server.service");
    for options in [&[][..], &["--user", "daemon"]] {
        let done = install(folder.path(), options, &[]);
        assert!(done.status.success(), "{done:?}");
        let written = fs::read_to_string(&unit).unwrap();
        let analyze = |arguments: &[&str]| {
            let mut command = Command::new("systemd-analyze");
            command.args(arguments).arg(&unit).output()
        };
        let Ok(verified) = analyze(&["verify"]) else {
            println!("skipped: no systemd-analyze on this machine");
            return;
        };
        let said = text(&verified.stderr);
        assert!(!said.contains("bencher-server.service:"), "{said}");
        let most = format!("--threshold={EXPOSURE}");
        let judged = analyze(&["security", "--offline=yes", &most, "--no-pager"]).unwrap();
        let said = text(&judged.stdout);
        assert!(judged.status.success(), "{written}\n{said}");
    }
}

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    heard: VecDeque<String>,
}

impl Manager {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            heard: VecDeque::new(),
        }
    }

    /// The next line that it is told.
    fn hear(&mut self) -> String {
        while self.heard.is_empty() {
            let mut buffer = [0; 1024];
            let count = self.socket.recv(&mut buffer).unwrap();
            self.heard
                .extend(text(&buffer[..count]).lines().map(str::to_owned));
        }
        self.heard.pop_front().unwrap()
    }

    /// What it is told until a line has `wanted`, which is the last of it.
    fn until(&mut self, wanted: &str) -> Vec<String> {
        let start = Instant::now();
        let mut lines = Vec::new();
        loop {
            assert!(start.elapsed() < PATIENCE, "{wanted} is not in {lines:?}");
            lines.push(self.hear());
            if lines.last().is_some_and(|line| line.contains(wanted)) {
                return lines;
            }
        }
    }
}

/// A setup with a manager, whose socket is at `path`, and who wants a sign of life within so many
/// microseconds.
fn managed(path: &str, within: &'static str) -> Setup {
    let path: &'static str = String::leak(path.to_owned());
    Setup {
        environment: vec![("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", within)],
        ..Setup::default()
    }
}

/// A site with a manager that has seen its first sign of life, and with the folder of its socket.
fn managed_with(postgres: &Postgres) -> (TempDir, Manager, Site) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let mut manager = Manager::new(&path);
    let site = Site::with(Setup {
        database: Some(postgres.url()),
        ..managed(path.to_str().unwrap(), "200000")
    });
    manager.until("WATCHDOG=1");
    (folder, manager, site)
}

#[test]
fn a_manager_hears_of_the_servers_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let mut manager = Manager::new(&path);
    let mut site = Site::with(managed(path.to_str().unwrap(), "200000"));
    assert!(manager.hear().contains("opening the database"));
    assert_eq!(manager.hear(), "READY=1");
    let said = manager.hear();
    assert!(
        said.starts_with("STATUS=listening on http://127.0.0.1:"),
        "{said}"
    );
    assert_eq!(manager.hear(), "WATCHDOG=1");
    manager.until("STATUS=runners connected here: 0; jobs at work: 0, waiting: 0");
    let mut runner = site.connected("r");
    site.submit();
    runner.claim();
    manager.until("STATUS=runners connected here: 1; jobs at work: 1, waiting: 0");
    let server = site.server.take().unwrap();
    server.signal(Signal::SIGTERM);
    manager.until("STOPPING=1");
    assert!(server.stop());
}

#[test]
fn a_server_whose_database_is_away_waits_for_it() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (_folder, mut manager, site) = managed_with(&postgres);
    postgres.pause().unwrap();
    let waiting = "STATUS=waiting for the database: the database did not answer";
    manager.until(waiting);
    // From then on, while it hangs: it would hang after another start as well.
    let told = manager.until(waiting);
    assert_eq!(told.first().map(String::as_str), Some("WATCHDOG=1"));
    assert_eq!(site.api.send("GET", "/readyz", None).0, 503);
    postgres.resume().unwrap();
    manager.until("STATUS=runners connected here");
}

#[test]
fn there_is_no_sign_of_life_while_the_server_hangs_and_its_database_does_not() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let (_folder, mut manager, site) = managed_with(&postgres);
    let stuck = "STATUS=not at work: the database did not answer";
    site.while_locked("jobs", || {
        let start = Instant::now();
        // Whoever asks for jobs waits, and all connections are theirs.
        let is_over = AtomicBool::new(false);
        // A test that has failed ends.
        let goes_on = || !is_over.load(Ordering::Relaxed) && start.elapsed() < 3 * PATIENCE;
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    while goes_on() {
                        site.api.send("GET", "/v0/jobs", None);
                    }
                });
            }
            // A busy machine may take its database for one that is away for once.
            let told = loop {
                let told = manager.until(stuck);
                if told.len() == 1 || start.elapsed() > PATIENCE {
                    break told;
                }
            };
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(told.len(), 1, "no sign of life: {told:?}");
        });
    });
    manager.until("WATCHDOG=1");
}

#[test]
fn the_first_token_is_in_a_file_if_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("admin.token");
    let setup = Setup::with(&["--first-token-file", file.to_str().unwrap()]);
    let server = Server::start(folder.path(), &setup);
    assert_eq!(server.token, None, "it is not shown");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = fs::read_to_string(&file).unwrap();
    let api = Api::new(&server.url, token.trim_end());
    api.post("/v0/projects", &serde_json::json!({"slug": "p"}));
    assert!(server.stop());
    // There is one already, and the file is not written again.
    fs::remove_file(&file).unwrap();
    assert!(Server::start(folder.path(), &setup).stop());
    assert!(!file.exists());
}

#[test]
fn what_another_start_does_not_mend_has_a_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let empty = || Setup::default();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = |address: String| Setup {
        listen: Some(address),
        ..empty()
    };
    let database = |url: &str| Setup {
        database: Some(url.to_owned()),
        ..empty()
    };
    for (setup, code) in [
        (listen(taken.local_addr().unwrap().to_string()), 1),
        (listen("here".to_owned()), LASTING),
        (database("mysql://db"), LASTING),
        // Nobody listens there, and somebody may.
        (database("postgres://127.0.0.1:1/x"), 1),
        (Setup::with(&["--first-runner", "No Slug"]), LASTING),
        (Setup::with(&["--keep-jobs", "0"]), 2),
    ] {
        let (found, errors) = Server::refused(folder.path(), &setup);
        assert_eq!(found, code, "{setup:?}: {errors}");
    }
    let key = folder.path().join("secrets.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let (code, errors) = Server::refused(folder.path(), &empty());
    assert!(errors.contains("chmod 600"), "{errors}");
    assert_eq!(code, LASTING);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    assert!(Server::start(folder.path(), &empty()).stop());
    // As a newer server leaves it.
    let site = Site::new();
    site.execute(&[
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999999, 'newer', TRUE, x'00', 0)",
    ]);
    let newer = site.folder.path().to_owned();
    let mut site = site;
    site.kill();
    let (code, errors) = Server::refused(&newer, &empty());
    assert!(
        errors.contains("a newer server may have used it"),
        "{errors}"
    );
    assert_eq!(code, LASTING);
}
