//! `runner run`.

use std::path::PathBuf;
use std::sync::Arc;

use bencher_oci::CommandOverrides;
use bencher_runner::kernel::KernelSource;
use bencher_runner::machine::{self, CpuTemplate, HugePages};
use bencher_runner::run::{
    FirecrackerChoice, LiveOutput, RunLimits, RunSpec, SandboxChoice, run as run_image,
};
use bencher_runner::{Directories, Interrupts, PinnedUrl, Reporter};

use crate::arguments::{Clock, Format, Global, Run, Sandbox};
use crate::terminal::Terminal;
use crate::{FAILED, Start};

pub(crate) fn run(arguments: &Run, global: &Global, start: Start, terminal: Terminal) -> u8 {
    let terminal = Arc::new(terminal);
    match attempt(arguments, global, start, &terminal) {
        Ok(code) => code,
        Err(message) => {
            terminal.error(&message);
            FAILED
        }
    }
}

fn attempt(
    arguments: &Run,
    global: &Global,
    start: Start,
    terminal: &Arc<Terminal>,
) -> Result<u8, String> {
    let spec = spec(arguments, global, start)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("failed to start: {error}"))?;
    let reporter: Arc<dyn Reporter> = Arc::<Terminal>::clone(terminal);
    let outcome = runtime.block_on(async {
        let mut interrupts = Interrupts::catch()?;
        Ok::<_, std::io::Error>(run_image(spec, &mut interrupts, reporter).await)
    });
    // After a second interrupt a thread may still be at work: it is not waited for.
    runtime.shutdown_background();
    let outcome = outcome.map_err(|error| format!("failed to start: {error}"))?;
    if let Some(error) = outcome.error {
        terminal.error(&error.to_string());
    }
    Ok(outcome.exit_code)
}

fn spec(arguments: &Run, global: &Global, start: Start) -> Result<RunSpec, String> {
    let cmd = if arguments.trailing.is_empty() {
        arguments.cmd.clone()
    } else {
        Some(arguments.trailing.clone())
    };
    let directories = directories(global);
    let clock = clock(arguments)?;
    Ok(RunSpec {
        image: arguments
            .registry
            .choice(&arguments.image, arguments.pull)?,
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
        output_folder: arguments.output_dir.clone(),
        result_file: arguments.result.clone(),
        live: match arguments.format {
            Format::Human => LiveOutput::Both,
            Format::Json => LiveOutput::None,
        },
        iterations: arguments.iter,
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

fn limits(arguments: &Run, clock: machine::Clock) -> RunLimits {
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

fn clock(arguments: &Run) -> Result<machine::Clock, String> {
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
        Some(path) => Ok(KernelSource::File {
            image: path.into(),
            modules,
        }),
    }
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
