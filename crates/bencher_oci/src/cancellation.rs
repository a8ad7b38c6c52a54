//! Tells work to end, and wakes it wherever it waits.
//!
//! ```text
//!              ┌─► the flag, for work that looks between two pieces
//! cancel() ────┼─► whoever waits for a time, or for a thread
//!              ├─► calls: shut connections, cancel children
//!              └─► children, which can be cancelled without it
//! ```

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// Tells work to end. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    is_cancelled: AtomicBool,
    /// The flag changes only while this is locked, so that nobody misses it.
    calls: Mutex<Calls>,
    changed: Condvar,
    /// Of a child: what cancels it with its parent.
    _of_parent: Option<OnCancel>,
}

#[derive(Default)]
struct Calls {
    next: u64,
    by_number: BTreeMap<u64, Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls", self.by_number.len())
    }
}

/// What is called at a cancellation, until this is dropped.
#[derive(Debug)]
#[must_use = "nothing is called once this is dropped"]
pub struct OnCancel {
    of: Weak<Inside>,
    number: u64,
}

/// Why a thread's result is not there.
#[derive(Debug, thiserror::Error)]
pub enum LeftAlone {
    /// It was told to end.
    #[error("cancelled")]
    Cancelled,
    /// It takes too long.
    #[error("timed out")]
    TimedOut,
    /// There is no thread for it.
    #[error("no thread could be started: {0}")]
    NoThread(io::Error),
}

impl From<LeftAlone> for io::Error {
    fn from(error: LeftAlone) -> Self {
        match error {
            LeftAlone::Cancelled => io::ErrorKind::Interrupted.into(),
            LeftAlone::TimedOut => io::ErrorKind::TimedOut.into(),
            LeftAlone::NoThread(error) => error,
        }
    }
}

/// What who waits for a thread hears.
enum News<T> {
    Ended(Result<T, Box<dyn Any + Send>>),
    Cancelled,
}

impl Cancellation {
    /// Tells everybody who has a clone or a child to end.
    pub fn cancel(&self) {
        let calls = {
            let mut calls = self.0.lock();
            self.0.is_cancelled.store(true, Ordering::Release);
            std::mem::take(&mut calls.by_number)
        };
        self.0.changed.notify_all();
        for call in calls.into_values() {
            call();
        }
    }

    /// Whether it was told to end.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Acquire)
    }

    /// What becomes true when it is told to end, for work that never waits for long and looks at it
    /// between two pieces.
    pub fn flag(&self) -> &AtomicBool {
        &self.0.is_cancelled
    }

    /// One that is cancelled with this one, and can be cancelled without it.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self(Arc::new_cyclic(|child: &Weak<Inside>| {
            let child = Weak::clone(child);
            let cancel = move || {
                if let Some(child) = child.upgrade() {
                    Self(child).cancel();
                }
            };
            Inside {
                _of_parent: Some(self.on_cancel(cancel)),
                ..Inside::default()
            }
        }));
        // There was no child yet when it might have been told.
        if self.is_cancelled() {
            child.cancel();
        }
        child
    }

    /// Calls `call` once it is told to end, on the thread that tells so; at once if it was already.
    /// It must not block.
    pub fn on_cancel(&self, call: impl FnOnce() + Send + 'static) -> OnCancel {
        let mut calls = self.0.lock();
        let number = calls.next;
        let registered = OnCancel {
            of: Arc::downgrade(&self.0),
            number,
        };
        if self.is_cancelled() {
            drop(calls);
            call();
        } else {
            calls.next += 1;
            calls.by_number.insert(number, Box::new(call));
        }
        registered
    }

    /// Waits until it is told to end, at most for `duration`.
    pub fn wait(&self, duration: Duration) {
        let goes_on = |_: &mut Calls| !self.is_cancelled();
        let calls = self.0.lock();
        drop(self.0.changed.wait_timeout_while(calls, duration, goes_on));
    }

    /// Does `work`, which can not be interrupted, on a thread called `name`, and returns what it
    /// returns. When it is told to end, or `limit` is over, the thread is left alone: what it still
    /// returns is dropped there.
    ///
    /// # Errors
    /// A [`LeftAlone`].
    ///
    /// # Panics
    /// If `work` does.
    pub fn beside<T: Send + 'static>(
        &self,
        name: &str,
        limit: Option<Duration>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LeftAlone> {
        let (send, receive) = channel();
        let told = send.clone();
        let _told = self.on_cancel(move || {
            // Nobody listens any more if the work was faster.
            let _ = told.send(News::Cancelled);
        });
        let work = move || {
            let ended = catch_unwind(AssertUnwindSafe(work));
            // Nobody listens any more if it was left alone.
            let _ = send.send(News::Ended(ended));
        };
        if !self.is_cancelled() {
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(LeftAlone::NoThread)?;
        }
        let news = match limit {
            None => receive.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(limit) => receive.recv_timeout(limit),
        };
        match news {
            Ok(News::Ended(Ok(result))) => Ok(result),
            Ok(News::Ended(Err(panic))) => resume_unwind(panic),
            Err(RecvTimeoutError::Timeout) => Err(LeftAlone::TimedOut),
            // Nobody is left to say anything.
            Ok(News::Cancelled) | Err(RecvTimeoutError::Disconnected) => Err(LeftAlone::Cancelled),
        }
    }
}

