//! One run: an image's command, once per iteration, each time in a fresh machine.
//!
//! ```text
//! prepare: image -> orders, kernel, sandbox, root filesystem      (once)
//! quiet:   tune the host, give out its CPUs, until the last is over (once)
//! iterate: copy -> boot -> talk -> finish -> iteration            (each time)
//! report:  iterations, outcome, trust -> result document          (once)
//! ```

mod capture;
mod choice;
mod clock;
mod error;
mod iteration;
mod iteration_folder;
mod layers;
mod live;
mod orders;
mod output_folder;
mod page_cache;
mod prepare;
mod quiet;
mod record;
mod repetition;
mod report;
mod root;
mod rootfs;
mod spec;
mod supervisor;
pub(crate) mod text;
mod verdict;
mod witness;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use error::{ConsoleExcerpt, RunError};
pub use live::LiveOutput;
pub use page_cache::PageCache;
pub use quiet::give_back_left_over;
pub(crate) use quiet::put_back_left_over;
pub use repetition::OnSuspect;
pub use rootfs::build_to_file;
pub use spec::{FirecrackerChoice, LEAST_MEMORY, QemuChoice, RunLimits, RunSpec, SandboxChoice};

use crate::machine::{RootFilesystem, SandboxKind};
use crate::result::{EndedBy, Iteration, metrics_line};
use crate::scratch::Scratch;
use crate::validity::{CoolDown, Cooling, Observer};
use crate::{Interrupts, Reporter, interruptible, network};
use iteration::{IterationPlan, drive};
use iteration_folder::IterationFolder;
use output_folder::OutputFolder;
use prepare::Prepared;
use quiet::Quiet;
use record::{Keep, Moments, Record};
use repetition::{Next, Repetition};
use report::Report;
use supervisor::Times;
use witness::Instruments;

/// What became of a run.
#[derive(Debug)]
pub struct RunOutcome {
    /// The exit code of `runner run`.
    pub exit_code: u8,
    /// What the runner failed at, if it did.
    pub error: Option<RunError>,
}

/// How long a VMM may take to tell its version, after everything else is done.
const VERSION_PATIENCE: Duration = Duration::from_secs(2);

/// Runs what `spec` says. The result goes where `spec` says; `reporter` hears of each step.
pub async fn run(
    spec: RunSpec,
    interrupts: &mut Interrupts,
    reporter: Arc<dyn Reporter>,
) -> RunOutcome {
    let spec = Arc::new(spec);
    attempt(&spec, interrupts, &reporter)
        .await
        .unwrap_or_else(RunOutcome::failed)
}

impl RunOutcome {
    fn failed(error: RunError) -> Self {
        Self {
            exit_code: error.exit_code(),
            error: Some(error),
        }
    }
}

async fn attempt(
    spec: &Arc<RunSpec>,
    interrupts: &mut Interrupts,
    reporter: &Arc<dyn Reporter>,
) -> Result<RunOutcome, RunError> {
    let mut report = Report::new(spec)?;
    let ready = match get_ready(spec, interrupts, reporter).await {
        Ok(ready) => ready,
        Err(error) => {
            let outcome = RunOutcome::failed(error);
            if let Err(second) = report.write_unprepared(&outcome) {
                reporter.warning(&second.to_string());
            }
            return Ok(outcome);
        }
    };
    let Ready {
        folder,
        output,
        prepared,
        quiet,
    } = ready;
    let run = Run {
        spec,
        prepared: &prepared,
        folder: &folder,
        output: output.as_ref(),
        quiet: &quiet,
        reporter,
    };
    let vmm_version = report.is_wanted().then(|| run.vmm_version());
    let outcome = run.repeat(&mut report, interrupts).await?;
    let host = blocking(move || quiet.end()).await?;
    let vmm_version = match vmm_version {
        // A VMM that does not tell its version at once is not waited for.
        Some(task) => match tokio::time::timeout(VERSION_PATIENCE, task).await {
            Ok(Ok(version)) => version,
            _ => None,
        },
        None => None,
    };
    report.write(&prepared, host, vmm_version, &outcome)?;
    Ok(outcome)
}

/// What a run has before its first iteration.
struct Ready {
    folder: Scratch,
    output: Option<OutputFolder>,
    prepared: Arc<Prepared>,
    quiet: Quiet,
}

