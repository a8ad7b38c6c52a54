//! `lab scenarios`: the scenario suite where KVM is.
//!
//! The suite itself runs at the place, one scenario at a time, so that a frozen lab costs one
//! scenario. Here the outcomes are put together.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::arguments::Tools;
use super::interruption::Interruption;
use super::machine::{Finished, Output};
use super::outcomes::{Outcome, Outcomes, parse_report};
use super::place::{self, Contents, Place};
use super::tasks::{BACKENDS, FIRECRACKER, Task, tasks_of};
use crate::binaries;
use crate::console;
use crate::process::{OWN_PROGRAM, capture, command};
use crate::runner::Runner;
use crate::workspace::Workspace;

/// What `all` runs: each part of the way from the image to the result once, the jail, what makes
/// the host quiet, and services under systemd. One machine boots at a time: of two that booted at once in
/// an emulated processor one was seen to hang.
pub(crate) const SELECTED: [&str; 15] = [
    "basic_execution",
    "exit_code",
    "multi_cpu",
    "file_output",
    "timeout_handling",
    "jail_namespaces",
    "jail_uid",
    "jail_no_caps",
    "jail_filesystem_view",
    "jail_dev_kvm_only_when_used",
    "vcpus_pinned",
    "tuning_applied",
    "cpuset_partition_of_command",
    "services_under_systemd",
    "runner_service_of_machines",
];

/// How often a scenario is repeated whose guest did not come to its command. Of one that boots twenty guests every
/// fifth run is hit: with three repetitions one in some hundreds is hit each time.
const REPETITIONS: u32 = 3;

/// What the suite writes at the place.
const REPORT: &str = "report.json";
const JUNIT: &str = "junit.xml";
const RECORDS: &str = "records";

/// Where the server is, where it is needed.
const SERVER: &str = "bin/bencher-server";

/// What to run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) tools: Tools,
    /// None means the workspace's own.
    pub(crate) server: Option<PathBuf>,
    /// None means [`BACKENDS`].
    pub(crate) backends: Vec<String>,
    /// None means all.
    pub(crate) scenarios: Vec<String>,
    pub(crate) report: Option<PathBuf>,
    pub(crate) junit: Option<PathBuf>,
    /// Where records are kept.
    pub(crate) record: Option<PathBuf>,
}

/// Runs the scenarios and prints what came of them.
///
/// # Errors
///
/// [`super::missing::Missing`] when the machine lacks something for a lab, else when the lab does
/// not come up or a report can not be written.
pub(crate) fn run(
    workspace: &Workspace,
    runner: &Runner,
    request: &Request,
) -> anyhow::Result<Outcomes> {
    let firecracker = place::firecracker(&request.tools)?;
    let backends = if request.backends.is_empty() {
        BACKENDS.map(str::to_owned).to_vec()
    } else {
        request.backends.clone()
    };
    let list = suite(&["--list"], &request.scenarios)?;
    let mut outcomes = Outcomes::default();
    let mut tasks = Vec::new();
    for task in tasks_of(&list, &backends) {
        if task.backend == FIRECRACKER && firecracker.is_none() {
            outcomes.add(skipped(&task, "no firecracker binary"));
        } else {
            tasks.push(task);
        }
    }
    let mut junit = Vec::new();
    if !tasks.is_empty() {
        let printed = suite(&["--build-only"], &request.scenarios)?;
        let images = printed
            .lines()
            .last()
            .context("the suite named no folder")?;
        let mut more = vec![(images.into(), "scenarios".to_owned())];
        if tasks.iter().any(|task| task.needs_server) {
            more.push((server(workspace, request)?, SERVER.to_owned()));
        }
        let mut contents = Contents {
            workspace,
            runner,
            firecracker,
            more,
            cpus: 0,
        };
        // As few processors as possible: each one makes all of them slower.
        tasks.sort_by_key(|task| task.cpus);
        let (mut lost_guests, mut reboots, mut done) = (0, 0, 0);
        for alike in tasks.chunk_by(|one, other| one.cpus == other.cpus) {
            contents.cpus = alike.first().map_or(0, |task| task.cpus);
            let mut place = Place::prepare(&contents)?;
            for task in alike {
                let is_lab = place.is_lab();
                let attempt = || carry_out(&mut place, task, request);
                let (carried, repetitions) = until_begun(is_lab, attempt)?;
                lost_guests += repetitions;
                done += 1;
                println!("{done:>3}/{} {}", tasks.len(), carried.0.line());
                outcomes.add(carried.0);
                junit.extend(carried.1);
            }
            reboots += place.reboots();
        }
        if lost_guests > 0 {
            outcomes.remark(format!(
                "guests in the lab that froze or were reset in their boot, whose scenarios were repeated: \
                 {lost_guests}×"
            ));
        }
        if reboots > 0 {
            outcomes.remark(format!("the lab had to be booted again: {reboots}×"));
        }
    }
    println!("\n{}", outcomes.render());
    if let Some(path) = &request.report {
        write(path, &outcomes.document().to_string())?;
    }
    if let Some(path) = &request.junit {
        write(path, &joined(&junit))?;
    }
    Ok(outcomes)
}

