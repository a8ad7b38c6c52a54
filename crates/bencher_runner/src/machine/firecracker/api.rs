//! Firecracker's API: HTTP over a UNIX socket.

use std::io;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustix::fs::inotify;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;

use super::Sockets;
use super::config::Order;
use crate::machine::MachineError;

/// The most bytes of an answer that are read.
const LONGEST_ANSWER: usize = 64 << 10;

/// The name of the socket.
const SOCKET: &str = "api.sock";

/// A connection to the API of one Firecracker.
#[derive(Debug)]
pub(super) struct Api {
    sender: SendRequest<Full<Bytes>>,
}

#[derive(Deserialize)]
struct Version {
    firecracker_version: String,
}

/// What an answer to a refused request holds.
#[derive(Deserialize)]
struct Fault {
    fault_message: String,
}

impl Api {
    /// Connects as soon as Firecracker listens. It waits for ever for one that does not start.
    pub(super) async fn connect(sockets: &Sockets) -> Result<Self, MachineError> {
        let stream = wait_for(sockets)
            .await
            .map_err(|source| MachineError::Prepare {
                what: "the API socket",
                source,
            })?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|_| MachineError::VmmGone)?;
        // Its end is that of the VMM, which the requests tell.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Firecracker's version, e.g. `1.15.1`.
    pub(super) async fn version(&mut self) -> Result<String, MachineError> {
        let action = "tell its version";
        let body = self.send(Method::GET, action, "/version", None).await?;
        let version: Version =
            serde_json::from_slice(&body).map_err(|error| MachineError::Api {
                action,
                reason: error.to_string(),
            })?;
        Ok(version.firecracker_version)
    }

    /// Gives an order.
    pub(super) async fn put(&mut self, order: &Order) -> Result<(), MachineError> {
        let body = Some(order.body.to_string());
        self.send(Method::PUT, order.action, order.path, body)
            .await
            .map(drop)
    }

    async fn send(
        &mut self,
        method: Method,
        action: &'static str,
        path: &str,
        body: Option<String>,
    ) -> Result<Bytes, MachineError> {
        let refused = |reason: String| MachineError::Api { action, reason };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "localhost")
            .header("Accept", "application/json")
            .header("Content-Type", "application/json")
            .body(Full::from(body.unwrap_or_default()))
            .map_err(|error| refused(error.to_string()))?;
        // An error of the connection is the VMM's end.
        let response: Response<Incoming> = self
            .sender
            .send_request(request)
            .await
            .map_err(|_| MachineError::VmmGone)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| refused(error.to_string()))?
            .to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let fault = serde_json::from_slice::<Fault>(&body);
        Err(refused(fault.map_or_else(
            |_| format!("it answered {status}"),
            |fault| crate::printable::one_line(&fault.fault_message),
        )))
    }
}

/// Connects to the socket once it is there: the kernel tells of new files in its folder.
async fn wait_for(sockets: &Sockets) -> io::Result<UnixStream> {
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watch, sockets.short("."), inotify::WatchFlags::CREATE)?;
    // It is read as a pipe is; tokio has nothing of its own for it.
    let watch = Receiver::from_owned_fd_unchecked(watch)?;
    loop {
        match UnixStream::connect(sockets.short(SOCKET)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // It has its name, and listens in a moment: there is nothing to wait for in between.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                tokio::task::yield_now().await;
                continue;
            }
            connected => return connected,
        }
        watch.readable().await?;
        // What they say does not matter: the socket is looked for again after each.
        match watch.try_read(&mut [0; 1024]) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}
