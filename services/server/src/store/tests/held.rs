//! Jobs that were given out, could not be sent, and are held back.

use super::*;

/// Puts back what was handed out, until a moment that is over.
async fn put_back(store: &Store, handed: &Handed) -> bool {
    put_back_until(store, handed, Timestamp::now()).await
}

async fn put_back_until(store: &Store, handed: &Handed, until: Timestamp) -> bool {
    let hold = Hold {
        runner: handed.runner,
        connection: handed.connection,
        job: handed.job.id,
        until,
        why: "the registry is away",
    };
    let mut transaction = store.begin().await.expect("a transaction");
    let done = transaction.put_back(&hold).await.expect("written");
    transaction.commit().await.expect("committed");
    done
}

async fn release(store: &Store) {
    let now = Timestamp::now();
    assert!(store.has_due(now).await.expect("a look"));
    let mut transaction = store.begin().await.expect("a transaction");
    transaction.release(now, 99).await.expect("written");
    transaction.commit().await.expect("committed");
    assert!(!store.has_due(now).await.expect("a look"));
}

#[tokio::test]
async fn what_is_held_back_waits_while_others_are_given_out_and_comes_first_afterwards() {
    for place in places().await {
        let store = &place.store;
        let (spec, p) = (spec(store, "s").await, project(store, "p").await);
        let ids = submit_for(store, p, spec, 3).await;
        let machine = runner(store, "m", spec).await;
        let all = [waiting(&[spec], machine)];
        let nothing = Attached::default();
        let handed = claim(store, &all).await.remove(0);
        assert_eq!(handed.job.id, ids[0]);
        assert!(put_back(store, &handed).await);
        let described = store.described_job(ids[0]).await.expect("it");
        assert_eq!(described.job.life, bencher_jobs::Life::PENDING);
        assert_eq!(described.error.as_deref(), Some("the registry is away"));
        let counts = store.project("p").await.expect("it");
        assert_eq!((counts.queued, counts.active), (3, 0));
        // Once more changes nothing.
        assert!(put_back(store, &handed).await);
        assert_eq!(store.project("p").await.expect("it"), counts);
        let next = claim(store, &all).await.remove(0);
        assert_eq!(next.job.id, ids[1]);
        let done = report(machine.0, ids[1], Report::Completed, &nothing);
        hear(store, &[done]).await;
        release(store).await;
        let again = claim(store, &all).await.remove(0);
        assert_eq!(again.job.id, ids[0]);
        assert_eq!(store.described_job(ids[0]).await.expect("it").error, None);
        // One that its runner has heard of is not.
        let beat = report(machine.0, ids[0], Report::Heartbeat, &nothing);
        hear(store, &[beat]).await;
        assert!(put_back(store, &again).await);
        let job = store.job(ids[0]).await.expect("it");
        assert_eq!(job.life.state, State::Claimed);
        // Nor is anything on a connection that is not the newest.
        let older = Handed {
            connection: ConnectionId::generate(),
            ..again
        };
        assert!(!put_back(store, &older).await);
    }
}

#[tokio::test]
async fn a_comparison_that_is_held_back_stays_on_its_machine_and_in_its_order() {
    for place in places().await {
        let store = &place.store;
        let (spec, p) = (spec(store, "s").await, project(store, "p").await);
        let sides = compare(store, p, spec, 4).await;
        let (one, other) = (
            runner(store, "m", spec).await,
            runner(store, "n", spec).await,
        );
        let nothing = Attached::default();
        let both = [waiting(&[spec], other), waiting(&[spec], one)];
        let begin = async |side| {
            let handed = claim(store, &both).await;
            let given: Vec<_> = handed.iter().map(|one| (one.runner, one.job.id)).collect();
            assert_eq!(given, [(one.0, side)]);
            handed.into_iter().next().expect("one")
        };
        let first = claim(store, &both[1..]).await.remove(0);
        assert_eq!(first.job.id, sides[0]);
        let done = report(one.0, sides[0], Report::Completed, &nothing);
        hear(store, &[done]).await;
        // Each of the others could not be sent at first.
        for side in &sides[1..] {
            let handed = begin(*side).await;
            assert!(put_back(store, &handed).await);
            assert!(claim(store, &both).await.is_empty());
            release(store).await;
            begin(*side).await;
            let done = report(one.0, *side, Report::Completed, &nothing);
            hear(store, &[done]).await;
        }
        // When the machine goes while its first job is on its way, nothing is left for it.
        let sides = compare(store, p, spec, 2).await;
        let first = claim(store, &both[1..]).await.remove(0);
        let mut transaction = store.begin().await.expect("a transaction");
        transaction.archive_runner(one.0).await.expect("archived");
        transaction.commit().await.expect("committed");
        assert!(put_back(store, &first).await);
        for side in sides {
            let job = store.job(side).await.expect("it");
            assert_eq!(job.life.state, State::Failed);
        }
    }
}

