//! Rounds one by one.

use bencher_jobs::{Idle, State};
use test_support::Postgres;
use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::store::Opened;
use crate::store::testing::{self, Fault, Line};

fn round(store: &Store) -> Round {
    let (bus, metrics) = (Arc::default(), Arc::default());
    Round::new(store.clone(), bus, Arc::default(), metrics)
}

/// A runner waits.
fn wait(
    round: &mut Round,
    runner: RunnerId,
    connection: ConnectionId,
) -> oneshot::Receiver<Awaited> {
    let (reply, answer) = oneshot::channel();
    let idle = Idle {
        runner,
        specs: Vec::new(),
        since: Timestamp::now(),
    };
    round.add(Request::Wait(Waiting { idle, connection }, reply));
    answer
}

#[tokio::test]
async fn who_waits_on_two_connections_gets_a_job_on_the_newer_one() {
    let (_folder, store) = testing::database().await;
    let spec = testing::spec(&store, "s").await;
    let project = testing::project(&store, "p").await;
    let mut round = round(&store);
    for (slug, is_older_first) in [("a", true), ("b", false)] {
        let (runner, older) = testing::runner(&store, slug, spec).await;
        let (reply, connected) = oneshot::channel();
        let newer = ConnectionId::generate();
        let opened = Opened {
            id: newer,
            number: None,
            key_hash: None,
        };
        let mut answers = if is_older_first {
            [older, newer].map(|connection| wait(&mut round, runner, connection))
        } else {
            let mut answers = [newer, older].map(|connection| wait(&mut round, runner, connection));
            answers.reverse();
            answers
        };
        round.add(Request::Write(Work::Connect(runner, opened), reply));
        let job = testing::submit_for(&store, project, spec, 1).await[0];
        round.write().await.expect("it is written");
        let connected = connected.await.expect("an answer").expect("it is written");
        assert!(matches!(connected, Done::Connected(Welcome::Newest(None))));
        let [older, newer] = &mut answers;
        assert!(matches!(older.try_recv(), Ok(Awaited::Refused)), "{slug}");
        let Ok(Awaited::Job(handed)) = newer.try_recv() else {
            panic!("{slug}: it gets none");
        };
        assert_eq!(handed.job.id, job);
    }
}

#[tokio::test]
async fn what_a_runner_can_run_is_known_on_all_of_its_connections() {
    let (_folder, store) = testing::database().await;
    let spec = testing::spec(&store, "s").await;
    let project = testing::project(&store, "p").await;
    let (runner, newer) = testing::runner(&store, "r", spec).await;
    let mut round = round(&store);
    let older = wait(&mut round, runner, ConnectionId::generate());
    let mut newer = wait(&mut round, runner, newer);
    round.write().await.expect("it is written");
    drop(older);
    testing::submit_for(&store, project, spec, 1).await;
    round.look();
    round.write().await.expect("it is written");
    assert!(matches!(newer.try_recv(), Ok(Awaited::Job(_))));
}

#[tokio::test]
async fn what_is_heard_of_runners_is_written_when_time_is_looked_at() {
    let (_folder, store) = testing::database().await;
    let spec = testing::spec(&store, "s").await;
    let (runner, _) = testing::runner(&store, "r", spec).await;
    let mut round = round(&store);
    let seen = async || store.runner("r").await.expect("it is there").seen;
    round.write().await.expect("it is written");
    round.add(Request::Heard(runner));
    round.write().await.expect("it is written");
    assert_eq!(seen().await, None);
    round.look();
    round.write().await.expect("it is written");
    assert!(seen().await.is_some());
    assert!(round.heard.is_empty());
    // What could not be written is not forgotten.
    round.add(Request::Heard(runner));
    round.look();
    store.close().await;
    round.write().await.expect_err("the database is gone");
    assert!(round.heard.contains(&runner));
}

#[tokio::test]
async fn what_could_not_be_written_gives_runners_more_time() {
    let (_folder, store) = testing::database().await;
    let settings = Settings {
        heartbeat: Duration::from_secs(2),
        ..Settings::default()
    };
    let (bus, metrics) = (Arc::default(), Arc::default());
    let mut round = Round::new(store.clone(), bus, Arc::new(settings), metrics);
    // A disk that is very busy makes it late, and then it begins anew.
    for attempt in 0.. {
        while !round.is_overdue {
            tokio::time::sleep(Duration::from_millis(100)).await;
            round.look();
        }
        round.write().await.expect("it is written");
        round.look();
        if round.is_overdue {
            break;
        }
        assert!(attempt < 5, "silence does not count as before");
    }
    store.close().await;
    round.write().await.expect_err("the database is gone");
    round.look();
    assert!(!round.is_overdue);
}

#[tokio::test]
async fn a_job_that_may_have_been_given_out_goes_to_its_runner_on_a_new_connection() {
    let Some(postgres) = Postgres::start().expect("it starts") else {
        return;
    };
    let proxy = Line::to(&postgres).await;
    let store = Store::open(&proxy.url).await.expect("a database");
    let spec = testing::spec(&store, "s").await;
    let project = testing::project(&store, "p").await;
    let (runner, connection) = testing::runner(&store, "r", spec).await;
    let (other, other_connection) = testing::runner(&store, "idle", spec).await;
    let mut round = round(&store);
    let mut waits = wait(&mut round, runner, connection);
    round.write().await.expect("it is written");
    let job = testing::submit_for(&store, project, spec, 1).await[0];
    let mut waits_on = wait(&mut round, other, other_connection);
    // The database does it, and nobody hears of it.
    proxy.set(Fault::CommitsUnheard);
    round.look();
    round.write().await.expect_err("nothing is heard of it");
    proxy.set(Fault::None);
    let life = store.job(job).await.expect("it").life;
    assert_eq!((life.state, life.runner), (State::Claimed, Some(runner)));
    // Its connection ends, and no other.
    assert_eq!(waits.try_recv().err(), Some(TryRecvError::Closed));
    assert_eq!(waits_on.try_recv().err(), Some(TryRecvError::Empty));
    let opened = Opened {
        id: ConnectionId::generate(),
        number: None,
        key_hash: None,
    };
    let (reply, connected) = oneshot::channel();
    let newer = opened.id;
    round.add(Request::Write(Work::Connect(runner, opened), reply));
    round.write().await.expect("it is written");
    let connected = connected.await.expect("an answer").expect("it is written");
    let expected = Welcome::Newest(Some(job));
    assert!(matches!(connected, Done::Connected(welcome) if welcome == expected));
    let (reply, returned) = oneshot::channel();
    round.add(Request::Write(Work::Return(runner, newer, job), reply));
    round.write().await.expect("it is written");
    let returned = returned.await.expect("an answer").expect("it is written");
    let Done::Returned(Some(handed)) = returned else {
        panic!("it gets nothing: {returned:?}");
    };
    assert_eq!(handed.job.id, job);
    assert_eq!(waits_on.try_recv().err(), Some(TryRecvError::Empty));
}
