//! `runner compare`.

mod sides;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bencher_report::comparison::{self, Comparison, Gate, Input, Options, Threshold};
use bencher_report::text;
use bencher_runner::harness::{AdapterChoice, read_again};
use bencher_runner::result::{self, EndedBy, Iterations, Metric, ResultDocument};
use bencher_runner::run::{LiveOutput, Measured, RunSpec, measure, measure_pairs};
use bencher_runner::{Interrupts, Reporter};
use bencher_statistics::Interest;

use crate::arguments::{Compare, ComparisonFormat, Global, Levels};
use crate::spec::{Task, check_metrics, spec};
use crate::terminal::Terminal;
use crate::{FAILED, Start, output, work};
use sides::{Source, resolve};

/// The exit code when the candidate is slower than it may be, as of `runner doctor`: the runner itself
/// has not failed.
const SLOWER: u8 = 1;

pub(crate) fn run(arguments: &Compare, global: &Global, start: Start, terminal: Terminal) -> u8 {
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
    arguments: &Compare,
    global: &Global,
    start: Start,
    terminal: &Arc<Terminal>,
) -> Result<u8, String> {
    let sources = resolve(
        arguments
            .baseline
            .as_ref()
            .zip(arguments.candidate.as_ref()),
        arguments.image.as_ref(),
        &arguments.trailing,
        result::is_result,
    )?;
    check(arguments.result.iter().chain(&arguments.report))?;
    let interest = arguments.interest.map(Interest::new).transpose();
    let mut options = Options {
        metrics: arguments.metric.clone(),
        levels: match arguments.levels {
            Levels::Iterations => comparison::Levels::Iterations,
            Levels::Both => comparison::Levels::Both,
        },
        interleaved: None,
        interest: interest.map_err(|error| error.to_string())?,
        threshold: arguments.fail_if_slower.map(Threshold),
        force: arguments.force,
        precision: None,
    };
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    let adapter = arguments.benchmark.adapter.as_ref();
    let session = Session {
        arguments,
        global,
        start,
        terminal,
    };
    let inputs = match sources {
        [Source::Result(baseline), Source::Result(candidate)] => {
            if arguments.output_dir.is_some() {
                return Err(
                    "--output-dir is for what is run, and two results run nothing: --result FILE writes \
                     the comparison"
                        .to_owned(),
                );
            }
            [
                recorded(&baseline, adapter)?,
                recorded(&candidate, adapter)?,
            ]
        }
        [Source::Result(file), fresh @ Source::Image { .. }] => {
            let recorded = recorded(&file, adapter)?;
            match session.one(&fresh, "B")? {
                Ok(measured) => [recorded, measured],
                Err(code) => return Ok(code),
            }
        }
        [fresh @ Source::Image { .. }, Source::Result(file)] => {
            let recorded = recorded(&file, adapter)?;
            match session.one(&fresh, "A")? {
                Ok(measured) => [measured, recorded],
                Err(code) => return Ok(code),
            }
        }
        images => match session.pairs(&images, seed, &mut options)? {
            Ok(inputs) => inputs,
            Err(code) => return Ok(code),
        },
    };
    let [baseline, candidate] = &inputs;
    let comparison = bencher_report::compare(baseline, candidate, &options)
        .map_err(|error| error.to_string())?;
    deliver(
        &comparison,
        arguments.format,
        arguments.result.as_deref(),
        arguments.report.as_deref(),
    )?;
    let passed = comparison.gate.as_ref().is_none_or(Gate::passed);
    Ok(if passed { 0 } else { SLOWER })
}

/// Whether these files can be written.
pub(crate) fn check<'a>(mut files: impl Iterator<Item = &'a PathBuf>) -> Result<(), String> {
    files.try_for_each(|file| output::check_file(file))
}

/// Puts a comparison where the user wants it.
pub(crate) fn deliver(
    comparison: &Comparison,
    format: ComparisonFormat,
    result: Option<&Path>,
    report: Option<&Path>,
) -> Result<(), String> {
    if let Some(file) = result {
        output::to_file(file, &output::json(comparison)?)?;
    }
    if let Some(file) = report {
        output::to_file(file, &bencher_report::html(comparison))?;
    }
    print(comparison, format)
}

/// A seed that nobody chose. It need not be secret, only another one each time.
fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // Short enough to be typed again.
    u64::from(now.unwrap_or_default().subsec_micros())
}

/// The result in `path`, called as its run was, with what an adapter finds in what it holds.
pub(crate) fn recorded(path: &Path, adapter: Option<&AdapterChoice>) -> Result<Input, String> {
    let name = path.to_string_lossy().into_owned();
    let result = match adapter {
        None => result::read(path).map_err(|error| error.to_string())?,
        Some(choice) => read_again(path, choice).map_err(|error| error.to_string())?,
    };
    Ok(Input {
        label: result.label.clone().unwrap_or_else(|| name.clone()),
        file: Some(name),
        result,
    })
}

