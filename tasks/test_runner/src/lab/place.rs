//! Where commands run that need KVM: on this host where its KVM works, else in the lab.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::agent;
use super::arguments::Tools;
use super::disk;
use super::emulator::Emulator;
use super::initramfs;
use super::input::{Input, MOUNT, remove_left_over};
use super::kernel::Kernel;
use super::kvm;
use super::machine::{Finished, Output};
use super::missing::missing;
use super::plan::Plan;
use super::protocol::{Ended, Job};
use super::session::Session;
use super::tsc;
use crate::console;
use crate::images::{self, Distribution, Image};
use crate::prerequisites;
use crate::process::{command, own_copy};
use crate::runner::Runner;
use crate::workspace::Workspace;

/// The lab's memory: some guests of the usual size, and the page cache of the disks.
const MEMORY_MEBIBYTES: u32 = 4096;

/// The most virtual processors, unless more are asked for: emulating more than there are makes all of
/// them slower.
const MOST_CPUS: usize = 4;

/// The search path in the lab, after its folder of programs.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a place is made of.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) runner: &'a Runner,
    /// Where the Firecracker is, if there is one.
    pub(crate) firecracker: Option<PathBuf>,
    /// More files and folders, by their places below [`Paths::root`].
    pub(crate) more: Vec<(PathBuf, String)>,
    /// How many processors a lab has, at least.
    pub(crate) cpus: usize,
}

/// Where things are, as a command at the place sees them.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) runner: PathBuf,
    pub(crate) harness: PathBuf,
    pub(crate) firecracker: Option<PathBuf>,
    /// The runner's folders.
    pub(crate) cache: PathBuf,
    state: PathBuf,
    /// The folder whose contents come back.
    pub(crate) results: PathBuf,
    /// Where [`Contents::more`] is.
    root: PathBuf,
}

impl Paths {
    /// Where the thing is that was placed at `place`.
    pub(crate) fn of(&self, place: &str) -> PathBuf {
        self.root.join(place)
    }

    fn in_lab(firecracker: bool) -> Self {
        let root = Path::new(MOUNT);
        let program = |name: &str| root.join("bin").join(name);
        Self {
            runner: program("runner"),
            harness: program("test_runner"),
            firecracker: firecracker.then(|| program("firecracker")),
            cache: root.join("cache"),
            state: root.join("state"),
            results: root.join("results"),
            root: root.to_owned(),
        }
    }
}

/// A place.
#[derive(Debug)]
pub(crate) struct Place {
    paths: Paths,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Host {
        /// Holds what [`Contents::more`] names.
        _input: Input,
    },
    Lab(Box<Session>),
}

impl Place {
    /// Prepares the place; a lab is booted by its first command.
    ///
    /// # Errors
    ///
    /// [`super::missing::Missing`] when the machine lacks something, else when a step fails.
    pub(crate) fn prepare(contents: &Contents<'_>) -> anyhow::Result<Self> {
        let folder = contents.workspace.folder("lab")?;
        remove_left_over(&folder)?;
        let input = Input::create(folder.join(format!("run-{}", std::process::id())))?;
        match kvm::obstacle() {
            None => {
                console::note("this host's KVM works: using the host itself, not the lab");
                Self::host(contents, input)
            }
            Some(why) => {
                console::note(&format!("{why}: using the lab"));
                Self::lab(contents, input)
            }
        }
    }

    fn host(contents: &Contents<'_>, mut input: Input) -> anyhow::Result<Self> {
        for (source, place) in &contents.more {
            input.add(source, place)?;
        }
        let paths = Paths {
            runner: contents.runner.binary().to_owned(),
            harness: own_copy(&contents.workspace.folder("lab")?)?,
            firecracker: contents.firecracker.clone(),
            cache: contents.runner.cache().to_owned(),
            state: contents.runner.state().to_owned(),
            results: input.folder().join("results"),
            root: input.tree(),
        };
        Ok(Self {
            paths,
            kind: Kind::Host { _input: input },
        })
    }

