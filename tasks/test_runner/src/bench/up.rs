//! What a job of `runner up` takes beyond `runner run`: server, registry and runner on loopback.
//!
//! ```text
//! runner run ──────────── the run ──────────► exit
//! POST /v0/jobs ─► claim ─ the run ─► results ─► `processed`, as the server's events tell it
//! ```

use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use test_support::{Registry, Setup};

use super::Arena;
use super::rounds::{Contestant, by_rounds};
use super::spread::Estimate;
use super::statistics::{Samples, table};
use crate::binaries;
use crate::companion::Companion;
use crate::console;
use crate::images::{self, Image};
use crate::prerequisites::is_root;
use crate::process::capture;
use crate::server::{self, Api, Greeting};
use crate::watchdog::Care;

/// The names of what is made in the server.
const PROJECT: &str = "bench";
const RUNNER: &str = "here";

/// What both are to run, and what it prints.
const HELLO: [&str; 2] = ["echo", "hello"];
const SAID: &str = "hello\n";

/// How many jobs wait at once.
const QUEUE: u32 = 5;

/// Somewhere to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    name: &'static str,
    /// The spec of its jobs.
    spec: &'static str,
    /// What the spec asks for.
    sandbox: Option<&'static str>,
    /// What says the same to `runner run`.
    options: &'static [&'static str],
}

const MACHINE: Place = Place {
    name: "in a microVM of QEMU",
    spec: "machine",
    sandbox: Some("firecracker"),
    options: &["--sandbox", "qemu"],
};

/// The run itself is shortest here, and what is around it stands out.
const HOST: Place = Place {
    name: "on the host's own kernel",
    spec: "host",
    sandbox: None,
    options: &["--sandbox", "none"],
};

/// Where this user can run. Images of others can not be unpacked for the host without root.
fn places() -> &'static [Place] {
    if is_root() {
        &[MACHINE, HOST]
    } else {
        &[MACHINE]
    }
}

pub(crate) fn run(arena: &Arena<'_>) -> anyhow::Result<String> {
    console::heading("Jobs of `runner up` beside `runner run`");
    let fleet = Fleet::found(arena)?;
    let mut text = String::from("### Jobs: `runner up` beside `runner run`\n\n");
    text.push_str(
        "`echo hello`, with everything in the cache; server, registry and runner on loopback.\n",
    );
    for place in places() {
        console::note(place.name);
        let measured = by_rounds(
            arena.rounds,
            vec![
                Contestant::timed("`runner run`", |_| fleet.run(*place)),
                Contestant::timed("a job, from its submission to its results", |_| {
                    fleet.jobs(*place, 1)
                }),
                Contestant::new(format!("each of {QUEUE} jobs in the queue"), |_| {
                    let started = Instant::now();
                    fleet.jobs(*place, QUEUE)?;
                    Ok(started.elapsed().as_secs_f64() / f64::from(QUEUE))
                }),
            ],
        )?;
        text.push_str(&render(*place, measured)?);
    }
    Ok(text)
}

/// A registry with the image, a server, and the runner that takes its jobs.
#[derive(Debug)]
struct Fleet<'a> {
    arena: &'a Arena<'a>,
    registry: Registry,
    project: String,
    digest: String,
    api: Api,
    /// They end in this order.
    _runner: Companion,
    _server: Companion,
}

impl<'a> Fleet<'a> {
    fn found(arena: &'a Arena<'a>) -> anyhow::Result<Self> {
        let program = binaries::released_server(arena.workspace)?;
        let folder = arena.folder.join("up");
        std::fs::create_dir_all(&folder)?;
        let care = Care::default();
        let mut greeting = Greeting::default();
        let server = Companion::start(
            server::serve(&program, &folder.join("server"), None),
            &folder.join("server.log"),
            &care,
            Some(&mut |line| greeting.hear(line)),
        )?;
        let address = greeting.address.context("the server has no address")?;
        let url = format!("http://{address}");
        let token = greeting.token.context("a new server has no token")?;
        let api = Api::new(&url, &token);

        let project = api.post("/v0/projects", &json!({"slug": PROJECT}))?;
        let project = text(&project["id"])?;
        for place in places() {
            let spec = json!({
                "slug": place.spec, "os": "linux", "architecture": std::env::consts::ARCH,
                "sandbox": place.sandbox,
                // What `runner run` takes by itself.
                "cpu": 1, "memory": 512 << 20, "disk": 1 << 30,
            });
            api.post("/v0/specs", &spec)?;
        }
        let specs: Vec<_> = places().iter().map(|place| place.spec).collect();
        let created = api.post("/v0/runners", &json!({"slug": RUNNER, "specs": specs}))?;

        let registry = Registry::start_in(&folder.join("registry"), &Setup::default())?;
        let layout = images::path(arena.workspace, Image::Busybox);
        let name = format!("{project}:1");
        let preserved = ["--preserve-digests"];
        registry.push(&format!("oci:{}", layout.display()), &name, &preserved)?;

        let mut up = arena.runner.command();
        up.args(["up", "--host", &url, "--runner", RUNNER])
            .args(MACHINE.options)
            .env("BENCHER_RUNNER_KEY", text(&created["key"])?);
        if places().contains(&HOST) {
            up.arg("--danger-allow-no-sandbox");
        }
        let runner = Companion::start(up, &folder.join("runner.log"), &care, None)?;
        let fleet = Self {
            arena,
            digest: registry.digest(&name)?,
            registry,
            project,
            api,
            _runner: runner,
            _server: server,
        };
        for place in places() {
            // Neither is to pay for filling the caches.
            fleet.run(*place)?;
            fleet.jobs(*place, 1)?;
        }
        Ok(fleet)
    }

