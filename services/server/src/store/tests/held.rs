//! Jobs that were given out, could not be sent, and are held back.

use super::*;

/// Puts back what was handed out, until a moment that is over.
async fn put_back(store: &Store, handed: &Handed) -> bool {
    let hold = Hold {
        runner: handed.runner,
        connection: handed.connection,
        job: handed.job.id,
        until: Timestamp::now(),
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
        let first = claim(store, &both[1..]).await.remove(0);
        assert_eq!(first.job.id, sides[0]);
        assert!(put_back(store, &first).await);
        assert!(claim(store, &both).await.is_empty());
        release(store).await;
        for side in &sides {
            let handed = claim(store, &both).await;
            let given: Vec<_> = handed.iter().map(|one| (one.runner, one.job.id)).collect();
            assert_eq!(given, [(one.0, *side)]);
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
