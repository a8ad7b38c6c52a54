//! The counters of one iteration.

use std::io;

use nix::sys::resource::{Resource, getrlimit};
use perf_event::Counter;

use super::event::{Event, Modes, Subject};
use super::reading::Reading;
use super::refusal::{Attempt, Refusal, Rights, is_denial, lines, refusal};
use crate::result::{Measure, PerfCounter, PerfCounters};

/// Files that the runner needs beside counters.
const OTHER_FILES: u64 = 256;

/// What a line says of events that are not in the result.
const NOT_COUNTED: &str = "not counted";

/// Counters, from the orders to the report of the command's end.
#[derive(Debug)]
pub(crate) struct Counting {
    subject: Subject,
    counted: Vec<Counted>,
    compromises: Vec<String>,
}

/// An event, on each of the threads.
#[derive(Debug)]
struct Counted {
    event: Event,
    modes: Modes,
    counters: Vec<Counter>,
}

impl Counting {
    /// Opens counters of `threads`, which are of one kind, and starts them. Each is a file.
    pub(super) fn begin(subject: Subject, threads: &[u32]) -> Self {
        let (wanted, emulated): (Vec<_>, Vec<_>) = Event::ALL
            .into_iter()
            .partition(|event| subject != Subject::Emulator || !event.is_hardware());
        let emulated = emulated.into_iter().map(|event| (event, Refusal::Emulated));
        let mut refused: Vec<_> = emulated.collect();
        let mut user_only = Vec::new();
        let mut counted = Vec::new();
        let rights = Rights::own();
        let room = room(wanted.len(), threads.len(), files());
        for &event in &wanted {
            let opened = match &room {
                Ok(()) => open(event, subject, threads, rights),
                Err(refusal) => Err(refusal.clone()),
            };
            match opened {
                Ok((of_event, lost)) => {
                    counted.push(of_event);
                    user_only.extend(lost.map(|refusal| (event, refusal)));
                }
                Err(refusal) => refused.push((event, refusal)),
            }
        }
        // All together, so that they count the same. Those of a command start with it.
        if subject != Subject::Command {
            counted.retain_mut(|of_event| match of_event.each(Counter::enable) {
                Ok(()) => true,
                Err(error) => {
                    refused.push((of_event.event, Refusal::Other(error.to_string())));
                    false
                }
            });
        }
        let mut compromises = lines(NOT_COUNTED, &refused);
        compromises.extend(lines("counted in user mode only", &user_only));
        Self {
            subject,
            counted,
            compromises,
        }
    }

    /// Counters of threads that can not be told, for the `reason`.
    pub(super) fn impossible(subject: Subject, reason: &str) -> Self {
        let refusal = Refusal::Other(reason.to_owned());
        let refused = Event::ALL.map(|event| (event, refusal.clone()));
        Self {
            subject,
            counted: Vec::new(),
            compromises: lines(NOT_COUNTED, &refused),
        }
    }

    /// Stops them, and returns what they show.
    pub(super) fn end(mut self) -> PerfCounters {
        let mut result = PerfCounters::default();
        let mut refused = Vec::new();
        // All of them before the first is read, which takes its time.
        let stop = |of_event: &mut Counted| of_event.each(Counter::disable);
        let stopped: Vec<_> = self.counted.iter_mut().map(stop).collect();
        for (mut of_event, stopped) in self.counted.into_iter().zip(stopped) {
            let event = of_event.event;
            let amount = match stopped.and_then(|()| of_event.read()) {
                Ok(reading) => reading.amount().ok_or(Refusal::NeverCounted),
                Err(error) => Err(Refusal::Other(error.to_string())),
            };
            match amount {
                Ok(amount) => {
                    *event.place(&mut result) = Some(PerfCounter {
                        measure: Measure {
                            value: amount.value,
                            unit: event.unit(),
                            source: event.source(),
                        },
                        of: event.counted(self.subject, of_event.modes),
                        measured_share: amount.share,
                    });
                }
                Err(refusal) => refused.push((event, refusal)),
            }
        }
        result.compromises = self.compromises;
        result.compromises.extend(lines(NOT_COUNTED, &refused));
        result
    }

    /// What could not be had.
    pub(super) fn compromises(&self) -> &[String] {
        &self.compromises
    }
}

impl Counted {
    fn open(attempt: Attempt, threads: &[u32]) -> io::Result<Self> {
        let Attempt {
            event,
            subject,
            modes,
        } = attempt;
        let counter = |&thread: &u32| {
            let thread = i32::try_from(thread).map_err(io::Error::other)?;
            event
                .builder(subject, modes)
                .observe_pid(thread)
                .any_cpu()
                .build()
        };
        Ok(Self {
            event,
            modes,
            counters: threads.iter().map(counter).collect::<io::Result<_>>()?,
        })
    }

    fn each(&mut self, action: impl FnMut(&mut Counter) -> io::Result<()>) -> io::Result<()> {
        self.counters.iter_mut().try_for_each(action)
    }

