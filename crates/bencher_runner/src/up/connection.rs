//! The WebSocket: connects, receives, sends.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bencher_channel_protocol::runner::Ending;
use bencher_channel_protocol::{
    CONNECTION_HEADER, ConnectionNumber, RunnerId, RunnerKey, channel_path,
};
use bencher_oci::registry::{Proxies, is_not_tls};
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    connect_async_tls_with_config,
};

use super::UpError;
use super::tunnel::Proxy;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);

/// The longest message that a server may send, in bytes: a job with everything that it may hold.
const LONGEST: usize = 32 << 20;

/// Where a server is, and who asks.
#[derive(Debug)]
pub(super) struct Server {
    request: Request,
    /// Which of this process's connections the next one is.
    next: ConnectionNumber,
    tls: Arc<ClientConfig>,
    /// The proxy that leads to it, and its own host and port.
    proxy: Option<(Proxy, String)>,
}

/// What comes of a connection.
#[derive(Debug)]
pub(super) enum News {
    /// It is there; texts for the server go in here.
    Connected(Outgoing),
    /// A text of the server.
    Text(Received),
    /// It has ended, or none came about.
    Ended(Ending),
}

/// A text of the server. The next one is read once this is gone: a server that says more than can be
/// followed has to wait.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) text: String,
    _turn: OwnedSemaphorePermit,
}

/// Where texts for the server go in.
#[derive(Debug)]
pub(super) struct Outgoing {
    texts: UnboundedSender<String>,
    /// Bytes that wait to be sent.
    waiting: Arc<AtomicUsize>,
}

impl Outgoing {
    /// Sends a text. A connection that has just ended says so itself.
    pub(super) fn send(&self, text: String) {
        self.waiting.fetch_add(text.len(), Ordering::Relaxed);
        let _ended = self.texts.send(text);
    }

    /// Bytes that wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A connection that is there or comes about. It is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    task: JoinHandle<()>,
}

impl Connection {
    /// Waits for its end, which comes once there is nothing more to send.
    pub(super) async fn end(mut self) {
        let _aborted = (&mut self.task).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// The channel of `runner` at `host`.
    ///
    /// # Errors
    ///
    /// [`UpError::Address`], [`UpError::Proxy`].
    pub(super) fn new(
        host: &str,
        runner: &RunnerId,
        key: &RunnerKey,
        tls: Arc<ClientConfig>,
        proxies: &Proxies,
    ) -> Result<Self, UpError> {
        let refused = || UpError::Address {
            address: host.to_owned(),
        };
        let url = channel_url(host, runner).ok_or_else(refused)?;
        let mut request = url.into_client_request().map_err(|_| refused())?;
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| refused())?;
        bearer.set_sensitive(true);
        request.headers_mut().insert("authorization", bearer);
        let proxy = way(request.uri(), proxies)?;
        Ok(Self {
            request,
            next: ConnectionNumber::first(fastrand::u128(..)),
            tls,
            proxy,
        })
    }

    /// Connects after `delay`, and tells `news` of whatever comes of it.
    pub(super) fn connect(
        &mut self,
        delay: Duration,
        news: impl Fn(News) + Send + Sync + 'static,
    ) -> Connection {
        let request = self.next_request();
        let connector = Connector::Rustls(Arc::clone(&self.tls));
        let proxy = self.proxy.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let ending = talk(request, connector, proxy, &news).await;
            news(News::Ended(ending));
        });
        Connection { task }
    }

    /// The request for the next connection, which says that it is newer than all before.
    fn next_request(&mut self) -> Request {
        let mut request = self.request.clone();
        // Letters, digits and hyphens are always a header's value.
        if let Ok(number) = HeaderValue::try_from(self.next.to_string()) {
            request.headers_mut().insert(CONNECTION_HEADER, number);
        }
        self.next = self.next.next();
        request
    }
}

/// `http://host/base` becomes `ws://host/base/v0/runners/…/channel`.
fn channel_url(host: &str, runner: &RunnerId) -> Option<String> {
    let (scheme, rest) = host.split_once("://")?;
    let scheme = match scheme {
        "http" => "ws",
        "https" => "wss",
        _ => return None,
    };
    let rest = rest.trim_end_matches('/');
    let is_plain = |character: char| {
        !character.is_whitespace()
            && !character.is_control()
            && !matches!(character, '?' | '#' | '@')
    };
    if rest.is_empty() || rest.starts_with('/') || !rest.chars().all(is_plain) {
        return None;
    }
    Some(format!("{scheme}://{rest}{}", channel_path(runner)))
}

