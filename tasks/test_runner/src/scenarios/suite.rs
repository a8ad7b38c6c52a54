//! Runs scenarios, several at a time, and turns what came of each into an outcome.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::Context as _;

use super::backend::Backend;
use super::features::Features;
use super::image::Image;
use super::invocation::Invocation;
use super::options::Options;
use super::outcome::{Finished, Outcome};
use super::places::Places;
use super::record::Record;
use super::scenario::{Act, Scenario};
use super::stage::Stage;
use super::surroundings::{Knobs, Surroundings};
use crate::console;
use crate::images::remove_if_there;
use crate::runner::Runner;
use crate::watchdog::Watchdog;

/// Everything that scenarios need.
#[derive(Debug)]
pub(crate) struct Suite<'a> {
    options: &'a Options,
    places: Places,
    runner: Runner,
    surroundings: Surroundings,
    backends: Vec<Backend>,
}

/// One scenario on one backend.
#[derive(Debug, Clone, Copy)]
struct Job {
    scenario: &'static Scenario,
    backend: Backend,
}

/// The images of the scenarios: where they are, or why they are not.
type Images = BTreeMap<Image, Result<PathBuf, Outcome>>;

impl<'a> Suite<'a> {
    /// Asks the runner what it can do, and the host what it has.
    ///
    /// # Errors
    ///
    /// When the runner does not answer.
    pub(crate) fn new(
        options: &'a Options,
        places: Places,
        runner: Runner,
    ) -> anyhow::Result<Self> {
        let features = Features::ask(&mut runner.command())?;
        let firecracker = options.firecracker.as_ref();
        let firecracker = firecracker.map(std::path::absolute).transpose()?;
        let knobs = if options.may_tune {
            Knobs::MayBeTurned
        } else {
            Knobs::Kept
        };
        let server = places.server(options)?;
        let surroundings =
            Surroundings::look(firecracker, server, features, knobs, options.may_install);
        let best = surroundings.best_machine();
        let mut backends: Vec<Backend> = options
            .backends
            .iter()
            .map(|choice| choice.resolve(best))
            .collect();
        backends.sort_unstable();
        backends.dedup();
        Ok(Self {
            options,
            places,
            runner,
            surroundings,
            backends,
        })
    }

    /// Runs `scenarios` on every backend where they have a meaning. Outcomes come in the order of
    /// the scenarios, backend after backend.
    ///
    /// # Errors
    ///
    /// When the guest's kernel can not be had, or the work folder not be used.
    pub(crate) fn run(&self, scenarios: &[&'static Scenario]) -> anyhow::Result<Vec<Finished>> {
        let jobs: Vec<Job> = self
            .backends
            .iter()
            .flat_map(|&backend| {
                let meant = scenarios
                    .iter()
                    .filter(move |scenario| scenario.on.includes(backend));
                meant.map(move |&scenario| Job { scenario, backend })
            })
            .collect();
        let runnable: Vec<Job> = jobs
            .iter()
            .copied()
            .filter(|job| self.reason_to_skip(*job).is_none())
            .collect();
        if runnable.iter().any(|job| job.backend.is_machine()) {
            self.runner.fetch_kernel()?;
        }
        let images = self.images(&runnable);
        let workers = self.workers();
        console::note(&format!(
            "scenarios to run: {}, {workers} at a time",
            jobs.len()
        ));
        let (alone, beside): (VecDeque<_>, VecDeque<_>) = jobs
            .into_iter()
            .enumerate()
            .partition(|(_, job)| job.scenario.is_alone());
        let mut finished = self.work_off(beside, workers, &images);
        finished.extend(self.work_off(alone, NonZeroUsize::MIN, &images));
        Ok(finished.into_values().collect())
    }

    /// Carries out what is in `queue`, by the numbers there.
    fn work_off(
        &self,
        queue: VecDeque<(usize, Job)>,
        workers: NonZeroUsize,
        images: &Images,
    ) -> BTreeMap<usize, Finished> {
        let queue = Mutex::new(queue);
        let finished = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..workers.get() {
                scope.spawn(|| {
                    while let Some((number, job)) = lock(&queue).pop_front() {
                        let one = self.carry_out(job, images);
                        tell(&one);
                        lock(&finished).insert(number, one);
                    }
                });
            }
        });
        finished
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn workers(&self) -> NonZeroUsize {
        self.options.jobs.unwrap_or_else(|| {
            // Where the number of CPUs is unknown, one after the other is always right.
            thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
        })
    }

    fn reason_to_skip(&self, job: Job) -> Option<String> {
        let needs = job.scenario.needs.iter();
        self.surroundings
            .lacks_backend(job.backend)
            .or_else(|| {
                needs
                    .copied()
                    .find_map(|need| self.surroundings.lacks(need, job.backend))
            })
            .or_else(|| self.places.lacks(job.scenario.image))
    }