fn print(comparison: &Comparison, format: ComparisonFormat) -> Result<(), String> {
    match format {
        ComparisonFormat::Human => output::text(&text::human(comparison, output::look())),
        ComparisonFormat::Json => output::text(&output::json(comparison)?),
        ComparisonFormat::Csv => output::text(&text::csv(comparison)),
        ComparisonFormat::Markdown => output::text(&text::markdown(comparison)),
        ComparisonFormat::Junit => output::text(&text::junit(comparison)),
        ComparisonFormat::Github => {
            let annotations = text::github(comparison);
            if let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY") {
                output::append(Path::new(&file), &annotations.summary)?;
            }
            output::text(&annotations.commands)
        }
    }
}

/// What it takes to run sides.
struct Session<'a> {
    arguments: &'a Compare,
    global: &'a Global,
    start: Start,
    terminal: &'a Arc<Terminal>,
}

impl Session<'_> {
    /// Runs both sides in turns. Without results the error is told, and the exit code returned.
    fn pairs(
        &self,
        sources: &[Source; 2],
        seed: u64,
        options: &mut Options,
    ) -> Result<Result<[Input; 2], u8>, String> {
        let [one, other] = sources;
        let sides = [self.side(one, "A")?, self.side(other, "B")?];
        let measured = work::asynchronously(async || {
            let mut interrupts = Interrupts::catch()?;
            Ok(measure_pairs(sides, seed, &mut interrupts).await)
        })?;
        options.interleaved = Some((measured.orders.clone(), seed));
        options.precision.clone_from(&measured.precision);
        let labels = sides::labels(sources);
        Ok(outcome(measured, self.terminal).map(|mut results| {
            let [baseline, candidate] = labels.map(|label| Input {
                label,
                file: None,
                // There are as many as sides.
                result: results.remove(0),
            });
            [baseline, candidate]
        }))
    }

    /// Runs one side.
    fn one(&self, source: &Source, letter: &'static str) -> Result<Result<Input, u8>, String> {
        let (spec, reporter) = self.side(source, letter)?;
        let measured = work::asynchronously(async || {
            let mut interrupts = Interrupts::catch()?;
            Ok(measure(spec, &mut interrupts, reporter).await)
        })?;
        Ok(outcome(measured, self.terminal).map(|mut results| Input {
            label: source.label(),
            file: None,
            result: results.remove(0),
        }))
    }

    fn side(
        &self,
        source: &Source,
        letter: &'static str,
    ) -> Result<(RunSpec, Arc<dyn Reporter>), String> {
        let Source::Image { image, command } = source else {
            return Err("a result is not run".to_owned());
        };
        let arguments = self.arguments;
        check_metrics(&arguments.metric, &arguments.benchmark)?;
        let first = arguments.metric.first().cloned();
        let metric = first.unwrap_or(Metric::Wall.into());
        let folder = arguments.output_dir.as_ref();
        let task = Task {
            image,
            command,
            goal: arguments.benchmark.precision.goal(arguments.iter, metric),
            live: LiveOutput::None,
            output_folder: folder.map(|folder| folder.join(letter.to_lowercase())),
            result_file: None,
            label: None,
        };
        let spec = spec(task, &arguments.benchmark, self.global, self.start)?;
        let reporter = Arc::new(self.terminal.of_side(letter));
        Ok((spec, reporter))
    }
}

/// The results of runs that went well. What went wrong is told, and the exit code is the error.
pub(crate) fn outcome(
    measured: Measured,
    terminal: &Terminal,
) -> Result<Vec<ResultDocument<Iterations>>, u8> {
    let outcome = measured.outcome;
    if outcome.exit_code == 0 {
        return Ok(measured.results);
    }
    if let Some(error) = outcome.error {
        terminal.error(&error.to_string());
        return Err(outcome.exit_code);
    }
    let mut iterations = measured.results.iter().flat_map(|one| &one.iterations.0);
    if iterations.any(|iteration| iteration.ended_by == EndedBy::Interrupt) {
        terminal.error("interrupted");
        return Err(outcome.exit_code);
    }
    terminal.error(&format!(
        "a command failed with exit code {}, so there is nothing to compare: --allow-failure leaves \
         failed iterations out, --output-dir keeps what they printed",
        outcome.exit_code
    ));
    Err(FAILED)
}

/// The image of a side, in words.
pub(crate) fn image_name(image: &OsString) -> String {
    image.to_string_lossy().into_owned()
}
