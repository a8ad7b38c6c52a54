//! Hosts that can not run jobs: they take none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::bench::{Bench, KEY, completed, failed, job_uuid};
use crate::keeping::{does_not_ask, leave};
use crate::server::Server;
use crate::support::Cache;
use crate::updating::{checksum, program};

/// Before the first job, and before the server is even asked.
#[test]
fn a_host_without_a_vmm_asks_for_no_job() {
    let cache = Cache::new();
    let ran = cache
        .run(&[
            "up",
            "--no-auto-update",
            "--host",
            "http://127.0.0.1:1",
            "--runner",
            "bench-1",
            "--key",
            KEY,
            "--firecracker",
            "/none",
        ])
        .exits(125);
    assert!(
        ran.stderr
            .contains("this host can not run jobs: no Firecracker: `/none`")
            && ran.stderr.contains("`runner setup`")
            && ran.stderr.contains("--sandbox qemu"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("can not be reached"), "{}", ran.stderr);
}

/// The same command without leave to run jobs without a sandbox.
fn without_leave(like: &Command) -> Command {
    let mut command = Command::new(like.get_program());
    command.args(
        like.get_args()
            .filter(|word| *word != "--danger-allow-no-sandbox"),
    );
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    command
}

/// What earlier jobs have come to is owed to the server whatever has become of the host since.
#[test]
fn results_are_delivered_by_a_host_that_can_run_no_more_jobs() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let outbox = bench.outbox_folder();
    fs::create_dir_all(&outbox).unwrap();
    leave(&outbox, job_uuid(1), 10);
    let up = bench.spawn(&mut without_leave(
        &bench.command(&["--firecracker", "/none"]),
    ));
    let mut channel = bench.server.accept();
    let results = completed(channel.end());
    assert_eq!(results[0].stdout.as_deref(), Some("xxxxxxxxxx"));
    does_not_ask(channel);
    let log = up.stops();
    assert!(
        log.contains("this host can not run jobs: it is looked at again in 5 s"),
        "{log}"
    );
}

/// One job fails, and not the queue.
#[test]
fn no_job_is_asked_for_at_once_after_one_that_failed_by_the_host() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let up = bench.start(&["--firecracker", "/none"]);
    let mut channel = bench.server.ready();
    let mut job = bench.job(1, &json!({}));
    job["spec"]["sandbox"] = json!("firecracker");
    channel.say(&job.to_string());
    let (_, error) = failed(channel.end());
    assert!(error.contains("no Firecracker: `/none`"), "{error}");
    does_not_ask(channel);
    // It may run jobs without a sandbox.
    let mut channel = bench.server.ready();
    channel.say(&bench.script(2, "exit 3"));
    failed(channel.end());
    // That was the job's own fault.
    channel.is_ready();
    let log = up.stops();
    for text in [
        "only jobs without a sandbox can be run here",
        "that is a reason of this host and not of the job: no job is asked for until the host was looked at",
        "nothing that keeps this host from running jobs was found",
    ] {
        assert!(log.contains(text), "{text}: {log}");
    }
}

/// A Firecracker that does what a script says, and then says its version.
pub(crate) fn firecracker(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("firecracker");
    let text = format!("#!/bin/sh\n{script}\necho Firecracker v1.15.0\n");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_program_that_is_asked_for_its_version_hears_no_secrets() {
    let (server, cache) = (Server::start(), Cache::new());
    let folder = tempfile::tempdir().unwrap();
    let heard = folder.path().join("environment");
    let program = firecracker(folder.path(), &format!("env > '{}'", heard.display()));
    let mut command = cache.command(&["up", "--no-auto-update", "--host", &server.url()]);
    command
        .args(["--runner", "bench-1", "--danger-allow-no-sandbox"])
        .arg("--firecracker")
        .arg(program)
        .env("BENCHER_RUNNER_KEY", KEY);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    server.ready();
    child.kill().unwrap();
    child.wait().unwrap();
    let heard = fs::read_to_string(heard).unwrap();
    assert!(heard.contains("PATH="), "{heard}");
    assert!(!heard.contains("BENCHER"), "{heard}");
}

/// A new program, as one before has started it: it is not in its place, and the server has not spoken to it.
struct Begun {
    folder: tempfile::TempDir,
    old: String,
}

impl Begun {
    fn program(&self) -> PathBuf {
        self.folder.path().join("runner")
    }

    fn new(bench: &Bench) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (program, candidate) = (
            folder.path().join("runner"),
            folder.path().join(".runner-update-x"),
        );
        let mut bytes = fs::read(env!("CARGO_BIN_EXE_runner")).unwrap();
        let old = checksum(&bytes);
        fs::write(&program, &bytes).unwrap();
        // It does the same.
        bytes.push(b'\n');
        fs::write(&candidate, &bytes).unwrap();
        for path in [&program, &candidate] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let new = checksum(&bytes);
        let memory = bench.outbox_folder();
        fs::create_dir_all(&memory).unwrap();
        let record = json!({"program": program, "candidate": candidate, "checksum": new});
        let memory = memory.parent().unwrap();
        fs::write(memory.join("update.json"), record.to_string()).unwrap();
        Self { folder, old }
    }

    /// Starts it.
    fn command(&self, bench: &Bench, options: &[&str]) -> Command {
        let like = without_leave(&bench.command_of("bench-1", options));
        let mut command = Command::new(self.folder.path().join(".runner-update-x"));
        command.args(like.get_args());
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap());
        }
        command
    }

    /// The old one is where it was, and tries the new one again another time.
    #[track_caller]
    fn has_given_way(&self, bench: &Bench) {
        assert_eq!(checksum(&fs::read(self.program()).unwrap()), self.old);
        let remembered = |name| fs::read_to_string(bench.outbox_folder().with_file_name(name)).ok();
        assert_eq!(remembered("failed-updates").as_deref(), Some("1"));
        assert_eq!(
            (remembered("rejected"), remembered("update.json")),
            (None, None)
        );
        assert!(!self.folder.path().join(".runner-update-x").exists());
    }
}