    fn lab(contents: &Contents<'_>, mut input: Input) -> anyhow::Result<Self> {
        let workspace = contents.workspace;
        let emulator = Emulator::find(workspace)?;
        console::note(&format!("the lab runs in {}", emulator.describe()));
        prerequisites::ensure(&prerequisites::for_lab()).map_err(|error| missing(&error))?;
        let distribution = Distribution::here().map_err(|error| missing(&error))?;
        let kernel = Kernel::fetch(workspace).map_err(|error| missing(&error))?;
        let root = disk::ensure(workspace, contents.runner, distribution, &kernel)?;
        let harness = own_copy(&workspace.folder("lab")?)?;
        input.add(contents.runner.binary(), "bin/runner")?;
        input.add(&harness, "bin/test_runner")?;
        input.add(&contents.runner.cache().join("kernels"), "cache/kernels")?;
        if let Some(firecracker) = &contents.firecracker {
            input.add(firecracker, "bin/firecracker")?;
        }
        for (source, place) in &contents.more {
            input.add(source, place)?;
        }
        let at = |name: &str| input.folder().join(name);
        let initramfs = at("initramfs");
        fs::write(
            &initramfs,
            initramfs::build(&kernel, &images::static_busybox(workspace)?)?,
        )
        .with_context(|| format!("cannot write {}", initramfs.display()))?;
        let plan = Plan {
            kernel: kernel.image,
            initramfs,
            root,
            input: input.disk()?,
            console: at("console"),
            virtual_cpus: u32::try_from(contents.cpus.max(usual_cpus()))?,
            memory_mebibytes: MEMORY_MEBIBYTES,
            tsc_kilohertz: tsc::kilohertz(),
        };
        Ok(Self {
            paths: Paths::in_lab(contents.firecracker.is_some()),
            kind: Kind::Lab(Box::new(Session::new(emulator, plan, input))),
        })
    }

    /// Where things are for a command.
    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// A job for [`Place::run`], in the environment that commands have there.
    pub(crate) fn job(&self, command: Vec<String>) -> Job {
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        let text = |path: &Path| path.display().to_string();
        let (search_path, directory) = match &self.kind {
            Kind::Host { .. } => (
                env::var("PATH").unwrap_or_default(),
                env::current_dir().unwrap_or_default(),
            ),
            Kind::Lab(_) => (SEARCH_PATH.to_owned(), "/root".into()),
        };
        let home = match &self.kind {
            Kind::Host { .. } => env::var("HOME").unwrap_or_default(),
            Kind::Lab(_) => "/root".to_owned(),
        };
        let programs = self.paths.runner.parent().map(text).unwrap_or_default();
        set("PATH", format!("{programs}:{search_path}"));
        set("HOME", home);
        set("LANG", "C.UTF-8".to_owned());
        set("BENCHER_RUNNER_CACHE_DIR", text(&self.paths.cache));
        set("BENCHER_RUNNER_STATE_DIR", text(&self.paths.state));
        if let Ok(terminal) = env::var("TERM") {
            set("TERM", terminal);
        }
        if let Some(firecracker) = &self.paths.firecracker {
            set("FIRECRACKER_BIN", text(firecracker));
        }
        Job {
            command,
            environment,
            directory: text(&directory),
            results: text(&self.paths.results),
            input: false,
        }
    }

    /// Runs a job.
    ///
    /// # Errors
    ///
    /// When it can not be run to its end.
    pub(crate) fn run(&mut self, job: &Job, output: Output) -> anyhow::Result<Finished> {
        let finished = match &mut self.kind {
            Kind::Host { .. } => run_here(job, output)?,
            Kind::Lab(session) => session.run(job, output)?,
        };
        if let Ended::NotStarted(reason) = &finished.ended {
            bail!("the command did not start: {reason}");
        }
        Ok(finished)
    }

    /// Whether it is an emulated machine.
    pub(crate) fn is_lab(&self) -> bool {
        matches!(self.kind, Kind::Lab(_))
    }

