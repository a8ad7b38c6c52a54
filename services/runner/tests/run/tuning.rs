//! The host's tuning, by the real binary on files that stand in for the kernel's.

use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Image, JOURNAL, Ordinary, Ran, Runner, TunableHost, no_image, wait_for};

const SWAPPINESS: &str = "/proc/sys/vm/swappiness";
const ASLR: &str = "/proc/sys/kernel/randomize_va_space";

/// `runner` as users have it: with tuning.
fn command(runner: &Runner) -> Command {
    let mut command = runner.command();
    command.env_remove("BENCHER_RUNNER_NO_TUNING");
    command
}

fn tune(words: &[&str]) -> Ran {
    let mut command = command(&Runner::new());
    Ran::of(command.arg("tune").args(words).output().unwrap())
}

/// `runner run` of a script on the host's own kernel.
fn run(runner: &Runner, image: &Image, words: &[&str], script: &str) -> Command {
    let mut command = command(runner);
    command
        .args(["run", "--sandbox", "none", "--image"])
        .arg(image.path())
        .args(words)
        .args(["--", "sh", "-c", script]);
    command
}

fn knob<'a>(tuning: &'a Value, name: &str) -> &'a Value {
    let mut knobs = tuning["knobs"].as_array().unwrap().iter();
    knobs.find(|knob| knob["name"] == name).unwrap()
}

#[test]
fn tune_apply_status_restore() {
    TunableHost::with(|host| {
        let status = tune(&["status"]).exits(0);
        assert!(
            status.text().ends_with("tuned by nobody\n"),
            "{}",
            status.text()
        );
        let applied = tune(&["apply", "--ksm", "--housekeeping-cpus", "0"]).exits(0);
        assert!(
            applied.stderr.contains("host tuning: 3 changed"),
            "{}",
            applied.stderr
        );
        assert_eq!(host.read(SWAPPINESS), "10");
        assert_eq!(host.read("/proc/irq/default_smp_affinity"), "1");
        assert_eq!(host.read("/proc/irq/9/smp_affinity_list"), "0");
        assert_eq!(host.read("/sys/kernel/mm/ksm/run"), "1\n", "it was kept");
        let status = tune(&["status", "--json"]).exits(0).json();
        assert_eq!(status["tuned_by"], "tune_apply");
        let swappiness = &knob(&status, "swappiness")["settings"][0];
        assert_eq!(swappiness["original"], "60");
        assert_eq!(swappiness["value"], "10");
        tune(&["restore"]).exits(0);
        host.is_as_before();
        let nothing = tune(&["restore"]).exits(0);
        assert!(
            nothing.stderr.contains("nothing to put back"),
            "{}",
            nothing.stderr
        );
        // Nothing of a host without frequencies can be required of it.
        let required = tune(&["apply", "--require-tuning"]).exits(125);
        assert!(
            required.stderr.contains("turbo, governor"),
            "{}",
            required.stderr
        );
        host.is_as_before();
    });
}

#[test]
fn a_run_tunes_the_host_for_as_long_as_it_lasts() {
    if no_image() {
        return;
    }
    TunableHost::with(|host| {
        let image = Image::new(&json!({}));
        let runner = Runner::new();
        let mut tuned = run(
            &runner,
            &image,
            &["--format", "json", "--iter", "2"],
            "exit 0",
        );
        let ran = Ran::of(tuned.output().unwrap()).exits(0);
        assert!(
            ran.stderr.contains("runner: host tuning: "),
            "{}",
            ran.stderr
        );
        let tuning = &ran.json()["host"]["tuning"];
        assert_eq!(tuning["tuned_by"], "run");
        let aslr = knob(tuning, "aslr");
        assert_eq!(aslr["outcome"], "tuned");
        assert_eq!(
            aslr["settings"],
            json!([{"file": ASLR, "value": "0", "wanted": "0", "original": "2"}])
        );
        host.is_as_before();
        let mut failing = run(&runner, &image, &[], "exit 7");
        Ran::of(failing.output().unwrap()).exits(7);
        host.is_as_before();
        let mut required = run(&runner, &image, &["--require-tuning"], "echo started");
        let ran = Ran::of(required.output().unwrap()).exits(125);
        assert!(
            ran.stderr.contains("can not be tuned as required"),
            "{}",
            ran.stderr
        );
        assert!(ran.stdout.is_empty(), "nothing was started");
        host.is_as_before();
        for (variable, tuned_by) in [("1", "nobody"), ("0", "run")] {
            let mut set = run(&runner, &image, &["--format", "json"], "exit 0");
            set.env("BENCHER_RUNNER_NO_TUNING", variable);
            let ran = Ran::of(set.output().unwrap()).exits(0);
            assert_eq!(ran.json()["host"]["tuning"]["tuned_by"], tuned_by);
        }
        let mut off = run(&runner, &image, &["--no-tuning"], "exit 0");
        let ran = Ran::of(off.output().unwrap()).exits(0);
        assert!(!ran.stderr.contains("tun"), "{}", ran.stderr);
    });
}

