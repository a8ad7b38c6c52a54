//! One side of a session: what is run, and what it takes to run it once more.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::iteration::{IterationPlan, drive};
use super::iteration_folder::IterationFolder;
use super::moments::Moments;
use super::output_folder::OutputFolder;
use super::prepare::Prepared;
use super::record::{Keep, Record};
use super::supervisor::Times;
use super::witness::Instruments;
use super::{RunError, RunSpec, clock, root};
use crate::cpus::Placement;
use crate::harness::Inputs;
use crate::machine::{RootFilesystem, SandboxKind};
use crate::result::{Iteration, metrics_line};
use crate::scratch::Scratch;
use crate::{Interrupts, Reporter, interruptible};

/// What is run, and who hears of it.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) spec: Arc<RunSpec>,
    pub(super) reporter: Arc<dyn Reporter>,
}

impl Side {
    pub(super) fn new(spec: RunSpec, reporter: Arc<dyn Reporter>) -> Self {
        Self {
            spec: Arc::new(spec),
            reporter,
        }
    }
}

/// What a side has before its first iteration.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    pub(super) spec: &'a Arc<RunSpec>,
    pub(super) reporter: &'a Arc<dyn Reporter>,
    pub(super) folder: Scratch,
    pub(super) output: Option<OutputFolder>,
    pub(super) prepared: Arc<Prepared>,
}

impl Ready<'_> {
    /// Runs the command once, in a machine that is where `placement` says.
    pub(super) async fn iterate(
        &self,
        index: u32,
        placement: Option<&Placement>,
        interrupts: &mut Interrupts,
        instruments: &mut Instruments,
    ) -> Result<(Iteration, Option<RunError>), RunError> {
        let begin = Instant::now();
        let sandbox = self.prepared.sandbox.sandbox();
        let folder = IterationFolder::create(&self.folder, index)?;
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
            folder: self.output.as_ref(),
        };
        let mut record = Record::new(index, moments, keep, self.reporter.as_ref())?;
        let working_directory = &self.prepared.orders.working_directory;
        record.inputs = self
            .spec
            .adapter
            .as_ref()
            .map(|choice| Inputs::new(choice, &String::from_utf8_lossy(working_directory)));
        let seat = folder.seat(placement);
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
        let prepared = Arc::clone(&self.prepared);
        let reporter = Arc::clone(self.reporter);
        let (folder, wanted) = (folder.to_owned(), self.spec.page_cache);
        interruptible(interrupts, move |cancel| {
            root::make(&prepared, &folder, wanted, reporter.as_ref(), cancel)
        })
        .await?
    }

    /// Tells the reporter of a finished iteration.
    pub(super) fn announce(&self, iteration: &Iteration) -> Result<(), RunError> {
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

    /// Tells the reporter of the metrics that a harness measured, and returns why there are none.
    pub(super) fn tell_metrics(&self, iteration: &Iteration) -> Option<RunError> {
        let harness = iteration.harness.as_ref()?;
        let index = iteration.index;
        if let Some(reason) = &harness.error {
            let reason = reason.clone();
            return Some(RunError::Adapter { index, reason });
        }
        let adapter = harness.adapter.as_deref().unwrap_or_default();
        let count = match harness.metrics.len() {
            1 => "1 metric".to_owned(),
            count => format!("{count} metrics"),
        };
        self.reporter.info(&format!(
            "the adapter {adapter} found {count} in {}",
            harness.source
        ));
        None
    }

    /// Asks a QEMU for its version while the guest boots; a Firecracker tells it by itself.
    pub(super) fn vmm_version(&self) -> tokio::task::JoinHandle<Option<String>> {
        let description = self.prepared.sandbox.sandbox().description();
        let is_qemu = description.sandbox == SandboxKind::Qemu;
        let program = description.vmm.filter(|_| is_qemu);
        tokio::task::spawn_blocking(move || {
            program.and_then(|program| crate::machine::qemu_version(&program))
        })
    }
}