    fn read(&mut self) -> io::Result<Reading> {
        let mut sum = Reading::default();
        self.each(|counter| {
            let shown = counter.read_count_and_time()?;
            sum = sum.and(Reading {
                count: shown.count,
                enabled: shown.time_enabled,
                running: shown.time_running,
            });
            Ok(())
        })?;
        Ok(sum)
    }
}

/// Opens counters of `event`: of everything, or what a user may count. The second part is why the
/// kernel's part is not counted, where there would be one.
fn open(
    event: Event,
    subject: Subject,
    threads: &[u32],
    rights: Rights,
) -> Result<(Counted, Option<Refusal>), Refusal> {
    let attempt = |modes| Attempt {
        event,
        subject,
        modes,
    };
    let (all, user) = (attempt(Modes::All), attempt(Modes::User));
    let error = match Counted::open(all, threads) {
        Ok(counted) => return Ok((counted, None)),
        Err(error) => error,
    };
    let why = refusal(&error, all, rights);
    if !is_denial(&error) || !event.is_in_user_mode() {
        return Err(why);
    }
    let counted = Counted::open(user, threads).map_err(|error| refusal(&error, user, rights))?;
    Ok((counted, event.is_hardware().then_some(why)))
}

/// Whether so many counters leave enough of the `files` that this process may have open.
fn room(events: usize, threads: usize, files: u64) -> Result<(), Refusal> {
    let counters = u64::try_from(events * threads).unwrap_or(u64::MAX);
    let needed = counters.saturating_add(OTHER_FILES);
    if needed > files {
        return Err(Refusal::TooManyFiles { needed });
    }
    Ok(())
}

/// The files that this process may have open.
fn files() -> u64 {
    // Where it can not be told, opening tells.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::thread::{JoinHandle, spawn};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::result::{CountedCode, MeasureSource, Unit};

    /// A thread that begins to work when its sender is dropped, and does so for `time`.
    fn worker(time: Duration) -> (std::sync::mpsc::Sender<()>, u32, JoinHandle<()>) {
        let (go, wait): (_, Receiver<()>) = channel();
        let (tell, told) = channel();
        let thread = spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get())
                .unwrap();
            let _gone = wait.recv();
            let begin = Instant::now();
            while begin.elapsed() < time {}
        });
        let id = told.recv().unwrap().unsigned_abs();
        (go, id, thread)
    }

    #[test]
    fn threads_are_counted_together_from_the_start_to_the_end() {
        // Whatever else runs here, it gets some of this.
        const TIME: Duration = Duration::from_millis(300);
        let workers = [worker(TIME), worker(TIME)];
        let counting = Counting::begin(Subject::Emulator, &workers.each_ref().map(|one| one.1));
        let mut alone = None;
        for (go, id, thread) in workers {
            // Of one thread, and started later.
            alone = Some(Counting::begin(Subject::Emulator, &[id]));
            drop(go);
            thread.join().unwrap();
        }
        let (both, second) = (counting.end(), alone.unwrap().end());
        let hardware = "not counted: instructions, cycles, branches, branch_misses, \
                        cache_references, cache_misses (QEMU TCG emulates ";
        assert!(both.compromises[0].starts_with(hardware), "{both:?}");
        assert!(both.instructions.is_none());
        let Some(clock) = both.task_clock_ns else {
            // Where this process may not count, that is said.
            assert!(both.compromises[1].contains("task_clock_ns"), "{both:?}");
            return;
        };
        assert_eq!(clock.of, CountedCode::VcpuThreads);
        assert_eq!(clock.measure.unit, Unit::Nanoseconds);
        assert_eq!(clock.measure.source, MeasureSource::HostKernel);
        assert!(clock.measured_share > 0.99, "{clock:?}");
        let second = second.task_clock_ns.unwrap().measure.value;
        assert!(second > 0);
        assert!(clock.measure.value > second, "{clock:?} {second}");
        assert!(Duration::from_nanos(clock.measure.value) <= 3 * TIME);
    }

    #[test]
    fn threads_that_are_gone_are_a_reason() {
        let (go, id, thread) = worker(Duration::ZERO);
        drop(go);
        thread.join().unwrap();
        // The kernel takes a thread away a moment after it has ended.
        while std::path::Path::new(&format!("/proc/self/task/{id}")).exists() {
            std::thread::yield_now();
        }
        let counters = Counting::begin(Subject::Emulator, &[id]).end();
        assert!(counters.task_clock_ns.is_none());
        let line = &counters.compromises[1];
        assert!(line.contains("task_clock_ns"), "{line}");
        let nothing = Counting::impossible(Subject::Guest, "the VMM has ended").end();
        let [line] = &nothing.compromises[..] else {
            panic!("one line for all");
        };
        assert!(
            line.ends_with("cpu_migrations (the VMM has ended)"),
            "{line}"
        );
    }

    #[test]
    fn counters_leave_files_for_everything_else() {
        assert_eq!(room(9, 4, 1024), Ok(()));
        assert_eq!(room(9, 85, 1024), Ok(()));
        assert_eq!(
            room(9, 86, 1024),
            Err(Refusal::TooManyFiles { needed: 1030 })
        );
        assert!(files() > 0);
    }
}
