//! What is asked of both databases, and (`locks`) of several servers on one PostgreSQL.

mod claims;
mod connections;
mod delete;
mod held;
mod locks;
mod observed;
mod variables;

use std::collections::HashMap;
use std::time::Duration;

use bencher_jobs::{
    ComparisonId, ConnectionId, Idle, JobId, Limits, ProjectId, Quota, Reply, Report, RunnerId,
    SpecId, State, Timestamp,
};
use sqlx::any::install_default_drivers;
use tempfile::TempDir;
use test_support::Postgres;

use super::testing::{greeting, new_job, project, runner, spec, submit_for};
use super::*;
use crate::outputs::Kept;

/// A database of either kind, and what it lives in.
struct Place {
    store: Store,
    url: String,
    _folder: TempDir,
    _postgres: Option<Postgres>,
}

/// SQLite, and PostgreSQL where it is.
async fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for postgres in [None, Postgres::start().expect("it starts")] {
        let folder = tempfile::tempdir().expect("a folder");
        let url = match &postgres {
            Some(postgres) => postgres.url(),
            None if places.is_empty() => file_url(&folder.path().join("db")),
            None => continue,
        };
        places.push(Place {
            store: Store::open(&url).await.expect("a database"),
            url,
            _folder: folder,
            _postgres: postgres,
        });
    }
    places
}

fn limits(timeout: u32) -> Limits {
    Limits {
        heartbeat: Duration::from_secs(30),
        setup: Duration::from_secs(30),
        timeout: Duration::from_secs(timeout.into()),
        grace: Duration::from_secs(30),
    }
}

fn waiting(specs: &[SpecId], (runner, connection): (RunnerId, ConnectionId)) -> Waiting {
    Waiting {
        idle: Idle {
            runner,
            specs: specs.to_vec(),
            since: Timestamp::now(),
        },
        connection,
    }
}

/// Gives jobs to `all`, and says who got which.
async fn claim(store: &Store, all: &[Waiting]) -> Vec<Handed> {
    let mut transaction = store.begin().await.expect("a transaction");
    let claims = transaction.claim(all, limits).await.expect("claims");
    transaction.commit().await.expect("committed");
    claims.handed
}

fn report(runner: RunnerId, job: JobId, report: Report, attached: &Attached) -> Said<'_> {
    Said {
        runner,
        job,
        what: What::Report(report, attached),
    }
}

