//! A WebSocket that does not wait for ever.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bencher_channel_protocol::ServerMessage;
use tokio::time::timeout;

/// How long a runner may take to take a message.
const SEND: Duration = Duration::from_secs(10);
/// What fits into a close frame beside its code (RFC 6455, section 5.5).
const REASON: usize = 123;

/// The other side is gone or does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the runner is gone, or does not take what it is sent")]
pub(super) struct Gone;

/// One end of a channel.
#[derive(Debug)]
pub(super) struct Socket {
    socket: WebSocket,
    /// How long the other end may take to take a message.
    patience: Duration,
}

/// What comes in.
#[derive(Debug)]
pub(super) enum Frame {
    /// A message.
    Text(Utf8Bytes),
    /// A sign of a living connection that says nothing of the runner.
    Other,
}

impl Socket {
    pub(super) fn new(socket: WebSocket) -> Self {
        Self::with_patience(socket, SEND)
    }

    fn with_patience(socket: WebSocket, patience: Duration) -> Self {
        Self { socket, patience }
    }

    /// The next frame; it may be asked for again when the future was dropped.
    pub(super) async fn receive(&mut self) -> Result<Frame, Gone> {
        match self.socket.recv().await {
            Some(Ok(Message::Text(text))) => Ok(Frame::Text(text)),
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => Ok(Frame::Other),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
        }
    }

    pub(super) async fn send(&mut self, message: &ServerMessage) -> Result<(), Gone> {
        self.write(Message::Text(message.encode().into())).await
    }

    pub(super) async fn ping(&mut self) -> Result<(), Gone> {
        self.write(Message::Ping(Vec::new().into())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Gone> {
        match timeout(self.patience, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    /// Says why, and hangs up.
    pub(super) async fn close(mut self, code: u16, reason: &str) {
        let mut end = reason.len().min(REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let frame = CloseFrame {
            code,
            reason: reason[..end].into(),
        };
        // It may be gone already.
        let _gone = self.write(Message::Close(Some(frame))).await;
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::ws::WebSocketUpgrade;
    use axum::routing::get;
    use bencher_channel_protocol::{Checksum, Update};
    use futures_util::StreamExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

    use super::*;

    /// What is sent: 64 MiB, more than the buffers of a connection hold.
    const MESSAGES: usize = 64;
    const LENGTH: usize = 1 << 20;
    /// What a test does not wait for.
    const LATE: Duration = Duration::from_mins(1);

    /// The end of a connection whose other end is sent all messages with this patience; and what comes of that.
    async fn sent(
        patience: Duration,
    ) -> (
        WebSocketStream<MaybeTlsStream<TcpStream>>,
        mpsc::Receiver<Result<(), Gone>>,
    ) {
        let (told, done) = mpsc::channel(1);
        let upgrade = move |upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(move |socket| async move {
                let mut socket = Socket::with_patience(socket, patience);
                let sent = send_all(&mut socket).await;
                told.send(sent).await.expect("the test waits");
                socket.close(1000, "").await;
            })
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}/", listener.local_addr().expect("it has one"));
        let router = Router::new().route("/", get(upgrade));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (socket, _) = connect_async(url).await.expect("a connection");
        (socket, done)
    }

    async fn send_all(socket: &mut Socket) -> Result<(), Gone> {
        let message = ServerMessage::Update(Update {
            version: "1.0.0".to_owned(),
            url: "x".repeat(LENGTH),
            checksum: Checksum::new([0; 32]),
        });
        for _ in 0..MESSAGES {
            socket.send(&message).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_runner_that_takes_nothing_is_not_waited_for() {
        let (_unread, mut done) = sent(Duration::from_millis(100)).await;
        let done = timeout(LATE, done.recv()).await.expect("it ends");
        assert_eq!(done, Some(Err(Gone)));
    }

    #[tokio::test]
    async fn a_runner_that_takes_what_it_is_sent_gets_all() {
        let (socket, mut done) = sent(LATE).await;
        let texts = socket.filter(|message| {
            let is_text = message.as_ref().is_ok_and(Message::is_text);
            async move { is_text }
        });
        assert_eq!(texts.count().await, MESSAGES);
        assert_eq!(done.recv().await, Some(Ok(())));
    }
}
