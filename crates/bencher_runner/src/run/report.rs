//! The result document of a run, written where the user wants it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::prepare::{self, Prepared};
use super::quiet::HostState;
use super::{LiveOutput, RunError, RunOutcome, RunSpec, orders, rootfs};
use crate::Destination;
use crate::result::evidence::ShortIterations;
use crate::result::{
    Host, Image, Iteration, IterationSpool, Limits, Outcome, Precision, ResultDocument,
    RunnerIdentity, Setup, Trust, VERSION,
};

/// Collects iterations and writes the document.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    spec: &'a RunSpec,
    /// Whether somebody has the document beside those that the spec names, without what commands wrote.
    wanted: bool,
    started_at: u64,
    spool: IterationSpool,
    /// The iterations in short, where somebody has the document so.
    evidence: Option<ShortIterations>,
    count: u32,
    suspect: u32,
}

impl<'a> Report<'a> {
    /// `evidence` is how long the document in short may be, in bytes, where somebody has it so.
    pub(crate) fn new(
        spec: &'a RunSpec,
        wanted: bool,
        evidence: Option<usize>,
    ) -> Result<Self, RunError> {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH);
        let spool = IterationSpool::new().map_err(|source| RunError::Result {
            path: std::env::temp_dir(),
            source,
        })?;
        if let Some(path) = &spec.result_file {
            // Better to learn now that it can not be written than after the benchmark.
            check(path)?;
        }
        Ok(Self {
            spec,
            wanted,
            started_at: started_at.map_or(0, |duration| duration.as_secs()),
            spool,
            evidence: evidence.map(ShortIterations::new),
            count: 0,
            suspect: 0,
        })
    }

    /// Whether anybody is to see the document.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted || self.evidence.is_some() || self.is_wanted_whole()
    }

    /// Whether anybody is to see it with what commands wrote: one of those that the spec names.
    fn is_wanted_whole(&self) -> bool {
        self.spec.result_file.is_some()
            || self.folder().is_some()
            || self.spec.live == LiveOutput::Document
    }

    /// The output folder, if the document goes there.
    fn folder(&self) -> Option<&'a Path> {
        let folder = self.spec.output_folder.as_deref();
        folder.filter(|_| self.spec.live != LiveOutput::Reporter)
    }

    pub(crate) fn push(&mut self, iteration: &Iteration) -> Result<(), RunError> {
        self.count += 1;
        let is_suspect = !iteration.warmup && iteration.suspicions().is_some();
        self.suspect += u32::from(is_suspect);
        if let Some(evidence) = &mut self.evidence {
            evidence.push(iteration);
        }
        let pushed = if self.is_wanted_whole() {
            self.spool.push(iteration)
        } else if self.wanted {
            self.spool.push(&iteration.without_contents())
        } else {
            Ok(())
        };
        pushed.map_err(|source| RunError::Result {
            path: std::env::temp_dir(),
            source,
        })
    }

    /// Writes the document to every place that the user named, and returns it if anybody is to see it.
    /// A place that can not be written does not keep it from the others.
    pub(crate) fn write(
        mut self,
        prepared: &Prepared,
        host: HostState,
        vmm_version: Option<String>,
        outcome: &RunOutcome,
        precision: Option<Precision>,
    ) -> Result<Option<Written>, RunError> {
        if !self.is_wanted() {
            return Ok(None);
        }
        let spec = self.spec;
        let folder = self.folder();
        let evidence = self.evidence.take();
        let mut setup = setup(spec, prepared)?;
        setup.machine.vmm_version = vmm_version.or(setup.machine.vmm_version);
        let mut document = self.document(Some(setup), Some(host), outcome);
        document.outcome.precision = precision;
        let in_folder = folder.map(|folder| write(&folder.join("result.json"), &document));
        let failures = in_folder.and_then(Result::err).into_iter();
        let failures = failures.chain(deliver(spec, &document)).collect();
        let evidence = evidence.map(|iterations| document.with_iterations(iterations));
        Ok(Some(Written {
            document,
            evidence,
            failures,
        }))
    }

    /// Writes the document of a run that failed before there was anything to run. It is not put
    /// into the output folder: that is given up, so that the next attempt finds it free.
    pub(crate) fn write_unprepared(self, outcome: &RunOutcome) -> Result<(), RunError> {
        if !self.is_wanted() {
            return Ok(());
        }
        let spec = self.spec;
        let failures = deliver(spec, &self.document(None, None, outcome));
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    fn document(
        self,
        setup: Option<Setup>,
        host: Option<HostState>,
        outcome: &RunOutcome,
    ) -> ResultDocument<IterationSpool> {
        let spec = self.spec;
        let (tuning, cpus) = host.map(|host| (host.tuning, host.cpus)).unzip();
        let reasons = match &setup {
            Some(setup) => prepare::doubts(&setup.machine.description),
            None => vec!["nothing ran".to_owned()],
        };
        ResultDocument {
            version: VERSION,
            runner: RunnerIdentity {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            started_at: self.started_at,
            label: spec.label.clone(),
            adapter: spec.adapter.as_ref().map(ToString::to_string),
            setup,
            host: Host::current(tuning, cpus),
            limits: Limits {
                timeout_seconds: spec.limits.timeout.as_secs_f64(),
                boot_timeout_seconds: spec.limits.boot_timeout.as_secs_f64(),
                grace_period_seconds: spec.limits.grace_period.as_secs_f64(),
                max_output_bytes: spec.limits.output,
                max_file_count: spec.limits.file_count,
                max_file_bytes: spec.limits.file,
                max_total_file_bytes: spec.limits.total_files,
            },
            outcome: Outcome {
                exit_code: outcome.exit_code,
                iterations_wanted: spec.goal.most(),
                iterations_run: self.count,
                iterations_left_out: None,
                precision: None,
                error: outcome.error.as_ref().map(ToString::to_string),
            },
            trust: Trust {
                comparable: reasons.is_empty(),
                reasons,
                suspect_iterations: self.suspect,
            },
            iterations: self.spool,
        }
    }
}

/// A document that was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) document: ResultDocument<IterationSpool>,
    /// The same in short, where somebody has it so.
    pub(crate) evidence: Option<ResultDocument<ShortIterations>>,
    /// Why it is not in each place that the user named.
    pub(crate) failures: Vec<RunError>,
}

