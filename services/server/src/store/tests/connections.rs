//! Of several connections of a runner the newest counts.

use bencher_channel_protocol::ConnectionNumber;

use super::*;

/// Writes greetings down, and says which connections runners were told of, and who is whose newest.
async fn greet(
    store: &Store,
    greetings: &[Greeting],
) -> (Vec<Signal>, HashMap<RunnerId, Option<ConnectionId>>) {
    let (newest, signals) = store
        .write(|mut transaction| async {
            let done = transaction.greet(greetings).await;
            (transaction, done)
        })
        .await
        .expect("it is written");
    let newest = newest
        .into_iter()
        .map(|(runner, newest)| (runner, newest.connection));
    (signals, newest.collect())
}

async fn newest(store: &Store, runner: RunnerId) -> Option<ConnectionId> {
    let runner = store.runner(&runner.to_string()).await;
    runner.expect("it is there").connection
}

async fn rotate(store: &Store, runner: RunnerId, hash: &str) {
    store
        .write(|mut transaction| async {
            let done = transaction.rotate_key(runner, hash).await;
            (transaction, done)
        })
        .await
        .expect("it is rotated");
}

#[tokio::test]
async fn a_greeting_that_comes_late_replaces_no_newer_connection() {
    let one = ConnectionNumber::first(1);
    let other = ConnectionNumber::first(2);
    for place in places().await {
        let store = &place.store;
        let spec = spec(store, "s").await;
        let (runner, mut known) = runner(store, "r", spec).await;
        for (step, number, is_newer) in [
            ("the first that says it", Some(one.next()), true),
            ("one before it", Some(one), false),
            ("the same once more", Some(one.next()), false),
            ("one after it", Some(one.next().next()), true),
            ("one that was before that", Some(one.next()), false),
            ("another process", Some(other), true),
            ("the first process again", Some(one), true),
            ("one that says nothing", None, true),
            ("another one that says nothing", None, true),
            ("one after that", Some(one), true),
        ] {
            let connection = ConnectionId::generate();
            let greeting = greeting(runner, connection, number);
            let (signals, told) = greet(store, &[greeting]).await;
            if is_newer {
                known = connection;
                assert_eq!(signals, [Signal::Connected(runner, connection)], "{step}");
            } else {
                assert_eq!(signals, [], "{step}");
            }
            assert_eq!(told[&runner], Some(known), "{step}");
            assert_eq!(newest(store, runner).await, Some(known), "{step}");
        }
    }
}

