//! Who is told of what has become true: the dispatcher, the connections, and those who watch jobs.
//!
//! What is told here is only that something has changed; what it is now, the database knows. So a
//! signal that comes twice does nothing, and one that is missed is made up for at the next look.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bencher_jobs::{ConnectionId, JobId, RunnerId};
use tokio::sync::{Notify, broadcast};

use crate::store::Signal;

/// Signals that a slow watcher may lag behind before it has to look again itself.
const BACKLOG: usize = 1024;

/// What those who watch jobs look at anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// One job.
    Job(JobId),
    /// All: something may have been missed, or they may not watch any more.
    All,
}

/// Those who read results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Of what is in the database.
    Database,
    /// Of what is in the storage.
    Storage,
}

impl Reader {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Database, Self::Storage];
}

/// A part of what happens on this server that others wait for.
#[derive(Debug)]
pub(crate) struct Bus {
    watchers: broadcast::Sender<Change>,
    /// Wakes the dispatcher.
    pub(crate) dispatcher: Notify,
    /// Wake those who read results.
    results: [Notify; Reader::ALL.len()],
    is_queued: AtomicBool,
    is_fleet_changed: AtomicBool,
    jobs: Mutex<HashMap<JobId, Arc<AtomicBool>>>,
    /// Most runners have one here. One that comes again has two, until the older one has ended.
    connections: Mutex<HashMap<RunnerId, Vec<Known>>>,
}

/// A connection that is told when another one of its runner was opened.
#[derive(Debug)]
struct Known {
    connection: ConnectionId,
    another: Arc<Notify>,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            watchers: broadcast::Sender::new(BACKLOG),
            dispatcher: Notify::new(),
            results: Default::default(),
            is_queued: AtomicBool::new(false),
            is_fleet_changed: AtomicBool::new(false),
            jobs: Mutex::default(),
            connections: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of them is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bus {
    /// Tells everybody whom `signals` concern.
    pub(crate) fn publish(&self, signals: &[Signal]) {
        for signal in signals {
            match *signal {
                Signal::Queued => self.is_queued.store(true, Ordering::Release),
                Signal::Fleet => self.is_fleet_changed.store(true, Ordering::Release),
                Signal::Job(job) => {
                    if let Some(is_changed) = lock(&self.jobs).get(&job) {
                        is_changed.store(true, Ordering::Release);
                    }
                    // Nobody may be watching.
                    let _count = self.watchers.send(Change::Job(job));
                    self.wake_readers();
                    continue;
                }
                Signal::Tokens => {
                    let _count = self.watchers.send(Change::All);
                    continue;
                }
                Signal::Connected(runner, connection) => {
                    let connections = lock(&self.connections);
                    let known = connections.get(&runner).into_iter().flatten();
                    for other in known.filter(|known| known.connection != connection) {
                        other.another.notify_one();
                    }
                    continue;
                }
            }
            self.dispatcher.notify_one();
        }
    }

    /// Signals may have been missed: everybody looks again.
    pub(crate) fn publish_all(&self) {
        for is_changed in lock(&self.jobs).values() {
            is_changed.store(true, Ordering::Release);
        }
        let _count = self.watchers.send(Change::All);
        self.wake_readers();
        self.publish(&[Signal::Queued, Signal::Fleet]);
    }

    fn wake_readers(&self) {
        for reader in &self.results {
            reader.notify_one();
        }
    }

    /// Until there may be results to read since `reader` last asked.
    pub(crate) async fn results(&self, reader: Reader) {
        self.results[reader as usize].notified().await;
    }

    /// Whether jobs may have come since this was last asked.
    pub(crate) fn take_queued(&self) -> bool {
        self.is_queued.swap(false, Ordering::AcqRel)
    }

    /// Whether what runners can run may have changed since this was last asked.
    pub(crate) fn take_fleet(&self) -> bool {
        self.is_fleet_changed.swap(false, Ordering::AcqRel)
    }

    /// Jobs as they change, for those who show them.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Change> {
        self.watchers.subscribe()
    }

    /// Notes whether `job` changes, for as long as the value lives.
    pub(crate) fn follow(self: &Arc<Self>, job: JobId) -> Followed {
        let is_changed = Arc::clone(lock(&self.jobs).entry(job).or_default());
        Followed {
            bus: Arc::clone(self),
            job,
            is_changed,
        }
    }