/// The proxy that leads to a server, and what it is to lead to.
fn way(server: &Uri, proxies: &Proxies) -> Result<Option<(Proxy, String)>, UpError> {
    let is_https = server.scheme_str() == Some("wss");
    let host = server.host().unwrap_or_default();
    let port = server.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let target = format!("{host}:{port}");
    let Some(address) = proxies.proxy_for(&target, is_https) else {
        return Ok(None);
    };
    match Proxy::parse(address) {
        Some(proxy) => Ok(Some((proxy, target))),
        // The address may hold a password.
        None => Err(UpError::Proxy),
    }
}

/// A connection, through a proxy if there is one.
async fn connect(
    request: Request,
    connector: Connector,
    proxy: Option<(Proxy, String)>,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Ending> {
    let server = request.uri().clone();
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST))
        .max_frame_size(Some(LONGEST));
    let connected = match proxy {
        None => connect_async_tls_with_config(request, Some(config), true, Some(connector)).await,
        Some((proxy, target)) => {
            let stream = proxy.connect(&target).await.map_err(Ending::Unreachable)?;
            client_async_tls_with_config(request, stream, Some(config), Some(connector)).await
        }
    };
    match connected {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(Ending::Refused {
            status: response.status().as_u16(),
        }),
        Err(error) => {
            Err(foreign(&server, &error).unwrap_or_else(|| Ending::Unreachable(error.to_string())))
        }
    }
}

/// Whether what answers at `server` speaks another protocol.
fn foreign(server: &Uri, error: &Error) -> Option<Ending> {
    let place = server.authority()?;
    let is_encrypted = server.scheme_str() == Some("wss");
    if is_encrypted && is_not_tls(error) {
        return Some(Ending::Foreign(format!(
            "the server at https://{place} does not speak TLS: try http://{place}"
        )));
    }
    let is_not_http = matches!(error, Error::Protocol(ProtocolError::HttparseError(_)));
    (!is_encrypted && is_not_http).then(|| {
        Ending::Foreign(format!(
            "what answers at http://{place} does not speak HTTP: try https://{place}"
        ))
    })
}

async fn talk(
    request: Request,
    connector: Connector,
    proxy: Option<(Proxy, String)>,
    news: &(impl Fn(News) + Send + Sync),
) -> Ending {
    let connecting = connect(request, connector, proxy);
    let socket = match tokio::time::timeout(CONNECT, connecting).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(ending)) => return ending,
        Err(_) => {
            return Ending::Unreachable(format!("no answer within {} s", CONNECT.as_secs()));
        }
    };
    let (sink, stream) = socket.split();
    let (outgoing, texts) = unbounded_channel();
    let waiting = Arc::<AtomicUsize>::default();
    news(News::Connected(Outgoing {
        texts: outgoing,
        waiting: Arc::clone(&waiting),
    }));
    let sending = send_all(sink, texts, &waiting);
    let receiving = receive_all(stream, news);
    tokio::select! {
        biased;
        ending = receiving => ending,
        ending = sending => ending,
    }
}

/// Passes texts on until there are no more, one at a time.
async fn receive_all<S>(mut stream: S, news: &impl Fn(News)) -> Ending
where
    S: futures_util::Stream<Item = Result<Message, Error>> + Unpin,
{
    let turns = Arc::new(Semaphore::new(1));
    // It is never closed.
    while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => news(News::Text(Received {
                text: text.as_str().to_owned(),
                _turn: turn,
            })),
            Some(Ok(Message::Close(frame))) => {
                return frame.map_or(
                    Ending::Closed {
                        code: 1005,
                        reason: String::new(),
                    },
                    |frame| Ending::Closed {
                        code: frame.code.into(),
                        reason: frame.reason.as_str().to_owned(),
                    },
                );
            }
            // Neither is a sign of life.
            Some(Ok(_)) => {}
            Some(Err(error)) => return ending(&error),
            None => break,
        }
    }
    Ending::EndOfFile
}

/// Sends texts until there are no more, and then says goodbye.
async fn send_all<S>(
    mut sink: S,
    mut texts: UnboundedReceiver<String>,
    waiting: &AtomicUsize,
) -> Ending
where
    S: futures_util::Sink<Message, Error = Error> + Unpin,
{
    while let Some(text) = texts.recv().await {
        waiting.fetch_sub(text.len(), Ordering::Relaxed);
        if let Err(error) = sink.send(Message::text(text)).await {
            return ending(&error);
        }
    }
    match sink.send(Message::Close(None)).await {
        Ok(()) => Ending::EndOfFile,
        Err(error) => ending(&error),
    }
}

