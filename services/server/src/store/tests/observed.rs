//! Whoever observes jobs is told what became of them, and of nothing that did not.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use super::*;
use crate::store::{Observer, Operation, Turn};

/// What it was told, in short, and how many signals.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>, AtomicUsize);

impl Told {
    fn add(&self, text: String) {
        self.0.lock().expect("nobody panicked").push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("nobody panicked"))
    }
}

impl Observer for Told {
    fn turned(&self, turns: &[Turn]) {
        for turn in turns {
            self.add(match turn {
                Turn::Submitted { trace, .. } => format!("submitted {}", trace.is_some()),
                Turn::Changed { job, next, .. } => {
                    format!(
                        "{} to {} {}",
                        job.life.state,
                        next.state,
                        job.trace.is_some()
                    )
                }
                Turn::Deleted { trace, .. } => format!("deleted {}", trace.is_some()),
            });
        }
    }

    fn signaled(&self, signals: &[Signal]) {
        self.1.fetch_add(signals.len(), Ordering::Relaxed);
    }

    fn failed(&self, operation: Operation) {
        self.add(format!("failed to {}", operation.name()));
    }

    fn met(&self) {
        self.add("met".to_owned());
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

#[tokio::test]
async fn what_became_true_is_told_and_what_did_not_is_not() {
    for place in places().await {
        let told = Arc::new(Told::default());
        let store = place.store.clone().observed(told.clone());
        let (project, spec) = (project(&store, "p").await, spec(&store, "s").await);
        let machine = runner(&store, "m", spec).await;
        let new = [NewJob {
            trace: TRACE.parse().ok(),
            ..new_job(spec)
        }];
        let id = new[0].id;
        let submit = async |is_good: bool| {
            store
                .write(|mut transaction| async {
                    let done = transaction.submit(project, &new, 9).await;
                    let done = match done {
                        Ok(_) if !is_good => Err(StoreError::Full(9)),
                        done => done,
                    };
                    (transaction, done)
                })
                .await
        };
        submit(false).await.expect_err("it is given up");
        assert_eq!(told.take(), [""; 0]);
        submit(true).await.expect("submitted");
        assert_eq!(told.take(), ["submitted true"]);
        let kept = store.job(id).await.expect("it").trace;
        assert_eq!(kept.map(|trace| trace.to_string()).as_deref(), Some(TRACE));
        let handed = claim(&store, &[waiting(&[spec], machine)]).await;
        assert_eq!(handed[0].job.trace, kept);
        assert_eq!(told.take(), ["pending to claimed true"]);
        let nothing = Attached::default();
        for (what, expected) in [
            (Report::Heartbeat, None),
            (Report::Running, Some("claimed to running true")),
            (Report::Heartbeat, None),
            (Report::Completed, Some("running to completed true")),
            (Report::Completed, None),
        ] {
            let heard = hear(&store, &[report(machine.0, id, what, &nothing)]).await;
            assert!(
                matches!(&heard[..], [Heard::Changed(changed)] if changed.trace == kept),
                "{heard:?}"
            );
            assert_eq!(told.take(), Vec::from_iter(expected), "{what:?}");
        }
        let unprocessed = store.unprocessed(None, 9).await.expect("one");
        assert_eq!(unprocessed[0].trace, kept);
        let summaries = [(id, "[]".to_owned())];
        let mut transaction = store.begin().await.expect("a transaction");
        transaction.process(&summaries).await.expect("processed");
        assert_eq!(told.take(), [""; 0]);
        transaction.commit().await.expect("committed");
        assert_eq!(told.take(), ["completed to processed true"]);
        let mut transaction = store.begin().await.expect("a transaction");
        transaction.delete_job(id).await.expect("deleted");
        transaction.commit().await.expect("committed");
        assert_eq!(told.take(), ["deleted true"]);
    }
}

#[tokio::test]
async fn the_databases_own_failures_are_told_and_not_those_of_whoever_asks() {
    for place in places().await {
        let told = Arc::new(Told::default());
        let store = place.store.clone().observed(told.clone());
        store.project("none").await.expect_err("there is none");
        let written = |error: fn() -> StoreError| {
            store.write(move |transaction| async move { (transaction, Err::<(), _>(error())) })
        };
        written(|| StoreError::Full(9)).await.expect_err("full");
        assert_eq!(told.take(), [""; 0]);
        // It is made anew some times, and then given up.
        written(|| StoreError::Torn).await.expect_err("torn");
        assert_eq!(told.take(), ["met", "met", "met", "met", "failed to write"]);
        store.close().await;
        store.project("p").await.expect_err("it is closed");
        assert_eq!(told.take(), ["failed to read"]);
        store.ping().await.expect_err("it is closed");
        assert_eq!(told.take(), ["failed to read"]);
        store.unobserved().ping().await.expect_err("it is closed");
        assert_eq!(told.take(), [""; 0]);
    }
}

#[tokio::test]
async fn the_oldest_are_those_that_wait_for_a_machine() {
    for place in places().await {
        let store = &place.store;
        let (project, spec) = (project(store, "p").await, spec(store, "s").await);
        let long_ago = Timestamp::from_milliseconds(0);
        let oldest = async || store.oldest_waiting(long_ago).await.expect("it");
        assert_eq!(oldest().await, Oldest::default());
        let jobs = submit_for(store, project, spec, 2).await;
        let created = store.job(jobs[0]).await.expect("it").created;
        let lonely = Oldest {
            with_runner: None,
            without_runner: Some(created),
        };
        assert_eq!(oldest().await, lonely);
        let machine = runner(store, "m", spec).await;
        // Nothing was heard of it since.
        assert_eq!(oldest().await, lonely);
        let mut transaction = store.begin().await.expect("a transaction");
        transaction.note_seen(machine.0);
        transaction.commit().await.expect("committed");
        let served = Oldest {
            with_runner: Some(created),
            without_runner: None,
        };
        assert_eq!(oldest().await, served);
        let hour = Duration::from_hours(1);
        let later = Timestamp::now().after(hour);
        assert_eq!(store.oldest_waiting(later).await.expect("it"), lonely);
        // What waits for the other jobs of its comparison is not late.
        for job in jobs {
            let mut transaction = store.begin().await.expect("a transaction");
            transaction.cancel(job).await.expect("canceled");
            transaction.commit().await.expect("committed");
        }
        let compared = compare(store, project, spec, 3).await;
        let first = store.job(compared[0]).await.expect("it").created;
        assert_eq!(oldest().await.with_runner, Some(first));
        let handed = claim(store, &[waiting(&[spec], machine)]).await;
        assert_eq!(handed.len(), 1);
        assert_eq!(oldest().await, Oldest::default());
        // Unless their machine is gone.
        let gone = store.oldest_waiting(later).await.expect("it");
        assert_eq!((gone.with_runner, gone.without_runner), (None, Some(first)));
    }
}

/// What comes of `future`; nothing, as it is dropped, if it is not done after so many polls.
async fn dropped_after<T>(mut polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn what_became_true_is_told_though_nobody_waits_for_it_any_more() {
    let (_folder, store) = testing::database().await;
    let told = Arc::new(Told::default());
    let store = store.observed(told.clone());
    let (project, spec) = (project(&store, "p").await, spec(&store, "s").await);
    let (mut jobs, mut dropped, mut polls) = (0, 0, 0);
    // How many polls it takes is not the same each time.
    for _ in 0..1000 {
        told.take();
        told.1.store(0, Ordering::Relaxed);
        let new = [new_job(spec)];
        let submitting = store.write(|mut transaction| async {
            let done = transaction.submit(project, &new, 1_000_000).await;
            (transaction, done)
        });
        let done = dropped_after(polls, submitting).await;
        // Once the only connection that writes is free again.
        let next = store.write(|transaction| async { (transaction, Ok(())) });
        next.await.expect("written");
        let queued = store.project("p").await.expect("it").queued;
        let is_true = queued > jobs;
        jobs = queued;
        let submitted = if is_true {
            &["submitted false"][..]
        } else {
            &[]
        };
        assert_eq!(told.take(), submitted, "after {polls} polls");
        let has_signals = told.1.load(Ordering::Relaxed) > 0;
        assert_eq!(has_signals, is_true, "after {polls} polls");
        match (done.is_some(), dropped) {
            (true, 1..) => break,
            (true, 0) => polls = 0,
            (false, _) => {
                dropped += u32::from(is_true);
                polls += 1;
            }
        }
    }
    assert!(dropped > 0, "none was dropped while it became true");
}