/// The old one may have wanted something else of the host.
#[test]
fn a_new_program_that_finds_the_host_unfit_gives_way_to_the_old_one() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let begun = Begun::new(&bench);
    let mut up = bench.spawn(&mut begun.command(&bench, &["--firecracker", "/none"]));
    // This one finds the same.
    assert_eq!(up.wait().code(), Some(125));
    let log = up.log();
    assert!(
        log.contains(
            "the new program has not come up, and the one before goes on: this host can not"
        ),
        "{log}"
    );
    begun.has_given_way(&bench);
}

/// What waits for the server is delivered by the old one.
#[test]
fn a_new_program_that_finds_the_host_unfit_gives_way_whatever_waits() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let begun = Begun::new(&bench);
    leave(&bench.outbox_folder(), job_uuid(1), 10);
    let up = bench.spawn(&mut begun.command(&bench, &["--firecracker", "/none"]));
    let mut channel = bench.server.accept();
    completed(channel.end());
    does_not_ask(channel);
    begun.has_given_way(&bench);
    up.stops();
}

/// Any program is a QEMU until a job needs one.
fn on_qemu(kernel: &Path) -> [&str; 6] {
    let kernel = kernel.to_str().unwrap();
    ["--sandbox", "qemu", "--qemu", "/bin/sh", "--kernel", kernel]
}

/// A host that was unfit for a while is no reason never to have the new one, nor to try it again at once.
#[test]
fn a_new_program_that_finds_the_host_unfit_for_a_while_is_tried_again_later() {
    let Some(bench) = Bench::new() else {
        return;
    };
    // QEMU runs jobs on this one alone.
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let mut begun = Begun::new(&bench);
    let kernel = begun.folder.path().join("vmlinux");
    // By the time of the old one there is a kernel.
    let real = begun.folder.path().join("real");
    fs::rename(begun.program(), &real).unwrap();
    let (kernel_text, real) = (kernel.display(), real.display());
    let script = format!("#!/bin/sh\nprintf '\\177ELF' > '{kernel_text}'\nexec '{real}' \"$@\"\n");
    fs::write(begun.program(), &script).unwrap();
    fs::set_permissions(begun.program(), fs::Permissions::from_mode(0o755)).unwrap();
    begun.old = checksum(script.as_bytes());
    let up = bench.spawn(&mut begun.command(&bench, &on_qemu(&kernel)));
    let mut channel = bench.server.accept();
    assert_eq!(program(&mut channel), None, "at once");
    begun.has_given_way(&bench);
    let log = up.stops();
    assert!(log.contains("failed to read the kernel"), "{log}");
}

/// Those before it that had to give way say nothing about it, nor about the next one.
#[test]
fn a_new_program_that_comes_up_wants_the_next_one() {
    let Some(bench) = Bench::new() else {
        return;
    };
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let begun = Begun::new(&bench);
    let failed = bench.outbox_folder().with_file_name("failed-updates");
    fs::write(&failed, "2").unwrap();
    let new = checksum(&fs::read(begun.folder.path().join(".runner-update-x")).unwrap());
    let kernel = begun.folder.path().join("vmlinux");
    fs::write(&kernel, b"\x7fELF").unwrap();
    let up = bench.spawn(&mut begun.command(&bench, &on_qemu(&kernel)));
    let mut channel = bench.server.accept();
    assert_eq!(program(&mut channel).as_ref(), Some(&new));
    channel.say(r#"{"event":"no_job"}"#);
    assert_eq!(program(&mut channel).as_ref(), Some(&new));
    assert!(!failed.exists());
    up.stops();
}