/// Puts the document where the user named a place for it alone, and returns why that failed.
fn deliver(spec: &RunSpec, document: &ResultDocument<IterationSpool>) -> Vec<RunError> {
    let to_file = spec.result_file.as_ref().map(|path| write(path, document));
    let to_stdout = (spec.live == LiveOutput::Document).then(|| {
        let stdout = io::stdout().lock();
        serialize(document, stdout).map_err(|source| RunError::Result {
            path: PathBuf::from("standard output"),
            source,
        })
    });
    let delivered = to_file.into_iter().chain(to_stdout);
    delivered.filter_map(Result::err).collect()
}

/// What is run and where, but for the version of a QEMU.
pub(super) fn setup(spec: &RunSpec, prepared: &Prepared) -> Result<Setup, RunError> {
    Ok(Setup {
        image: image(spec, prepared)?,
        command: orders::command(&prepared.orders),
        machine: prepare::machine(spec, prepared),
    })
}

fn image(spec: &RunSpec, prepared: &Prepared) -> Result<Image, RunError> {
    let image = &prepared.image;
    Ok(Image {
        reference: spec.image.name.to_string_lossy().into_owned(),
        manifest_digest: image.manifest_digest.as_ref().map(ToString::to_string),
        config_digest: image.config_digest.to_string(),
        platform: image.platform.to_string(),
        diff_ids: image
            .layers
            .iter()
            .map(|layer| layer.diff_id().to_string())
            .collect(),
        rootfs_key: rootfs::key_of(image, spec.disk)?,
    })
}

/// Whether the document can be written to `path`.
fn check(path: &Path) -> Result<(), RunError> {
    let checked = Destination::of(path).and_then(|place| place.check());
    checked.map_err(|source| failed(path, source))
}

fn write(path: &Path, document: &ResultDocument<IterationSpool>) -> Result<(), RunError> {
    let place = Destination::of(path);
    let written = place.and_then(|place| place.write(|writer| serialize(document, writer)));
    written.map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> RunError {
    RunError::Result {
        path: path.to_owned(),
        source,
    }
}

fn serialize(document: &ResultDocument<IterationSpool>, mut writer: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut writer, document)?;
    writer.write_all(b"\n")?;
    writer.flush()
}