async fn hear(store: &Store, said: &[Said<'_>]) -> Vec<Heard> {
    let mut transaction = store.begin().await.expect("a transaction");
    let heard = transaction.hear(said, limits).await.expect("heard");
    transaction.commit().await.expect("committed");
    heard
}

fn changed(reply: Reply, state: State) -> Heard {
    Heard::Changed(Changed {
        reply,
        state: Some(state),
        reason: None,
        trace: None,
    })
}

/// A comparison of so many jobs.
async fn compare(store: &Store, project: ProjectId, spec: SpecId, jobs: u32) -> Vec<JobId> {
    let comparison = ComparisonId::generate();
    let new: Vec<NewJob> = (0..jobs)
        .map(|position| NewJob {
            comparison: Some(Side {
                comparison,
                side: position % 2,
                position,
            }),
            ..new_job(spec)
        })
        .collect();
    let mut transaction = store.begin().await.expect("a transaction");
    let ids = transaction.submit(project, &new, 1000).await.expect("room");
    transaction.commit().await.expect("committed");
    ids
}

#[tokio::test]
async fn what_many_runners_say_at_once_is_written_once() {
    for place in places().await {
        let store = &place.store;
        let (project, spec) = (project(store, "p").await, spec(store, "s").await);
        submit_for(store, project, spec, 3).await;
        let mut all = Vec::new();
        for slug in ["a", "b", "c"] {
            all.push(waiting(&[spec], runner(store, slug, spec).await));
        }
        let handed = claim(store, &all).await;
        assert_eq!(handed.len(), 3);
        let of = |place: usize| (handed[place].runner, handed[place].job.id);
        let ((one, first), (two, second), (three, third)) = (of(0), of(1), of(2));
        let nothing = Attached::default();
        let results = Attached {
            results: Some(Kept::Inline("[]".to_owned())),
            ..Attached::default()
        };
        let error = Attached {
            error: Some("broken".to_owned()),
            ..Attached::default()
        };
        // Two things of one job, one of each of the others, and of one that is not there.
        let heard = hear(
            store,
            &[
                report(one, first, Report::Running, &nothing),
                report(one, first, Report::Completed, &results),
                report(two, second, Report::Heartbeat, &nothing),
                report(three, third, Report::Failed, &error),
                report(one, JobId::generate(), Report::Running, &nothing),
                report(two, third, Report::Completed, &results),
            ],
        )
        .await;
        assert_eq!(heard[0], changed(Reply::Ack, State::Running));
        assert_eq!(heard[1], changed(Reply::Ack, State::Completed));
        assert_eq!(heard[2], changed(Reply::Ack, State::Claimed));
        let job = store.job(first).await.expect("the first");
        assert_eq!(job.life.state, State::Completed);
        assert!(job.life.started.is_some() && job.life.claimed.is_some());
        assert_eq!(store.results(first).await.expect("it"), results.results);
        let job = store.job(second).await.expect("the second");
        assert!(job.life.is_confirmed && job.life.lease > job.life.claimed);
        let failed = store.described_job(third).await.expect("the third");
        assert_eq!(failed.job.life.state, State::Failed);
        assert_eq!(failed.error.as_deref(), Some("broken"));
        assert_eq!(store.results(third).await.expect("it"), None);
        let found = store.project("p").await.expect("the project");
        assert_eq!((found.queued, found.active), (0, 1));
        // The results are read.
        let unprocessed = store.unprocessed(None, 9).await.expect("one");
        let expected = Unprocessed {
            job: first,
            results: results.results,
            trace: None,
        };
        assert_eq!(unprocessed, [expected]);
        let after = store.unprocessed(Some(first), 9).await.expect("none");
        assert_eq!(after, []);
        let mut transaction = store.begin().await.expect("a transaction");
        let summaries = [(first, "[1]".to_owned()), (second, "[2]".to_owned())];
        transaction.process(&summaries).await.expect("processed");
        transaction.commit().await.expect("committed");
        let read = store.described_job(first).await.expect("the first");
        assert_eq!(read.job.life.state, State::Processed);
        assert_eq!(read.summary.as_deref(), Some("[1]"));
        let kept = store.results(first).await.expect("it");
        assert_eq!(kept, unprocessed[0].results);
        assert_eq!(
            store.job(second).await.expect("it").life.state,
            State::Claimed
        );
    }
}

#[tokio::test]
async fn what_is_long_is_read_only_where_it_is_needed() {
    for place in places().await {
        let store = &place.store;
        let (project, spec) = (project(store, "p").await, spec(store, "s").await);
        let long = format!("\"{}\"", "ä".repeat(10_000));
        let mut transaction = store.begin().await.expect("a transaction");
        // One with little to see and much that is sealed is long, too.
        let jobs = [
            (long.as_str(), None),
            ("\"short\"", Some("x")),
            ("\"sealed\"", Some(long.as_str())),
        ];
        let jobs = jobs.map(|(text, sealed)| NewJob {
            config: KeptConfig {
                text: text.to_owned(),
                sealed: sealed.map(str::to_owned),
            },
            ..new_job(spec)
        });
        let [long, short, sealed] = jobs.clone().map(|job| job.config);
        transaction.submit(project, &jobs, 9).await.expect("room");
        transaction.commit().await.expect("committed");
        let page = Page::default();
        let listed = store.jobs(&Filter::default(), &page).await.expect("jobs");
        let configs: Vec<_> = listed.iter().map(|job| job.config.as_ref()).collect();
        assert_eq!(configs, [None, Some(&short), None]);
        let described = store.described_job(listed[2].job.id).await.expect("it");
        assert_eq!(described.config.as_ref(), Some(&long));
        let all = [
            waiting(&[spec], runner(store, "a", spec).await),
            waiting(&[spec], runner(store, "b", spec).await),
            waiting(&[spec], runner(store, "c", spec).await),
        ];
        let handed = claim(store, &all).await;
        assert_eq!(handed.len(), 3);
        for (job, config, is_short) in [
            (jobs[0].id, long, false),
            (jobs[1].id, short, true),
            (jobs[2].id, sealed, false),
        ] {
            let handed = handed.iter().find(|one| one.job.id == job).expect("it");
            assert_eq!(handed.config, is_short.then(|| config.clone()));
            assert_eq!(store.config(job).await.expect("it"), config);
        }
    }
}

#[tokio::test]
async fn a_change_that_is_given_up_is_taken_back_and_holds_nothing() {
    for place in places().await {
        let store = &place.store;
        let project = project(store, "p").await;
        let spec = spec(store, "s").await;
        let jobs = [new_job(spec)];
        // As often as there are connections, and once more.
        for _ in 0..5 {
            let mut transaction = store.begin().await.expect("a transaction");
            transaction.submit(project, &jobs, 9).await.expect("room");
            drop(transaction);
            let failed = store
                .write(|mut transaction| async {
                    let _ids = transaction.submit(project, &jobs, 9).await;
                    (transaction, Err::<(), _>(StoreError::Full(9)))
                })
                .await;
            assert!(matches!(failed, Err(StoreError::Full(9))));
        }
        let page = Page::default();
        let listed = store.jobs(&Filter::default(), &page).await;
        assert_eq!(listed.expect("none"), []);
        assert_eq!(store.project("p").await.expect("it").queued, 0);
        submit_for(store, project, spec, 1).await;
        assert_eq!(store.project("p").await.expect("it").queued, 1);
    }
}

#[tokio::test]
async fn one_query_says_what_all_can_run() {
    for place in places().await {
        let store = &place.store;
        let (one, two) = (spec(store, "one").await, spec(store, "two").await);
        let (a, _) = runner(store, "a", one).await;
        let (b, _) = runner(store, "b", two).await;
        let mut transaction = store.begin().await.expect("a transaction");
        transaction.link(b, one, true).await.expect("linked");
        transaction.commit().await.expect("committed");
        let stranger = RunnerId::generate();
        let specs = store.specs_of_all(&[b, stranger, a]).await.expect("specs");
        assert_eq!(specs.len(), 2);
        assert_eq!(specs[&a], [one]);
        assert_eq!(specs[&b], [one, two]);
    }
}

/// Makes a database of the first version with a job that waits.
async fn old_database(url: &str, config: &str) -> JobId {
    install_default_drivers();
    let pool = AnyPool::connect(url).await.expect("a database");
    migrate::migrator(1).run(&pool).await.expect("version 1");
    for query in [
        "INSERT INTO projects (id, slug, name, max_queued, max_active, max_priority, created) \
         VALUES ('0190aaaa-0000-7000-8000-000000000000', 'p', 'p', 1, 1, 1, 1)",
        "INSERT INTO specs (id, slug, name, os, architecture, cpu, memory, disk, network, \
         created, modified) VALUES ('0190aaaa-0000-7000-8000-000000000001', 's', 's', 'linux', \
         'x86_64', 1, 1, 1, 0, 1, 1)",
    ] {
        sqlx::query(query).execute(&pool).await.expect("written");
    }
    let id = "0190aaaa-0000-7000-8000-000000000002";
    sqlx::query(
        "INSERT INTO jobs (id, project, spec, created, priority, timeout, config, state) \
         VALUES ($1, '0190aaaa-0000-7000-8000-000000000000', \
         '0190aaaa-0000-7000-8000-000000000001', 1, 0, 1, $2, 'pending')",
    )
    .bind(id)
    .bind(config.to_owned())
    .execute(&pool)
    .await
    .expect("written");
    pool.close().await;
    id.parse().expect("an identifier")
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    for place in places().await {
        place.store.close().await;
        let folder = tempfile::tempdir().expect("a folder");
        let url = if place.store.dialect() == Dialect::Sqlite {
            file_url(&folder.path().join("old"))
        } else {
            let pool = AnyPool::connect(&place.url).await.expect("a database");
            for query in ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"] {
                sqlx::query(query).execute(&pool).await.expect("emptied");
            }
            pool.close().await;
            place.url.clone()
        };
        let id = old_database(&url, "{\"old\": 1}").await;
        let store = Store::open(&url).await.expect("brought up to date");
        let kept = store.config(id).await.expect("a config");
        assert_eq!(kept.text, "{\"old\": 1}");
        let unseen = store.plain_configs(9).await.expect("one to be looked at");
        assert_eq!(unseen, [(id, kept.text)]);
        let job = store.job(id).await.expect("the job");
        assert_eq!((job.life.state, job.trace), (State::Pending, None));
        store.close().await;
    }
}

