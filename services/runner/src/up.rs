//! `runner up`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bencher_channel_protocol::RunnerKey;
use bencher_oci::registry::Secret;
use bencher_runner::Reporter;
use bencher_runner::run::{FirecrackerChoice, QemuChoice};
use bencher_runner::up::{self, End, JobPolicy, UpSpec};

use crate::FAILED;
use crate::arguments::{Global, JobSandbox, Up};
use crate::run::{directories, kernel_source};
use crate::terminal::Terminal;

/// More than any key has, in bytes.
const MAX_KEY_FILE: u64 = 4096;

/// What a process that was ended by SIGTERM has.
const TERMINATED: u8 = 128 + 15;

pub(crate) fn run(arguments: Up, global: &Global, terminal: Terminal) -> u8 {
    let terminal = Arc::new(terminal);
    let reporter: Arc<dyn Reporter> = Arc::<Terminal>::clone(&terminal);
    let ended = spec(arguments, global)
        .and_then(|spec| up::serve(spec, reporter).map_err(|error| error.to_string()));
    match ended {
        Ok(End::Stopped) => 0,
        Ok(End::Undelivered) => {
            terminal.warning(
                "what the server has not acknowledged is kept, and delivered at the next start",
            );
            0
        }
        Ok(End::AtOnce) => TERMINATED,
        Err(message) => {
            terminal.error(&message);
            FAILED
        }
    }
}

fn spec(mut arguments: Up, global: &Global) -> Result<UpSpec, String> {
    let key = match (&arguments.key_file, arguments.key.take()) {
        (Some(path), _) => read_key(path)?,
        (None, Some(key)) => Secret::new(key),
        (None, None) => return Err("there is no key: give --key or --key-file".to_owned()),
    };
    let key: RunnerKey = key
        .expose()
        .trim_end_matches(['\r', '\n'])
        .parse()
        .map_err(|error: bencher_channel_protocol::KeyError| error.to_string())?;
    Ok(UpSpec {
        host: arguments.host,
        runner: arguments.runner,
        key,
        ca_file: arguments.ca,
        poll_timeout: arguments.poll_timeout,
        drain_timeout: arguments.drain_timeout,
        updates: None,
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

fn read_key(path: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_KEY_FILE).read_to_string(&mut text))
        .map_err(|error| format!("failed to read the key in {}: {error}", path.display()))?;
    Ok(Secret::new(text))
}
