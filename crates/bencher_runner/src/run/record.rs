//! What is known of an iteration while it runs, and the [`Iteration`] it becomes.

use std::io::ErrorKind;

use bencher_output_protocol::{ExitReport, ExitStatus, FileBegin, LogLevel};

use super::capture::{Capture, InlineBudget};
use super::moments::Moments;
use super::output_folder::{GuestPath, OutputFolder};
use super::supervisor::Cause;
use super::witness::Witnessed;
use super::{RunError, text};
use crate::Reporter;
use crate::harness::Inputs;
use crate::result::{Content, EndedBy, FileOutput, Iteration, MissingOutput};

/// Warnings that a result holds; a guest may send any number of them.
const MAX_WARNINGS: usize = 100;

/// Lines of a guest's log that are shown, beside the warnings.
const MAX_LOG_LINES: usize = 10_000;

/// What a record needs to know of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep<'a> {
    /// Bytes of each output.
    pub(crate) output_bytes: u64,
    /// Files.
    pub(crate) file_count: u32,
    /// Bytes of each file.
    pub(crate) file_bytes: u64,
    /// Bytes of all files.
    pub(crate) total_file_bytes: u64,
    /// The least important log lines to show.
    pub(crate) log_level: LogLevel,
    /// The paths that were asked for.
    pub(crate) outputs: &'a [Vec<u8>],
    /// Where files go.
    pub(crate) folder: Option<&'a OutputFolder>,
}

/// One iteration, as far as it has come.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) moments: Moments,
    /// What metrics of a harness are read out of, if they are.
    pub(crate) inputs: Option<Inputs>,
    index: u32,
    keep: Keep<'a>,
    reporter: &'a dyn Reporter,
    budget: InlineBudget,
    stdout: Capture,
    stderr: Capture,
    report: Option<ExitReport>,
    open_file: Option<OpenFile>,
    begun_files: u32,
    kept_file_bytes: u64,
    log_lines: usize,
    files: Vec<FileOutput>,
    missing: Vec<MissingOutput>,
    warnings: Vec<String>,
    kernel_release: Option<String>,
    witnessed: Option<Witnessed>,
}

#[derive(Debug)]
struct OpenFile {
    guest_path: String,
    mode: u16,
    size: u64,
    /// `None` when the file is not kept.
    capture: Option<Capture>,
}

/// Why a file of the guest is not kept.
enum Refusal {
    /// It does not belong there: the run goes on without it.
    Harmful(&'static str),
    /// The host can not keep it.
    Failed(RunError),
}

/// How the talk with the guest ended.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) cause: Option<Cause>,
    pub(crate) failure: Option<RunError>,
}

impl<'a> Record<'a> {
    /// A record of iteration `index`, with nothing in it yet.
    pub(crate) fn new(
        index: u32,
        moments: Moments,
        keep: Keep<'a>,
        reporter: &'a dyn Reporter,
    ) -> Result<Self, RunError> {
        let stream = |name| {
            let file = keep.folder.map(|folder| folder.stream(index, name));
            Ok::<_, RunError>(Capture::new(keep.output_bytes, file.transpose()?))
        };
        Ok(Self {
            moments,
            inputs: None,
            index,
            keep,
            reporter,
            budget: InlineBudget::new(),
            stdout: stream("stdout")?,
            stderr: stream("stderr")?,
            report: None,
            open_file: None,
            begun_files: 0,
            kept_file_bytes: 0,
            log_lines: 0,
            files: Vec::new(),
            missing: Vec::new(),
            warnings: Vec::new(),
            kernel_release: None,
            witnessed: None,
        })
    }

    pub(crate) fn kernel_release(&mut self, release: &str) {
        self.kernel_release = Some(text::one_line(release));
    }

    pub(crate) fn witnessed(&mut self, witnessed: Witnessed) {
        self.witnessed = Some(witnessed);
    }

