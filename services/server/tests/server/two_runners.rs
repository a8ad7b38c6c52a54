//! Two `runner up` of one name, the real program, against the real server.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::{RUNNER, site};
use crate::support::{PATIENCE, Site};

fn up(site: &Site, key: &str, state: &str) -> Child {
    Command::new(&*RUNNER)
        .args(["up", "--runner", "r", "--no-auto-update"])
        // There may be no VMM on this host.
        .args(["--danger-allow-no-sandbox", "--no-tuning", "--state-dir"])
        .arg(site.path(state))
        .env("BENCHER_HOST", &site.server().url)
        .env("BENCHER_RUNNER_KEY", key)
        .env("HOME", site.folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until so many runners have come.
fn have_come(site: &Site, count: usize) {
    let begun = Instant::now();
    loop {
        let log = fs::read_to_string(site.path("log")).unwrap();
        if log.matches("a runner is here").count() >= count {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{count} did not come: {log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The newer one has the place; the older one ends, and says why, instead of taking it back.
#[test]
fn of_two_runners_of_one_name_the_newer_stays() {
    let site = site();
    let key = site.new_runner("r");
    let older = up(&site, &key, "older");
    have_come(&site, 1);
    let newer = up(&site, &key, "newer");
    let output = older.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains("in favour of a newer one of the same runner"),
        "{said}"
    );
    // The newer one is there: it says that this job can not be run here.
    let job = site.submit();
    site.api.wait_for(&job, &["failed"]);
    let id = Pid::from_raw(newer.id().cast_signed());
    kill(id, Signal::SIGTERM).unwrap();
    let output = newer.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert_eq!(log.matches("a runner is here").count(), 2, "{log}");
}
