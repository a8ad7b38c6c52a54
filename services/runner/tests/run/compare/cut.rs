//! Comparisons that end before they were to.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::invalid;
use crate::support::{Image, Ran, Runner, SmallDisk, no_image};

/// A comparison that runs, with a place for everything that comes of it.
struct Running {
    /// Its folders are there for as long.
    _runner: Runner,
    folder: TempDir,
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Running {
    /// Begins to compare commands of an image.
    fn begin(commands: &[&str]) -> Self {
        let runner = Runner::new();
        let image = Image::new(&json!({}));
        let folder = tempfile::tempdir().unwrap();
        let mut command = runner.command();
        command.args(["compare", "--sandbox", "none", "--iter", "1000"]);
        command.args(["--format", "json", "--metric", "wall"]);
        for (option, name) in [
            ("--result", "comparison.json"),
            ("--report", "report.html"),
            ("--output-dir", "out"),
        ] {
            command.arg(option).arg(folder.path().join(name));
        }
        command.arg("--image").arg(image.path());
        command.arg("--").args(commands);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Self::of(runner, command, folder);
        // The image is there until then.
        running.wait_for("A iteration 2");
        running.wait_for("B iteration 2");
        running
    }

    fn of(runner: Runner, mut command: Command, folder: TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self {
            _runner: runner,
            folder,
            child,
            stderr,
            said: String::new(),
        }
    }

    /// Reads until `text` was said, at whatever time that was.
    fn wait_for(&mut self, text: &str) {
        while !self.said.contains(text) {
            let read = self.stderr.read_line(&mut self.said).unwrap();
            assert!(read > 0, "it ended: {}", self.said);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn end(&mut self) -> Ran {
        let mut stdout = Vec::new();
        let pipe = self.child.stdout.as_mut().unwrap();
        pipe.read_to_end(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut self.said).unwrap();
        Ran {
            code: self.child.wait().unwrap().code().unwrap(),
            stdout,
            stderr: self.said.clone(),
        }
    }

    /// What has to be there of a comparison that was cut short, whatever for.
    fn has_everything(&self, ran: &Ran) {
        let document = ran.json();
        assert_eq!(invalid(&document), [""; 0]);
        assert_eq!(read(&self.path("comparison.json")), document);
        let reason = document["incomplete"].as_str().unwrap();
        assert!(ran.stderr.contains(&format!("error: {reason}")), "{reason}");
        let warning = format!("incomplete: {reason}");
        assert_eq!(document["warnings"][0], warning.as_str());
        let page = fs::read_to_string(self.path("report.html")).unwrap();
        assert!(page.contains("incomplete: "));
        for side in ["baseline", "candidate"] {
            let compared = document[side]["iterations"].as_u64().unwrap();
            assert!((2..1000).contains(&compared), "{compared}");
        }
        assert!(document["metrics"][0]["answer"].is_object());
        for side in ["a", "b"] {
            let result = read(&self.path("out").join(side).join("result.json"));
            assert!(result["iterations"].as_array().unwrap().len() >= 2);
        }
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Kills the process of this command line, which is nobody else's. `false` says that there is none now.
fn kill_process(line: &[&str]) -> bool {
    let wanted: Vec<u8> = line
        .iter()
        .flat_map(|word| [word.as_bytes(), b"\0"].concat())
        .collect();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.any(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline"));
        let is_it = line.is_ok_and(|line| line == wanted);
        is_it && kill(Pid::from_raw(id), Signal::SIGKILL).is_ok()
    })
}

#[test]
fn what_was_measured_until_an_interrupt_is_compared() {
    if no_image() {
        return;
    }
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let commands = ["true", "--vs", "sh", "-c", "true"];
        let mut running = Running::begin(&commands);
        let id = i32::try_from(running.child.id()).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
        let ran = running.end().exits(code);
        running.has_everything(&ran);
        let reason = ran.json()["incomplete"].to_string();
        assert!(reason.contains("interrupted"), "{reason}");
    }
}

#[test]
fn what_was_measured_until_a_command_failed_is_compared() {
    if no_image() {
        return;
    }
    // A number that is in no other command line of this host.
    let seconds = format!("0.3{}", std::process::id());
    let mut running = Running::begin(&["sleep", &seconds, "--vs", "sleep", "0.1"]);
    while !kill_process(&["sleep", &seconds]) {
        let ended = running.child.try_wait().unwrap();
        assert!(ended.is_none(), "{}", running.end().stderr);
    }
    let ran = running.end().exits(125);
    running.has_everything(&ran);
    let expected = "a command failed with exit code 137";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}

#[test]
fn a_command_that_fails_leaves_nothing_to_compare() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let mut command = Runner::new().command();
    command.args(["compare", "--sandbox", "none", "--iter", "2", "--image"]);
    command.arg(image.path());
    command.args(["--", "true", "--vs", "sh", "-c", "exit 3"]);
    let ran = Ran::of(command.output().unwrap()).exits(125);
    let expected = "a command failed with exit code 3";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
}

/// What is measured goes to a disk that is full after a few iterations.
#[test]
fn iterations_that_can_not_be_kept_end_the_comparison_of_those_that_are() {
    if no_image() {
        return;
    }
    let Some(small) = SmallDisk::mount() else {
        return;
    };
    let image = Image::new(&json!({}));
    let script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done";
    let mut command = Runner::new().command();
    command.env("TMPDIR", small.path());
    command.args(["compare", "--sandbox", "none", "--iter", "20"]);
    command.args(["--format", "json", "--metric", "wall", "--image"]);
    command.arg(image.path());
    // What is in results until they are written is in the folder for temporary files, outputs and all.
    let out = tempfile::tempdir().unwrap();
    command.arg("--output-dir").arg(out.path().join("out"));
    command.args(["--", "sh", "-c", script, "--vs", "sh", "-ec", script]);
    let ran = Ran::of(command.output().unwrap()).exits(125);
    let reason = "failed to write the result to";
    assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    let document = ran.json();
    let incomplete = document["incomplete"].as_str().unwrap();
    assert!(incomplete.starts_with(reason), "{incomplete}");
    let compared = document["baseline"]["iterations"].as_u64().unwrap();
    assert!((2..20).contains(&compared), "{compared}");
    assert_eq!(document["candidate"]["iterations"], compared);
}

#[test]
fn a_place_that_can_not_be_written_does_not_keep_the_comparison_from_the_others() {
    if no_image() {
        return;
    }
    let image = Image::new(&json!({}));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // The command's own folder for outputs takes the place of the file that the runner is to write.
    let runner = Runner::new();
    let mut command = runner.command();
    command.args(["compare", "--sandbox", "none", "--iter", "2"]);
    command.args(["--format", "json", "--metric", "wall"]);
    command.arg("--output-dir").arg(&out).arg("--image");
    command.arg(image.path());
    command.args(["--", "sleep", "0.5", "--vs", "sleep", "0.4"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::of(runner, command, folder);
    running.wait_for("A iteration 1");
    fs::create_dir_all(out.join("a/result.json/taken")).unwrap();
    let ran = running.end().exits(125);
    let document = ran.json();
    let reason = document["incomplete"].as_str().unwrap();
    assert!(reason.contains("a/result.json"), "{reason}");
    assert_eq!(document["baseline"]["iterations"], 2);
    let other = read(&out.join("b/result.json"));
    assert_eq!(other["iterations"].as_array().unwrap().len(), 2);
}
