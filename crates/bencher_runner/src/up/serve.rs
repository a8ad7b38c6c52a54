//! From what the user wants to a driver that runs, and what comes of it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bencher_channel_protocol::runner::{Exit, Input, Machine, Settings};
use bencher_channel_protocol::{Architecture, MESSAGE_LIMIT, Os, RunnerInfo};
use bencher_oci::registry::Proxies;
use tokio::sync::mpsc::unbounded_channel;

use super::connection::Server;
use super::driver::{Driver, Link, Over};
use super::fitness::{self, Fitness};
use super::job::Workshop;
use super::lock::RunnerFolder;
use super::outbox::Outbox;
use super::service::Service;
use super::update::Updater;
use super::{Unfit, UpError, UpSpec, trust};
use crate::machine::kvm_state;
use crate::run::put_back_left_over;
use crate::{Interrupts, Reporter};

/// How `runner up` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was told to stop, and nothing is left to do.
    Stopped,
    /// It was told to stop, and what could not be delivered is on disk.
    Undelivered,
    /// It was told to stop at once.
    AtOnce,
    /// This program is to be started in the place of this one.
    Updated(PathBuf),
}

/// Claims jobs and runs them, until a signal says to stop.
///
/// # Errors
///
/// [`UpError`]: it can not start, or the server does not want this runner. [`UpError::NotUp`] if it is a
/// new program and the one before is to be started in its place.
pub fn serve(spec: UpSpec, reporter: Arc<dyn Reporter>) -> Result<End, UpError> {
    let folder = if spec.is_trial {
        RunnerFolder::borrow(&spec.directories.state, &spec.runner)
    } else {
        RunnerFolder::take(&spec.directories.state, &spec.runner)?
    };
    let updater = match &spec.updates {
        Some(updates) if !spec.is_trial => Some(Arc::new(Updater::new(
            updates.clone(),
            &spec,
            folder.path(),
            Arc::clone(&reporter),
        )?)),
        _ => None,
    };
    let ended = attempt(spec, &folder, updater.clone(), reporter);
    let Some(updater) = updater else {
        return ended;
    };
    match ended {
        Ok(End::Updated(next)) => Ok(End::Updated(next)),
        Ok(end) => {
            updater.give_up();
            Ok(end)
        }
        // That is not the program's fault. That the host is unfit may be: the old one wanted something else.
        Err(error @ (UpError::Refused(_) | UpError::Replaced)) => {
            updater.give_up();
            Err(error)
        }
        Err(source) => Err(match updater.fallback() {
            Some(program) => {
                // The host may be fit for it another time.
                if matches!(source, UpError::Unfit(_)) {
                    updater.give_up_for_now();
                }
                UpError::NotUp {
                    program,
                    source: Box::new(source),
                }
            }
            None => source,
        }),
    }
}