impl Inside {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        // What is in there is whole whatever happened to the thread that held it.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        if let Some(of) = self.of.upgrade() {
            let call = of.lock().by_number.remove(&self.number);
            // Whatever it holds is dropped without the lock.
            drop(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use super::*;

    const FOR_EVER: Duration = Duration::from_hours(1);

    #[test]
    fn who_waits_is_woken() {
        let cancellation = Cancellation::default();
        let waiting = cancellation.clone();
        let thread = thread::spawn(move || {
            waiting.wait(FOR_EVER);
            waiting.is_cancelled()
        });
        cancellation.cancel();
        assert!(thread.join().unwrap());
        // And who comes later does not wait at all.
        cancellation.wait(FOR_EVER);
        assert!(cancellation.flag().load(Ordering::Relaxed));
    }

    #[test]
    fn a_child_ends_with_its_parent_and_not_the_other_way_round() {
        let parent = Cancellation::default();
        let (first, second) = (parent.child(), parent.child());
        let grandchild = second.child();
        first.cancel();
        assert!(first.is_cancelled());
        assert!(!parent.is_cancelled() && !second.is_cancelled());
        parent.cancel();
        assert!(second.is_cancelled() && grandchild.is_cancelled());
        assert!(parent.child().is_cancelled(), "it comes too late");
    }

    #[test]
    fn what_is_over_is_not_called() {
        let cancellation = Cancellation::default();
        let (send, receive) = channel();
        let call = |name| {
            let send: Sender<_> = send.clone();
            move || send.send(name).unwrap()
        };
        let _kept = cancellation.on_cancel(call("kept"));
        drop(cancellation.on_cancel(call("over")));
        drop(cancellation.child());
        cancellation.cancel();
        cancellation.cancel();
        let _late = cancellation.on_cancel(call("late"));
        drop(send);
        assert_eq!(receive.try_iter().collect::<Vec<_>>(), ["kept", "late"]);
        assert!(cancellation.0.lock().by_number.is_empty());
    }

    #[test]
    fn work_that_can_not_be_interrupted_is_left_alone() {
        let never = Cancellation::default();
        assert_eq!(never.beside("test", None, || 5).unwrap(), 5);
        let (_hold, held) = channel::<()>();
        let ended = never.beside("test", Some(Duration::ZERO), move || held.recv());
        assert!(matches!(ended, Err(LeftAlone::TimedOut)));

        let cancellation = Cancellation::default();
        let (started, has_started) = channel();
        let (_hold, held) = channel::<()>();
        let waiting = cancellation.clone();
        let thread = thread::spawn(move || {
            waiting.beside("test", Some(FOR_EVER), move || {
                started.send(()).unwrap();
                held.recv()
            })
        });
        has_started.recv().unwrap();
        cancellation.cancel();
        assert!(matches!(thread.join().unwrap(), Err(LeftAlone::Cancelled)));
        let late = cancellation.beside("test", None, || unreachable!("it is not begun"));
        assert!(matches!(late, Err::<(), _>(LeftAlone::Cancelled)));
    }

    #[test]
    #[should_panic(expected = "as it should")]
    fn a_panic_of_the_work_is_passed_on() {
        let never = Cancellation::default();
        let _ = never.beside("test", None, || panic!("as it should"));
    }
}
