//! Jobs that are deleted.

use super::*;

/// How long ago something was that is old.
const LONG: Duration = Duration::from_hours(48);
/// How old it has to be for that.
const OLD: Duration = Duration::from_hours(24);

/// Cancels a job.
async fn cancel(store: &Store, job: JobId) {
    let mut transaction = store.begin().await.expect("a transaction");
    transaction.cancel(job).await.expect("canceled");
    transaction.commit().await.expect("committed");
}

/// Deletes a job, and says whom to tell.
async fn delete(store: &Store, job: JobId) -> Result<Vec<Signal>, StoreError> {
    let done = store
        .write(|mut transaction| async {
            let done = transaction.delete_job(job).await;
            (transaction, done)
        })
        .await;
    done.map(|((), signals)| signals)
}

/// Deletes a comparison.
async fn delete_comparison(
    store: &Store,
    comparison: ComparisonId,
) -> Result<Vec<JobId>, StoreError> {
    let done = store
        .write(|mut transaction| async {
            let done = transaction.delete_comparison(comparison).await;
            (transaction, done)
        })
        .await;
    done.map(|(jobs, _)| jobs)
}

/// Deletes some of what ended before `before`, in the order of identifiers.
async fn delete_old(store: &Store, before: Timestamp, limit: u32) -> Vec<JobId> {
    let mut transaction = store.begin().await.expect("a transaction");
    let mut jobs = transaction
        .delete_old(before, limit)
        .await
        .expect("deleted");
    transaction.commit().await.expect("committed");
    jobs.sort_unstable();
    jobs
}

/// Lets a job have ended long ago.
async fn age(store: &Store, job: JobId) {
    let mut transaction = store.begin().await.expect("a transaction");
    let done = sqlx::query("UPDATE jobs SET ended = $1 WHERE id = $2 AND ended IS NOT NULL")
        .bind(Timestamp::now().before(LONG).milliseconds())
        .bind(job.to_string())
        .execute(transaction.connection())
        .await
        .expect("written");
    assert_eq!(done.rows_affected(), 1, "it has ended");
    transaction.commit().await.expect("committed");
}

async fn comparison_of(store: &Store, job: JobId) -> ComparisonId {
    let side = store.job(job).await.expect("it").comparison;
    side.expect("one of a comparison").comparison
}