    /// Runs it with `runner run`.
    fn run(&self, place: Place) -> anyhow::Result<()> {
        let (registry, project) = (self.registry.host(), &self.project);
        let image = format!("{registry}/{project}@{}", self.digest);
        let mut run = self.arena.runner.command();
        run.args(["--quiet", "run"])
            .args(place.options)
            .args(["--image", &image, "--"])
            .args(HELLO);
        let said = capture(&mut run)?;
        ensure!(said == SAID.as_bytes(), "it printed {said:?}");
        Ok(())
    }

    /// Submits jobs that do the same, and waits for all of their results.
    fn jobs(&self, place: Place, count: u32) -> anyhow::Result<()> {
        let job = json!({
            "project": PROJECT,
            "spec": place.spec,
            "config": {
                "registry": format!("http://{}/", self.registry.host()),
                "digest": self.digest,
                "entrypoint": [],
                "cmd": HELLO,
            },
        });
        let submit = |_| text(&self.api.post("/v0/jobs", &job)?["id"]);
        let jobs: Vec<_> = (0..count).map(submit).collect::<Result<_, _>>()?;
        for job in &jobs {
            self.api.wait_for(job, &["processed"])?;
        }
        for job in &jobs {
            let results = self.api.get(&format!("/v0/jobs/{job}/results"))?;
            ensure!(results[0]["stdout"] == SAID, "its results are {results}");
        }
        Ok(())
    }
}

/// A text of the server's answer.
fn text(value: &Value) -> anyhow::Result<String> {
    let text = value.as_str().context("the server left out a field")?;
    Ok(text.to_owned())
}

fn render(place: Place, measured: Vec<(String, Vec<f64>)>) -> anyhow::Result<String> {
    let [(_, run), (_, job), (_, queued)] = measured.as_slice() else {
        anyhow::bail!("contestants are missing");
    };
    let beyond = |jobs: &[f64]| {
        let rounds: Vec<_> = jobs.iter().copied().zip(run.iter().copied()).collect();
        let difference = |job: &Samples, run: &Samples| (job.median() - run.median()) * 1e3;
        let beyond = Estimate::of(&rounds, difference).context("nothing was measured")?;
        let Estimate { value, low, high } = beyond;
        anyhow::Ok(format!("**{value:+.0} ms** ({low:+.0} to {high:+.0})"))
    };
    let conclusion = format!(
        "- Beyond `runner run`, a job takes {} (goal: at most 100 ms), and each of those in the queue {}; \
         in parentheses the interval of 95 %.",
        beyond(job)?,
        beyond(queued)?
    );
    let measured: Vec<_> = measured
        .into_iter()
        .filter_map(|(name, seconds)| Some((name, Samples::new(seconds)?)))
        .collect();
    let table = table("s", 3, &measured);
    Ok(format!("\nJobs {}:\n\n{table}\n{conclusion}\n", place.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_stand_beside_runs_of_the_same_round() {
        let of = |name: &str, seconds: &[f64]| (name.to_owned(), seconds.to_vec());
        let measured = vec![
            // A machine that gets slower hits all of a round.
            of("run", &[1.0, 2.0, 3.0]),
            of("job", &[1.02, 2.02, 3.02]),
            of("queued", &[0.99, 1.99, 2.99]),
        ];
        insta::assert_snapshot!(render(HOST, measured).expect("complete"));
        assert!(render(HOST, vec![of("run", &[1.0])]).is_err());
        let nothing = vec![of("run", &[]), of("job", &[]), of("queued", &[])];
        assert!(render(HOST, nothing).is_err());
    }
}