#[tokio::test]
async fn beside_older_servers_the_tables_stay_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = file_url(&folder.path().join("old"));
    old_database(&url, "{}").await;
    for _ in 0..2 {
        let error = Store::open_beside(&url).await.expect_err("it is older");
        assert!(
            error.to_string().contains("start the new server"),
            "{error}"
        );
    }
    Store::open(&url).await.expect("up to date").close().await;
    let store = Store::open_beside(&url).await.expect("it is up to date");
    store.close().await;
    for place in places().await {
        let store = Store::open_beside(&place.url)
            .await
            .expect("of this version");
        store.close().await;
    }
}

#[tokio::test]
async fn a_comparison_that_can_not_run_holds_up_no_other() {
    for place in places().await {
        let store = &place.store;
        let spec = spec(store, "s").await;
        let (p, q) = (project(store, "p").await, project(store, "q").await);
        let older = compare(store, p, spec, 4).await;
        let newer = compare(store, q, spec, 2).await;
        let machine = runner(store, "m", spec).await;
        let nothing = Attached::default();
        let all = [waiting(&[spec], machine)];
        let completed = async |job| {
            hear(
                store,
                &[report(machine.0, job, Report::Completed, &nothing)],
            )
            .await;
        };
        // It gets both comparisons, one after the other, since one has no room at times.
        let set_room = async |active| {
            let mut transaction = store.begin().await.expect("a transaction");
            let quota = Quota {
                queued: 99,
                active,
                priority: 0,
            };
            transaction.set_quota(p, &quota).await.expect("set");
            transaction.commit().await.expect("committed");
        };
        for (room, expected) in [(1, older[0]), (0, newer[0]), (0, newer[1]), (1, older[1])] {
            set_room(room).await;
            let handed = claim(store, &all).await;
            let jobs: Vec<JobId> = handed.iter().map(|one| one.job.id).collect();
            assert_eq!(jobs, [expected]);
            completed(expected).await;
        }
        // One that its machine can not run any more is another that holds up none.
        let last = compare(store, q, spec, 1).await;
        let other = testing::spec(store, "other").await;
        let free = submit_for(store, q, other, 1).await;
        let handed = claim(store, &[waiting(&[other], machine)]).await;
        assert_eq!(handed[0].job.id, free[0]);
        assert_eq!(
            store.job(last[0]).await.expect("it").life.state,
            State::Pending
        );
    }
}
