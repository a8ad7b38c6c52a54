//! One run: an image's command, once per iteration, each time in a fresh machine.
//!
//! ```text
//! prepare: image -> orders, kernel, sandbox, root filesystem      (once a side)
//! quiet:   tune the host, give out its CPUs, until the last is over (once)
//! iterate: copy -> boot -> talk -> finish -> iteration            (each time)
//! report:  iterations, outcome, trust -> result document          (once a side)
//! ```
//!
//! There is one side, or there are two to be compared, which take turns on the same quiet host.

mod capture;
mod choice;
mod clock;
mod control;
mod error;
mod fault;
mod iteration;
mod iteration_folder;
mod layers;
mod live;
mod moments;
mod on_suspect;
mod orders;
mod output_folder;
mod page_cache;
mod precision;
mod prepare;
mod quiet;
mod record;
mod repetition;
mod report;
mod root;
mod rootfs;
mod session;
mod side;
mod spec;
mod supervisor;
pub(crate) mod text;
mod turns;
mod verdict;
mod witness;

use std::io;
use std::sync::Arc;

use bencher_statistics::Order;

pub use error::{ConsoleExcerpt, RunError};
pub use fault::Fault;
pub use live::LiveOutput;
pub use on_suspect::OnSuspect;
pub(crate) use orders::absolute;
pub use page_cache::PageCache;
pub use quiet::give_back_left_over;
pub(crate) use quiet::put_back_left_over;
pub use repetition::Goal;
pub use rootfs::build_to_file;
pub use spec::{FirecrackerChoice, LEAST_MEMORY, QemuChoice, RunLimits, RunSpec, SandboxChoice};

use crate::result::evidence::ShortIterations;
use crate::result::{Host, Iterations, Precision, ResultDocument, Setup};
use crate::{Interrupts, Reporter};
use session::{Ended, Purpose};
use side::Side;
use turns::Turns;

/// What became of a run.
#[derive(Debug)]
pub struct RunOutcome {
    /// The exit code of `runner run`.
    pub exit_code: u8,
    /// What the runner failed at, if it did.
    pub error: Option<RunError>,
}

/// Runs what `spec` says. The result goes where `spec` says; `reporter` hears of each step.
pub async fn run(
    spec: RunSpec,
    interrupts: &mut Interrupts,
    reporter: Arc<dyn Reporter>,
) -> RunOutcome {
    let side = Side::new(spec, reporter);
    let ended = Box::pin(session::attempt(
        &[side],
        Turns::One,
        Purpose::Files,
        interrupts,
    ))
    .await;
    ended.map_or_else(RunOutcome::failed, |ended| ended.outcome)
}

/// What is about to run, and where.
#[derive(Debug)]
pub struct Preview {
    /// What and in which machine, but for the version of a QEMU.
    pub setup: Setup,
    /// The host, not yet tuned.
    pub host: Host,
}

/// Says what speaks against results of what is about to run, of each side: better before the first
/// machine is started than after the last.
pub type Approval<'a> = &'a (dyn Fn(&[Preview]) -> Result<(), String> + Sync);

/// What became of runs whose results are handed back.
#[derive(Debug)]
pub struct Measured {
    /// How they ended.
    pub outcome: RunOutcome,
    /// The results, in the order of the sides, without what the commands wrote, of as many iterations
    /// as there were; empty when nothing ran.
    pub results: Vec<ResultDocument<Iterations>>,
    /// Which side of each pair came first, where there are two sides.
    pub orders: Vec<Order>,
    /// How narrow the interval of the ratio is, where that was the goal of two sides.
    pub precision: Option<Precision>,
}

/// Runs what `spec` says, as [`run`] does, and hands the result back as well.
pub async fn measure(
    spec: RunSpec,
    interrupts: &mut Interrupts,
    reporter: Arc<dyn Reporter>,
    approval: Approval<'_>,
) -> Measured {
    let side = Side::new(spec, Arc::clone(&reporter));
    let purpose = Purpose::HandBack(approval);
    let ended = Box::pin(session::attempt(&[side], Turns::One, purpose, interrupts)).await;
    ended.map_or_else(Measured::failed, |ended| Measured::of(ended, &*reporter))
}

/// Runs what `spec` says, as [`run`] does, and hands the result back in short as well, if anything ran: for
/// evidence of at most `most` bytes.
pub(crate) async fn run_with_evidence(
    spec: RunSpec,
    most: usize,
    interrupts: &mut Interrupts,
    reporter: Arc<dyn Reporter>,
) -> (RunOutcome, Option<ResultDocument<ShortIterations>>) {
    let side = Side::new(spec, reporter);
    let purpose = Purpose::Evidence(most);
    match Box::pin(session::attempt(&[side], Turns::One, purpose, interrupts)).await {
        Ok(ended) => (ended.outcome, ended.evidence.into_iter().next()),
        Err(error) => (RunOutcome::failed(error), None),
    }
}

/// Runs two sides in turns, in the order of the plan that `seed` gives, on the same CPUs of a host that
/// is tuned once for both, and hands the results back. How often, when enough is enough, and all that
/// concerns the host is taken from the first one.
pub async fn measure_pairs(
    sides: [(RunSpec, Arc<dyn Reporter>); 2],
    seed: u64,
    interrupts: &mut Interrupts,
    approval: Approval<'_>,
) -> Measured {
    let reporter = Arc::clone(&sides[0].1);
    let sides = sides.map(|(spec, reporter)| Side::new(spec, reporter));
    let purpose = Purpose::HandBack(approval);
    let ended = Box::pin(session::attempt(
        &sides,
        Turns::pairs(seed),
        purpose,
        interrupts,
    ))
    .await;
    ended.map_or_else(Measured::failed, |ended| Measured::of(ended, &*reporter))
}

impl Measured {
    fn of(ended: Ended, reporter: &dyn Reporter) -> Self {
        let mut outcome = ended.outcome;
        let mut results = Vec::new();
        for document in ended.documents {
            match document.with_read_iterations() {
                Ok(result) => results.push(result),
                Err(source) => {
                    let path = std::env::temp_dir();
                    let error = RunError::Result { path, source };
                    if outcome.error.is_some() {
                        reporter.warning(&error.to_string());
                    } else {
                        outcome = RunOutcome::failed(error);
                    }
                }
            }
        }
        Self {
            outcome,
            results,
            orders: ended.orders,
            precision: ended.precision,
        }
    }

    fn failed(error: RunError) -> Self {
        Self {
            outcome: RunOutcome::failed(error),
            results: Vec::new(),
            orders: Vec::new(),
            precision: None,
        }
    }
}

impl RunOutcome {
    fn successful() -> Self {
        Self {
            exit_code: 0,
            error: None,
        }
    }

    fn failed(error: RunError) -> Self {
        Self {
            exit_code: error.exit_code(),
            error: Some(error),
        }
    }
}

/// Does `work` on a thread of its own, and to its end: what is half done would have to be undone,
/// which takes as long.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| RunError::Thread(io::Error::other(error)))
}
