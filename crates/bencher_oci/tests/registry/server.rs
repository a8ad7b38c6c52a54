//! An HTTP server that answers whatever a test wants, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// The first byte of a TLS connection, which this server does not speak.
const TLS_HANDSHAKE: u8 = 0x16;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path and the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// From which byte on, if not from the first.
    pub(crate) fn from(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Whole, with its length.
    Full(Vec<u8>),
    /// With another length than it has; then the connection is closed.
    Announced(u64, Vec<u8>),
    /// Without a length before it.
    Chunked(Vec<u8>),
    /// One byte after the other, for ever, with this length.
    Trickle(u64),
    /// The same without a length.
    Endless,
    /// Header after header, for ever.
    EndlessHeader,
    /// Nothing at all, until the client gives up.
    Silence,
    /// The beginning of a body of this length, and then nothing until the client gives up.
    Stalled(u64, Vec<u8>),
    /// Nothing at all; the connection is closed.
    HangUp,
}

impl Reply {
    pub(crate) fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Self::new(200, Body::Full(bytes.to_vec()))
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::new(status, Body::Full(Vec::new()))
    }

    pub(crate) fn redirect(location: &str) -> Self {
        Self::status(307).with("Location", location)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn write(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        for (name, value) in &self.headers {
            head += &[name, ": ", value, "\r\n"].concat();
        }
        match &self.body {
            Body::Full(bytes) => {
                head += &content_length(bytes.len() as u64);
                stream.write_all(head.as_bytes())?;
                stream.write_all(bytes)
            }
            Body::Announced(length, bytes) => {
                head += &content_length(*length);
                stream.write_all(head.as_bytes())?;
                stream.write_all(bytes)?;
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
            Body::Chunked(bytes) => {
                head += "Transfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes())?;
                for chunk in bytes.chunks(1000) {
                    write!(stream, "{:x}\r\n", chunk.len())?;
                    stream.write_all(chunk)?;
                    stream.write_all(b"\r\n")?;
                }
                stream.write_all(b"0\r\n\r\n")
            }
            Body::Trickle(length) => {
                head += &content_length(*length);
                stream.write_all(head.as_bytes())?;
                loop {
                    stream.write_all(b"x")?;
                }
            }
            Body::Endless => {
                head += "Transfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes())?;
                loop {
                    stream.write_all(b"4\r\nspam\r\n")?;
                }
            }
            Body::EndlessHeader => {
                stream.write_all(head.as_bytes())?;
                loop {
                    stream.write_all(b"X-Spam: spam\r\n")?;
                }
            }
            Body::Stalled(length, bytes) => {
                head += &content_length(*length);
                stream.write_all(head.as_bytes())?;
                stream.write_all(bytes)?;
                std::io::copy(stream, &mut std::io::sink())?;
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
            Body::HangUp => Err(std::io::ErrorKind::ConnectionAborted.into()),
            Body::Silence => {
                std::io::copy(stream, &mut std::io::sink())?;
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
        }
    }
}

/// The last line of a header.
fn content_length(length: u64) -> String {
    format!("Content-Length: {length}\r\n\r\n")
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A server on the loopback interface. It ends with this value.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    _listening: Listening,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let handler: Arc<Handler> = Arc::new(handler);
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let log = Arc::clone(&requests);
        let serve = move |stream: TcpStream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut stream = stream;
            while let Some(request) = read_request(&mut reader) {
                log.lock().unwrap().push(request.clone());
                if handler(&request).write(&mut stream).is_err() {
                    return;
                }
            }
        };
        let (address, listening) = listen(serve);
        Self {
            address,
            requests,
            _listening: listening,
        }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that was asked so far, but for the question whether anybody is there.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        let is_question = |request: &&Request| request.path != "/v2/";
        requests.iter().filter(is_question).cloned().collect()
    }
}

/// Serves connections in threads of their own.
fn listen(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> (SocketAddr, Listening) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let is_ended = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&is_ended);
    let thread = thread::spawn(move || {
        for stream in listener.incoming() {
            if is_over.load(Ordering::SeqCst) {
                return;
            }
            let (stream, serve) = (stream.unwrap(), serve.clone());
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || serve(stream));
        }
    });
    let listening = Listening {
        address,
        is_ended,
        thread: Some(thread),
    };
    (address, listening)
}

/// A listener. Nobody is connected to it any more once this is dropped.
struct Listening {
    address: SocketAddr,
    is_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::SeqCst);
        // The listener sees it with the next connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            // A panic of its has been printed.
            let _ = thread.join();
        }
    }
}

/// The next request of a connection; `None` at its end, or if it is not HTTP.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    if reader.fill_buf().ok()?.first()? == &TLS_HANDSHAKE {
        return None;
    }
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        path,
        headers,
        body: String::new(),
    };
    let length = request.header("content-length");
    let length: u64 = length.map_or(0, |length| length.parse().unwrap());
    reader.take(length).read_to_string(&mut request.body).ok()?;
    Some(request)
}

/// An HTTP proxy that leads every connection to one server, wherever it was to go.
pub(crate) struct Proxy {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
    _listening: Listening,
}

impl Proxy {
    pub(crate) fn to(server: &Server) -> Self {
        let target = server.address;
        let targets = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&targets);
        let serve = move |stream: TcpStream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let Some(request) = read_request(&mut reader) else {
                return;
            };
            log.lock().unwrap().push(request.path.clone());
            tunnel(reader, stream, target);
        };
        let (address, listening) = listen(serve);
        Self {
            address,
            targets,
            _listening: listening,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where connections were to go: `HOST:PORT`.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

fn tunnel(mut reader: BufReader<TcpStream>, mut client: TcpStream, target: SocketAddr) {
    let mut server = TcpStream::connect(target).unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let mut to_server = server.try_clone().unwrap();
    thread::spawn(move || {
        // Either side may end it.
        let _ = std::io::copy(&mut reader, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
}
