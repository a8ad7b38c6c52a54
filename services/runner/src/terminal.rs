//! The runner's own log and progress, on standard error.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bencher_runner::result::{EndedBy, Iteration, PerfCounter, PerfCounters};
use bencher_runner::{Reporter, is_printable};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::arguments::Global;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Quiet,
    Normal,
    Verbose,
}

/// Standard error as a [`Reporter`].
#[derive(Debug)]
pub(crate) struct Terminal {
    level: Level,
    shows_progress: bool,
    progress: Mutex<Progress>,
    /// Warnings that one of several sides has caused: they need not be said for the next one.
    said: Mutex<BTreeSet<String>>,
}

/// What is shown of work that takes its time.
#[derive(Debug, Default)]
enum Progress {
    #[default]
    Nothing,
    /// One thing after the other.
    One(ProgressBar),
    /// Several at the same time, by their names. What is done is not there any more.
    Parts(MultiProgress, BTreeMap<String, ProgressBar>),
}

/// A step shorter than this shows no progress bar: it would only flicker.
const PATIENCE: Duration = Duration::from_millis(300);

impl Terminal {
    pub(crate) fn new(global: &Global) -> Self {
        let level = match (global.quiet, global.verbose) {
            (true, _) => Level::Quiet,
            (_, true) => Level::Verbose,
            _ => Level::Normal,
        };
        Self {
            level,
            shows_progress: level > Level::Quiet && std::io::stderr().is_terminal(),
            progress: Mutex::default(),
            said: Mutex::default(),
        }
    }

    /// The same, for iterations of one of several sides.
    pub(crate) fn of_side(self: &Arc<Self>, letter: &'static str) -> OneSide {
        OneSide {
            terminal: Arc::clone(self),
            letter,
        }
    }

    /// The one line that says why the runner failed.
    pub(crate) fn error(&self, message: &str) {
        self.line("error: ", message);
    }

    /// Says how an iteration ended; `whose` stands before it.
    fn ended(&self, whose: &str, iteration: &Iteration) {
        self.say(Level::Normal, "", &format!("{whose}{}", summary(iteration)));
        if let Some(counters) = &iteration.perf_counters {
            let line = format!(
                "{whose}iteration {}: {}",
                iteration.index,
                counted(counters)
            );
            self.say(Level::Normal, "", &line);
        }
        if let Some(reasons) = iteration.suspicions().filter(|_| !iteration.warmup) {
            let what = if iteration.retried {
                "and will be repeated"
            } else {
                "and its numbers may be off"
            };
            self.warning(&format!(
                "{whose}iteration {} is suspect, {what}: {reasons}",
                iteration.index
            ));
        }
    }

    fn say(&self, least: Level, prefix: &str, message: &str) {
        if self.level >= least {
            self.line(prefix, message);
        }
    }

    fn line(&self, prefix: &str, message: &str) {
        self.print(&format!("runner: {prefix}{}", harmless(message)));
    }