    /// The images of `jobs`, one after the other: builders do not like to share.
    fn images(&self, jobs: &[Job]) -> Images {
        let mut images = Images::new();
        for job in jobs {
            let image = job.scenario.image;
            images.entry(image).or_insert_with(|| {
                self.places.image(image).map_err(|error| {
                    Outcome::Failed(format!("the image {}: {error:#}", image.name()))
                })
            });
        }
        images
    }

    fn carry_out(&self, job: Job, images: &Images) -> Finished {
        let started = Instant::now();
        let mut commands = Vec::new();
        let outcome = match (self.reason_to_skip(job), images.get(&job.scenario.image)) {
            (Some(reason), _) => Outcome::Skipped(reason),
            (None, Some(Ok(image))) => self
                .attempt(job, image, &mut commands)
                .unwrap_or_else(|error| Outcome::Failed(format!("{error:#}"))),
            (None, Some(Err(outcome))) => outcome.clone(),
            (None, None) => Outcome::Failed("its image was not prepared".to_owned()),
        };
        Finished {
            name: job.scenario.name,
            backend: job.backend,
            outcome,
            took: started.elapsed(),
            commands,
        }
    }

    fn attempt(
        &self,
        job: Job,
        image: &Path,
        commands: &mut Vec<String>,
    ) -> anyhow::Result<Outcome> {
        let Job { scenario, backend } = job;
        let folder = self.places.work.join(backend.name()).join(scenario.name);
        let mut stage = Stage::set(
            backend,
            &self.surroundings,
            &self.runner,
            image,
            folder.clone(),
            Watchdog::new(scenario.patience),
        )?;
        let acted = match scenario.act {
            Act::Run(arrange) => {
                let mut invocation = Invocation::new();
                arrange(&mut invocation);
                stage.run(&invocation).map(|_| ())
            }
            Act::Drive(act) => act(&mut stage),
        };
        commands.append(&mut stage.commands);
        let (record, took_too_long) = stage.leave();
        if took_too_long {
            return Ok(Outcome::Failed(format!(
                "it took longer than {} s and was killed",
                scenario.patience.as_secs()
            )));
        }
        acted?;
        let outcome = judge(scenario, &record);
        if outcome == Outcome::Passed {
            // What failed is left for a look at it.
            remove_if_there(&folder)?;
            if let Some(records) = &self.options.record {
                keep(&records.join(backend.name()), scenario.name, record)?;
            }
        }
        Ok(outcome)
    }
}

fn judge(scenario: &Scenario, record: &Record) -> Outcome {
    match (scenario.check)(record) {
        Ok(()) => Outcome::Passed,
        Err(mismatch) => {
            let mut text = mismatch.to_string();
            for run in &record.runs {
                let _ = write!(
                    text,
                    "\nstandard output was {}\nstandard error was {}",
                    run.stdout, run.stderr
                );
                // After the metrics of some iterations it is where the standard error is cut.
                let error = run.said().error;
                if let Some(error) = error.as_deref().and_then(|error| error.lines().next()) {
                    text.push_str("\nthe runner's error was: ");
                    text.push_str(error);
                }
            }
            Outcome::Failed(text)
        }
    }
}

/// Writes a record for the tests of the suite itself.
fn keep(folder: &Path, name: &str, record: Record) -> anyhow::Result<()> {
    let path = folder.join(format!("{name}.json"));
    let mut text = serde_json::to_string(&record.portable())?;
    text.push('\n');
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn tell(one: &Finished) {
    let mut text = one.line();
    for line in one.details() {
        text.push_str("\n    ");
        text.push_str(&line);
    }
    println!("{text}");
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::bytes::Bytes;
    use super::super::record::{Exit, HostFacts, Run};
    use super::*;

    #[test]
    fn a_failure_has_the_runners_error_however_much_comes_before_it() {
        let error = "the machine ended before the command began (exit status: 0)";
        let metrics = "---BENCHER_METRICS:{\"iteration\":1,\"wall_clock_ms\":350.8}---\n".repeat(9);
        let run = Run {
            exit: Exit::Code(125),
            stdout: Bytes::default(),
            stderr: Bytes::of(format!(
                "{metrics}runner: error: {error}\n    | a console\n"
            )),
            result: None,
            files: BTreeMap::new(),
            left_over: Vec::new(),
        };
        let record = Record {
            backend: Backend::Host,
            host: HostFacts::default(),
            runs: vec![run],
            observed: serde_json::Map::new(),
            looked: std::cell::RefCell::default(),
        };
        let scenario = Scenario::new("name", "what it shows", |_| {}, |it| it.saw("it", true));
        let Outcome::Failed(reason) = judge(&scenario, &record) else {
            panic!("nothing was seen");
        };
        let last = reason.lines().last();
        assert_eq!(last, Some(&*format!("the runner's error was: {error}")));
    }
}
