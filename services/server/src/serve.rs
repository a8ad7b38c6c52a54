//! Connections, with limits of time that `axum::serve` has not: a client that does not go on takes a
//! connection's place from nobody for long.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep};

use crate::app::ended;

/// How long to wait after no connection could be taken: most often too many files are open.
const PAUSE: Duration = Duration::from_secs(1);
/// What the other side does to a connection that is not taken yet.
const GONE: [ErrorKind; 3] = [
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionAborted,
    ErrorKind::ConnectionReset,
];

/// Bytes in a second that a client takes of what waits for it, at the least, over some time: 64 kbit/s.
const LEAST_RATE: u64 = 8_000;

/// Bytes that wait in the system to be sent, at the most, where more would be taken: it has room for megabytes and
/// takes nothing before a good part of that is free, which would look like a client that takes nothing.
const UNSENT: u32 = 64 << 10;

/// Serves until the server is to end and all connections have ended. `patience` is how long a client may
/// take to send the headers of a request, the time between two of them included, how long it may take nothing of
/// what it is sent, and how far it may fall behind [`LEAST_RATE`].
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    patience: Duration,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = ended(&mut shutdown) => break,
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Err(error) = set_up(&stream) {
                    tracing::debug!(%peer, %error, "a connection is as the system has it");
                }
                let stream = Patient::new(stream, patience);
                connections.spawn(serve(stream, peer, router.clone(), shutdown.clone()));
            }
            // It was gone before it was taken.
            Err(error) if GONE.contains(&error.kind()) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection was not taken");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    // Messages are small, and somebody waits for each.
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)
}

async fn serve(
    stream: Patient<TcpStream>,
    peer: SocketAddr,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    let patience = stream.patience;
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.call(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        done = connection.as_mut() => return tell(peer, done),
        () = ended(&mut shutdown) => {}
    }
    connection.as_mut().graceful_shutdown();
    tell(peer, connection.await);
}

fn tell(peer: SocketAddr, done: hyper::Result<()>) {
    if let Err(error) = done {
        tracing::debug!(%peer, %error, "a connection ended");
    }
}

/// How far the other side is behind. Nothing is saved up: who was fast may not be slow for it.
#[derive(Debug)]
struct Lateness {
    /// How far it may be.
    most: Duration,
    now: Duration,
}

impl Lateness {
    /// It took nothing for so long, though something waited.
    fn waited(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
    }

    /// It took so many bytes.
    fn took(&mut self, bytes: usize) {
        let micros = u64::try_from(bytes).map_or(u64::MAX, |bytes| bytes.saturating_mul(1_000_000));
        let due = Duration::from_micros(micros / LEAST_RATE);
        self.now = self.now.saturating_sub(due);
    }

    /// How long it may take nothing.
    fn left(&self) -> Duration {
        self.most.saturating_sub(self.now)
    }
}

/// A connection that is given up once the other side is too late with taking what it is sent. That it takes a
/// little now and then is not enough: what is to be sent is in memory until it is.
#[derive(Debug)]
struct Patient<S> {
    stream: S,
    patience: Duration,
    lateness: Lateness,
    /// Since when something waits to be taken, and until when at most.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Patient<S> {
    fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            lateness: Lateness {
                most: patience,
                now: Duration::ZERO,
            },
            waiting: None,
        }
    }

    /// `written`, or an error if the other side is too late.
    fn bounded(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if let Some((since, _)) = self.waiting.take() {
                self.lateness.waited(since.elapsed());
            }
            if let Ok(bytes) = written {
                self.lateness.took(bytes);
            }
            return Poll::Ready(written);
        }
        let left = self.lateness.left();
        let (_, waiting) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{interval, timeout};

    use super::*;

    #[test]
    fn who_is_slow_falls_behind_and_nothing_is_saved_up() {
        let second = Duration::from_secs(1);
        let a_second = usize::try_from(LEAST_RATE).expect("it is small");
        let mut lateness = Lateness {
            most: 30 * second,
            now: Duration::ZERO,
        };
        lateness.took(100 * a_second);
        assert_eq!(lateness.left(), 30 * second);
        for _ in 0..20 {
            lateness.waited(2 * second);
            lateness.took(2 * a_second);
        }
        assert_eq!(lateness.left(), 30 * second, "it is as fast as it must be");
        for _ in 0..20 {
            lateness.waited(2 * second);
            lateness.took(a_second);
        }
        assert_eq!(lateness.left(), 10 * second);
        lateness.took(5 * a_second);
        assert_eq!(lateness.left(), 15 * second);
        lateness.waited(16 * second);
        assert_eq!(lateness.left(), Duration::ZERO);
    }

    #[tokio::test]
    async fn who_takes_a_little_now_and_then_is_sent_away() {
        let (connection, mut slow) = duplex(1);
        let mut connection = Patient::new(connection, Duration::from_millis(200));
        let reading = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(5));
            while slow.read_u8().await.is_ok() {
                ticks.tick().await;
            }
        });
        let all = vec![0; 1 << 20];
        let sending = timeout(Duration::from_mins(1), connection.write_all(&all));
        let error = sending.await.expect("it may stay").expect_err("sent");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(connection);
        reading.await.expect("no panic");
    }

    #[tokio::test]
    async fn who_takes_more_than_the_least_is_not_taken_for_late_by_what_the_system_holds() {
        const LENGTH: usize = 16 << 20;
        // Eight times the least rate, longer than anybody may take nothing.
        const PATIENCE: Duration = Duration::from_secs(5);
        let (turns, every) = (140, Duration::from_millis(50));
        let a_turn = usize::try_from(8 * LEAST_RATE / 20).expect("it is small");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has one");
        let reading = tokio::spawn(async move {
            let mut slow = TcpStream::connect(address).await.expect("it is there");
            let mut taken = vec![0; a_turn];
            let mut ticks = interval(every);
            for _ in 0..turns {
                ticks.tick().await;
                slow.read_exact(&mut taken).await.expect("it goes on");
            }
            let mut rest = Vec::new();
            slow.read_to_end(&mut rest).await.expect("it goes on");
            turns * a_turn + rest.len()
        });
        let (connection, _) = listener.accept().await.expect("it comes");
        set_up(&connection).expect("set");
        let mut connection = Patient::new(connection, PATIENCE);
        let sent = connection.write_all(&vec![7; LENGTH]).await;
        sent.expect("it is taken");
        drop(connection);
        assert_eq!(reading.await.expect("no panic"), LENGTH);
    }

    #[tokio::test]
    async fn who_takes_what_comes_gets_all_of_it() {
        let (connection, mut other) = duplex(1024);
        let mut connection = Patient::new(connection, Duration::from_secs(30));
        let sending = tokio::spawn(async move { connection.write_all(&vec![7; 1 << 20]).await });
        let mut all = Vec::new();
        other.read_to_end(&mut all).await.expect("read");
        sending.await.expect("no panic").expect("sent");
        assert_eq!(all.len(), 1 << 20);
    }
}
