//! What is told to end ends at once, wherever it waits. Each wait here would last for hours.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bencher_oci::registry::{
    HostNames, PullEvent, PullObserver, RegistryOptions, RetryPolicy, Timeouts,
};
use nix::sys::socket::{Backlog, listen};

use crate::server::{Body, Reply, Server};
use crate::site::{Site, is_blob_of, layer};
use crate::support::*;

const FOR_EVER: Duration = Duration::from_hours(10);
/// When a test gives up that whoever waits will ever be woken.
const HOPELESS: Duration = Duration::from_mins(2);

/// Options that wait for ever.
fn patient() -> RegistryOptions {
    RegistryOptions {
        timeouts: Timeouts {
            connect: FOR_EVER,
            response: FOR_EVER,
            idle: FOR_EVER,
            document: FOR_EVER,
        },
        retries: RetryPolicy {
            attempts: 2,
            first_wait: FOR_EVER,
            longest_wait: FOR_EVER,
        },
        ..RegistryOptions::default()
    }
}

/// Tells of waits between attempts, and of data after which no more comes.
struct Waits(Mutex<Sender<()>>);

impl PullObserver for Waits {
    fn event(&self, event: &PullEvent<'_>) {
        if matches!(event, PullEvent::Retry { .. } | PullEvent::Progress { .. }) {
            tell(&self.0);
        }
    }
}

fn tell(whom: &Mutex<Sender<()>>) {
    // The test may have heard enough.
    let _ = whom.lock().unwrap().send(());
}

/// Begins to pull the test's image from `host`; `waits` hears what the client itself tells.
fn begin(host: &str, options: RegistryOptions, waits: &Sender<()>) -> Receiver<String> {
    let puller = Puller::on(host, options);
    let waits = Waits(Mutex::new(waits.clone()));
    let (send, ended) = channel();
    thread::spawn(move || {
        let done = puller.pull_observed(&Memory::default(), &waits);
        send.send(done.err().unwrap()).unwrap();
    });
    ended
}

/// Pulls from `host`, cancels that when `waiting` says so, and checks that it ends.
#[track_caller]
fn ends(host: &str, options: RegistryOptions, waits: &Sender<()>, waiting: &Receiver<()>) {
    let cancellation = options.cancellation.clone();
    let ended = begin(host, options, waits);
    waiting.recv_timeout(HOPELESS).unwrap();
    cancellation.cancel();
    let error = ended.recv_timeout(HOPELESS).unwrap();
    assert_says(&error, "the pull was cancelled; what was received is kept");
}

#[test]
fn while_an_answer_or_more_of_it_is_waited_for() {
    let content = layer(100_000);
    let site = Site::of(std::slice::from_ref(&content));
    let digest = bencher_oci::Digest::sha256(&content);
    let blob = format!("/v2/owner/name/blobs/{digest}");
    let stalled = Body::Stalled(100_000, content[..1000].to_vec());
    for (path, body) in [
        ("/v2/", Body::Silence),
        ("/v2/owner/name/manifests/latest", Body::Silence),
        ("/v2/owner/name/manifests/latest", stalled.clone()),
        (&blob, Body::Silence),
        (&blob, stalled),
    ] {
        let (waits, waiting) = channel();
        // What has come of a layer the client tells, when it waits for more.
        let is_told = path == blob && matches!(body, Body::Stalled(..));
        let (site, path) = (site.clone(), path.to_owned());
        let asked = Mutex::new(waits.clone());
        let server = Server::start(move |request| {
            if request.path != path {
                return site.reply(request);
            }
            if !is_told {
                tell(&asked);
            }
            Reply::new(200, body.clone())
        });
        ends(&server.host(), patient(), &waits, &waiting);
    }
}

#[test]
fn while_a_token_is_waited_for() {
    let (waits, waiting) = channel();
    let asked = Mutex::new(waits.clone());
    let tokens = Server::start(move |_| {
        tell(&asked);
        Reply::new(200, Body::Silence)
    });
    let challenge = format!("Bearer realm=\"{}\"", tokens.url("/token"));
    let server = Server::start(move |_| Reply::status(401).with("WWW-Authenticate", &challenge));
    ends(&server.host(), patient(), &waits, &waiting);
}

#[test]
fn while_tls_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (waits, waiting) = channel();
    let begun = waits.clone();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The client's part is there, and no answer comes.
        stream.read_exact(&mut [0; 5]).unwrap();
        begun.send(()).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink())
    });
    ends(&host, patient(), &waits, &waiting);
}

/// Names that tell when one is looked up.
#[derive(Debug)]
struct Told {
    asked: Mutex<Sender<()>>,
    /// Where everything is; nothing is ever found without one.
    address: Option<SocketAddr>,
}

impl HostNames for Told {
    fn look_up(&self, _: &str, _: u16) -> std::io::Result<Vec<SocketAddr>> {
        tell(&self.asked);
        match self.address {
            Some(address) => Ok(vec![address]),
            None => loop {
                thread::park();
            },
        }
    }
}

#[test]
fn while_a_name_is_looked_up_and_while_a_connection_is_made() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts it, and there is no room for another one.
    let _first = TcpStream::connect(address).unwrap();
    for address in [None, Some(address)] {
        let (waits, waiting) = channel();
        let asked = Mutex::new(waits.clone());
        let options = RegistryOptions {
            names: Arc::new(Told { asked, address }),
            ..patient()
        };
        ends("r.example", options, &waits, &waiting);
    }
}

#[test]
fn while_the_next_attempt_is_waited_for() {
    let server = Server::start(|_| Reply::status(503));
    let (waits, waiting) = channel();
    ends(&server.host(), patient(), &waits, &waiting);
}

/// One layer fails for good once the other one waits; that it fails is all that is said.
#[track_caller]
fn the_first_failure_ends_the_wait(other: &Reply, tells_itself: bool) {
    let (bad, good) = (layer(100), layer(2000));
    let site = Site::of(&[bad.clone(), good.clone()]);
    let (waits, waiting) = channel();
    let (asked, waiting) = (Mutex::new(waits.clone()), Mutex::new(waiting));
    let other = other.clone();
    let server = Server::start(move |request| {
        if is_blob_of(request, &bad) {
            waiting.lock().unwrap().recv_timeout(HOPELESS).unwrap();
            Reply::status(404)
        } else if is_blob_of(request, &good) {
            if !tells_itself {
                tell(&asked);
            }
            other.clone()
        } else {
            site.reply(request)
        }
    });
    let ended = begin(&server.host(), patient(), &waits);
    let error = ended.recv_timeout(HOPELESS).unwrap();
    assert_says(&error, "no such blob: check the image's name and tag");
}

#[test]
fn when_another_layer_fails() {
    let stalled = Body::Stalled(2000, vec![0; 10]);
    for (other, tells_itself) in [
        (Reply::status(503), true),
        (Reply::new(200, Body::Silence), false),
        (Reply::new(200, stalled), true),
    ] {
        the_first_failure_ends_the_wait(&other, tells_itself);
    }
}

#[test]
fn before_it_has_begun() {
    let options = patient();
    options.cancellation.cancel();
    // Nothing is asked, so it does not matter that nobody is there.
    let error = Puller::on("127.0.0.1:1", options).resolve().unwrap_err();
    assert_says(&error, "the pull was cancelled");
}
