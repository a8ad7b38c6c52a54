//! Connections that are not taken, or not any more.

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use bencher_jobs::State;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::key::Key;
use crate::server::Server;
use crate::store::{Signal, testing};

/// A runner's end of a connection.
struct Channel(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Channel {
    /// A connection whose runner was looked at as `runner`.
    async fn open(app: &App, runner: &Runner) -> Self {
        let (app, runner) = (app.clone(), runner.clone());
        let upgrade = move |upgrade: WebSocketUpgrade| {
            let (app, runner) = (app.clone(), runner.clone());
            async move {
                upgrade.on_upgrade(move |socket| async move {
                    let session = Session::open(app, runner, None, socket).await;
                    if let Some(session) = session.expect("the database answers") {
                        session.run().await;
                    }
                })
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let url = format!("ws://{}/", listener.local_addr().expect("it has one"));
        let router = Router::new().route("/", get(upgrade));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (socket, _) = connect_async(url).await.expect("a connection");
        Self(socket)
    }

    /// Whether a sign of life is acknowledged; else why the connection was closed.
    async fn is_heard(&mut self) -> Result<(), String> {
        self.say(&RunnerMessage::Heartbeat).await
    }

    /// Whether what it says is answered; else why the connection was closed.
    async fn say(&mut self, message: &RunnerMessage) -> Result<(), String> {
        // It may be closed already.
        let _closed = self.0.send(Message::text(message.encode())).await;
        match self.0.next().await {
            Some(Ok(Message::Text(_))) => Ok(()),
            Some(Ok(Message::Close(Some(frame)))) => Err(frame.reason.to_string()),
            other => panic!("it was told {other:?}"),
        }
    }
}

/// A server, and its only runner.
async fn server(folder: &tempfile::TempDir) -> (Server, Runner) {
    let server = Server::in_folder(folder.path()).await;
    let store = &server.app().store;
    let spec = testing::spec(store, "s").await;
    testing::runner(store, "r", spec).await;
    let runner = store.runner("r").await.expect("it is there");
    (server, runner)
}

#[tokio::test]
async fn a_key_that_was_rotated_since_it_was_looked_at_opens_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, looked_at) = server(&folder).await;
    let app = server.app();
    let mut channel = Channel::open(app, &looked_at).await;
    assert_eq!(channel.is_heard().await, Ok(()));
    let key = Key::runner().expect("random").hash();
    let rotated = app.write(|mut transaction| async {
        let done = transaction.rotate_key(looked_at.id, &key).await;
        (transaction, done)
    });
    rotated.await.expect("it is written");
    assert_eq!(channel.is_heard().await, Err(REPLACED.to_owned()));
    let mut channel = Channel::open(app, &looked_at).await;
    assert_eq!(channel.is_heard().await, Err(REPLACED.to_owned()));
}

#[tokio::test]
async fn what_is_heard_late_of_an_older_connection_does_not_end_the_newest() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, runner) = server(&folder).await;
    let app = server.app();
    let mut channel = Channel::open(app, &runner).await;
    assert_eq!(channel.is_heard().await, Ok(()));
    // Another server told of it a while ago.
    let other = ConnectionId::generate();
    app.bus.publish(&[Signal::Connected(runner.id, other)]);
    assert_eq!(channel.is_heard().await, Ok(()));
    let greeting = testing::greeting(runner.id, other, None);
    let greeted = app.write(|mut transaction| async {
        let done = transaction.greet(std::slice::from_ref(&greeting)).await;
        (transaction, done)
    });
    greeted.await.expect("it is written");
    assert_eq!(channel.is_heard().await, Err(REPLACED.to_owned()));
}

#[tokio::test]
async fn that_a_job_runs_is_written_once_however_often_it_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, runner) = server(&folder).await;
    let app = server.app();
    let store = &app.store;
    let project = testing::project(store, "p").await;
    let spec = store.spec("s").await.expect("it is there").id;
    let job = testing::submit_for(store, project, spec, 1).await[0];
    let mut channel = Channel::open(app, &runner).await;
    // Its connection is known once it is heard on it.
    assert_eq!(channel.is_heard().await, Ok(()));
    let connection = store.runner("r").await.expect("it").connection;
    let wait = app
        .dispatcher
        .wait(runner.id, connection.expect("it has one"));
    app.bus.publish_all();
    let wait = wait.await.expect("it waits");
    wait.await.expect("it gets the job");
    let mut channel = Channel::open(app, &runner).await;
    let lease = async || store.job(job).await.expect("it").life.lease;
    assert_eq!(channel.is_heard().await, Ok(()));
    let claimed = lease().await;
    assert_eq!(channel.say(&RunnerMessage::Running).await, Ok(()));
    // It is news, though something was heard of the job just now.
    let begun = store.job(job).await.expect("it").life;
    assert_eq!(begun.state, State::Running);
    assert_ne!(begun.lease, claimed);
    // What it has said changed the job, so it is looked at once more.
    assert_eq!(channel.say(&RunnerMessage::Running).await, Ok(()));
    let written = lease().await;
    for _ in 0..20 {
        assert_eq!(channel.say(&RunnerMessage::Running).await, Ok(()));
    }
    assert_eq!(lease().await, written);
}