#[test]
fn what_a_killed_runner_left_is_put_back_by_the_next() {
    if no_image() {
        return;
    }
    TunableHost::with(|host| {
        let image = Image::new(&json!({}));
        let runner = Runner::new();
        let wait = "echo ready; sleep 1000";
        let mut child = run(&runner, &image, &[], wait)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(&mut child, "ready\n");
        assert_eq!(host.read(ASLR), "0");
        // A second one keeps its hands off.
        let second = Runner::new();
        let mut untuned = run(&second, &image, &[], "exit 0");
        let ran = Ran::of(untuned.output().unwrap()).exits(0);
        let line = "runner: another runner is tuning this host: running untuned\n";
        assert!(ran.stderr.contains(line), "{}", ran.stderr);
        assert_eq!(host.read(ASLR), "0");
        kill(
            Pid::from_raw(child.id().try_into().unwrap()),
            Signal::SIGKILL,
        )
        .unwrap();
        child.wait().unwrap();
        assert_eq!(host.read(ASLR), "0", "nobody has put it back");
        // Also one that does not tune, whatever its state folder.
        let mut next = run(&second, &image, &["--no-tuning"], "exit 0");
        let ran = Ran::of(next.output().unwrap()).exits(0);
        assert!(
            ran.stderr.contains("ended before it could"),
            "{}",
            ran.stderr
        );
        host.is_as_before();
    });
}

#[test]
fn it_is_put_back_whenever_its_runner_was_killed() {
    const MOMENTS: u32 = 50;
    if no_image() {
        return;
    }
    TunableHost::with(|host| {
        let image = Image::new(&json!({}));
        let runner = Runner::new();
        let start = || run(&runner, &image, &["--quiet"], "sleep 0.1");
        // The first one fills the cache.
        Ran::of(start().output().unwrap()).exits(0);
        let begin = Instant::now();
        Ran::of(start().output().unwrap()).exits(0);
        let whole = begin.elapsed();
        let mut left_over = 0;
        for moment in 0..MOMENTS {
            let mut child = start().stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole * moment / MOMENTS);
            child.kill().unwrap();
            child.wait().unwrap();
            left_over += u32::from(host.read(ASLR) == "0");
            tune(&["restore"]).exits(0);
            host.is_as_before();
        }
        assert!(
            left_over > 0,
            "it was never killed while the host was tuned"
        );
    });
}

#[test]
fn a_signal_puts_the_host_back() {
    if no_image() {
        return;
    }
    TunableHost::with(|host| {
        let image = Image::new(&json!({}));
        let runner = Runner::new();
        let mut child = run(&runner, &image, &[], "echo ready; sleep 1000")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(&mut child, "ready\n");
        assert_eq!(host.read(SWAPPINESS), "10");
        kill(
            Pid::from_raw(child.id().try_into().unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(143));
        host.is_as_before();
    });
}

#[test]
fn a_damaged_journal_is_explained() {
    TunableHost::with(|host| {
        tune(&["apply"]).exits(0);
        host.write(JOURNAL, "{");
        for words in [["tune", "apply"], ["tune", "restore"], ["tune", "status"]] {
            let ran = Ran::of(command(&Runner::new()).args(words).output().unwrap()).exits(125);
            assert!(ran.stderr.contains("is damaged"), "{}", ran.stderr);
            assert!(ran.stderr.contains("remove the file"), "{}", ran.stderr);
        }
        assert_eq!(host.read(SWAPPINESS), "10", "nothing was guessed");
    });
}

#[test]
fn an_ordinary_user_runs_untuned() {
    if no_image() {
        return;
    }
    let Some(user) = Ordinary::new() else { return };
    let image = Image::new(&json!({}));
    let run = |words: &[&str]| {
        let words = [&["--sandbox", "none"], words, &["--", "true"]].concat();
        let mut command = user.run_command(&image, &words);
        command.env_remove("BENCHER_RUNNER_NO_TUNING");
        Ran::of(command.output().unwrap())
    };
    let ran = run(&[]);
    if !crate::support::skip(
        ran.stderr
            .contains("user namespace")
            .then_some("this host lets no ordinary user make a user namespace"),
    ) {
        let ran = ran.exits(0);
        let said = ran.stderr.lines().filter(|line| line.contains("tun"));
        let said: Vec<_> = said.collect();
        assert_eq!(said, ["runner: host tuning needs root: running untuned"]);
    }
    let ran = run(&["--require-tuning"]).exits(125);
    assert!(
        ran.stderr.contains("error: host tuning needs root"),
        "{}",
        ran.stderr
    );
}
