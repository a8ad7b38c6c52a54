//! A network that loses packets: nobody is told, neither side hears anything, and no job is lost.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use test_support::Registry;

use crate::client::RUNNER;
use crate::support::*;

/// How long a job's command sleeps, unless it is woken. No other process has this word.
const SLEEP: &str = "8172635";

/// A server, a runner on the other host, and the image of its jobs.
struct Fleet {
    site: Site,
    _runner: Up,
    said: Receiver<String>,
    registry: Registry,
    digest: String,
}

impl Fleet {
    /// `None` where this machine has not what it takes.
    fn new(wire: &Wire, arguments: &[&str]) -> Option<Self> {
        LazyLock::force(&RUNNER);
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path(), &["true"])?;
        let registry = wire.there(|| Registry::start(&test_support::Setup::default()).unwrap())?;
        let site = Site::with(Setup {
            listen: Some(Wire::NEAR.to_owned()),
            ..Setup::with(arguments)
        });
        let project = site.api.get("/v0/projects/p")["id"].clone();
        let name = format!("{}:1", project.as_str().unwrap());
        let digest = wire.there(|| {
            registry.push(&image, &name, &[]).unwrap();
            registry.digest(&name).unwrap()
        });
        let spec = json!({
            "slug": "host", "os": "linux", "architecture": "x86_64", "sandbox": null, "cpu": 1,
            "memory": 1 << 30, "disk": 1 << 30,
        });
        site.api.post("/v0/specs", &spec);
        let key = site.new_runner("r");
        site.api.put("/v0/runners/r/specs/host", &json!(null));
        let url = &site.server().url;
        let mut runner = wire.there(|| Up::start(&site, url, &key, &[]));
        let log = BufReader::new(runner.log());
        let (sender, said) = channel();
        // Until it ends, or the test does.
        thread::spawn(move || {
            log.lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Some(Self {
            site,
            _runner: runner,
            said,
            registry,
            digest,
        })
    }

    /// Submits a job that runs until it is woken.
    fn begin(&self) -> String {
        let mut body = job_body("p", "host");
        let script = format!("{BUSYBOX} sleep {SLEEP}; echo survived");
        body["timeout"] = json!(600);
        body["config"]["registry"] = json!(format!("http://{}", self.registry.host()));
        body["config"]["digest"] = json!(self.digest);
        body["config"]["cmd"] = json!([BUSYBOX, "sh", "-c", script]);
        let id = self.site.api.submit(&body);
        self.site.api.wait_for(&id, &["running"]);
        id
    }

    /// Reads what the runner says until it has said this.
    fn says(&self, text: &str) {
        let mut lines = std::iter::from_fn(|| self.said.recv_timeout(PATIENCE).ok());
        assert!(
            lines.any(|line| line.contains(text)),
            "it does not say: {text}"
        );
    }

    /// What the server has said.
    fn log(&self) -> String {
        fs::read_to_string(self.site.path("log")).unwrap()
    }

    /// The results of the job, of which there is one set.
    fn survived(&self, id: &str) {
        self.site.api.wait_for(id, &["processed"]);
        let job = self.site.api.job(id);
        assert_eq!(
            (&job["error"], &job["reason"]),
            (&json!(null), &json!(null))
        );
        let results = self.site.api.get(&format!("/v0/jobs/{id}/results"));
        let outputs: Vec<_> = results.as_array().unwrap().iter().collect();
        let [output] = outputs[..] else {
            panic!("it ran more than once: {results}");
        };
        assert_eq!(
            (&output["exit_code"], &output["stdout"]),
            (&json!(0), &json!("survived\n"))
        );
    }
}

/// Ends the sleep of the job's command, so that the job goes on.
fn wake() {
    let sleeper = || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        ids.find(|id| {
            let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            words.ends_with(format!("\0sleep\0{SLEEP}\0").as_bytes())
        })
    };
    let begun = Instant::now();
    let id = loop {
        if let Some(id) = sleeper() {
            break id;
        }
        // The command has just begun.
        assert!(begun.elapsed() < PATIENCE, "nobody sleeps");
        thread::yield_now();
    };
    kill(Pid::from_raw(id), Signal::SIGKILL).unwrap();
}

#[test]
fn lost_packets_end_connections_and_no_job() {
    Wire::with(|wire| {
        let Some(fleet) = Fleet::new(wire, &[]) else {
            return;
        };
        let id = fleet.begin();
        wire.lose();
        fleet.says("the server does not answer heartbeats: connecting again");
        assert_eq!(fleet.site.api.job(&id)["state"], "running");
        wire.pass();
        fleet.says("connected to");
        // The server has given up the connection for the new one, and the job goes on.
        assert_eq!(fleet.log().matches("a runner is here").count(), 2);
        fleet.site.api.wait_for(&id, &["running"]);
        // Now what is lost is the end of the job.
        wire.lose();
        wake();
        fleet.says("the server has not acknowledged the end of the job");
        assert_eq!(fleet.site.api.job(&id)["state"], "running");
        wire.pass();
        fleet.survived(&id);
        assert!(fleet.log().contains("end=Replaced"), "{}", fleet.log());
        let next = fleet.begin();
        wake();
        fleet.survived(&next);
    });
}

#[test]
fn a_runner_whose_packets_are_lost_is_taken_for_silent_and_its_late_result_counts() {
    Wire::with(|wire| {
        let Some(fleet) = Fleet::new(wire, &["--heartbeat-timeout", "3"]) else {
            return;
        };
        let id = fleet.begin();
        wire.lose();
        let failed = fleet.site.api.wait_for(&id, &["failed"]);
        assert_eq!(failed["reason"], "heartbeat_timeout");
        assert!(fleet.log().contains("end=Silent"), "{}", fleet.log());
        wake();
        fleet.says("the server has not acknowledged the end of the job");
        wire.pass();
        fleet.says("connected to");
        fleet.survived(&id);
    });
}
