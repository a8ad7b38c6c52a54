//! `runner reproduce`.

use std::path::Path;
use std::sync::Arc;

use bencher_report::comparison::{Comparison, Input, Levels, Options, Verdict, check_same};
use bencher_report::reproduce::{Changes, grants, names_kernel, unset_variables, words};
use bencher_report::text::{one_line, shell_line};
use bencher_runner::Reporter as _;
use bencher_runner::kernel::KernelStore;
use bencher_runner::result::Setup;
use bencher_runner::run::{LiveOutput, Preview};
use clap::Parser as _;

use crate::Start;
use crate::arguments::{Arguments, Command, Global, Reproduce, Run};
use crate::compare::{self, Failure, as_run, conclude, planned, recorded, told};
use crate::spec::{Task, directories, spec};
use crate::terminal::Terminal;

/// The exit code when a metric differs: the runner itself has not failed.
const DIFFERS: u8 = 1;

/// What the run is called that is to be the same.
const NOW: &str = "now";

pub(crate) fn run(arguments: &Reproduce, global: &Global, start: Start, terminal: Terminal) -> u8 {
    let terminal = Arc::new(terminal);
    told(attempt(arguments, global, start, &terminal), &terminal)
}

fn attempt(
    arguments: &Reproduce,
    global: &Global,
    start: Start,
    terminal: &Arc<Terminal>,
) -> Result<u8, Failure> {
    compare::check(&arguments.places)?;
    let before = recorded(&arguments.file, arguments.adapter.as_ref())?;
    let Some(setup) = before.result.setup.clone() else {
        return Err(format!("{} does not say what ran", before.label).into());
    };
    let options = Options {
        metrics: arguments.metric.clone(),
        levels: Levels::default(),
        interleaved: None,
        interest: None,
        threshold: None,
        force: arguments.force,
        precision: None,
    };
    let run = line(arguments, global, &before, &setup, terminal)?;
    compare::check_recorded(&before, &options)?;
    let task = Task {
        image: &run.image,
        command: &run.trailing,
        goal: run.benchmark.precision.goal(run.iter, run.metric.clone()),
        live: LiveOutput::None,
        output_folder: run.output_dir.clone(),
        result_file: run.result.clone(),
        label: run.label.clone(),
    };
    let spec = spec(task, &run.benchmark, global, start)?;
    let approval = |previews: &[Preview]| match (previews, as_run(&before)) {
        ([preview], Some(run)) if !arguments.force => {
            check_image(&setup, &preview.setup)?;
            check_same(run, planned(NOW, preview)).map_err(|error| error.to_string())
        }
        _ => Ok(()),
    };
    let side = (spec, Arc::new(terminal.of_side("B")) as _);
    let mut measured = compare::one(side, &approval)?;
    let now = Input {
        label: NOW.to_owned(),
        file: None,
        // There is one side.
        result: measured.results.remove(0),
    };
    let comparison = conclude(
        &[before, now],
        &options,
        measured.cut,
        Comparison::mark_what_is_not_the_same,
        &arguments.places,
    )?;
    let answers = comparison.metrics.iter().filter_map(|metric| metric.answer);
    let differs = answers.map(|answer| answer.verdict).any(Verdict::is_change);
    Ok(if differs { DIFFERS } else { 0 })
}

/// The command line that `before` comes to, once everything is there that it takes.
fn line(
    arguments: &Reproduce,
    global: &Global,
    before: &Input,
    setup: &Setup,
    terminal: &Terminal,
) -> Result<Box<Run>, String> {
    let kernels = KernelStore::new(&directories(global).cache);
    let missing = missing_kernel(setup, &kernels, &arguments.more);
    // What is there as a path is no name in a registry, whatever it looks like.
    let path = Some(setup.image.reference.clone()).filter(|path| Path::new(path).exists());
    let changes = Changes {
        image: arguments.image.clone().or(path),
        iterations: arguments.iter,
        any_kernel: missing.is_some() && arguments.force,
        adapter: arguments.adapter.as_ref().map(ToString::to_string),
    };
    let line = words(&before.result, setup, &changes, &arguments.more);
    terminal.info(&format!("runner {}", shell_line(&line)));
    let grants = grants(setup, &arguments.more);
    if !grants.is_empty() {
        let grants = shell_line(&grants);
        let file = shell_line(&[arguments.file.to_string_lossy().into_owned()]);
        return Err(format!(
            "that run had {grants}, which a file can not grant: repeat it behind `--` if the file is one \
             that you trust: runner reproduce {file} -- {grants}"
        ));
    }
    let run = parse(&line)?;
    match missing {
        Some(missing) if arguments.force => terminal.warning(&missing),
        Some(missing) => {
            return Err(format!(
                "{missing}; --force takes this host's kernel and marks the comparison"
            ));
        }
        None => {}
    }
    let unset = unset_variables(setup, &arguments.more);
    if !unset.is_empty() {
        terminal.info(&format!(
            "the command had these variables, whose values are the image's unless they are given behind \
             `--` with --env: {}",
            one_line(&unset.join(", "))
        ));
    }
    Ok(run)
}

/// What to do about the kernel of a run, if it is needed and not in the cache.
fn missing_kernel(setup: &Setup, kernels: &KernelStore, more: &[String]) -> Option<String> {
    let kernel = setup.machine.kernel.as_ref()?;
    if names_kernel(more) || kernels.of_digest(&kernel.sha256).is_some() {
        return None;
    }
    let name = |path: &str| shell_line(&["--kernel".to_owned(), path.to_owned()]);
    let remedy = match kernel.origin.split_once(':') {
        Some(("file", path)) => format!(
            "name its file behind `--` with {}, and its modules with --kernel-modules",
            name(path)
        ),
        Some(("url", url)) => format!("fetch it behind `--` with {}", name(url)),
        _ => format!(
            "it is of the package {}: unpack that, and behind `--` name its boot/vmlinuz-* with --kernel \
             and its lib/modules/* with --kernel-modules",
            one_line(kernel.origin.trim_start_matches("debian:"))
        ),
    };
    Some(format!(
        "the guest's kernel of that run (SHA-256 {}) is not in the cache: {remedy}",
        one_line(&kernel.sha256)
    ))
}

/// The options of `runner run` that a result comes to.
fn parse(line: &[String]) -> Result<Box<Run>, String> {
    let words = std::iter::once("runner".to_owned()).chain(line.iter().cloned());
    let arguments = Arguments::try_parse_from(words).map_err(|error| {
        format!(
            "what the result says makes no command line with the options behind `--`: {}",
            error.to_string().lines().next().unwrap_or_default()
        )
    })?;
    match arguments.command {
        Command::Run(run) => Ok(run),
        _ => Err("what the result says is no run".to_owned()),
    }
}

/// Whether what is about to run is what ran before.
fn check_image(before: &Setup, now: &Setup) -> Result<(), String> {
    let (was, is) = (&before.image.config_digest, &now.image.config_digest);
    if was == is {
        return Ok(());
    }
    Err(format!(
        "{} is another image by now: {is} instead of {}; --image names the one that ran, --force compares \
         all the same",
        one_line(&now.image.reference),
        one_line(was)
    ))
}
