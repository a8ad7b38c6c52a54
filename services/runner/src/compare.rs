//! `runner compare`.

mod conclude;
mod fresh;
pub(crate) mod sides;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bencher_report::comparison::{
    self, Comparison, Gate, Input, Options, Run, Threshold, check_machines,
};
use bencher_report::text::one_line;
use bencher_runner::harness::{AdapterChoice, read_again};
use bencher_runner::result::{self, Metric, MetricName};
use bencher_runner::run::{LiveOutput, Preview};
use bencher_statistics::Interest;

use crate::Start;
use crate::arguments::{Compare, Global, Judgement, Levels};
use crate::spec::{Task, check_metrics, spec};
use crate::terminal::Terminal;
pub(crate) use conclude::{check, conclude, told};
pub(crate) use fresh::{Failure, Side, one, planned};
use sides::{Source, resolve};

/// The exit code when the candidate is slower than it may be, as of `runner doctor`: the runner itself
/// has not failed.
const SLOWER: u8 = 1;

pub(crate) fn run(arguments: &Compare, global: &Global, start: Start, terminal: Terminal) -> u8 {
    let terminal = Arc::new(terminal);
    told(attempt(arguments, global, start, &terminal), &terminal)
}

fn attempt(
    arguments: &Compare,
    global: &Global,
    start: Start,
    terminal: &Arc<Terminal>,
) -> Result<u8, Failure> {
    let sources = resolve(
        arguments
            .baseline
            .as_ref()
            .zip(arguments.candidate.as_ref()),
        arguments.image.as_ref(),
        &arguments.trailing,
        result::is_result,
    )?;
    check(&arguments.places)?;
    let mut options = Options {
        force: arguments.force,
        ..options(&arguments.metric, &arguments.judgement)?
    };
    let adapter = arguments.benchmark.adapter.as_ref();
    let session = Session {
        arguments,
        global,
        start,
        terminal,
    };
    let (inputs, cut) = match sources {
        [Source::Result(baseline), Source::Result(candidate)] => {
            if arguments.output_dir.is_some() {
                return Err(
                    "--output-dir is for what is run, and two results run nothing: --result FILE writes \
                     the comparison"
                        .to_owned()
                        .into(),
                );
            }
            (
                [
                    recorded(&baseline, adapter)?,
                    recorded(&candidate, adapter)?,
                ],
                None,
            )
        }
        [Source::Result(file), fresh @ Source::Image { .. }] => {
            let recorded = recorded(&file, adapter)?;
            let (measured, cut) = session.one(&fresh, "B", &recorded, &options)?;
            ([recorded, measured], cut)
        }
        [fresh @ Source::Image { .. }, Source::Result(file)] => {
            let recorded = recorded(&file, adapter)?;
            let (measured, cut) = session.one(&fresh, "A", &recorded, &options)?;
            ([measured, recorded], cut)
        }
        images => session.pairs(&images, &mut options)?,
    };
    let comparison = conclude(&inputs, &options, cut, |_| {}, &arguments.places)?;
    Ok(exit_code(&comparison))
}

/// What is asked by the command line, whatever the sides are.
pub(crate) fn options(metrics: &[MetricName], judgement: &Judgement) -> Result<Options, String> {
    let interest = judgement.interest.map(Interest::new).transpose();
    Ok(Options {
        metrics: metrics.to_vec(),
        levels: match judgement.levels {
            Levels::Iterations => comparison::Levels::Iterations,
            Levels::Both => comparison::Levels::Both,
        },
        interleaved: None,
        interest: interest.map_err(|error| error.to_string())?,
        threshold: judgement.fail_if_slower.map(Threshold),
        force: false,
        precision: None,
    })
}

/// The exit code of a comparison that is all that was asked for.
pub(crate) fn exit_code(comparison: &Comparison) -> u8 {
    let passed = comparison.gate.as_ref().is_none_or(Gate::passed);
    if passed { 0 } else { SLOWER }
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
        label: one_line(result.label.as_deref().unwrap_or(&name)),
        file: Some(name),
        result,
    })
}

/// Whether `recorded` is of use, before anything is run to be compared with it.
pub(crate) fn check_recorded(recorded: &Input, options: &Options) -> Result<(), String> {
    comparison::check_recorded(recorded, options).map_err(|error| error.to_string())
}

/// A recorded run, as it is compared.
pub(crate) fn as_run(input: &Input) -> Option<Run<'_>> {
    Some(Run {
        label: &input.label,
        setup: input.result.setup.as_ref()?,
        host: &input.result.host,
    })
}

/// What it takes to run sides.
struct Session<'a> {
    arguments: &'a Compare,
    global: &'a Global,
    start: Start,
    terminal: &'a Arc<Terminal>,
}

/// What one side came to, and why that is less than was asked for, if it is.
type OneSide = (Input, Option<Failure>);

impl Session<'_> {
    /// Runs both sides in turns.
    fn pairs(
        &self,
        sources: &[Source; 2],
        options: &mut Options,
    ) -> Result<([Input; 2], Option<Failure>), Failure> {
        let [one, other] = sources;
        let sides = [self.side(one, "A")?, self.side(other, "B")?];
        let labels = sides::labels(sources);
        let seed = self.arguments.seed.unwrap_or_else(seed_of_now);
        let measured = fresh::pairs(sides, seed, &|previews| match previews {
            [one, other] => self.approve(planned(&labels[0], one), planned(&labels[1], other)),
            _ => Ok(()),
        })?;
        options.interleaved = Some((measured.orders, Some(seed)));
        options.precision = measured.precision;
        let mut results = measured.results;
        let inputs = labels.map(|label| Input {
            label,
            file: None,
            // There are as many as sides.
            result: results.remove(0),
        });
        Ok((inputs, measured.cut))
    }

    /// Runs one side, to be compared with one that is `recorded`.
    fn one(
        &self,
        source: &Source,
        letter: &'static str,
        recorded: &Input,
        options: &Options,
    ) -> Result<OneSide, Failure> {
        check_recorded(recorded, options)?;
        let label = source.label();
        let approval = |previews: &[Preview]| match (previews, as_run(recorded)) {
            ([preview], Some(recorded)) => self.approve(recorded, planned(&label, preview)),
            _ => Ok(()),
        };
        let mut measured = one(self.side(source, letter)?, &approval)?;
        let result = measured.results.remove(0);
        let input = Input {
            label,
            file: None,
            result,
        };
        Ok((input, measured.cut))
    }

    /// Refuses another machine or clock before it has run, unless it is forced.
    fn approve(&self, one: Run<'_>, other: Run<'_>) -> Result<(), String> {
        if self.arguments.force {
            return Ok(());
        }
        check_machines(one, other).map_err(|error| error.to_string())
    }

    fn side(&self, source: &Source, letter: &'static str) -> Result<Side, String> {
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
        Ok((spec, Arc::new(self.terminal.of_side(letter))))
    }
}

/// The image of a side, in words.
pub(crate) fn image_name(image: &OsString) -> String {
    image.to_string_lossy().into_owned()
}