    fn print(&self, line: &str) {
        let print = || {
            // Nobody reads the log any more: there is nowhere to say so.
            let _closed = writeln!(std::io::stderr().lock(), "{line}");
        };
        match &*self.progress() {
            Progress::One(bar) => bar.suspend(print),
            Progress::Parts(all, _) => all.suspend(print),
            Progress::Nothing => print(),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Standard error, for one of several sides: its iterations are named, and have no line for tooling,
/// which would not know whose it is.
#[derive(Debug)]
pub(crate) struct OneSide {
    terminal: Arc<Terminal>,
    letter: &'static str,
}

impl Reporter for OneSide {
    fn debug(&self, message: &str) {
        self.terminal.debug(message);
    }

    fn info(&self, message: &str) {
        self.terminal.info(message);
    }

    fn warning(&self, message: &str) {
        let said = self.terminal.said.lock();
        let mut said = said.unwrap_or_else(PoisonError::into_inner);
        if said.insert(message.to_owned()) {
            self.terminal.warning(message);
        }
    }

    fn begin(&self, step: &str, total: Option<u64>) {
        self.terminal.begin(step, total);
    }

    fn advance(&self, done: u64) {
        self.terminal.advance(done);
    }

    fn end(&self) {
        self.terminal.end();
    }

    fn part(&self, name: &str, done: u64, total: u64) {
        self.terminal.part(name, done, total);
    }

    fn end_parts(&self) {
        self.terminal.end_parts();
    }

    fn iteration(&self, iteration: &Iteration, _metrics_line: &str) {
        self.terminal.ended(&format!("{} ", self.letter), iteration);
    }
}

impl Reporter for Terminal {
    fn debug(&self, message: &str) {
        self.say(Level::Verbose, "debug: ", message);
    }

    fn info(&self, message: &str) {
        self.say(Level::Normal, "", message);
    }

    fn warning(&self, message: &str) {
        self.say(Level::Normal, "warning: ", message);
    }

    fn begin(&self, step: &str, total: Option<u64>) {
        self.info(step);
        if !self.shows_progress {
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match total {
            Some(_) => "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            None => "{spinner} {bytes} {bytes_per_sec}",
        };
        style(&bar, template);
        bar.enable_steady_tick(PATIENCE);
        *self.progress() = Progress::One(bar);
    }

    fn advance(&self, done: u64) {
        if let Progress::One(bar) = &*self.progress() {
            bar.set_position(done);
        }
    }

    fn end(&self) {
        let mut progress = self.progress();
        if let Progress::One(bar) = &*progress {
            bar.finish_and_clear();
            *progress = Progress::Nothing;
        }
    }

    fn part(&self, name: &str, done: u64, total: u64) {
        if !self.shows_progress {
            return;
        }
        let mut progress = self.progress();
        if !matches!(*progress, Progress::Parts(..)) {
            let target = ProgressDrawTarget::stderr();
            *progress = Progress::Parts(MultiProgress::with_draw_target(target), BTreeMap::new());
        }
        let Progress::Parts(all, bars) = &mut *progress else {
            return;
        };
        if done >= total {
            if let Some(bar) = bars.remove(name) {
                bar.finish_and_clear();
                all.remove(&bar);
            }
            return;
        }
        let bar = bars.entry(name.to_owned()).or_insert_with(|| {
            let bar = all.add(ProgressBar::new(total));
            bar.set_prefix(name.to_owned());
            style(
                &bar,
                "{prefix} {bar:30} {bytes:>10} of {total_bytes:10} {bytes_per_sec:>12} {eta:>4}",
            );
            bar
        });
        bar.set_position(done);
    }

    fn end_parts(&self) {
        let mut progress = self.progress();
        if let Progress::Parts(all, bars) = &*progress {
            for bar in bars.values() {
                bar.finish_and_clear();
            }
            let _gone = all.clear();
            *progress = Progress::Nothing;
        }
    }

    fn iteration(&self, iteration: &Iteration, metrics_line: &str) {
        self.ended("", iteration);
        self.print(metrics_line);
    }
}

/// `message` without anything that steers a terminal or deceives: parts of it may come from files and
/// from servers. Whatever is in it, its further lines are no lines of the runner's own.
fn harmless(message: &str) -> String {
    let mut shown = String::new();
    let mut characters = message.trim_end_matches('\n').chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' => {
                shown.push('\n');
                if characters.peek() != Some(&' ') {
                    shown.push_str("    ");
                }
            }
            '\t' => shown.push(' '),
            character if is_printable(character) => shown.push(character),
            character => shown.extend(character.escape_default()),
        }
    }
    shown
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// One line on how an iteration ended and what it took.
fn summary(iteration: &Iteration) -> String {
    let code = iteration.exit_code;
    let how = match (iteration.ended_by, iteration.signal) {
        (EndedBy::Exit, _) => format!("exit code {code}"),
        (EndedBy::Signal, Some(signal)) => format!("ended by signal {signal}"),
        (EndedBy::Signal, None) => "ended by a signal".to_owned(),
        (EndedBy::NotStarted, _) => format!(
            "not started: {}",
            iteration
                .error
                .as_deref()
                .unwrap_or("the command can not be executed")
        ),
        (EndedBy::Timeout, _) => "stopped after the timeout".to_owned(),
        (EndedBy::Interrupt, _) => "interrupted".to_owned(),
        (EndedBy::Failure, _) => "failed".to_owned(),
    };
    let kind = if iteration.warmup {
        " (to warm up)"
    } else {
        ""
    };
    let mut parts = vec![format!("iteration {}{kind}: {how}", iteration.index)];
    if let Some(resources) = &iteration.resources {
        parts.push(format!("wall {}", milliseconds(resources.wall_ns / 1000)));
        parts.extend(
            resources
                .cpu_us
                .map(|cpu| format!("cpu {}", milliseconds(cpu))),
        );
        parts.extend(
            resources
                .memory_peak_bytes
                .map(|peak| format!("peak memory {}", ByteCount(peak))),
        );
    }
    if !iteration.files.is_empty() {
        parts.push(format!("{} files", iteration.files.len()));
    }
    parts.join(", ")
}

/// What counters counted. What is estimated is marked.
fn counted(counters: &PerfCounters) -> String {
    let part = |(name, counter): (&str, &PerfCounter)| {
        let sign = if counter.measured_share < 1.0 {
            "~"
        } else {
            ""
        };
        format!("{name} {sign}{}", counter.measure.value)
    };
    let parts: Vec<_> = counters.named().map(part).collect();
    if parts.is_empty() {
        "nothing was counted".to_owned()
    } else {
        parts.join(", ")
    }
}

fn milliseconds(microseconds: u64) -> String {
    format!("{}.{:03} ms", microseconds / 1000, microseconds % 1000)
}

struct ByteCount(u64);

impl std::fmt::Display for ByteCount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        bencher_runner::units::ByteSize::from_bytes(self.0).fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use bencher_runner::result::{CountedCode, Measure, MeasureSource, Unit};

    use super::*;

    #[test]
    fn nothing_of_a_message_steers_a_terminal_or_looks_like_another_one() {
        for (message, shown) in [
            ("it's \"a\" → \\", "it's \"a\" → \\"),
            ("a\x1b[2J\u{9b}\u{202e}\tb", "a\\u{1b}[2J\\u{9b}\\u{202e} b"),
            ("a\nrunner: b\n    | c\n", "a\n    runner: b\n    | c"),
        ] {
            assert_eq!(harmless(message), shown);
        }
    }

    #[test]
    fn estimates_are_marked() {
        let counter = |value, measured_share| PerfCounter {
            measure: Measure {
                value,
                unit: Unit::Cycles,
                source: MeasureSource::HostPmu,
            },
            of: CountedCode::Guest,
            measured_share,
        };
        let mut counters = PerfCounters::default();
        assert_eq!(counted(&counters), "nothing was counted");
        counters.cycles = Some(counter(1200, 1.0));
        counters.cache_misses = Some(counter(34, 0.5));
        assert_eq!(counted(&counters), "cycles 1200, cache_misses ~34");
    }
}