/// What the suite of this very program prints on this machine.
fn suite(options: &[&str], scenarios: &[String]) -> anyhow::Result<String> {
    let mut command = command(OWN_PROGRAM);
    command.arg("scenarios").args(options);
    for name in scenarios {
        command.args(["--scenario", name]);
    }
    Ok(String::from_utf8_lossy(&capture(&mut command)?).into_owned())
}

/// The server that the user named, or the workspace's own.
fn server(workspace: &Workspace, request: &Request) -> anyhow::Result<PathBuf> {
    match &request.server {
        Some(path) if !path.is_file() => bail!("there is no server at {}", path.display()),
        Some(path) => Ok(path.clone()),
        None => binaries::server(workspace),
    }
}

fn skipped(task: &Task, reason: &str) -> Outcome {
    Outcome::new(
        &task.scenario,
        &task.backend,
        "skipped",
        Some(reason.to_owned()),
    )
}

/// What came of a scenario, and its part of the `JUnit` document.
type Carried = (Outcome, Option<String>);

/// Makes an attempt at a scenario, and in the lab more of them while a guest does not come to its command. Says how
/// often it was repeated.
fn until_begun(
    is_lab: bool,
    mut attempt: impl FnMut() -> anyhow::Result<Carried>,
) -> anyhow::Result<(Carried, u32)> {
    let mut repetitions = 0;
    loop {
        let carried = attempt()?;
        if repetitions == REPETITIONS || !is_lab || !carried.0.has_lost_guest() {
            return Ok((carried, repetitions));
        }
        repetitions += 1;
        console::warning(&format!(
            "a guest in the lab froze or was reset in its boot: repeating the scenario ({repetitions} of {REPETITIONS})\n{}",
            carried.0.line()
        ));
    }
}

/// Runs one scenario. A lab that ends, or freezes or crashes again and again, is the scenario's failure; one
/// that does not even come up is everybody's.
fn carry_out(place: &mut Place, task: &Task, request: &Request) -> anyhow::Result<Carried> {
    let failed =
        |reason: String| Outcome::new(&task.scenario, &task.backend, "failed", Some(reason));
    let job = place.job(words(place, task, request));
    let finished = match place.run(&job, Output::Kept) {
        Ok(finished) => finished,
        Err(error) => {
            return match error.downcast_ref::<Interruption>() {
                Some(
                    Interruption::Frozen { .. }
                    | Interruption::Crashed { .. }
                    | Interruption::Died { .. },
                ) => Ok((failed(format!("{error:#}")), None)),
                _ => Err(error),
            };
        }
    };
    let mut files = files(&finished)?;
    let outcome = match files.get(REPORT).map(|text| parse_report(text)) {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => failed(format!("{error:#}")),
        None => failed(format!(
            "the suite ended with {} and wrote no report:\n{}",
            finished.ended.code(),
            String::from_utf8_lossy(&finished.printed).trim_end()
        )),
    };
    if let Some(folder) = &request.record {
        for (path, text) in &files {
            if let Some(name) = path.strip_prefix(RECORDS) {
                keep(&folder.join(name.trim_start_matches('/')), text)?;
            }
        }
    }
    Ok((outcome, files.remove(JUNIT)))
}