    /// Takes bytes of standard output and returns those within the limit.
    pub(crate) fn stdout<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], RunError> {
        let result = self.stdout.push(bytes, &mut self.budget);
        let kept = result.map_err(|source| output_error(self.keep.folder, source))?;
        if let Some(inputs) = &mut self.inputs {
            inputs.stdout(kept);
        }
        Ok(kept)
    }

    /// Takes bytes of standard error and returns those within the limit.
    pub(crate) fn stderr<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], RunError> {
        let result = self.stderr.push(bytes, &mut self.budget);
        result.map_err(|source| output_error(self.keep.folder, source))
    }

    pub(crate) fn exited(&mut self, report: ExitReport) {
        self.report = Some(report);
    }

    pub(crate) fn file_begin(&mut self, begin: &FileBegin<'_>) -> Result<(), RunError> {
        if self.begun_files == self.keep.file_count {
            return Err(RunError::TooManyFiles {
                limit: self.keep.file_count,
            });
        }
        self.begun_files += 1;
        let guest_path = text::path(begin.path);
        let capture = match self.accept(begin.path) {
            Ok(capture) => Some(capture),
            Err(Refusal::Harmful(reason)) => {
                self.warn(format!(
                    "a file of the guest was left out: {guest_path}: {reason}"
                ));
                None
            }
            Err(Refusal::Failed(error)) => return Err(error),
        };
        if let (Some(inputs), Some(_)) = (&mut self.inputs, &capture) {
            inputs.file_begin(&guest_path);
        }
        self.open_file = Some(OpenFile {
            guest_path,
            mode: begin.mode & 0o7777,
            size: begin.size,
            capture,
        });
        Ok(())
    }

    /// The guest chooses what it sends: only what was asked for is kept, and only where it can
    /// do no harm.
    fn accept(&self, path: &[u8]) -> Result<Capture, Refusal> {
        let is_asked_for = self.keep.outputs.iter().any(|output| {
            path.strip_prefix(output.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || output == b"/")
        });
        if !is_asked_for {
            return Err(Refusal::Harmful("it was not asked for"));
        }
        let path = GuestPath::parse(path).ok_or(Refusal::Harmful(
            "its path is not one that the host can use safely",
        ))?;
        let file = self
            .keep
            .folder
            .map(|folder| folder.file(self.index, &path))
            .transpose();
        match file {
            Ok(file) => {
                let left = self.keep.total_file_bytes - self.kept_file_bytes;
                Ok(Capture::new(self.keep.file_bytes.min(left), file))
            }
            Err(RunError::OutputFolder { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory
                ) =>
            {
                Err(Refusal::Harmful(
                    "another file of the guest is in its place",
                ))
            }
            Err(error) => Err(Refusal::Failed(error)),
        }
    }

    pub(crate) fn file_data(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        if let Some(capture) = self
            .open_file
            .as_mut()
            .and_then(|file| file.capture.as_mut())
        {
            let kept = capture
                .push(bytes, &mut self.budget)
                .map_err(|source| output_error(self.keep.folder, source))?;
            if let Some(inputs) = &mut self.inputs {
                inputs.file_data(kept);
            }
        }
        Ok(())
    }

    pub(crate) fn file_end(&mut self) {
        if let Some(inputs) = &mut self.inputs {
            inputs.file_end();
        }
        if let Some(file) = self.open_file.take()
            && let Some(capture) = file.capture
        {
            let content = capture.finish(Some(file.size));
            self.kept_file_bytes += content.kept_bytes;
            self.files.push(FileOutput {
                guest_path: file.guest_path,
                mode: file.mode,
                content,
            });
        }
    }

    pub(crate) fn file_missing(&mut self, path: &[u8], reason: &str) {
        if self.missing.len() >= self.keep.outputs.len() {
            return;
        }
        let missing = MissingOutput {
            guest_path: text::path(path),
            reason: text::one_line(reason),
        };
        self.reporter.warning(&format!(
            "not all of the output {} was collected: {}",
            missing.guest_path, missing.reason
        ));
        self.missing.push(missing);
    }

    /// Shows a line of init's log, if the user asked for such lines: a guest may send any.
    pub(crate) fn log(&mut self, level: LogLevel, line: &str) {
        if level < self.keep.log_level {
            return;
        }
        let line = format!("guest: {}", text::one_line(line));
        if level == LogLevel::Warning {
            self.warn(line);
        } else if self.log_lines < MAX_LOG_LINES {
            self.log_lines += 1;
            self.reporter.info(&line);
        }
    }

    /// Takes something that bears on the result.
    pub(crate) fn warn(&mut self, warning: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.reporter.warning(&warning);
            self.warnings.push(warning);
        }
    }

    /// The iteration that came of it.
    pub(crate) fn finish(mut self, finish: Finish) -> (Iteration, Option<RunError>) {
        self.file_end();
        let (ended_by, exit_code, signal) =
            verdict(&finish, self.report.as_ref().map(|report| &report.status));
        let not_started = match self.report.as_ref().map(|report| &report.status) {
            Some(ExitStatus::NotFound(message) | ExitStatus::NotExecutable(message)) => {
                Some(text::one_line(message))
            }
            _ => None,
        };
        let (stdout, stderr) = (
            self.report.as_ref().map(|report| report.stdout_bytes),
            self.report.as_ref().map(|report| report.stderr_bytes),
        );
        let witnessed = self.witnessed.take();
        let (host_cpu, vm_exits) = witnessed
            .as_ref()
            .map_or((None, None), |seen| (seen.host_cpu, seen.vm_exits));
        let (perf_counters, validity) = witnessed
            .map(|seen| (seen.perf_counters, seen.validity))
            .unzip();
        let inputs = self.inputs.take();
        let mut iteration = Iteration {
            index: self.index,
            ended_by,
            exit_code,
            signal,
            error: finish
                .failure
                .as_ref()
                .map(ToString::to_string)
                .or(not_started),
            spans: self.moments.spans(),
            kernel_release: self.kernel_release.take(),
            resources: self
                .report
                .as_ref()
                .map(|report| (&report.resources).into()),
            host_cpu,
            vm_exits,
            perf_counters: perf_counters.flatten(),
            validity,
            retried: false,
            warmup: false,
            instructions: None,
            harness: None,
            stdout: self.truncation_warned("standard output", stdout, |record| {
                std::mem::replace(&mut record.stdout, Capture::new(0, None))
            }),
            stderr: self.truncation_warned("standard error", stderr, |record| {
                std::mem::replace(&mut record.stderr, Capture::new(0, None))
            }),
            files: self.files,
            missing: self.missing,
            warnings: self.warnings,
        };
        if iteration.ended_well() {
            iteration.harness = inputs.map(|inputs| inputs.read(&iteration));
        }
        (iteration, finish.failure)
    }

    fn truncation_warned(
        &mut self,
        name: &str,
        total: Option<u64>,
        take: impl FnOnce(&mut Self) -> Capture,
    ) -> Content {
        let content = take(self).finish(total);
        if content.truncated {
            self.warn(format!(
                "{name} was cut: {} of {} bytes were kept (--max-output-size)",
                content.kept_bytes, content.bytes
            ));
        }
        content
    }
}