fn attempt(
    spec: UpSpec,
    folder: &RunnerFolder,
    updater: Option<Arc<Updater>>,
    reporter: Arc<dyn Reporter>,
) -> Result<End, UpError> {
    let tls = trust::client_config(spec.ca_file.as_deref())?;
    let proxies = Proxies::from_env();
    let server = Server::new(&spec.host, &spec.runner, &spec.key, tls, &proxies)?;
    let outbox = Outbox::open(folder.path(), LIMIT)?;
    let jobs = outbox.jobs(reporter.as_ref())?;
    // A new program is a service that runs already.
    let service = Service::new();
    let alive = service.lives_meanwhile().map_err(UpError::Start)?;
    put_back_left_over(reporter.as_ref());
    let outputs = folder.path().join("outputs");
    remove_left_over(&outputs, reporter.as_ref());
    // A new program that can run no jobs gives way to the old one, which delivers what waits.
    let is_new = updater.as_ref().is_some_and(|it| it.fallback().is_some());
    let unfit = unfit(&spec, jobs.is_empty() || is_new, reporter.as_ref())?;
    let (events, received) = unbounded_channel();
    let settings = Settings {
        server: spec.host.clone(),
        runner: spec.runner.to_string(),
        poll_timeout: spec.poll_timeout,
        info: updater.as_ref().map(|updater| RunnerInfo {
            os: Os::Linux,
            arch: architecture(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            channel: Some(updater.channel()),
            checksum: Some(updater.own_checksum()),
            live_output: true,
        }),
        drain_timeout: spec.drain_timeout,
        message_limit: LIMIT,
        rejected: updater
            .as_ref()
            .map(|updater| updater.rejected())
            .unwrap_or_default(),
        failed_updates: updater.as_ref().map_or(0, |updater| updater.failed()),
        is_trial: spec.is_trial,
    };
    let (mut machine, mut effects) = Machine::new(settings, jobs);
    if let Some(unfit) = unfit {
        effects.extend(machine.handle(Input::Host(Err(unfit.to_string()))));
    }
    let mut driver = Driver {
        machine,
        server,
        outbox,
        answers: VecDeque::new(),
        workshop: Arc::new(Workshop {
            policy: spec.jobs,
            directories: spec.directories,
            ca_file: spec.ca_file,
            folder: outputs,
            limit: LIMIT,
            reporter: Arc::clone(&reporter),
            events: events.clone(),
            waiting: Arc::default(),
        }),
        reporter,
        events,
        link: Link::default(),
        job: None,
        timers: BTreeMap::new(),
        service,
        updater,
        offered: None,
        is_trial: spec.is_trial,
    };
    drop(spec.key);
    drop(alive);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(UpError::Start)?;
    let over = runtime.block_on(async {
        let mut interrupts = Interrupts::catch()?;
        let over = driver.run(received, effects, &mut interrupts).await;
        driver.say_goodbye().await;
        // From now on a signal ends the process; one that has come before that is looked for.
        if matches!(over, Over::Become(_)) && interrupts.release().await? {
            return Ok(Over::Exit(Exit::Stopped));
        }
        Ok::<_, io::Error>(over)
    });
    runtime.shutdown_background();
    match over.map_err(UpError::Start)? {
        Over::Become(next) => Ok(End::Updated(next)),
        Over::Exit(exit) => end(exit),
    }
}

/// Why this host can not run jobs, where it goes on all the same: what earlier jobs have come to waits for
/// the server.
///
/// # Errors
///
/// The same where there is nothing else to do.
fn unfit(
    spec: &UpSpec,
    has_nothing_else_to_do: bool,
    reporter: &dyn Reporter,
) -> Result<Option<Unfit>, UpError> {
    // Whoever tries a program has looked.
    if spec.is_trial {
        return Ok(None);
    }
    match fitness::look(&spec.jobs, &spec.directories, &kvm_state(), reporter) {
        Ok(Fitness::All) => Ok(None),
        Ok(Fitness::OnlyWithoutSandbox(unfit)) => {
            reporter.warning(&format!(
                "only jobs without a sandbox can be run here, and others will fail: {unfit}"
            ));
            Ok(None)
        }
        Err(unfit) if has_nothing_else_to_do => Err(unfit.into()),
        Err(unfit) => Ok(Some(unfit)),
    }
}

fn end(exit: Exit) -> Result<End, UpError> {
    match exit {
        Exit::Stopped => Ok(End::Stopped),
        Exit::Undelivered => Ok(End::Undelivered),
        Exit::AtOnce => Ok(End::AtOnce),
        Exit::Refused(reason) => Err(UpError::Refused(reason)),
        Exit::Replaced => Err(UpError::Replaced),
    }
}

/// The longest message that is sent. What a WebSocket adds to it is less than the difference.
const LIMIT: usize = MESSAGE_LIMIT - 1024;

fn architecture() -> Architecture {
    if cfg!(target_arch = "aarch64") {
        Architecture::Aarch64
    } else {
        Architecture::X86_64
    }
}

fn remove_left_over(folder: &Path, reporter: &dyn Reporter) {
    match fs::remove_dir_all(folder) {
        Ok(()) => reporter.debug("removed the outputs of a job that was not ended"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            reporter.warning(&format!("failed to remove {}: {error}", folder.display()));
        }
    }
}
