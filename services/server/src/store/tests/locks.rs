//! Two servers on one PostgreSQL, at the same rows.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// How often two begin at the same time: once is not always enough for them to meet.
const ROUNDS: usize = 20;
/// How often two are made to meet.
const MEETINGS: usize = 6;

/// Two servers, a spec and two projects.
struct Two {
    one: Store,
    other: Store,
    spec: SpecId,
    projects: [ProjectId; 2],
    _postgres: Postgres,
}

async fn two() -> Option<Two> {
    let postgres = Postgres::start().expect("it starts")?;
    let one = Store::open(&postgres.url()).await.expect("a database");
    let other = Store::open(&postgres.url()).await.expect("a database");
    Some(Two {
        spec: spec(&one, "s").await,
        projects: [project(&one, "p").await, project(&one, "q").await],
        one,
        other,
        _postgres: postgres,
    })
}

/// A round without another attempt: `said`, then claims.
async fn round(store: &Store, said: &[Said<'_>], all: &[Waiting]) -> Result<Claims, StoreError> {
    let mut transaction = store.begin().await?;
    transaction.hear(said, limits).await?;
    let claims = transaction.claim(all, limits).await?;
    transaction.commit().await?;
    Ok(claims)
}

#[tokio::test]
async fn rounds_with_two_projects_do_not_wait_for_each_other() {
    let Some(two) = two().await else { return };
    let runners = [
        runner(&two.one, "a", two.spec).await,
        runner(&two.other, "b", two.spec).await,
    ];
    let all = runners.map(|runner| [waiting(&[two.spec], runner)]);
    for project in two.projects {
        submit_for(&two.one, project, two.spec, 2 * MEETINGS).await;
    }
    let nothing = Attached::default();
    let mut held: [Option<JobId>; 2] = [None, None];
    for number in 0..MEETINGS {
        let said = [0, 1].map(|place| {
            held[place]
                .map(|job| vec![report(runners[place].0, job, Report::Completed, &nothing)])
                .unwrap_or_default()
        });
        // Somebody has both projects until both servers want them.
        let mut gate = two.one.begin().await.expect("a transaction");
        gate.take_projects(&two.projects).await.expect("taken");
        let (first, second, opened) = tokio::join!(
            round(&two.one, &said[0], &all[0]),
            round(&two.other, &said[1], &all[1]),
            async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                gate.commit().await
            },
        );
        opened.expect("committed");
        for (place, claims) in [first, second].into_iter().enumerate() {
            let claims = claims.unwrap_or_else(|error| panic!("round {number}: {error}"));
            assert_eq!(claims.handed.len(), 1);
            held[place] = Some(claims.handed[0].job.id);
        }
        assert_ne!(held[0], held[1]);
    }
}

#[tokio::test]
async fn two_who_cancel_a_comparison_do_not_wait_for_each_other() {
    let Some(two) = two().await else { return };
    for number in 0..ROUNDS {
        let jobs = compare(&two.one, two.projects[0], two.spec, 4).await;
        let cancel = async |store: &Store, job| {
            let mut transaction = store.begin().await?;
            let is_canceled = transaction.cancel(job).await?;
            transaction.commit().await?;
            Ok::<_, StoreError>(is_canceled)
        };
        let (first, last) = tokio::join!(cancel(&two.one, jobs[0]), cancel(&two.other, jobs[3]),);
        let canceled = [first, last]
            .map(|done| done.unwrap_or_else(|error| panic!("round {number}: {error}")));
        assert!(canceled[0] != canceled[1], "one of them stops it");
        for job in jobs {
            let state = two.one.job(job).await.expect("it").life.state;
            assert_eq!(state, State::Canceled);
        }
    }
}

