//! From the command line to what the library runs.

use std::ffi::OsString;
use std::path::PathBuf;

use bencher_oci::CommandOverrides;
use bencher_runner::kernel::KernelSource;
use bencher_runner::machine::{self, CpuTemplate, HugePages};
use bencher_runner::result::MetricName;
use bencher_runner::run::{FirecrackerChoice, Goal, LiveOutput, RunLimits, RunSpec, SandboxChoice};
use bencher_runner::{Directories, PinnedUrl};

use crate::Start;
use crate::arguments::{Benchmark, Clock, Global, Sandbox};

/// What is run, how often, and where what comes of it goes.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    /// The image.
    pub(crate) image: &'a OsString,
    /// What replaces its command; empty for what the options say.
    pub(crate) command: &'a [String],
    /// How often.
    pub(crate) goal: Goal,
    /// Where the command's output goes while it runs.
    pub(crate) live: LiveOutput,
    /// A folder for outputs and the result.
    pub(crate) output_folder: Option<PathBuf>,
    /// A file for the result.
    pub(crate) result_file: Option<PathBuf>,
    /// What the user calls it.
    pub(crate) label: Option<String>,
}

/// Everything that the user chose of a run.
pub(crate) fn spec(
    task: Task<'_>,
    arguments: &Benchmark,
    global: &Global,
    start: Start,
) -> Result<RunSpec, String> {
    let cmd = if task.command.is_empty() {
        arguments.cmd.clone()
    } else {
        Some(task.command.to_vec())
    };
    if let Goal::Narrow { metric, .. } = &task.goal {
        check_metrics(std::slice::from_ref(metric), arguments)?;
    }
    let directories = directories(global);
    let clock = clock(arguments)?;
    Ok(RunSpec {
        image: arguments.registry.choice(task.image, arguments.pull)?,
        sandbox: match arguments.machine.sandbox {
            Sandbox::Auto => SandboxChoice::Auto,
            Sandbox::Firecracker => SandboxChoice::Firecracker,
            Sandbox::Qemu => SandboxChoice::Qemu,
            Sandbox::None => SandboxChoice::None,
        },
        firecracker: FirecrackerChoice {
            program: arguments.machine.firecracker.clone(),
            cpu_template: arguments
                .machine
                .cpu_template
                .as_deref()
                .map(CpuTemplate::parse)
                .transpose()
                .map_err(|error| error.to_string())?,
            console: arguments.machine.serial_console,
        },
        network: arguments.network.choice(),
        jail: arguments.isolation.policy(),
        qemu: arguments.machine.qemu_choice(),
        clock,
        vcpus: arguments.machine.vcpus,
        memory: arguments.machine.memory,
        huge_pages: arguments
            .machine
            .hugepages
            .then(|| HugePages::of_host(&directories.state)),
        prefault: arguments.machine.prefault,
        disk: arguments.machine.disk,
        page_cache: arguments.machine.page_cache(),
        kernel: kernel_source(
            arguments.machine.kernel.as_deref(),
            arguments.machine.kernel_modules.clone(),
        )?,
        command: CommandOverrides {
            entrypoint: arguments.entrypoint.clone(),
            cmd,
        },
        environment: environment(&arguments.env)?,
        working_directory: arguments.workdir.clone(),
        user: arguments.user.clone(),
        outputs: arguments.output.clone(),
        adapter: arguments.adapter.clone(),
        output_folder: task.output_folder,
        result_file: task.result_file,
        label: task.label,
        live: task.live,
        goal: task.goal,
        warmups: arguments.precision.warmup,
        allow_failure: arguments.allow_failure,
        cpus: arguments.cpus.choice(),
        perf_counters: arguments.perf_counters,
        on_suspect: arguments.on_suspect,
        cool_down: arguments.cool_down,
        tuning: arguments.tuning.policy(),
        limits: limits(arguments, clock),
        guest_log_level: arguments.sandbox_log_level.level(),
        directories,
        process_start: start.instant,
        tsc: start.tsc,
    })
}

/// Whether `metrics` will be measured by what is run.
pub(crate) fn check_metrics(metrics: &[MetricName], arguments: &Benchmark) -> Result<(), String> {
    match metrics.iter().find(|metric| metric.is_of_harness()) {
        Some(metric) if arguments.adapter.is_none() => Err(format!(
            "{metric} is a metric of a harness, and nothing reads those: add --adapter auto, or the name of \
             the harness"
        )),
        _ => Ok(()),
    }
}

fn limits(arguments: &Benchmark, clock: machine::Clock) -> RunLimits {
    RunLimits {
        timeout: arguments.timeout,
        boot_timeout: arguments
            .boot_timeout
            .unwrap_or_else(|| RunLimits::default_boot_timeout(clock)),
        grace_period: arguments.grace_period,
        output: arguments.max_output_size,
        file_count: arguments.max_file_count,
        file: arguments.max_file_size,
        total_files: arguments.max_total_file_size,
    }
}

fn clock(arguments: &Benchmark) -> Result<machine::Clock, String> {
    match (arguments.machine.clock, arguments.machine.clock_mips) {
        (Clock::Wall, None) => Ok(machine::Clock::Wall),
        (Clock::Wall, Some(_)) => {
            Err("--clock-mips is the rate of a virtual clock: add --clock virtual".to_owned())
        }
        (Clock::Virtual, rate) => Ok(machine::Clock::Virtual(rate.unwrap_or_default())),
    }
}

pub(crate) fn directories(global: &Global) -> Directories {
    Directories::resolve(global.cache_dir.clone(), global.state_dir.clone())
}

/// Where the guest's kernel comes from.
pub(crate) fn kernel_source(
    kernel: Option<&str>,
    modules: Option<PathBuf>,
) -> Result<KernelSource, String> {
    match kernel {
        None => Ok(KernelSource::Any),
        Some(text) if PinnedUrl::looks_like(text) => {
            let url = text
                .parse::<PinnedUrl>()
                .map_err(|error| error.to_string())?;
            Ok(KernelSource::Url { url, modules })
        }
        Some(text) => Ok(match text.strip_prefix("sha256:").filter(is_digest) {
            Some(_) if modules.is_some() => {
                return Err(format!(
                    "--kernel {text} is in the cache with its modules: leave --kernel-modules out"
                ));
            }
            Some(sha256) => KernelSource::Kept {
                sha256: sha256.to_owned(),
            },
            None => KernelSource::File {
                image: text.into(),
                modules,
            },
        }),
    }
}

/// Whether `text` is a SHA-256 as the runner writes it.
fn is_digest(text: &&str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    text.len() == 64 && text.bytes().all(is_digit)
}

/// `NAME` alone takes its value from here, or is left out when it has none, as Docker has it.
fn environment(given: &[String]) -> Result<Vec<String>, String> {
    let resolve = |variable: &String| {
        if variable.contains('=') {
            return Some(Ok(variable.clone()));
        }
        let value = std::env::var_os(variable)?;
        Some(match value.into_string() {
            Ok(value) => Ok(format!("{variable}={value}")),
            Err(_) => Err(format!(
                "the value of the variable {variable} here is not UTF-8"
            )),
        })
    };
    given.iter().filter_map(resolve).collect()
}
