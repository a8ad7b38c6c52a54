//! Where one scenario takes place on one backend: its folder, its runner, and the record that
//! becomes of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::mem;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Map, Value};

use super::backend::Backend;
use super::bytes::Bytes;
use super::invocation::{Invocation, OUTPUT, RESULT, choose_machine};
use super::processes;
use super::record::{Exit, HostFacts, Record, Run};
use super::running::{Ended, Running};
use super::surroundings::Surroundings;
use crate::companion::Companion;
use crate::process::describe;
use crate::runner::Runner;
use crate::watchdog::Watchdog;

/// What a scenario is given.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    /// Where it runs.
    pub(crate) backend: Backend,
    surroundings: &'a Surroundings,
    /// The runner with the stage's own state folder.
    pub(crate) runner: Runner,
    image: &'a Path,
    folder: PathBuf,
    watchdog: Watchdog,
    invocations: Vec<Invocation>,
    runs: BTreeMap<usize, Run>,
    observed: Map<String, Value>,
    /// The command lines, for the report of a failure.
    pub(crate) commands: Vec<String>,
}

/// The folder of a stage that is the runner's state folder.
const STATE: &str = "state";

/// The folder of a stage that is the runner's cache, where that is its own.
const CACHE: &str = "cache";

/// What is observed of what is there after a scenario without a `runner run`.
pub(crate) const LEFT_OVER: &str = "left over";

/// What a cache of its own shares with the others, as it takes long to make.
const SHARED: [&str; 2] = ["kernels", "initramfs"];

/// The folder of a stage for processes beside a runner.
const COMPANIONS: &str = "companions";

impl<'a> Stage<'a> {
    /// An empty stage in `folder`, which is made anew.
    pub(crate) fn set(
        backend: Backend,
        surroundings: &'a Surroundings,
        runner: &Runner,
        image: &'a Path,
        folder: PathBuf,
        watchdog: Watchdog,
    ) -> anyhow::Result<Self> {
        crate::images::remove_if_there(&folder)?;
        let state = folder.join(STATE);
        fs::create_dir_all(&state).with_context(|| format!("cannot make {}", state.display()))?;
        Ok(Self {
            backend,
            surroundings,
            runner: runner.with_state(state),
            image,
            folder,
            watchdog,
            invocations: Vec::new(),
            runs: BTreeMap::new(),
            observed: Map::new(),
            commands: Vec::new(),
        })
    }

    /// Runs an invocation to its end.
    pub(crate) fn run(&mut self, invocation: &Invocation) -> anyhow::Result<Duration> {
        let running = self.start(invocation)?;
        self.finish(running)
    }

    /// Starts an invocation.
    pub(crate) fn start(&mut self, invocation: &Invocation) -> anyhow::Result<Running> {
        self.start_with(invocation, |runner| runner)
    }

    /// Starts an invocation as `wrap` changes its command.
    pub(crate) fn start_with(
        &mut self,
        invocation: &Invocation,
        wrap: impl FnOnce(Command) -> Command,
    ) -> anyhow::Result<Running> {
        let index = self.invocations.len();
        let folder = self.run_folder(index);
        fs::create_dir_all(&folder)?;
        let mut runner = self.runner.command();
        invocation.complete(
            &mut runner,
            self.backend,
            self.surroundings,
            self.image,
            &folder,
        );
        self.commands.push(describe(&runner));
        let child = wrap(runner)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What a signal is for is the scenario's matter, and the watchdog ends all of it.
            .process_group(0)
            .spawn()
            .context("the runner can not be started")?;
        self.invocations.push(invocation.clone());
        let running = Running::follow(child, index)?;
        self.watchdog.care().watch(running.id());
        Ok(running)
    }

    /// The command of an invocation that is no part of the record.
    pub(crate) fn apart(&self, invocation: &Invocation) -> Command {
        let mut runner = self.runner.command();
        let (surroundings, image) = (self.surroundings, self.image);
        invocation.complete(&mut runner, self.backend, surroundings, image, &self.folder);
        runner
    }

