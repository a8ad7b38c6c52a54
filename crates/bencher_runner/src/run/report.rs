//! The result document of a run, written where the user wants it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::prepare::{self, Prepared};
use super::{LiveOutput, RunError, RunSpec, orders, rootfs};
use crate::result::{
    Host, Image, Iteration, IterationSpool, Limits, Outcome, ResultDocument, RunnerIdentity, Trust,
    VERSION,
};

/// Collects iterations and writes the document.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    spec: &'a RunSpec,
    started_at: u64,
    spool: IterationSpool,
    count: u32,
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
            drop(beside(path)?);
        }
        Ok(Self {
            spec,
            started_at: started_at.map_or(0, |duration| duration.as_secs()),
            spool,
            count: 0,
        })
    }

    /// Whether anybody is to see the document.
    pub(crate) fn is_wanted(&self) -> bool {
        self.spec.result_file.is_some()
            || self.spec.output_folder.is_some()
            || self.spec.live == LiveOutput::None
    }

    pub(crate) fn push(&mut self, iteration: &Iteration) -> Result<(), RunError> {
        self.count += 1;
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
        vmm_version: Option<String>,
        exit_code: u8,
        error: Option<&RunError>,
    ) -> Result<(), RunError> {
        if !self.is_wanted() {
            return Ok(());
        }
        let spec = self.spec;
        let document = self.document(prepared, vmm_version, exit_code, error)?;
        if let Some(path) = &spec.result_file {
            publish(&document, path)?;
        }
        if let Some(folder) = &spec.output_folder {
            publish(&document, &folder.join("result.json"))?;
        }
        if spec.live == LiveOutput::None {
            let stdout = io::stdout().lock();
            serialize(&document, stdout).map_err(|source| RunError::Result {
                path: PathBuf::from("standard output"),
                source,
            })?;
        }
        Ok(())
    }

    fn document(
        self,
        prepared: &Prepared,
        vmm_version: Option<String>,
        exit_code: u8,
        error: Option<&RunError>,
    ) -> Result<ResultDocument<IterationSpool>, RunError> {
        let spec = self.spec;
        let mut machine = prepare::machine(spec, prepared);
        machine.vmm_version = vmm_version;
        let reasons: Vec<_> = prepare::emulation_warning(&machine.description)
            .into_iter()
            .map(str::to_owned)
            .collect();
        Ok(ResultDocument {
            version: VERSION,
            runner: RunnerIdentity {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            started_at: self.started_at,
            image: image(spec, prepared)?,
            command: orders::command(&prepared.orders),
            machine,
            host: Host::current(),
            limits: Limits {
                timeout_seconds: spec.limits.timeout.as_secs_f64(),
                boot_timeout_seconds: spec.limits.boot_timeout.as_secs_f64(),
                grace_period_seconds: spec.limits.grace_period.as_secs_f64(),
                max_output_bytes: spec.limits.output,
                max_file_count: spec.limits.file_count,
                max_file_bytes: spec.limits.file,
            },
            outcome: Outcome {
                exit_code,
                iterations_wanted: spec.iterations.get(),
                iterations_run: self.count,
                error: error.map(ToString::to_string),
            },
            trust: Trust {
                comparable: reasons.is_empty(),
                reasons,
            },
            iterations: self.spool,
        })
    }
}

fn image(spec: &RunSpec, prepared: &Prepared) -> Result<Image, RunError> {
    let image = &prepared.image;
    Ok(Image {
        reference: spec.image.to_string_lossy().into_owned(),
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

/// A file in the folder of `path`, to become `path` when it is complete.
fn beside(path: &Path) -> Result<tempfile::NamedTempFile, RunError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".result-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(|source| RunError::Result {
            path: path.to_owned(),
            source,
        })
}

fn publish(document: &ResultDocument<IterationSpool>, path: &Path) -> Result<(), RunError> {
    let failed = |source| RunError::Result {
        path: path.to_owned(),
        source,
    };
    let mut file = beside(path)?;
    serialize(document, io::BufWriter::new(file.as_file_mut())).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn serialize(document: &ResultDocument<IterationSpool>, mut writer: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut writer, document)?;
    writer.write_all(b"\n")?;
    writer.flush()
}