#[tokio::test]
async fn a_comparison_of_which_nothing_was_sent_is_for_any_machine() {
    for place in places().await {
        let store = &place.store;
        let (spec, p) = (spec(store, "s").await, project(store, "p").await);
        let (sides, others) = (
            compare(store, p, spec, 3).await,
            compare(store, p, spec, 2).await,
        );
        let (one, other) = (
            runner(store, "m", spec).await,
            runner(store, "n", spec).await,
        );
        let nothing = Attached::default();
        let (one, other) = ([waiting(&[spec], one)], [waiting(&[spec], other)]);
        // The only runner that waits finds out for both.
        for comparison in [&sides, &others] {
            let first = claim(store, &one).await.remove(0);
            assert_eq!(first.job.id, comparison[0]);
            assert!(put_back(store, &first).await);
            for job in comparison {
                let job = store.job(*job).await.expect("it");
                let bound = (job.life.state, job.bound_to);
                assert_eq!(bound, (State::Pending, None));
            }
        }
        assert!(claim(store, &other).await.is_empty());
        release(store).await;
        // Each begins where it began, and has its machine from then on.
        for (waits, comparison) in [(&other, &sides), (&one, &others)] {
            let handed = claim(store, waits).await;
            assert_eq!(handed[0].job.id, comparison[0]);
        }
        for (waits, comparison) in [(&other, &sides), (&one, &others)] {
            for (side, next) in comparison.iter().zip(&comparison[1..]) {
                let runner = waits[0].idle.runner;
                let done = report(runner, *side, Report::Completed, &nothing);
                hear(store, &[done]).await;
                let handed = claim(store, waits).await;
                assert_eq!(handed[0].job.id, *next);
            }
        }
    }
}

#[tokio::test]
async fn what_is_held_back_is_due_though_the_clock_was_put_back() {
    for place in places().await {
        let store = &place.store;
        let (spec, p) = (spec(store, "s").await, project(store, "p").await);
        let machine = runner(store, "m", spec).await;
        let all = [waiting(&[spec], machine)];
        submit_for(store, p, spec, 1).await;
        let handed = claim(store, &all).await.remove(0);
        // As long as a job may be held back at most, it is.
        let minute = Timestamp::now().after(Duration::from_mins(1));
        assert!(put_back_until(store, &handed, minute).await);
        assert!(!store.has_due(Timestamp::now()).await.expect("a look"));
        let hour = Timestamp::now().after(Duration::from_hours(1));
        sqlx::query("UPDATE jobs SET held_until = $1")
            .bind(hour.milliseconds())
            .execute(&store.writers)
            .await
            .expect("written");
        release(store).await;
        assert_eq!(claim(store, &all).await.len(), 1);
    }
}

#[tokio::test]
async fn what_is_held_back_waits_for_a_machine_and_the_rest_of_its_comparison_does_not() {
    for place in places().await {
        let store = &place.store;
        let (spec, p) = (spec(store, "s").await, project(store, "p").await);
        let sides = compare(store, p, spec, 2).await;
        let machine = runner(store, "m", spec).await;
        store
            .write(|mut transaction| async {
                transaction.note_seen(machine.0);
                (transaction, Ok(()))
            })
            .await
            .expect("written");
        for (place, side) in (1..).zip(&sides) {
            sqlx::query("UPDATE jobs SET created = $1 WHERE id = $2")
                .bind(i64::from(3 - place))
                .bind(side.to_string())
                .execute(&store.writers)
                .await
                .expect("written");
        }
        let oldest = async |since| {
            let oldest = store.oldest_waiting(since).await.expect("a look");
            let milliseconds = |one: Option<Timestamp>| one.map(Timestamp::milliseconds);
            (
                milliseconds(oldest.with_runner),
                milliseconds(oldest.without_runner),
            )
        };
        let long_ago = Timestamp::from_milliseconds(0);
        // The second one, which is the older one here, waits for the first.
        assert_eq!(oldest(long_ago).await, (Some(2), None));
        let first = claim(store, &[waiting(&[spec], machine)]).await.remove(0);
        assert_eq!(oldest(long_ago).await, (None, None));
        let minute = Timestamp::now().after(Duration::from_mins(1));
        assert!(put_back_until(store, &first, minute).await);
        assert_eq!(oldest(long_ago).await, (Some(2), None));
        // As soon as nobody is there who could take it.
        assert_eq!(oldest(minute).await, (None, Some(2)));
    }
}
