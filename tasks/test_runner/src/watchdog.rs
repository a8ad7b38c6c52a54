//! Ends what a scenario started when it takes too long, so that no failure hangs the suite.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Far more than any scenario takes, and any job of one, on a machine that is busy with something else
/// as well.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// Watches over the process groups of one scenario.
#[derive(Debug)]
pub(crate) struct Watchdog {
    care: Care,
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The process groups that a watchdog takes care of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Care(Arc<Mutex<Groups>>);

#[derive(Debug, Default)]
struct Groups {
    ids: Vec<i32>,
    barked: bool,
}

impl Watchdog {
    /// Begins to count.
    pub(crate) fn new(patience: Duration) -> Self {
        let care = Care::default();
        let watched = care.clone();
        let (over, is_over) = channel::<()>();
        let thread = thread::spawn(move || {
            if is_over.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                let mut groups = watched.lock();
                groups.barked = true;
                groups.ids.iter().for_each(|&id| end(id));
            }
        });
        Self {
            care,
            over: Some(over),
            thread: Some(thread),
        }
    }

    /// Where processes are taken into its care.
    pub(crate) fn care(&self) -> &Care {
        &self.care
    }

    /// Ends what is still in its care, and says whether the time was up before.
    pub(crate) fn finish(mut self) -> bool {
        self.stop();
        let groups = self.care.lock();
        groups.ids.iter().for_each(|&id| end(id));
        groups.barked
    }

    fn stop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // It can only have panicked on a poisoned lock, which it ignores.
            let _ended = thread.join();
        }
    }
}

impl Care {
    /// Takes the process group `id` into its care.
    pub(crate) fn watch(&self, id: i32) {
        let mut groups = self.lock();
        if groups.barked {
            end(id);
        }
        groups.ids.push(id);
    }

    /// Lets go of the process group `id`, which has ended: another may get its number.
    pub(crate) fn release(&self, id: i32) {
        self.lock().ids.retain(|&other| other != id);
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop();
    }
}

fn end(group: i32) {
    // An error means that it has ended by itself.
    let _gone = killpg(Pid::from_raw(group), Signal::SIGKILL);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command};

    fn sleeper() -> (Child, i32) {
        let child = Command::new("sleep")
            .arg("1000")
            .process_group(0)
            .spawn()
            .expect("it can be started");
        let id = i32::try_from(child.id()).expect("ids are small");
        (child, id)
    }

    #[test]
    fn what_takes_too_long_is_killed() {
        let watchdog = Watchdog::new(Duration::from_millis(20));
        let (mut child, id) = sleeper();
        watchdog.care().watch(id);
        let status = child.wait().expect("it is a child");
        assert_eq!(status.signal(), Some(9));
        let (mut late, id) = sleeper();
        watchdog.care().watch(id);
        assert_eq!(late.wait().expect("it is a child").signal(), Some(9));
        assert!(watchdog.finish());
    }

    #[test]
    fn what_is_in_time_is_not() {
        let watchdog = Watchdog::new(Duration::from_secs(1000));
        let (mut released, id) = sleeper();
        watchdog.care().watch(id);
        watchdog.care().release(id);
        let (mut forgotten, id) = sleeper();
        watchdog.care().watch(id);
        assert!(!watchdog.finish());
        assert_eq!(forgotten.wait().expect("it is a child").signal(), Some(9));
        assert!(released.try_wait().expect("it is a child").is_none());
        released.kill().expect("it runs");
        released.wait().expect("it is a child");
    }
}