fn keep(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a record is in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn words(place: &Place, task: &Task, request: &Request) -> Vec<String> {
    let paths = place.paths();
    let text = |path: &Path| path.display().to_string();
    let mut words = vec![text(&paths.harness), "scenarios".to_owned()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("--runner", text(&paths.runner));
    option("--images", text(&paths.of("scenarios")));
    option("--cache", text(&paths.cache));
    option("--work", text(&paths.of("work")));
    if let Some(firecracker) = &paths.firecracker {
        option("--firecracker", text(firecracker));
    }
    if task.needs_server {
        option("--server", text(&paths.of(SERVER)));
    }
    option("--backend", task.backend.clone());
    option("--scenario", task.scenario.clone());
    option("--jobs", "1".to_owned());
    option("--report", text(&paths.results.join(REPORT)));
    option("--junit", text(&paths.results.join(JUNIT)));
    if request.record.is_some() {
        option("--record", text(&paths.results.join(RECORDS)));
    }
    if place.is_lab() {
        // Nobody else is there, and nothing of it stays.
        words.extend(["--may-tune", "--may-install"].map(str::to_owned));
    }
    words
}

/// The text files among the results.
fn files(finished: &Finished) -> anyhow::Result<BTreeMap<String, String>> {
    use std::io::Read as _;
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(finished.results.as_slice());
    for entry in archive.entries().context("the results are no tar")? {
        let mut entry = entry.context("the results are damaged")?;
        let path = entry.path()?.display().to_string();
        if entry.header().entry_type().is_file() {
            let mut text = String::new();
            entry
                .read_to_string(&mut text)
                .with_context(|| format!("{path} is not text"))?;
            files.insert(path, text);
        }
    }
    Ok(files)
}

/// One `JUnit` document of several: their suites in a row.
fn joined(documents: &[String]) -> String {
    let mut whole = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for document in documents {
        let inner = document
            .split_once("<testsuites>")
            .and_then(|(_, rest)| rest.rsplit_once("</testsuites>"));
        if let Some((suites, _)) = inner {
            whole.push_str(suites.trim_matches('\n'));
            whole.push('\n');
        }
    }
    whole.push_str("</testsuites>\n");
    whole
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    console::note(&format!("wrote {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_repeated_while_its_guest_does_not_begin() {
        let lost = "the machine ended before the command began (exit status: 0)";
        let outcome = |word: &str, reason: &str| {
            let reason = (word == "failed").then(|| reason.to_owned());
            (Outcome::new("name", "qemu-kvm", word, reason), None)
        };
        // Attempts that lose their guest, then what the next one comes to; and what is expected.
        for (losses, then, is_lab, word, repetitions) in [
            (0, ("passed", ""), true, "passed", 0),
            (1, ("passed", ""), true, "passed", 1),
            (3, ("passed", ""), true, "passed", 3),
            (4, ("passed", ""), true, "FAILED", 3),
            (1, ("passed", ""), false, "FAILED", 0),
            (1, ("failed", "another reason"), true, "FAILED", 1),
        ] {
            let mut attempts = 0;
            let (carried, repeated) = until_begun(is_lab, || {
                attempts += 1;
                Ok(if attempts <= losses {
                    outcome("failed", lost)
                } else {
                    outcome(then.0, then.1)
                })
            })
            .expect("no attempt is an error");
            assert_eq!(repeated, repetitions, "{losses} losses, then {then:?}");
            assert_eq!(attempts, repetitions + 1, "{losses} losses, then {then:?}");
            let line = carried.0.line();
            assert!(
                line.contains(word),
                "{losses} losses, then {then:?}: {line}"
            );
        }
    }

    #[test]
    fn documents_are_joined() {
        let one = |name: &str| {
            format!("<?xml?>\n<testsuites>\n  <testsuite name=\"{name}\"/>\n</testsuites>\n")
        };
        let whole = joined(&[one("a"), "damaged".to_owned(), one("b")]);
        let document = roxmltree::Document::parse(&whole).expect("it is XML");
        let names: Vec<_> = document
            .descendants()
            .filter_map(|node| node.attribute("name"))
            .collect();
        assert_eq!(names, ["a", "b"]);
    }
}
