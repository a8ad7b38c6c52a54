//! `runner reproduce`.

use std::path::Path;
use std::sync::Arc;

use bencher_report::comparison::{Input, Levels, Options, Verdict};
use bencher_report::reproduce::{Changes, grants, unset_variables, words};
use bencher_report::text::shell_line;
use bencher_runner::result::Setup;
use bencher_runner::run::{LiveOutput, measure};
use bencher_runner::{Interrupts, Reporter};
use clap::Parser as _;

use crate::arguments::{Arguments, Command, Global, Reproduce, Run};
use crate::compare::{self, deliver, outcome, recorded};
use crate::spec::{Task, spec};
use crate::terminal::Terminal;
use crate::{FAILED, Start, work};

/// The exit code when a metric differs: the runner itself has not failed.
const DIFFERS: u8 = 1;

pub(crate) fn run(arguments: &Reproduce, global: &Global, start: Start, terminal: Terminal) -> u8 {
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
    arguments: &Reproduce,
    global: &Global,
    start: Start,
    terminal: &Arc<Terminal>,
) -> Result<u8, String> {
    compare::check(arguments.result.iter().chain(&arguments.report))?;
    let before = recorded(&arguments.file, arguments.adapter.as_ref())?;
    let Some(setup) = before.result.setup.clone() else {
        return Err(format!("{} does not say what ran", before.label));
    };
    // What is there as a path is no name in a registry, whatever it looks like.
    let path = Some(setup.image.reference.clone()).filter(|path| Path::new(path).exists());
    let changes = Changes {
        image: arguments.image.clone().or(path),
        iterations: arguments.iter,
        adapter: arguments.adapter.as_ref().map(ToString::to_string),
    };
    let line = words(&before.result, &setup, &changes, &arguments.more);
    terminal.info(&format!("runner {}", shell_line(&line)));
    let grants = grants(&setup, &arguments.more);
    if !grants.is_empty() {
        let grants = grants.join(" ");
        return Err(format!(
            "that run had {grants}, which a file can not grant: repeat it behind `--` if the file is one \
             that you trust: runner reproduce {} -- {grants}",
            arguments.file.display()
        ));
    }
    let run = parse(&line)?;
    let unset = unset_variables(&setup, &arguments.more);
    if !unset.is_empty() {
        terminal.info(&format!(
            "the command had these variables, whose values are the image's unless they are given behind \
             `--` with --env: {}",
            unset.join(", ")
        ));
    }
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
    let reporter: Arc<dyn Reporter> = Arc::new(terminal.of_side("B"));
    let measured = work::asynchronously(async || {
        let mut interrupts = Interrupts::catch()?;
        Ok(measure(spec, &mut interrupts, reporter).await)
    })?;
    let mut results = match outcome(measured, terminal) {
        Ok(results) => results,
        Err(code) => return Ok(code),
    };
    let now = Input {
        label: "now".to_owned(),
        file: None,
        // There is one side.
        result: results.remove(0),
    };
    if !arguments.force {
        check_image(&setup, now.result.setup.as_ref())?;
    }
    let options = Options {
        metrics: arguments.metric.clone(),
        levels: Levels::default(),
        interleaved: None,
        interest: None,
        threshold: None,
        force: arguments.force,
        precision: None,
    };
    let comparison =
        bencher_report::compare(&before, &now, &options).map_err(|error| error.to_string())?;
    deliver(
        &comparison,
        arguments.format,
        arguments.result.as_deref(),
        arguments.report.as_deref(),
    )?;
    let answers = comparison.metrics.iter().filter_map(|metric| metric.answer);
    let differs = answers.map(|answer| answer.verdict).any(Verdict::is_change);
    Ok(if differs { DIFFERS } else { 0 })
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

/// Whether what ran is what ran before.
fn check_image(before: &Setup, now: Option<&Setup>) -> Result<(), String> {
    let Some(now) = now else {
        return Ok(());
    };
    let (was, is) = (&before.image.config_digest, &now.image.config_digest);
    if was == is {
        return Ok(());
    }
    Err(format!(
        "{} is another image by now: {is} instead of {was}; --image names the one that ran, --force compares \
         all the same",
        now.image.reference
    ))
}