    /// Enters a connection, for as long as the value lives.
    pub(crate) fn enter(self: &Arc<Self>, runner: RunnerId, connection: ConnectionId) -> Entered {
        let another = Arc::new(Notify::new());
        let known = Known {
            connection,
            another: Arc::clone(&another),
        };
        lock(&self.connections)
            .entry(runner)
            .or_default()
            .push(known);
        Entered {
            bus: Arc::clone(self),
            runner,
            connection,
            another,
        }
    }

    /// How many runners are connected to this server.
    pub(crate) fn connected(&self) -> usize {
        lock(&self.connections).len()
    }
}

/// A job whose changes are noted.
#[derive(Debug)]
pub(crate) struct Followed {
    bus: Arc<Bus>,
    job: JobId,
    is_changed: Arc<AtomicBool>,
}

impl Followed {
    /// The job.
    pub(crate) fn job(&self) -> JobId {
        self.job
    }

    /// Whether it may have changed since this was last asked.
    pub(crate) fn take_changed(&self) -> bool {
        self.is_changed.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut jobs = lock(&self.bus.jobs);
        // This one and the map's: nobody else follows it.
        if Arc::strong_count(&self.is_changed) <= 2 {
            jobs.remove(&self.job);
        }
    }
}

/// A connection that is known here.
#[derive(Debug)]
pub(crate) struct Entered {
    bus: Arc<Bus>,
    runner: RunnerId,
    connection: ConnectionId,
    another: Arc<Notify>,
}

impl Entered {
    /// Until another connection of this runner was made its newest one, here or at another server. This one may
    /// have been made it since then.
    pub(crate) async fn another(&self) {
        self.another.notified().await;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut connections = lock(&self.bus.connections);
        if let Some(known) = connections.get_mut(&self.runner) {
            known.retain(|known| known.connection != self.connection);
            if known.is_empty() {
                connections.remove(&self.runner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn who_follows_a_job_hears_of_it_and_of_no_other() {
        let bus = Arc::new(Bus::default());
        let (mine, other) = (JobId::generate(), JobId::generate());
        let followed = bus.follow(mine);
        let twin = bus.follow(mine);
        bus.publish(&[Signal::Job(other)]);
        assert!(!followed.take_changed());
        bus.publish(&[Signal::Job(mine)]);
        assert!(followed.take_changed());
        assert!(!followed.take_changed());
        drop(twin);
        bus.publish_all();
        assert!(followed.take_changed());
        assert_eq!(followed.job(), mine);
        drop(followed);
        assert!(lock(&bus.jobs).is_empty());
    }

    #[test]
    fn connections_hear_of_all_others_of_their_runner() {
        let bus = Arc::new(Bus::default());
        let runner = RunnerId::generate();
        let ids: Vec<_> = (0..3).map(|_| ConnectionId::generate()).collect();
        let hears = |entered: &Entered| entered.another().now_or_never().is_some();
        // Whatever the order of their identifiers, which several servers make.
        let first = bus.enter(runner, ids[1]);
        let second = bus.enter(runner, ids[0]);
        let stranger = bus.enter(RunnerId::generate(), ids[2]);
        assert!(!hears(&first) && !hears(&second), "nothing is written yet");
        assert_eq!(bus.connected(), 2);
        bus.publish(&[Signal::Connected(runner, ids[0])]);
        assert!(hears(&first) && !hears(&second) && !hears(&stranger));
        drop(first);
        assert_eq!(bus.connected(), 2);
        // At another server.
        bus.publish(&[Signal::Connected(runner, ConnectionId::generate())]);
        assert!(hears(&second) && !hears(&stranger));
        drop((second, stranger));
        assert_eq!(bus.connected(), 0);
    }

    #[test]
    fn watchers_look_again_when_something_was_missed() {
        let bus = Bus::default();
        let mut changes = bus.watch();
        let job = JobId::generate();
        bus.publish(&[Signal::Job(job), Signal::Queued, Signal::Tokens]);
        bus.publish_all();
        for change in [Change::Job(job), Change::All, Change::All] {
            assert_eq!(changes.try_recv(), Ok(change));
        }
        assert!(changes.try_recv().is_err());
    }

    #[test]
    fn the_dispatcher_hears_once() {
        let bus = Bus::default();
        assert!(!bus.take_queued() && !bus.take_fleet());
        bus.publish(&[Signal::Queued, Signal::Queued]);
        assert!(bus.take_queued() && !bus.take_queued() && !bus.take_fleet());
        bus.publish(&[Signal::Fleet]);
        assert!(bus.take_fleet() && !bus.take_fleet() && !bus.take_queued());
    }
}
