//! A job: one run, on a thread of its own.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;

use bencher_channel_protocol::runner::{Failure, Fault};
use bencher_channel_protocol::{
    EVIDENCE_OF_CUT, Evidence, IterationOutput, Job, MAX_ERROR_BYTES, MAX_EVIDENCE_BYTES,
};
use bencher_oci::registry::RegistryOptions;
use nix::sys::signal::Signal;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::JobPolicy;
use super::admission::{Surroundings, admit, host_memory};
use super::driver::Event;
use super::fitness;
use super::listener::Listener;
use super::output::Wanted;
use super::turn::turn;
use crate::machine::kvm_state;
use crate::run::{self, run};
use crate::{Directories, Interrupts, Reporter};

/// What a message holds beside results and evidence, at most, in bytes: an error, above all.
const AROUND: usize = 2 * MAX_ERROR_BYTES;

/// What all jobs of a runner have in common.
#[derive(Debug)]
pub(super) struct Workshop {
    pub(super) policy: JobPolicy,
    pub(super) directories: Directories,
    pub(super) ca_file: Option<PathBuf>,
    /// Where outputs are put until they are sent; what is there at the start is left over.
    pub(super) folder: PathBuf,
    /// How long the message about a job may be, in bytes.
    pub(super) limit: usize,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) events: UnboundedSender<Event>,
    /// Bytes of live output on their way to the server.
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Workshop {
    /// Sees on a thread of its own whether this host can run jobs. What comes of it is told as
    /// [`Event::Host`].
    pub(super) fn look_at_host(self: &Arc<Self>) {
        let for_thread = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name("look".to_owned())
            .spawn(move || {
                let (policy, directories) = (&for_thread.policy, &for_thread.directories);
                let reporter = for_thread.reporter.as_ref();
                let found = fitness::look_again(policy, directories, &kvm_state(), reporter);
                let found = found.map(drop).map_err(|unfit| unfit.to_string());
                let _ended = for_thread.events.send(Event::Host(found));
            });
        if let Err(error) = spawned {
            let _ended = self.events.send(Event::Host(Err(error.to_string())));
        }
    }
}

/// A job that was started.
#[derive(Debug)]
pub(super) struct StartedJob {
    orders: UnboundedSender<Signal>,
}

impl StartedJob {
    /// Ends the run at once, and keeps what it has produced.
    pub(super) fn kill(&self) {
        // The first order is to stop, the second not to wait for that.
        for _ in 0..2 {
            let _over = self.orders.send(Signal::SIGTERM);
        }
    }
}

/// Starts a job. Whatever comes of it is told as [`Event::Ended`], once; a panic ends the whole runner, and
/// the next one tells the server that the job is lost.
pub(super) fn start(job: Box<Job>, workshop: &Arc<Workshop>) -> StartedJob {
    let (orders, received) = unbounded_channel();
    let for_thread = Arc::clone(workshop);
    let events = workshop.events.clone();
    let spawned = thread::Builder::new()
        .name("job".to_owned())
        .spawn(move || {
            let _end = EndOfAll;
            let ended = carry_out(&job, &for_thread, received);
            let _gone = for_thread.events.send(ended);
        });
    if let Err(error) = spawned {
        let _gone = events.send(Event::Ended {
            results: Vec::new(),
            evidence: None,
            failure: Some(Failure {
                error: format!("the runner failed to start a thread: {error}"),
                fault: Fault::Host,
            }),
        });
    }
    StartedJob { orders }
}

/// Ends the process where a thread that has this panics, whatever the profile it was built with: nobody would
/// hear of the job's end, and of no other job.
struct EndOfAll;

