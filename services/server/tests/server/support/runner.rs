//! A runner, as far as the server can see one.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

/// How long anything may take before a test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A connection that was not opened.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A runner's connection.
#[derive(Debug)]
pub(crate) struct Runner(WebSocket<TcpStream>);

impl Runner {
    pub(crate) fn connect(url: &str, slug: &str, key: &str) -> Result<Self, Refused> {
        Self::connect_as(url, slug, key, None)
    }

    /// Connects and says which of its connections this is.
    pub(crate) fn connect_as(
        url: &str,
        slug: &str,
        key: &str,
        number: Option<&str>,
    ) -> Result<Self, Refused> {
        let host = url.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{host}/v0/runners/{slug}/channel")
            .into_client_request()
            .unwrap();
        let value = format!("Bearer {key}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        if let Some(number) = number {
            let number = number.parse().unwrap();
            request.headers_mut().insert("bencher-connection", number);
        }
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match client(request, stream) {
            Ok((socket, _response)) => Ok(Self(socket)),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(refused(&response)),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.text(&message.to_string());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// Sends what the server stops to read before its end.
    pub(crate) fn too_long(&mut self, text: &str) {
        let _reset = self.0.send(Message::text(text));
    }

    pub(crate) fn binary(&mut self, bytes: &[u8]) {
        self.0.send(Message::binary(bytes.to_vec())).unwrap();
    }

    /// What the server says next.
    pub(crate) fn receive(&mut self) -> Value {
        loop {
            match self.0.read().expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// What the server says next; nothing if it hangs up instead.
    pub(crate) fn try_receive(&mut self) -> Option<Value> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) => return None,
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("it says nothing")
                }
                Err(_) => return None,
            }
        }
    }

    /// Says something to a server that may be killed before it answers.
    pub(crate) fn try_say(&mut self, message: &Value) -> Option<Value> {
        self.0.send(Message::text(message.to_string())).ok()?;
        self.try_receive()
    }

    /// How the server closes the connection; messages before that are passed over.
    pub(crate) fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match self.0.read() {
                Ok(Message::Close(frame)) => return frame,
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("it stays open")
                }
                Err(_) => return None,
            }
        }
    }

    pub(crate) fn ready(&mut self) {
        self.send(&json!({"event": "ready", "poll_timeout": 60}));
    }

    /// Asks for a job, saying that live output can be sent.
    pub(crate) fn ready_for_output(&mut self) {
        let info =
            json!({"os": "linux", "arch": "x86_64", "version": "1.0.0", "live_output": true});
        self.send(&json!({"event": "ready", "poll_timeout": 60, "runner": info}));
    }

    /// Its job has written something.
    pub(crate) fn write(&mut self, job: &Value, text: &str) {
        self.send(&json!({
            "event": "output", "job": job, "iteration": 0, "stream": "stdout", "text": text,
        }));
    }

    /// Asks for a job and gets one.
    pub(crate) fn claim(&mut self) -> Value {
        self.ready();
        let job = self.receive();
        assert_eq!(job["event"], "job", "{job}");
        job
    }

    /// Says something, and gives what the server answers.
    pub(crate) fn say(&mut self, event: &str) -> String {
        self.send(&json!({"event": event}));
        self.receive()["event"].as_str().unwrap().to_owned()
    }

    pub(crate) fn complete(&mut self, job: &Value) -> Value {
        self.send(&json!({
            "event": "completed",
            "job": job,
            "results": [{"exit_code": 0, "stdout": "out", "output": {"/f": "file"}}],
        }));
        self.receive()
    }
}

fn refused(response: &Response) -> Refused {
    Refused {
        status: response.status().as_u16(),
        body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned(),
    }
}
