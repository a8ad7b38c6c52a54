//! Connections that are not taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use futures_util::StreamExt as _;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::key::Key;
use crate::server::{Place, Server};
use crate::settings::Settings;

/// What the server says on a connection whose runner was looked at as `runner`, and how many such
/// connections became sessions.
async fn opened(app: App, runner: Runner) -> (Option<Message>, usize) {
    let sessions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sessions);
    let upgrade = move |upgrade: WebSocketUpgrade| {
        let (app, runner) = (app.clone(), runner.clone());
        let counted = Arc::clone(&counted);
        async move {
            upgrade.on_upgrade(move |socket| async move {
                let session = Session::open(app, runner, None, socket).await;
                if let Some(session) = session.expect("the database answers") {
                    counted.fetch_add(1, Ordering::AcqRel);
                    session.socket.close(close_code::NORMAL, "opened").await;
                }
            })
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("it has one"));
    let router = Router::new().route("/", get(upgrade));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let (mut socket, _) = connect_async(url).await.expect("a connection");
    let said = socket.next().await.and_then(Result::ok);
    serving.abort();
    (said, sessions.load(Ordering::Acquire))
}

#[tokio::test]
async fn a_key_that_was_rotated_since_it_was_looked_at_opens_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place {
        folder: folder.path().to_owned(),
        database: None,
        outputs: None,
    };
    let server = Server::start(&place, "127.0.0.1:0", None, Settings::default()).await;
    let app = server.expect("a server").app().clone();
    let key = || Key::runner().expect("random").hash();
    let made = app.write(|mut transaction| async {
        let done = transaction.create_runner("r", "r", &key()).await;
        (transaction, done)
    });
    let id = made.await.expect("a runner").id;
    let looked_at = app.store.runner("r").await.expect("it is there");
    let (said, sessions) = opened(app.clone(), looked_at.clone()).await;
    assert_eq!(sessions, 1, "{said:?}");
    let rotated = app.write(|mut transaction| async {
        let done = transaction.rotate_key(id, &key()).await;
        (transaction, done)
    });
    rotated.await.expect("it is written");
    let (said, sessions) = opened(app, looked_at).await;
    assert_eq!(sessions, 0);
    let Some(Message::Close(Some(frame))) = said else {
        panic!("it was told {said:?}");
    };
    assert!(frame.reason.contains("its key was rotated"), "{frame}");
}
