//! The result document of a run, written where the user wants it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::prepare::{self, Prepared};
use super::quiet::HostState;
use super::{LiveOutput, RunError, RunOutcome, RunSpec, beside, orders, rootfs};
use crate::result::{
    Host, Image, Iteration, IterationSpool, Limits, Outcome, ResultDocument, RunnerIdentity, Setup,
    Trust, VERSION,
};

/// How the names of unfinished documents begin.
const PREFIX: &str = ".result-";

/// Collects iterations and writes the document.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    spec: &'a RunSpec,
    started_at: u64,
    spool: IterationSpool,
    count: u32,
    suspect: u32,
}

impl<'a> Report<'a> {
    pub(crate) fn new(spec: &'a RunSpec) -> Result<Self, RunError> {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH);
        let spool = IterationSpool::new().map_err(|source| RunError::Result {
            path: std::env::temp_dir(),
            source,
        })?;
        if let Some(path) = &spec.result_file {
            // Better to learn now that it can not be written than after the benchmark.
            Target::of(path)?.check()?;
        }
        Ok(Self {
            spec,
            started_at: started_at.map_or(0, |duration| duration.as_secs()),
            spool,
            count: 0,
            suspect: 0,
        })
    }

    /// Whether anybody is to see the document.
    pub(crate) fn is_wanted(&self) -> bool {
        self.spec.result_file.is_some()
            || (self.spec.output_folder.is_some() && self.spec.live != LiveOutput::Reporter)
            || self.spec.live == LiveOutput::None
    }

    pub(crate) fn push(&mut self, iteration: &Iteration) -> Result<(), RunError> {
        self.count += 1;
        self.suspect += u32::from(iteration.suspicions().is_some());
        if !self.is_wanted() {
            return Ok(());
        }
        self.spool
            .push(iteration)
            .map_err(|source| RunError::Result {
                path: std::env::temp_dir(),
                source,
            })
    }

    /// Writes the document to every place that the user named.
    pub(crate) fn write(
        self,
        prepared: &Prepared,
        host: HostState,
        vmm_version: Option<String>,
        outcome: &RunOutcome,
    ) -> Result<(), RunError> {
        if !self.is_wanted() {
            return Ok(());
        }
        let spec = self.spec;
        let mut machine = prepare::machine(spec, prepared);
        machine.vmm_version = vmm_version.or(machine.vmm_version);
        let setup = Setup {
            image: image(spec, prepared)?,
            command: orders::command(&prepared.orders),
            machine,
        };
        let document = self.document(Some(setup), Some(host), outcome);
        if let Some(folder) = &spec.output_folder {
            Target::of(&folder.join("result.json"))?.write(&document)?;
        }
        deliver(spec, &document)
    }

    /// Writes the document of a run that failed before there was anything to run. It is not put
    /// into the output folder: that is given up, so that the next attempt finds it free.
    pub(crate) fn write_unprepared(self, outcome: &RunOutcome) -> Result<(), RunError> {
        if !self.is_wanted() {
            return Ok(());
        }
        let spec = self.spec;
        deliver(spec, &self.document(None, None, outcome))
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
                iterations_wanted: spec.iterations.get(),
                iterations_run: self.count,
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

/// Puts the document where the user named a place for it alone.
fn deliver(spec: &RunSpec, document: &ResultDocument<IterationSpool>) -> Result<(), RunError> {
    if let Some(path) = &spec.result_file {
        Target::of(path)?.write(document)?;
    }
    if spec.live == LiveOutput::None {
        let stdout = io::stdout().lock();
        serialize(document, stdout).map_err(|source| RunError::Result {
            path: PathBuf::from("standard output"),
            source,
        })?;
    }
    Ok(())
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

/// Where a document goes.
enum Target {
    /// A regular file, or none yet: replaced as a whole.
    File(PathBuf),
    /// A device or a pipe: written to.
    Stream(PathBuf),
}

impl Target {
    fn of(path: &Path) -> Result<Self, RunError> {
        let failed = |source| RunError::Result {
            path: path.to_owned(),
            source,
        };
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
            // Through symbolic links: what they lead to is replaced, not the link.
            Ok(found) if found.is_file() => Ok(Self::File(path.canonicalize().map_err(failed)?)),
            Ok(_) => Ok(Self::Stream(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::File(path.to_owned()))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether it can be written.
    fn check(&self) -> Result<(), RunError> {
        match self {
            Self::File(path) => beside(path, PREFIX)
                .map(drop)
                .map_err(|source| RunError::Result {
                    path: path.clone(),
                    source,
                }),
            Self::Stream(_) => Ok(()),
        }
    }

    fn write(&self, document: &ResultDocument<IterationSpool>) -> Result<(), RunError> {
        let (Self::File(path) | Self::Stream(path)) = self;
        let failed = |source| RunError::Result {
            path: path.clone(),
            source,
        };
        match self {
            Self::File(path) => {
                let mut file = beside(path, PREFIX).map_err(failed)?;
                serialize(document, io::BufWriter::new(file.as_file_mut())).map_err(failed)?;
                file.persist(path).map_err(|error| failed(error.error))?;
            }
            Self::Stream(path) => {
                let stream = fs::File::options().write(true).open(path).map_err(failed)?;
                serialize(document, io::BufWriter::new(stream)).map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn serialize(document: &ResultDocument<IterationSpool>, mut writer: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut writer, document)?;
    writer.write_all(b"\n")?;
    writer.flush()
}