async fn is_there(store: &Store, job: JobId) -> bool {
    match (store.job(job).await, store.config(job).await) {
        (Ok(_), Ok(_)) => true,
        (Err(StoreError::NotFound { .. }), Err(StoreError::NotFound { .. })) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_what_has_ended_is_deleted() {
    for place in places().await {
        let store = &place.store;
        let (project, spec) = (project(store, "p").await, spec(store, "s").await);
        let jobs = submit_for(store, project, spec, 2).await;
        let compared = compare(store, project, spec, 4).await;
        let comparison = comparison_of(store, compared[0]).await;
        let error = delete(store, jobs[0]).await.expect_err("it waits");
        assert!(error.to_string().contains("is pending: cancel"), "{error}");
        for job in [jobs[0], compared[3]] {
            cancel(store, job).await;
        }
        let told = delete(store, jobs[0]).await.expect("deleted");
        assert_eq!(told, [Signal::Job(jobs[0])], "nobody's room has changed");
        let error = delete(store, jobs[0]).await.expect_err("it is gone");
        assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
        // The comparison is canceled as a whole, and deleted so.
        let error = delete(store, compared[3]).await.expect_err("not alone");
        assert!(
            error.to_string().contains(&comparison.to_string()),
            "{error}"
        );
        let found = store.project("p").await.expect("the project");
        assert_eq!((found.queued, found.active), (1, 0));
        let mut gone = delete_comparison(store, comparison).await.expect("deleted");
        gone.sort_unstable();
        assert_eq!(gone, compared);
        let error = delete_comparison(store, comparison).await;
        assert!(
            matches!(error, Err(StoreError::NotFound { .. })),
            "{error:?}"
        );
        for job in compared.iter().chain(&jobs[..1]) {
            assert!(!is_there(store, *job).await);
        }
        assert!(is_there(store, jobs[1]).await);
        assert_eq!(store.unclean(9).await.expect("all").len(), 5);
        let half = compare(store, project, spec, 2).await;
        let machine = runner(store, "m", spec).await;
        let other = runner(store, "n", spec).await;
        let handed = claim(store, &[waiting(&[spec], machine), waiting(&[spec], other)]).await;
        assert_eq!(handed.len(), 2);
        cancel(store, half[1]).await;
        let comparison = comparison_of(store, half[0]).await;
        let error = delete_comparison(store, comparison).await;
        let error = error.expect_err("one is at work");
        assert!(error.to_string().contains("not ended: 1;"), "{error}");
        assert!(is_there(store, half[1]).await);
    }
}

#[tokio::test]
async fn who_has_a_deleted_job_is_told_to_stop_and_to_forget_it() {
    for place in places().await {
        let store = &place.store;
        let (project, spec) = (project(store, "p").await, spec(store, "s").await);
        let jobs = submit_for(store, project, spec, 2).await;
        let machine = runner(store, "m", spec).await;
        let all = [waiting(&[spec], machine)];
        assert_eq!(claim(store, &all).await[0].job.id, jobs[0]);
        assert_eq!(store.deleted_job_of(machine.0).await.expect("none"), None);
        cancel(store, jobs[0]).await;
        delete(store, jobs[0]).await.expect("deleted");
        let last = store.deleted_job_of(machine.0).await.expect("one");
        assert_eq!(last, Some(jobs[0]));
        let nothing = Attached::default();
        let results = Attached {
            results: Some(Kept::Inline("[]".to_owned())),
            ..Attached::default()
        };
        let said = [
            (Report::Heartbeat, &nothing, Reply::Cancel),
            (Report::Running, &nothing, Reply::Cancel),
            (Report::Completed, &results, Reply::Ack),
            (Report::Failed, &results, Reply::Ack),
            (Report::Canceled, &nothing, Reply::Ack),
        ];
        let returned = Said {
            runner: machine.0,
            job: jobs[0],
            what: What::Return(machine.1),
        };
        assert_eq!(hear(store, &[returned]).await, [Heard::Returned(None)]);
        for (what, attached, reply) in said {
            let heard = hear(store, &[report(machine.0, jobs[0], what, attached)]).await;
            let (state, reason) = (None, None);
            let changed = Changed {
                reply,
                state,
                reason,
                trace: None,
            };
            assert_eq!(heard, [Heard::Changed(changed)], "{what:?}");
        }
        assert!(!is_there(store, jobs[0]).await);
        let summaries = [(jobs[0], "[]".to_owned())];
        let mut transaction = store.begin().await.expect("a transaction");
        transaction.process(&summaries).await.expect("processed");
        transaction.commit().await.expect("committed");
        assert!(!is_there(store, jobs[0]).await);
        // Its next job is the last one from then on.
        assert_eq!(claim(store, &all).await[0].job.id, jobs[1]);
        assert_eq!(store.deleted_job_of(machine.0).await.expect("none"), None);
        let found = store.project("p").await.expect("the project");
        assert_eq!((found.queued, found.active), (0, 1));
    }
}

#[tokio::test]
async fn what_is_old_goes_and_comparisons_go_as_a_whole() {
    for place in places().await {
        let store = &place.store;
        let (project, spec) = (project(store, "p").await, spec(store, "s").await);
        let single = submit_for(store, project, spec, 4).await;
        let whole = compare(store, project, spec, 4).await;
        let half = compare(store, project, spec, 4).await;
        let waits = compare(store, project, spec, 2).await;
        // Not the last one, and one of the last comparison alone.
        for job in [&single[..3], &whole, &half].into_iter().flatten() {
            cancel(store, *job).await;
        }
        let mut transaction = store.begin().await.expect("a transaction");
        sqlx::query("UPDATE jobs SET state = 'failed', ended = 1 WHERE id = $1")
            .bind(waits[1].to_string())
            .execute(transaction.connection())
            .await
            .expect("written");
        transaction.commit().await.expect("committed");
        // What stays is the oldest, and more than goes at once.
        for job in [&half[1..], &single[..2], &whole].into_iter().flatten() {
            age(store, *job).await;
        }
        let before = Timestamp::now().before(OLD);
        let mut gone = Vec::new();
        loop {
            let some = delete_old(store, before, 3).await;
            if some.is_empty() {
                break;
            }
            gone.extend(some);
        }
        gone.sort_unstable();
        assert_eq!(gone, [&single[..2], &whole].concat());
        for job in [&single[2..], &half, &waits].into_iter().flatten() {
            assert!(is_there(store, *job).await);
        }
        age(store, half[0]).await;
        assert_eq!(delete_old(store, before, 1).await, half);
    }
}

#[tokio::test]
async fn deleted_jobs_are_known_until_nothing_of_them_can_come() {
    for place in places().await {
        let store = &place.store;
        let (project, spec) = (project(store, "p").await, spec(store, "s").await);
        let jobs = submit_for(store, project, spec, 3).await;
        for job in &jobs[..2] {
            cancel(store, *job).await;
            delete(store, *job).await.expect("deleted");
        }
        let known = store.results_of(&jobs).await.expect("all of them");
        assert_eq!(known.len(), 3);
        assert!(known.values().all(Vec::is_empty), "they have none");
        let forget = async |before: Timestamp| {
            let mut transaction = store.begin().await.expect("a transaction");
            transaction.forget_deleted(before).await.expect("forgotten");
            transaction.commit().await.expect("committed");
            let known = store.results_of(&jobs[..2]).await.expect("some");
            known.len()
        };
        assert_eq!(store.unclean(9).await.expect("both"), jobs[..2]);
        let mut transaction = store.begin().await.expect("a transaction");
        transaction.note_clean(&jobs[1..]).await.expect("noted");
        transaction.commit().await.expect("committed");
        assert_eq!(store.unclean(9).await.expect("one"), jobs[..1]);
        let (past, future) = (Timestamp::now().before(LONG), Timestamp::now().after(LONG));
        assert_eq!(forget(past).await, 2);
        // Of the first one something may be there still.
        assert_eq!(forget(future).await, 1);
        assert_eq!(store.unclean(9).await.expect("one"), jobs[..1]);
    }
}
