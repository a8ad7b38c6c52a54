//! A WebSocket that does not wait for ever.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bencher_channel_protocol::ServerMessage;

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
pub(super) struct Socket(WebSocket);

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
        Self(socket)
    }

    /// The next frame; it may be asked for again when the future was dropped.
    pub(super) async fn receive(&mut self) -> Result<Frame, Gone> {
        match self.0.recv().await {
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
        match tokio::time::timeout(SEND, self.0.send(message)).await {
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