impl Drop for EndOfAll {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

fn carry_out(job: &Job, workshop: &Workshop, orders: UnboundedReceiver<Signal>) -> Event {
    let ended = |error: String, fault| Event::Ended {
        results: Vec::new(),
        evidence: None,
        failure: Some(Failure { error, fault }),
    };
    let refused = |error| ended(error, Fault::Job);
    let failed = |error| ended(error, Fault::Host);
    let folder = match make_folder(workshop) {
        Ok(folder) => folder,
        Err(error) => return failed(format!("the runner can not keep outputs: {error}")),
    };
    let around = Surroundings {
        policy: &workshop.policy,
        directories: &workshop.directories,
        memory: host_memory(),
        registry: RegistryOptions {
            ca_file: workshop.ca_file.clone(),
            proxies: bencher_oci::registry::Proxies::from_env(),
            ..RegistryOptions::default()
        },
        output_folder: folder.path().to_owned(),
    };
    let mut spec = match admit(job, around) {
        Ok(spec) => spec,
        Err(refusal) => return refused(refusal),
    };
    let listener = Arc::new(Listener::new(
        Arc::clone(&workshop.reporter),
        workshop.events.clone(),
        Wanted::of(&job.config),
        folder.path().to_owned(),
        workshop.limit,
        job.live_output.then(|| Arc::clone(&workshop.waiting)),
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(format!("the runner failed to start the job: {error}")),
    };
    let allow_failure = spec.allow_failure;
    let reporter: Arc<dyn Reporter> = Arc::<Listener>::clone(&listener);
    let mut interrupts = Interrupts::ordered(orders);
    let outcome = runtime.block_on(async {
        let turn = turn(workshop, &mut spec.image, &mut interrupts).await?;
        let ended = if job.evidence {
            let most = MAX_EVIDENCE_BYTES;
            run::run_with_evidence(spec, most, &mut interrupts, reporter).await
        } else {
            (run(spec, &mut interrupts, reporter).await, None)
        };
        drop(turn);
        Ok(ended)
    });
    // After a kill a thread may still be at work: it is not waited for.
    runtime.shutdown_background();
    let (outcome, evidence) = match outcome {
        Ok(ended) => ended,
        Err(Failure { error, fault }) => return ended(error, fault),
    };
    let has_started = listener.has_started();
    let (results, failure) = listener.take();
    let failure = match outcome.error {
        Some(error) => Some(Failure {
            error: error.to_string(),
            fault: match error.fault(has_started) {
                run::Fault::Run => Fault::Job,
                run::Fault::Host => Fault::Host,
            },
        }),
        None if allow_failure => None,
        None => failure.map(|error| Failure {
            error,
            fault: Fault::Job,
        }),
    };
    let evidence = evidence.and_then(|document| {
        let most = room_for_evidence(&results, workshop.limit);
        let told = document.to_evidence(most).map(Evidence::new);
        if !matches!(told, Some(Ok(_))) {
            workshop.reporter.warning(&format!(
                "the server is not told how the job {} was measured: there is no room for that beside its \
                 results",
                job.uuid
            ));
        }
        told?.ok()
    });
    Event::Ended {
        results,
        evidence,
        failure,
    }
}

/// How long evidence may be, in bytes, beside these results in a message of `limit` bytes: it takes no room
/// that they need. Where they have to be cut all the same, it gets a little.
fn room_for_evidence(results: &[IterationOutput], limit: usize) -> usize {
    let length = serde_json::to_vec(results).map_or(usize::MAX, |text| text.len());
    let room = if length > limit {
        limit / EVIDENCE_OF_CUT
    } else {
        limit.saturating_sub(length + AROUND)
    };
    room.min(MAX_EVIDENCE_BYTES)
}

fn make_folder(workshop: &Workshop) -> std::io::Result<tempfile::TempDir> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&workshop.folder)?;
    tempfile::Builder::new()
        .prefix("job-")
        .tempdir_in(&workshop.folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_panic_of_a_jobs_thread_ends_the_runner() {
        const PANICS: &str = "BENCHER_TEST_PANICS";
        let of_job = || {
            let _end = EndOfAll;
            assert!(std::env::var_os(PANICS).is_none(), "on purpose");
        };
        let ended = thread::spawn(of_job).join();
        // The process below goes no further.
        assert!(ended.is_ok());
        let this = thread::current();
        let test = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", this.name().unwrap()])
            .env(PANICS, "1")
            .output()
            .unwrap();
        assert_eq!(
            test.status.signal(),
            Some(Signal::SIGABRT as i32),
            "{test:?}"
        );
    }

    #[test]
    fn evidence_takes_no_room_that_results_need() {
        const LIMIT: usize = 4 << 20;
        let of = |bytes: usize| {
            let result = IterationOutput {
                stdout: Some("x".repeat(bytes)),
                ..IterationOutput::default()
            };
            room_for_evidence(&[result], LIMIT)
        };
        assert_eq!(of(100), MAX_EVIDENCE_BYTES);
        let beside = of(LIMIT - (1 << 19));
        assert!(beside < 1 << 19 && beside > 1 << 18, "{beside}");
        assert!(of(LIMIT - AROUND - 200) < 200);
        // They are whole, and nothing is left beside them.
        for left in [AROUND, AROUND / 2, 100] {
            assert_eq!(of(LIMIT - left), 0, "{left}");
        }
        // They are cut in any case.
        assert_eq!(of(LIMIT), LIMIT / EVIDENCE_OF_CUT);
    }
}