#[tokio::test]
async fn of_those_that_come_together_the_newest_is_told_of() {
    let one = ConnectionNumber::first(1);
    for place in places().await {
        let store = &place.store;
        let spec = spec(store, "s").await;
        for (slug, numbers, place) in [
            ("a", [Some(one), Some(one.next())], 1),
            ("b", [Some(one.next()), Some(one)], 0),
            ("c", [Some(one), Some(ConnectionNumber::first(2))], 1),
            ("d", [None, None], 1),
            ("e", [Some(one), None], 1),
            ("f", [None, Some(one)], 1),
        ] {
            let (runner, _) = runner(store, slug, spec).await;
            // The order of identifiers is not that of arrival: other servers' clocks make them.
            let mut connections = [(); 2].map(|()| ConnectionId::generate());
            connections.reverse();
            let greetings =
                [0, 1].map(|place| greeting(runner, connections[place], numbers[place]));
            let (signals, told) = greet(store, &greetings).await;
            let expected = connections[place];
            assert_eq!(signals, [Signal::Connected(runner, expected)], "{slug}");
            assert_eq!(told[&runner], Some(expected), "{slug}");
            assert_eq!(newest(store, runner).await, Some(expected), "{slug}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_rotated_replaces_whatever_there_is_and_stays_so() {
    for place in places().await {
        let store = &place.store;
        let spec = spec(store, "s").await;
        let (runner, _) = runner(store, "r", spec).await;
        let mut number = ConnectionNumber::first(1);
        let open = |key: &str, number| {
            let connection = ConnectionId::generate();
            let mut greeting = greeting(runner, connection, Some(number));
            if let Some(opened) = &mut greeting.connection {
                opened.key_hash = Some(key.to_owned());
            }
            (greeting, connection)
        };
        rotate(store, runner, "old").await;
        number = number.next();
        let (greeting, connection) = open("old", number);
        greet(store, &[greeting]).await;
        assert_eq!(newest(store, runner).await, Some(connection));
        rotate(store, runner, "new").await;
        assert_ne!(newest(store, runner).await, Some(connection));
        let (greeting, connection) = open("new", ConnectionNumber::first(2));
        greet(store, &[greeting]).await;
        // It was on its way since before the key was rotated.
        let (late, _) = open("old", number.next());
        let (signals, told) = greet(store, &[late]).await;
        assert_eq!((signals, told[&runner]), (vec![], Some(connection)));
        assert_eq!(newest(store, runner).await, Some(connection));
    }
}

#[tokio::test]
async fn a_job_goes_to_the_newest_of_the_connections_that_wait() {
    for place in places().await {
        let store = &place.store;
        let spec = spec(store, "s").await;
        let project = project(store, "p").await;
        for slug in ["older-first", "newer-first"] {
            let (runner, older) = runner(store, slug, spec).await;
            let newer = ConnectionId::generate();
            greet(store, &[greeting(runner, newer, None)]).await;
            let mut connections = [older, newer];
            if slug == "newer-first" {
                connections.reverse();
            }
            // Others are to get what is left.
            let other = super::runner(store, &format!("{slug}-2"), spec).await;
            let all = [
                waiting(&[spec], (runner, connections[0])),
                waiting(&[spec], (runner, connections[1])),
                waiting(&[spec], other),
            ];
            let jobs = submit_for(store, project, spec, 2).await;
            let mut transaction = store.begin().await.expect("a transaction");
            let claims = transaction.claim(&all, limits).await.expect("claims");
            transaction.commit().await.expect("committed");
            let handed: Vec<_> = claims
                .handed
                .iter()
                .map(|handed| (handed.runner, handed.connection, handed.job.id))
                .collect();
            let expected = [(runner, newer, jobs[0]), (other.0, other.1, jobs[1])];
            assert_eq!(handed, expected, "{slug}");
            assert_eq!(claims.refused, [older], "{slug}");
            // Nobody waits on a newest connection.
            submit_for(store, project, spec, 1).await;
            let mut transaction = store.begin().await.expect("a transaction");
            let old = [waiting(&[spec], (runner, older))];
            let claims = transaction.claim(&old, limits).await.expect("claims");
            transaction.roll_back().await;
            assert_eq!((claims.handed.len(), claims.refused), (0, vec![older]));
            claim(store, &[waiting(&[spec], (runner, newer))]).await;
        }
    }
}

#[tokio::test]
async fn what_comes_late_on_an_older_connection_does_not_take_a_job_for_lost() {
    let nothing = Attached::default();
    for place in places().await {
        let store = &place.store;
        let spec = spec(store, "s").await;
        let project = project(store, "p").await;
        let (runner, older) = runner(store, "r", spec).await;
        let job = submit_for(store, project, spec, 1).await[0];
        claim(store, &[waiting(&[spec], (runner, older))]).await;
        let newer = ConnectionId::generate();
        greet(store, &[greeting(runner, newer, None)]).await;
        let returns = |connection| Said {
            runner,
            job,
            what: What::Return(connection),
        };
        // It never heard of it, and gets it once more: on the newer connection alone.
        let heard = hear(store, &[returns(older), returns(newer)]).await;
        assert_eq!(heard[0], Heard::Returned(None));
        let Heard::Returned(Some(handed)) = &heard[1] else {
            panic!("{heard:?}");
        };
        assert_eq!((handed.job.id, handed.connection), (job, newer));
        hear(store, &[report(runner, job, Report::Running, &nothing)]).await;
        hear(store, &[returns(older)]).await;
        let state = async || store.job(job).await.expect("it").life.state;
        assert_eq!(state().await, State::Running);
        hear(store, &[returns(newer)]).await;
        assert_eq!(state().await, State::Failed);
    }
}

#[tokio::test]
async fn a_connection_that_ended_is_no_runners_unless_it_has_a_newer_one() {
    for place in places().await {
        let store = &place.store;
        let spec = spec(store, "s").await;
        let (runner, older) = runner(store, "r", spec).await;
        let leave = async |connection| {
            let left = Greeting {
                runner,
                connection: None,
                left: Some(connection),
                metadata: None,
            };
            let (signals, told) = greet(store, &[left]).await;
            assert!(signals.is_empty() && told.is_empty());
        };
        let newer = ConnectionId::generate();
        greet(store, &[greeting(runner, newer, None)]).await;
        leave(older).await;
        assert_eq!(newest(store, runner).await, Some(newer));
        let since = Timestamp::now();
        let found = async || store.runner("r").await.expect("it is there");
        assert!(
            !found().await.is_connected(since),
            "nothing was heard of it"
        );
        let seen = store.write(|mut transaction| async {
            transaction.note_seen(runner);
            (transaction, Ok(()))
        });
        seen.await.expect("it is written");
        assert!(found().await.is_connected(since));
        let later = Timestamp::now().after(Duration::from_secs(1));
        assert!(!found().await.is_connected(later), "it was too long ago");
        leave(newer).await;
        assert_eq!(newest(store, runner).await, None);
        assert!(!found().await.is_connected(since));
        // It comes back.
        let again = ConnectionId::generate();
        greet(store, &[greeting(runner, again, None)]).await;
        assert_eq!(newest(store, runner).await, Some(again));
    }
}