async fn get_ready(
    spec: &Arc<RunSpec>,
    interrupts: &mut Interrupts,
    reporter: &Arc<dyn Reporter>,
) -> Result<Ready, RunError> {
    quiet::check(spec)?;
    let runs = spec.directories.state.join("runs");
    let for_work = Arc::clone(reporter);
    // Other runners may be removing what is left over, which takes its time.
    let folder = interruptible(interrupts, move |_| {
        let clean_up_after = iteration_folder::clean_up_after;
        let folder = Scratch::create(&runs, "run-", for_work.as_ref(), clean_up_after);
        network::remove_left_over(for_work.as_ref());
        put_back_left_over(for_work.as_ref());
        folder
    })
    .await??;
    let output = spec
        .output_folder
        .as_deref()
        .map(OutputFolder::create)
        .transpose()?;
    match prepare_and_quieten(spec, interrupts, reporter).await {
        Ok((prepared, quiet)) => Ok(Ready {
            folder,
            output,
            prepared,
            quiet,
        }),
        Err(error) => {
            if let Some(output) = &output {
                output.discard();
            }
            Err(error)
        }
    }
}

/// Prepares the run, and then quietens the host: it is not to be tuned, nor the work to be confined
/// to few CPUs, for as long as an image takes.
async fn prepare_and_quieten(
    spec: &Arc<RunSpec>,
    interrupts: &mut Interrupts,
    reporter: &Arc<dyn Reporter>,
) -> Result<(Arc<Prepared>, Quiet), RunError> {
    let prepared = Arc::new(prepare::prepare(spec, interrupts, reporter).await?);
    let (spec, reporter) = (Arc::clone(spec), Arc::clone(reporter));
    let for_work = Arc::clone(&prepared);
    let begin = move || Quiet::begin(&spec, &for_work.sandbox, &reporter);
    Ok((prepared, blocking(begin).await??))
}

/// Does `work` on a thread of its own, and to its end: what is half done would have to be undone,
/// which takes as long.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| RunError::Thread(io::Error::other(error)))
}

/// A file in the folder of `path`, to become `path` when it is whole.
pub(crate) fn beside(path: &Path, prefix: &str) -> io::Result<tempfile::NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
}

struct Run<'a> {
    spec: &'a Arc<RunSpec>,
    prepared: &'a Arc<Prepared>,
    folder: &'a Scratch,
    output: Option<&'a OutputFolder>,
    quiet: &'a Quiet,
    reporter: &'a Arc<dyn Reporter>,
}