    /// Runs a command that is no part of the record. It is killed after `delay`, if there is one.
    pub(crate) fn carry_out(
        &self,
        mut command: Command,
        delay: Option<Duration>,
    ) -> anyhow::Result<ExitStatus> {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} can not be started", describe(&command)))?;
        let id = i32::try_from(child.id()).unwrap_or_default();
        self.watchdog.care().watch(id);
        if let Some(delay) = delay {
            thread::sleep(delay);
            // One that has ended is not waited for yet, so nobody else is hit.
            child.kill()?;
        }
        let status = child.wait()?;
        self.watchdog.care().release(id);
        Ok(status)
    }

    /// Says something in the report, beside the command lines.
    pub(crate) fn remark(&mut self, text: &str) {
        self.commands.push(format!("# {text}"));
    }

    /// Waits for the end of `running` and records it. Returns how long it ran.
    pub(crate) fn finish(&mut self, running: Running) -> anyhow::Result<Duration> {
        let (id, index) = (running.id(), running.index);
        let ended = running.finish()?;
        if self.folder.join(COMPANIONS).exists() {
            self.dismiss(id);
        }
        self.watchdog.care().release(id);
        let took = ended.took;
        let run = self.recorded(index, ended)?;
        self.runs.insert(index, run);
        Ok(took)
    }

    /// A folder for processes that a runner needs beside it, in its process group. They are ended
    /// with it.
    pub(crate) fn companions(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(COMPANIONS);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Ends what is left of the process group of a runner that has ended, and waits for that.
    fn dismiss(&self, group: i32) {
        // An error means that nothing is left.
        let _gone = killpg(Pid::from_raw(group), Signal::SIGKILL);
        while !processes::using(&self.folder.join(COMPANIONS)).is_empty() {
            thread::yield_now();
        }
    }

    /// Remembers what was seen.
    pub(crate) fn observe(&mut self, name: &str, value: impl Into<Value>) {
        self.observed.insert(name.to_owned(), value.into());
    }

    /// The names of the run folders that are there.
    pub(crate) fn run_folders(&self) -> Vec<String> {
        // Before the first run there is no such folder.
        let Ok(entries) = fs::read_dir(self.folder.join(STATE).join("runs")) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// The VMM of `running`, which is up: its command has said something.
    pub(crate) fn vmm(&self, running: &Running) -> anyhow::Result<processes::Process> {
        let prefix = self.backend.vmm().context("this backend has no VMM")?;
        processes::descendant(running.id(), prefix)
            .with_context(|| format!("the runner has no descendant {prefix}…"))
    }

    /// Starts a process that the scenario needs beside what it tries; `command` is its program with its
    /// arguments, and `name` is in the name of its log. `lines` gets its output, as
    /// [`Companion::listen`] has it.
    pub(crate) fn companion(
        &mut self,
        name: &str,
        command: Command,
        lines: Option<&mut dyn FnMut(&str) -> bool>,
    ) -> anyhow::Result<Companion> {
        self.commands.push(describe(&command));
        let log = self.folder.join(format!("{name}.log"));
        Companion::start(command, &log, self.watchdog.care(), lines)
    }

    /// What this host has.
    pub(crate) fn surroundings(&self) -> &'a Surroundings {
        self.surroundings
    }

    /// Everything of the scenario's own.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The scenario's image.
    pub(crate) fn image(&self) -> &Path {
        self.image
    }

    /// Adds to `runner`, which runs images, that it does so on this backend.
    pub(crate) fn choose_machine(&self, runner: &mut Command) {
        choose_machine(runner, self.backend, self.surroundings);
    }

    /// The scenario's image, as skopeo names it.
    pub(crate) fn image_for_skopeo(&self) -> String {
        let transport = if self.image.is_dir() {
            "oci"
        } else {
            "docker-archive"
        };
        format!("{transport}:{}", self.image.display())
    }

    /// From here on the runner's cache has kernels, and nothing else.
    pub(crate) fn empty_store(&mut self) -> anyhow::Result<()> {
        let cache = self.folder.join(CACHE);
        fs::create_dir_all(&cache)?;
        for shared in SHARED {
            let theirs = self.runner.cache().join(shared);
            fs::create_dir_all(&theirs)?;
            symlink(&theirs, cache.join(shared))?;
        }
        self.runner = self.runner.with_cache(cache);
        Ok(())
    }

    fn run_folder(&self, index: usize) -> PathBuf {
        self.folder.join((index + 1).to_string())
    }

    fn recorded(&self, index: usize, ended: Ended) -> anyhow::Result<Run> {
        let folder = self.run_folder(index);
        let result = match fs::read(folder.join(RESULT)) {
            Ok(text) => Some(serde_json::from_slice(&text).context("the result is no JSON")?),
            Err(_) => None,
        };
        let mut files = BTreeMap::new();
        if self.invocations[index].collects {
            collect(&folder.join(OUTPUT), "", &mut files)?;
        }
        Ok(Run {
            exit: match (ended.status.code(), ended.status.signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, signal) => Exit::Signal(signal.unwrap_or_default()),
            },
            stdout: Bytes::of(ended.stdout),
            stderr: Bytes::of(ended.stderr),
            result,
            files,
            left_over: Vec::new(),
        })
    }

    /// What is there of the runs although all have ended.
    fn left_over(&self) -> Vec<String> {
        let folders = self.run_folders().into_iter().map(|_| "a run folder");
        let state = self.folder.join(STATE);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let state = state.to_string_lossy().into_owned();
        let mounts = mounts.lines().filter(|line| line.contains(&state));
        let processes = processes::using(&self.folder);
        folders
            .chain(mounts.map(|_| "a mount"))
            .map(str::to_owned)
            .chain(
                processes
                    .into_iter()
                    .map(|it| format!("a process {}", it.program)),
            )
            .collect()
    }

    /// The record of everything, and whether it took too long.
    pub(crate) fn leave(mut self) -> (Record, bool) {
        let left_over = self.left_over();
        let mut runs: Vec<Run> = mem::take(&mut self.runs).into_values().collect();
        match runs.last_mut() {
            Some(last) => last.left_over = left_over,
            None => self.observe(LEFT_OVER, left_over),
        }
        let record = Record {
            backend: self.backend,
            host: HostFacts::here(),
            runs,
            observed: self.observed,
            looked: RefCell::default(),
        };
        (record, self.watchdog.finish())
    }
}

/// What is below `folder` but for the result and the outputs, which a record has elsewhere.
fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Bytes>) -> anyhow::Result<()> {
    // A run that fails early makes no output folder.
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            let is_elsewhere = [RESULT, "1/stdout", "1/stderr"].contains(&path.as_str());
            if !is_elsewhere {
                files.insert(path, Bytes::of(fs::read(entry.path())?));
            }
        } else {
            files.insert(path, Bytes::of("neither a file nor a folder"));
        }
    }
    Ok(())
}
