//! Connections that are not taken, or not any more.

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::key::Key;
use crate::server::{Place, Server};
use crate::settings::Settings;
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
        let heartbeat = RunnerMessage::Heartbeat.encode();
        // It may be closed already.
        let _closed = self.0.send(Message::text(heartbeat)).await;
        match self.0.next().await {
            Some(Ok(Message::Text(_))) => Ok(()),
            Some(Ok(Message::Close(Some(frame)))) => Err(frame.reason.to_string()),
            other => panic!("it was told {other:?}"),
        }
    }
}

/// A server, and its only runner.
async fn server(folder: &tempfile::TempDir) -> (Server, Runner) {
    let place = Place {
        folder: folder.path().to_owned(),
        database: None,
        outputs: None,
    };
    let server = Server::start(&place, "127.0.0.1:0", None, Settings::default()).await;
    let server = server.expect("a server");
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