impl Run<'_> {
    /// Runs the command as often as was asked for, or until there is a reason to stop.
    async fn repeat(
        &self,
        report: &mut Report<'_>,
        interrupts: &mut Interrupts,
    ) -> Result<RunOutcome, RunError> {
        let sandbox = self.prepared.sandbox.sandbox();
        let placement = self.quiet.placement();
        let mut instruments = Instruments::new(self.spec, sandbox, placement, self.reporter);
        let cool_down = self
            .spec
            .cool_down
            .map(|most| CoolDown::begin(&instruments.observer, most));
        let mut repetition = Repetition::new(self.spec.iterations, self.spec.on_suspect);
        while let Some(index) = repetition.begin() {
            if let Some(cool_down) = cool_down.filter(|_| index > 1)
                && let Err(error) = self
                    .cool_down(cool_down, &instruments.observer, interrupts)
                    .await
            {
                return Ok(RunOutcome::failed(error));
            }
            let (mut iteration, error) =
                match self.iterate(index, interrupts, &mut instruments).await {
                    Ok(ended) => ended,
                    Err(error) => return Ok(RunOutcome::failed(error)),
                };
            let stop = match iteration.ended_by {
                EndedBy::Failure | EndedBy::Interrupt => true,
                _ => iteration.exit_code != 0 && !self.spec.allow_failure,
            };
            let reasons = iteration.suspicions();
            let next = repetition.end(reasons.is_some());
            iteration.retried = !stop && next == Next::Retried;
            self.announce(&iteration)?;
            report.push(&iteration)?;
            if stop {
                return Ok(RunOutcome {
                    exit_code: iteration.exit_code,
                    error,
                });
            }
            if let (Next::Failed, Some(reasons)) = (next, reasons) {
                return Ok(RunOutcome::failed(RunError::Suspect { index, reasons }));
            }
        }
        Ok(RunOutcome {
            exit_code: 0,
            error: None,
        })
    }

    /// Waits until the processor is cool enough for the next iteration. A signal ends that.
    async fn cool_down(
        &self,
        cool_down: CoolDown,
        observer: &Observer,
        interrupts: &mut Interrupts,
    ) -> Result<(), RunError> {
        let cooling = tokio::select! {
            cooling = cool_down.wait(observer) => cooling,
            signal = interrupts.next() => return Err(RunError::Interrupted(signal)),
        };
        match cooling {
            Cooling::Cool => {}
            Cooling::StillWarm(warmer) => self.reporter.warning(&format!(
                "the processor is still {} degrees warmer than at the start: --cool-down \
                 ended the wait",
                warmer / 1000
            )),
            Cooling::Unknown => self.reporter.info(
                "this host does not tell its temperature: there is no cooling down to wait for",
            ),
        }
        Ok(())
    }

    async fn iterate(
        &self,
        index: u32,
        interrupts: &mut Interrupts,
        instruments: &mut Instruments,
    ) -> Result<(Iteration, Option<RunError>), RunError> {
        let begin = Instant::now();
        let sandbox = self.prepared.sandbox.sandbox();
        let folder = IterationFolder::create(self.folder, index)?;
        let root = self.root(folder.path(), interrupts).await?;
        let copied = Instant::now();
        let moments = Moments {
            process: self.spec.process_start,
            begin,
            copied,
            start: copied,
            hello: None,
            started: None,
            exited: None,
            last_word: None,
            gone: None,
        };
        let keep = Keep {
            output_bytes: self.spec.limits.output.bytes(),
            file_count: self.spec.limits.file_count,
            file_bytes: self.spec.limits.file.bytes(),
            total_file_bytes: self.spec.limits.total_files.bytes(),
            log_level: self.prepared.orders.log_level,
            outputs: &self.prepared.orders.outputs,
            folder: self.output,
        };
        let mut record = Record::new(index, moments, keep, self.reporter.as_ref())?;
        let seat = folder.seat(self.quiet.placement());
        let machine = sandbox.boot(&root, &self.prepared.orders, &seat)?;
        record.moments.start = Instant::now();
        let plan = IterationPlan {
            orders: &self.prepared.orders,
            times: Times {
                boot: self.spec.limits.boot_timeout,
                command: self.spec.limits.timeout,
                grace: self.spec.limits.grace_period,
                margin: clock::margin(self.spec.clock),
            },
            live: self.spec.live,
            reporter: self.reporter.as_ref(),
            console_hint: sandbox.console_hint(),
        };
        let (mut iteration, error) = drive(machine, &plan, interrupts, instruments, record).await;
        folder.remove(self.reporter.as_ref());
        let used = iteration.resources.as_ref();
        iteration.instructions = self
            .spec
            .clock
            .rate()
            .and_then(|rate| Some(rate.instructions(used?.wall_ns)));
        Ok((iteration, error))
    }

    /// The iteration's own root filesystem. A copy may take long: an interrupt ends it.
    async fn root(
        &self,
        folder: &Path,
        interrupts: &mut Interrupts,
    ) -> Result<RootFilesystem, RunError> {
        let prepared = Arc::clone(self.prepared);
        let reporter = Arc::clone(self.reporter);
        let (folder, wanted) = (folder.to_owned(), self.spec.page_cache);
        interruptible(interrupts, move |cancel| {
            root::make(&prepared, &folder, wanted, reporter.as_ref(), cancel)
        })
        .await?
    }

    /// Tells the reporter of a finished iteration.
    fn announce(&self, iteration: &Iteration) -> Result<(), RunError> {
        let transport = self.prepared.sandbox.sandbox().description().transport;
        let line = metrics_line(iteration, transport, self.spec.clock.kind()).map_err(|error| {
            RunError::Io {
                action: "write the metrics line",
                source: error.into(),
            }
        })?;
        self.reporter.iteration(iteration, &line);
        Ok(())
    }

    /// Asks a QEMU for its version while the guest boots; a Firecracker tells it by itself.
    fn vmm_version(&self) -> tokio::task::JoinHandle<Option<String>> {
        let description = self.prepared.sandbox.sandbox().description();
        let is_qemu = description.sandbox == SandboxKind::Qemu;
        let program = description.vmm.filter(|_| is_qemu);
        tokio::task::spawn_blocking(move || {
            program.and_then(|program| crate::machine::qemu_version(&program))
        })
    }
}