fn ending(error: &Error) -> Ending {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::EndOfFile,
        Error::Io(source) if source.kind() == ErrorKind::UnexpectedEof => Ending::EndOfFile,
        error => Ending::Reset(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use futures_util::stream;

    use bencher_oci::registry::Secret;

    use super::*;

    /// What a server says waits in its buffers, and not in the runner's memory.
    #[test]
    fn a_text_is_read_when_the_one_before_is_dealt_with() {
        let said = ["a", "b", "c"].map(|text| Ok(Message::text(text)));
        let news = RefCell::new(Vec::new());
        let tell = |it| news.borrow_mut().push(it);
        let mut receiving = pin!(receive_all(stream::iter(said), &tell));
        let mut context = Context::from_waker(Waker::noop());
        for expected in ["a", "b", "c"] {
            for _ in 0..3 {
                assert!(receiving.as_mut().poll(&mut context).is_pending());
            }
            match news.borrow().as_slice() {
                [News::Text(received)] => assert_eq!(received.text, expected),
                other => panic!("{other:?}"),
            }
            news.borrow_mut().clear();
        }
        let ended = receiving.as_mut().poll(&mut context);
        assert_eq!(ended, Poll::Ready(Ending::EndOfFile));
    }

    #[test]
    fn addresses_become_those_of_the_channel() {
        let runner = "bench-1".parse().unwrap();
        for (host, url) in [
            (
                "http://localhost:61016",
                Some("ws://localhost:61016/v0/runners/bench-1/channel"),
            ),
            (
                "https://api.example.com/",
                Some("wss://api.example.com/v0/runners/bench-1/channel"),
            ),
            (
                "https://example.com/api//",
                Some("wss://example.com/api/v0/runners/bench-1/channel"),
            ),
            ("api.example.com", None),
            ("ftp://api.example.com", None),
            ("http://", None),
            ("http:///x", None),
            ("http://user@host", None),
            ("http://host?x", None),
            ("http://host name", None),
        ] {
            assert_eq!(channel_url(host, &runner).as_deref(), url, "{host}");
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        let tls = super::super::trust::client_config(None).unwrap();
        let key = "bencher_runner_s3cret".parse().unwrap();
        let runner = "r".parse().unwrap();
        let none = Proxies::default();
        let server = Server::new("http://localhost", &runner, &key, tls, &none).unwrap();
        assert!(!format!("{server:?}").contains("s3cret"));
        let value = &server.request.headers()["authorization"];
        assert_eq!(value.to_str().unwrap(), "Bearer bencher_runner_s3cret");
    }

    #[test]
    fn each_connection_says_which_it_is() {
        let key = "bencher_runner_s3cret".parse().unwrap();
        let runner = "r".parse().unwrap();
        let none = Proxies::default();
        let server = || {
            let tls = super::super::trust::client_config(None).unwrap();
            Server::new("http://localhost", &runner, &key, tls, &none).unwrap()
        };
        let number = |server: &mut Server| {
            let request = server.next_request();
            let value = request.headers()["bencher-connection"].to_str().unwrap();
            value.parse::<ConnectionNumber>().unwrap()
        };
        let (mut one, mut other) = (server(), server());
        let first = number(&mut one);
        assert!(first.to_string().ends_with(".1"), "{first}");
        assert_eq!(number(&mut one), first.next());
        assert_eq!(number(&mut one), first.next().next());
        // As if it were another process.
        assert!(!number(&mut other).is_overtaken_by(first));
    }

    #[test]
    fn the_environments_proxy_leads_to_the_server() {
        let proxies = Proxies {
            https: Some(Secret::new("http://proxy:3128")),
            http: Some(Secret::new("socks5://proxy")),
            exceptions: "near.example.com".to_owned(),
        };
        let target = |url: &str| {
            let found = way(&url.parse().unwrap(), &proxies);
            found.map(|found| found.map(|(_, target)| target))
        };
        let https = target("wss://far.example.com/v0").unwrap();
        assert_eq!(https.as_deref(), Some("far.example.com:443"));
        for direct in ["wss://near.example.com/", "wss://localhost:8443/"] {
            assert_eq!(target(direct).unwrap(), None, "{direct}");
        }
        let error = target("ws://far.example.com/").unwrap_err().to_string();
        assert!(error.contains("http://HOST[:PORT]"), "{error}");
    }
}