    /// How often a lab had to be booted again.
    pub(crate) fn reboots(&self) -> u32 {
        match &self.kind {
            Kind::Host { .. } => 0,
            Kind::Lab(session) => session.reboots(),
        }
    }
}

fn run_here(job: &Job, output: Output) -> anyhow::Result<Finished> {
    let results = Path::new(&job.results);
    images::remove_if_there(results)?;
    fs::create_dir_all(results).with_context(|| format!("cannot make {}", results.display()))?;
    let (program, arguments) = job.command.split_first().context("the command is empty")?;
    let mut command = command(program);
    command
        .args(arguments)
        .envs(&job.environment)
        .current_dir(&job.directory);
    if job.input {
        command.stdin(std::process::Stdio::inherit());
    }
    let mut printed = Vec::new();
    let status = match output {
        Output::Shown => command.status(),
        Output::Kept => command.output().map(|output| {
            printed.extend(output.stdout);
            printed.extend(output.stderr);
            output.status
        }),
    };
    Ok(Finished {
        ended: match status {
            Ok(status) => agent::ended(status),
            Err(error) => Ended::NotStarted(error.to_string()),
        },
        printed,
        results: agent::pack(results)?,
    })
}

/// How many processors a lab has when nobody asks for more: this machine's.
pub(crate) fn usual_cpus() -> usize {
    let own = std::thread::available_parallelism().map_or(1, usize::from);
    own.clamp(2, MOST_CPUS)
}

/// The Firecracker to test with: the one asked for, else the one in the search path.
///
/// # Errors
///
/// When the one asked for is no file.
pub(crate) fn firecracker(tools: &Tools) -> anyhow::Result<Option<PathBuf>> {
    match &tools.firecracker {
        Some(path) if !path.is_file() => bail!("there is no Firecracker at {}", path.display()),
        Some(path) => Ok(Some(path.clone())),
        None => Ok(prerequisites::find("firecracker")),
    }
}

/// The place of an image in the tree of [`Contents::more`].
pub(crate) fn image(workspace: &Workspace, image: Image) -> (PathBuf, String) {
    let place = format!("images/{}", image.name());
    (images::path(workspace, image), place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_host_a_job_is_a_child() {
        let folder = tempfile::tempdir().expect("a folder");
        let results = folder.path().join("results");
        let script = format!(
            "echo out; echo \"$A\" >&2; echo r >'{}/r'; exit 5",
            results.display()
        );
        let mut job = Job {
            command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
            environment: BTreeMap::from([("A".to_owned(), "err".to_owned())]),
            directory: "/".to_owned(),
            results: results.display().to_string(),
            input: false,
        };
        let finished = run_here(&job, Output::Kept).expect("it runs");
        assert_eq!(finished.ended, Ended::Code(5));
        assert_eq!(finished.printed, b"out\nerr\n");
        assert!(finished.results.windows(2).any(|bytes| bytes == b"r\n"));
        job.command = vec!["/no/such/program".to_owned()];
        let finished = run_here(&job, Output::Kept).expect("that is an answer");
        assert!(
            matches!(finished.ended, Ended::NotStarted(_)),
            "{finished:?}"
        );
    }

    #[test]
    fn a_firecracker_that_is_asked_for_must_be_there() {
        let tools = |path: &str| Tools {
            firecracker: Some(path.into()),
        };
        let error = firecracker(&tools("/no/such/file")).expect_err("it is not there");
        assert!(error.to_string().contains("/no/such/file"), "{error}");
        let found = firecracker(&tools("/bin/sh")).expect("it is a file");
        assert_eq!(found.as_deref(), Some(Path::new("/bin/sh")));
    }

    #[test]
    fn things_are_below_the_mount_of_the_lab() {
        let paths = Paths::in_lab(false);
        assert_eq!(paths.firecracker, None);
        assert_eq!(paths.of("scenarios"), Path::new("/lab/scenarios"));
        assert_eq!(paths.runner, Path::new("/lab/bin/runner"));
    }
}
