//! A server that says what a test wants, as one that was seen does.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bencher_channel_protocol::{CONNECTION_HEADER, RunnerMessage, ServerMessage, Terminal, Uuid};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Message, WebSocket, accept_hdr_with_config};

/// After so long without a word a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where runners connect.
pub(crate) struct Server {
    listener: TcpListener,
}

/// A runner's connection.
pub(crate) struct Channel {
    socket: WebSocket<TcpStream>,
    /// The path that it asked for, the key that it showed, and which of its connections it says it is.
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) connection: String,
    /// Heartbeats and `running` that were acknowledged.
    pub(crate) heartbeats: u32,
    pub(crate) running: u32,
}

/// A text that is said until this is dropped.
pub(crate) struct Flood {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Channel {
        self.accept_with(WebSocketConfig::default())
    }

    /// The next connection, which is reset by a message over `limit` bytes.
    pub(crate) fn accept_limited(&self, limit: usize) -> Channel {
        let config = WebSocketConfig::default()
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        self.accept_with(config)
    }

    #[expect(clippy::result_large_err, reason = "the crate's own signature")]
    fn accept_with(&self, config: WebSocketConfig) -> Channel {
        let stream = self.stream();
        let [mut path, mut authorization, mut connection] = [const { String::new() }; 3];
        let look = |request: &Request, response: Response| {
            let header = |name| {
                let header = request.headers().get(name);
                header.map_or_else(String::new, |it| it.to_str().unwrap().to_owned())
            };
            request.uri().path().clone_into(&mut path);
            authorization = header("authorization");
            connection = header(CONNECTION_HEADER);
            Ok(response)
        };
        let socket = accept_hdr_with_config(stream, look, Some(config)).unwrap();
        Channel {
            socket,
            path,
            authorization,
            connection,
            heartbeats: 0,
            running: 0,
        }
    }

    /// The next connection, before anything was said.
    pub(crate) fn stream(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The next connection, after its `ready`.
    pub(crate) fn ready(&self) -> Channel {
        let mut channel = self.accept();
        channel.is_ready();
        channel
    }

    /// Gives out a job to the next connection, up to the beginning of its benchmark.
    pub(crate) fn running(&self, job: &str) -> Channel {
        let mut channel = self.ready();
        channel.say(job);
        channel.is_running();
        channel
    }
}

impl Channel {
    /// The next message, whatever it is; `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<RunnerMessage> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Some(RunnerMessage::decode(&text).unwrap()),
                Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => return None,
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() != ErrorKind::WouldBlock => {
                    return None;
                }
                Err(tungstenite::Error::Protocol(_) | tungstenite::Error::Capacity(_)) => {
                    return None;
                }
                Err(error) => panic!("the runner is silent: {error}"),
            }
        }
    }

    /// The next message that is no sign of life; those are acknowledged.
    pub(crate) fn news(&mut self) -> RunnerMessage {
        loop {
            match self.next().expect("the runner ended the connection") {
                RunnerMessage::Heartbeat => self.heartbeats += 1,
                RunnerMessage::Running => self.running += 1,
                other => return other,
            }
            self.acknowledge(None);
        }
    }

    #[track_caller]
    pub(crate) fn is_ready(&mut self) {
        match self.news() {
            RunnerMessage::Ready(_) => {}
            other => panic!("not ready: {other:?}"),
        }
    }

    /// Acknowledges signs of life until the benchmark runs.
    pub(crate) fn is_running(&mut self) {
        loop {
            match self.next().expect("the runner ended the connection") {
                RunnerMessage::Heartbeat => self.acknowledge(None),
                RunnerMessage::Running => return self.acknowledge(None),
                other => panic!("not running: {other:?}"),
            }
        }
    }

    /// The end of the job, which is not acknowledged yet.
    pub(crate) fn terminal(&mut self) -> Terminal {
        match self.news().into_terminal() {
            Ok(terminal) => terminal,
            Err(other) => panic!("not the end of the job: {other:?}"),
        }
    }

    /// The end of the job, acknowledged.
    pub(crate) fn end(&mut self) -> Terminal {
        let terminal = self.terminal();
        self.acknowledge(Some(terminal.job()));
        terminal
    }

    pub(crate) fn acknowledge(&mut self, job: Option<Uuid>) {
        self.say(&ServerMessage::Ack { job }.encode());
    }

    /// Sends a text, whatever it is.
    pub(crate) fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// Says a short text without an end, as long as what comes back is there. Nothing else may be said
    /// meanwhile.
    pub(crate) fn flood(&self, text: &str) -> Flood {
        let mut frame = vec![0x81, u8::try_from(text.len()).unwrap()];
        frame.extend_from_slice(text.as_bytes());
        let frames = frame.repeat(1000);
        let mut stream = self.socket.get_ref().try_clone().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                stream.write_all(&frames).unwrap();
            }
        });
        Flood {
            is_over,
            thread: Some(thread),
        }
    }

    /// Closes the connection, and waits until the runner has, too.
    pub(crate) fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        self.socket.close(Some(frame)).unwrap();
        while self.next().is_some() {}
    }

    /// Waits until the runner ends the connection.
    pub(crate) fn ends(&mut self) {
        while self.next().is_some() {}
    }
}

/// Reads what a client sent so far, so that closing does not reset the connection.
pub(crate) fn drain(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    let _request = stream.read(&mut buffer).unwrap();
}