#[tokio::test]
async fn a_claim_does_without_what_another_server_has() {
    let Some(two) = two().await else { return };
    let [p, q] = two.projects;
    let machine = runner(&two.one, "m", two.spec).await;
    let all = [waiting(&[two.spec], machine)];
    let nothing = Attached::default();
    let mine = compare(&two.one, p, two.spec, 3).await;
    assert_eq!(claim(&two.one, &all).await[0].job.id, mine[0]);
    hear(
        &two.one,
        &[report(machine.0, mine[0], Report::Completed, &nothing)],
    )
    .await;
    // Another server is at the next job of the comparison that is bound to the machine.
    let free = submit_for(&two.one, q, two.spec, 1).await;
    let mut other = two.other.begin().await.expect("a transaction");
    other.take_jobs(&[mine[1]]).await.expect("taken");
    let claims = round(&two.one, &[], &all).await.expect("it does not wait");
    assert_eq!(claims.handed[0].job.id, free[0]);
    hear(
        &two.one,
        &[report(machine.0, free[0], Report::Completed, &nothing)],
    )
    .await;
    other.commit().await.expect("committed");
    assert_eq!(claim(&two.one, &all).await[0].job.id, mine[1]);
    hear(
        &two.one,
        &[report(machine.0, mine[1], Report::Completed, &nothing)],
    )
    .await;
    assert_eq!(claim(&two.one, &all).await[0].job.id, mine[2]);
    // And at a job of one that is bound to no machine yet: nothing of it is given out.
    let theirs = compare(&two.one, q, two.spec, 3).await;
    let elsewhere = [waiting(&[two.spec], runner(&two.one, "n", two.spec).await)];
    let mut other = two.other.begin().await.expect("a transaction");
    other.take_jobs(&[theirs[2]]).await.expect("taken");
    let claims = round(&two.one, &[], &elsewhere)
        .await
        .expect("it does not wait");
    assert_eq!(claims.handed, []);
    for job in &theirs {
        let job = two.one.job(*job).await.expect("it");
        assert_eq!((job.life.state, job.bound_to), (State::Pending, None));
    }
    other.commit().await.expect("committed");
    assert_eq!(claim(&two.one, &elsewhere).await[0].job.id, theirs[0]);
    let bound = two.one.job(theirs[2]).await.expect("it").bound_to;
    assert_eq!(bound, Some(elsewhere[0].idle.runner));
}

#[tokio::test]
async fn a_runner_that_connects_elsewhere_meanwhile_is_told_of_its_job() {
    let Some(two) = two().await else { return };
    let machine = runner(&two.one, "m", two.spec).await;
    let all = [waiting(&[two.spec], machine)];
    let jobs = submit_for(&two.one, two.projects[0], two.spec, 2).await;
    let greeting = || [greeting(machine.0, ConnectionId::generate(), None)];
    // The claim comes first: whoever connects waits for its end, and hears of it.
    let mut first = two.one.begin().await.expect("a transaction");
    let claims = first.claim(&all, limits).await.expect("claims");
    assert_eq!(claims.handed[0].job.id, jobs[0]);
    let connect = async {
        let mut second = two.other.begin().await.expect("a transaction");
        let known = second.greet(&greeting()).await.expect("connected");
        second.commit().await.expect("committed");
        known
    };
    let (known, committed) = tokio::join!(connect, async {
        // Until the other one waits, or longer: whichever comes first, it hears of the job.
        tokio::time::sleep(Duration::from_millis(300)).await;
        first.commit().await
    });
    committed.expect("committed");
    let known = known.get(&machine.0).and_then(|newest| newest.job);
    assert_eq!(known, Some(jobs[0]));
    // The connection comes first: the claim leaves the runner alone, then refuses its old one.
    let mut second = two.other.begin().await.expect("a transaction");
    second.greet(&greeting()).await.expect("connected");
    let claims = round(&two.one, &[], &all).await.expect("it does not wait");
    assert_eq!((claims.handed.len(), claims.refused.len()), (0, 0));
    second.commit().await.expect("committed");
    let claims = round(&two.one, &[], &all).await.expect("claims");
    assert_eq!((claims.handed.len(), claims.refused), (0, vec![machine.1]));
}

