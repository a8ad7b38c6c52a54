//! One run: an image's command, once per iteration, each time in a fresh machine.
//!
//! ```text
//! prepare: image -> orders, kernel, sandbox, root filesystem      (once)
//! iterate: copy -> boot -> talk -> finish -> iteration            (each time)
//! report:  iterations, outcome, trust -> result document          (once)
//! ```

mod capture;
mod error;
mod interrupts;
mod iteration;
mod layers;
mod live;
mod orders;
mod output_folder;
mod prepare;
mod record;
mod report;
mod root;
mod rootfs;
mod spec;
mod state;
mod supervisor;
mod text;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use error::{ConsoleExcerpt, RunError};
pub use interrupts::Interrupts;
pub use live::LiveOutput;
pub use rootfs::build_to_file;
pub use spec::{LEAST_MEMORY, QemuChoice, RunLimits, RunSpec, SandboxChoice};

use crate::Reporter;
use crate::result::{EndedBy, Iteration, metrics_line};
use iteration::{IterationPlan, drive};
use output_folder::OutputFolder;
use prepare::Prepared;
use record::{Keep, Moments, Record};
use report::Report;
use state::RunFolder;
use supervisor::Times;

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

/// The exit code of a failure of the runner.
const FAILED: u8 = 125;

/// Runs what `spec` says. The result goes where `spec` says; `reporter` hears of each step.
pub async fn run(
    spec: RunSpec,
    interrupts: &mut Interrupts,
    reporter: Arc<dyn Reporter>,
) -> RunOutcome {
    let spec = Arc::new(spec);
    match attempt(&spec, interrupts, &reporter).await {
        Ok(outcome) => outcome,
        Err(RunError::Interrupted(signal)) => RunOutcome {
            exit_code: 128 + u8::try_from(signal as i32).unwrap_or(0),
            error: Some(RunError::Interrupted(signal)),
        },
        Err(error) => RunOutcome {
            exit_code: FAILED,
            error: Some(error),
        },
    }
}

async fn attempt(
    spec: &Arc<RunSpec>,
    interrupts: &mut Interrupts,
    reporter: &Arc<dyn Reporter>,
) -> Result<RunOutcome, RunError> {
    let folder = RunFolder::create(&spec.directories.state, reporter.as_ref())?;
    let output = spec
        .output_folder
        .as_deref()
        .map(OutputFolder::create)
        .transpose()?;
    let mut report = Report::new(spec)?;
    let prepared = prepare::prepare(spec, interrupts, reporter).await;
    let prepared = prepared.inspect_err(|_| {
        if let Some(output) = &output {
            output.discard();
        }
    })?;
    let run = Run {
        spec,
        prepared: &prepared,
        folder: &folder,
        output: output.as_ref(),
        reporter: reporter.as_ref(),
    };
    let vmm_version = report.is_wanted().then(|| run.vmm_version());
    let mut failure = None;
    let mut exit_code = 0;
    for index in 1..=spec.iterations.get() {
        let (iteration, error) = match run.iterate(index, interrupts).await {
            Ok(ended) => ended,
            Err(error) => {
                failure = Some(error);
                exit_code = FAILED;
                break;
            }
        };
        run.announce(&iteration)?;
        report.push(&iteration)?;
        let stop = match iteration.ended_by {
            EndedBy::Failure | EndedBy::Interrupt => true,
            _ => iteration.exit_code != 0 && !spec.allow_failure,
        };
        if stop {
            exit_code = iteration.exit_code;
            failure = error;
            break;
        }
    }
    let vmm_version = match vmm_version {
        // A VMM that does not tell its version at once is not waited for.
        Some(task) => match tokio::time::timeout(VERSION_PATIENCE, task).await {
            Ok(Ok(version)) => version,
            _ => None,
        },
        None => None,
    };
    report.write(&prepared, vmm_version, exit_code, failure.as_ref())?;
    Ok(RunOutcome {
        exit_code,
        error: failure,
    })
}

struct Run<'a> {
    spec: &'a Arc<RunSpec>,
    prepared: &'a Prepared,
    folder: &'a RunFolder,
    output: Option<&'a OutputFolder>,
    reporter: &'a dyn Reporter,
}

impl Run<'_> {
    async fn iterate(
        &self,
        index: u32,
        interrupts: &mut Interrupts,
    ) -> Result<(Iteration, Option<RunError>), RunError> {
        let begin = Instant::now();
        let sandbox = self.prepared.sandbox.sandbox();
        let root = root::RootForRun::make(self.prepared, self.folder, index, self.reporter)?;
        let copied = Instant::now();
        let machine = sandbox.boot(root.filesystem())?;
        let moments = Moments {
            process: self.spec.process_start,
            begin,
            copied,
            start: Instant::now(),
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
            log_level: self.prepared.orders.log_level,
            outputs: &self.prepared.orders.outputs,
            folder: self.output,
        };
        let record = Record::new(index, moments, keep, self.reporter)?;
        let plan = IterationPlan {
            orders: &self.prepared.orders,
            times: Times {
                boot: self.spec.limits.boot_timeout,
                command: self.spec.limits.timeout,
                grace: self.spec.limits.grace_period,
            },
            live: self.spec.live,
            reporter: self.reporter,
        };
        let ended = drive(machine, &plan, interrupts, record).await;
        root.remove(self.reporter);
        Ok(ended)
    }

    /// Tells the reporter of a finished iteration.
    fn announce(&self, iteration: &Iteration) -> Result<(), RunError> {
        let transport = self.prepared.sandbox.sandbox().description().transport;
        let line = metrics_line(iteration, transport).map_err(|error| RunError::Io {
            action: "write the metrics line",
            source: error.into(),
        })?;
        self.reporter.iteration(iteration, &line);
        Ok(())
    }

    /// Asks the VMM for its version while the guest boots.
    fn vmm_version(&self) -> tokio::task::JoinHandle<Option<String>> {
        let program = self.prepared.sandbox.sandbox().description().vmm;
        tokio::task::spawn_blocking(move || {
            program.and_then(|program| crate::machine::qemu_version(&program))
        })
    }
}