fn output_error(folder: Option<&OutputFolder>, source: std::io::Error) -> RunError {
    RunError::OutputFolder {
        path: folder
            .map(|folder| folder.path().to_owned())
            .unwrap_or_default(),
        source,
    }
}

fn verdict(finish: &Finish, status: Option<&ExitStatus>) -> (EndedBy, u8, Option<u8>) {
    let signal = match status {
        Some(ExitStatus::Signaled(signal)) => Some(*signal),
        _ => None,
    };
    if finish.failure.is_some() {
        return (EndedBy::Failure, 125, signal);
    }
    match (finish.cause, status) {
        (Some(Cause::Timeout), _) => (EndedBy::Timeout, 124, signal),
        (Some(Cause::Interrupted(by)), _) => {
            let code = 128_u8.saturating_add(u8::try_from(by as i32).unwrap_or(u8::MAX));
            (EndedBy::Interrupt, code, signal)
        }
        (_, Some(status)) => {
            let ended_by = match status {
                ExitStatus::Exited(_) => EndedBy::Exit,
                ExitStatus::Signaled(_) => EndedBy::Signal,
                ExitStatus::NotFound(_) | ExitStatus::NotExecutable(_) => EndedBy::NotStarted,
            };
            (ended_by, status.code(), signal)
        }
        (_, None) => (EndedBy::Failure, 125, None),
    }
}
