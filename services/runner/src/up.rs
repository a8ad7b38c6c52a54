//! `runner up`.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bencher_channel_protocol::{KeyError, RunnerKey};
use bencher_oci::registry::Secret;
use bencher_runner::Reporter;
use bencher_runner::run::{FirecrackerChoice, QemuChoice};
use bencher_runner::up::{self, End, JobPolicy, REPLACED, UpError, UpSpec, Updates};

use crate::FAILED;
use crate::arguments::{Global, JobSandbox, Up, UpdateChannel};
use crate::spec::{directories, kernel_source};
use crate::terminal::Terminal;

/// More than any key has, in bytes.
const MAX_KEY_FILE: u64 = 4096;

/// What a process that was ended by SIGTERM has.
const TERMINATED: u8 = 128 + 15;

pub(crate) fn run(arguments: Up, global: &Global, terminal: Terminal) -> u8 {
    let terminal = Arc::new(terminal);
    let reporter: Arc<dyn Reporter> = Arc::<Terminal>::clone(&terminal);
    let program = std::env::current_exe().ok();
    let ended = spec(arguments, global, program.as_deref())
        .map_err(Failure::Arguments)
        .and_then(|spec| up::serve(spec, reporter).map_err(Failure::Up));
    match ended {
        Ok(End::Stopped) => 0,
        Ok(End::Undelivered) => {
            terminal.warning(
                "what the server has not acknowledged is kept, and delivered at the next start",
            );
            0
        }
        Ok(End::AtOnce) => TERMINATED,
        Ok(End::Updated(new)) => become_the_new(&new, program.as_deref(), &terminal),
        Err(Failure::Up(UpError::NotUp {
            program: before,
            source,
        })) => {
            terminal.error(&format!(
                "the new program has not come up, and the one before goes on: {source}"
            ));
            terminal.error(&start(&before).to_string());
            FAILED
        }
        Err(Failure::Up(error)) => {
            terminal.error(&error.to_string());
            match error {
                UpError::Replaced => REPLACED,
                _ => FAILED,
            }
        }
        Err(Failure::Arguments(message)) => {
            terminal.error(&message);
            FAILED
        }
    }
}

/// Why there is no runner.
enum Failure {
    Arguments(String),
    Up(UpError),
}

/// Starts the program that is to take this one's place, or this one again: that is in its place still. It
/// only returns if neither can be done.
fn become_the_new(new: &Path, program: Option<&Path>, terminal: &Terminal) -> u8 {
    terminal.info("starting the new program");
    let error = start(new);
    terminal.error(&format!(
        "the new program can not be started, and the one before goes on: {error}"
    ));
    if let Some(program) = program {
        terminal.error(&start(program).to_string());
    }
    FAILED
}

/// Becomes `program`, with the same command line. It only returns if that can not be done.
fn start(program: &Path) -> std::io::Error {
    let arguments = std::env::args_os().skip(1);
    Command::new(program).args(arguments).exec()
}

fn updates(arguments: &Up, program: Option<&Path>) -> Result<Option<Updates>, String> {
    if arguments.no_auto_update {
        return Ok(None);
    }
    let program = program.ok_or(
        "this program does not know its own file, so it can not be updated: add --no-auto-update",
    )?;
    Ok(Some(Updates {
        channel: match arguments.update_channel {
            UpdateChannel::Stable => bencher_channel_protocol::UpdateChannel::Stable,
            UpdateChannel::Canary => bencher_channel_protocol::UpdateChannel::Canary,
        },
        most: arguments.max_download_size,
        program: program.to_owned(),
    }))
}

fn spec(mut arguments: Up, global: &Global, program: Option<&Path>) -> Result<UpSpec, String> {
    let key = runner_key(arguments.key.take(), arguments.key_file.as_deref())?;
    Ok(UpSpec {
        host: arguments.host.clone(),
        runner: arguments.runner.clone(),
        key,
        ca_file: arguments.ca.clone(),
        poll_timeout: arguments.poll_timeout,
        drain_timeout: arguments.drain_timeout,
        updates: updates(&arguments, program)?,
        is_trial: std::env::var_os(up::TRIAL).is_some(),
        jobs: JobPolicy {
            allow_no_sandbox: arguments.danger_allow_no_sandbox,
            sandbox: match arguments.sandbox {
                JobSandbox::Firecracker => up::JobSandbox::Firecracker,
                JobSandbox::Qemu => up::JobSandbox::Qemu,
            },
            firecracker: FirecrackerChoice {
                program: arguments.firecracker,
                ..FirecrackerChoice::default()
            },
            qemu: QemuChoice {
                program: arguments.qemu,
                ..QemuChoice::default()
            },
            kernel: kernel_source(arguments.kernel.as_deref(), arguments.kernel_modules)?,
            jail: arguments.isolation.policy(),
            network_range: arguments.network_range,
            cpus: arguments.cpus.choice(),
            tuning: arguments.tuning.policy(),
            output: arguments.max_output_size,
            file_count: arguments.max_file_count,
            grace_period: arguments.grace_period,
            guest_log_level: arguments.sandbox_log_level.level(),
        },
        directories: directories(global),
    })
}

/// The key that was given, or that a file holds.
pub(crate) fn runner_key(key: Option<String>, file: Option<&Path>) -> Result<RunnerKey, String> {
    let secret = match (file, key) {
        (Some(path), _) => read_key(path)?,
        (None, Some(key)) => Secret::new(key),
        (None, None) => return Err("there is no key: give --key or --key-file".to_owned()),
    };
    let text = secret.expose().trim_end_matches(['\r', '\n']);
    text.parse().map_err(|error: KeyError| error.to_string())
}

fn read_key(path: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_KEY_FILE).read_to_string(&mut text))
        .map_err(|error| format!("failed to read the key in {}: {error}", path.display()))?;
    Ok(Secret::new(text))
}