#[tokio::test]
async fn whoever_is_ended_for_anothers_sake_tries_again() {
    let Some(two) = two().await else { return };
    let [a, b] = [
        runner(&two.one, "a", two.spec).await.0,
        runner(&two.one, "b", two.spec).await.0,
    ];
    let attempts = AtomicU32::new(0);
    // In no order: both have their first one before either asks for its second one.
    let meeting = tokio::sync::Barrier::new(2);
    let cross = async |store: &Store, first: RunnerId, second: RunnerId| {
        let name = first.to_string();
        store
            .write(|mut transaction| async {
                let is_first_time = attempts.fetch_add(1, Ordering::Relaxed) < 2;
                let done = async {
                    transaction.rotate_key(first, &name).await?;
                    if is_first_time {
                        meeting.wait().await;
                    }
                    transaction.rotate_key(second, &name).await
                }
                .await;
                (transaction, done)
            })
            .await
    };
    let (one, other) = tokio::join!(cross(&two.one, a, b), cross(&two.other, b, a));
    one.expect("the one is done");
    other.expect("the other one is done");
    assert_eq!(attempts.load(Ordering::Relaxed), 3, "one of them was ended");
    // Whatever else goes wrong is not tried again.
    let attempts = AtomicU32::new(0);
    let failed = two
        .one
        .write(|mut transaction| async {
            attempts.fetch_add(1, Ordering::Relaxed);
            let done = transaction.cancel(JobId::generate()).await;
            (transaction, done)
        })
        .await;
    assert!(matches!(failed, Err(StoreError::NotFound { .. })));
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_another_server_is_at_is_not_deleted_for_its_age() {
    let Some(two) = two().await else { return };
    let single = submit_for(&two.one, two.projects[0], two.spec, 2).await;
    let compared = compare(&two.one, two.projects[1], two.spec, 3).await;
    let all = [single.as_slice(), &compared].concat();
    let mut transaction = two.one.begin().await.expect("a transaction");
    for job in &all {
        transaction.cancel(*job).await.expect("canceled");
    }
    transaction.commit().await.expect("committed");
    let future = Timestamp::now().after(Duration::from_hours(1));
    let delete = async || {
        let mut transaction = two.one.begin().await.expect("a transaction");
        let mut jobs = transaction
            .delete_old(future, 9)
            .await
            .expect("it does not wait");
        transaction.commit().await.expect("committed");
        jobs.sort_unstable();
        jobs
    };
    let mut other = two.other.begin().await.expect("a transaction");
    other
        .take_jobs(&[single[0], compared[2]])
        .await
        .expect("taken");
    assert_eq!(
        delete().await,
        single[1..],
        "of a comparison nothing goes alone"
    );
    other.commit().await.expect("committed");
    assert_eq!(delete().await, [&single[..1], &compared].concat());
}

#[tokio::test]
async fn two_who_delete_the_same_do_it_once() {
    let Some(two) = two().await else { return };
    let future = Timestamp::now().after(Duration::from_hours(1));
    for number in 0..ROUNDS {
        let jobs = compare(&two.one, two.projects[0], two.spec, 4).await;
        let mut transaction = two.one.begin().await.expect("a transaction");
        for job in &jobs {
            transaction.cancel(*job).await.expect("canceled");
        }
        transaction.commit().await.expect("committed");
        let side = two.one.job(jobs[0]).await.expect("it").comparison;
        let comparison = side.expect("one of a comparison").comparison;
        let by_request = async {
            let mut transaction = two.one.begin().await?;
            let deleted = transaction.delete_comparison(comparison).await;
            match deleted {
                Err(StoreError::NotFound { .. }) => Ok(0),
                Err(error) => Err(error),
                Ok(jobs) => transaction.commit().await.map(|_signals| jobs.len()),
            }
        };
        let by_age = async {
            let mut transaction = two.other.begin().await?;
            let deleted = transaction.delete_old(future, 9).await?;
            transaction.commit().await?;
            Ok::<_, StoreError>(deleted.len())
        };
        let (one, other) = tokio::join!(by_request, by_age);
        let counts =
            [one, other].map(|done| done.unwrap_or_else(|error| panic!("round {number}: {error}")));
        assert_eq!(counts.iter().sum::<usize>(), jobs.len(), "{counts:?}");
    }
}
