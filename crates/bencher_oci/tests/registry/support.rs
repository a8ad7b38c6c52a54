//! A store in memory, a clock that runs as it is told, names that mean what they are told.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bencher_oci::registry::{
    BlobSink, BlobStore, Clock, HostNames, PullEvent, PullObserver, RegistryClient,
    RegistryOptions, RegistryReference, RemoteImage, RetryPolicy, Unobserved,
};
use bencher_oci::{Cancellation, Descriptor, Digest, Platform};

use crate::server::Server;
use crate::site::REPOSITORY;

/// Where there is no time to lose: waiting takes none, and each look moves the clock.
#[derive(Debug)]
pub(crate) struct TestClock {
    start: Instant,
    passed: Mutex<Duration>,
    /// How far each look moves the clock.
    step: Duration,
    waits: Mutex<Vec<Duration>>,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Self::stepping(Duration::ZERO)
    }

    pub(crate) fn stepping(step: Duration) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            passed: Mutex::default(),
            step,
            waits: Mutex::default(),
        })
    }

    pub(crate) fn advance(&self, duration: Duration) {
        *self.passed.lock().unwrap() += duration;
    }

    /// How long was waited, each time.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.advance(self.step);
        self.start + *self.passed.lock().unwrap()
    }

    fn wait(&self, duration: Duration, _: &Cancellation) {
        self.waits.lock().unwrap().push(duration);
        self.advance(duration);
    }
}

/// Names with the addresses that a test gives them, one after the other; the last one stays.
#[derive(Debug, Default)]
pub(crate) struct TestNames(Mutex<HashMap<String, Vec<IpAddr>>>);

impl TestNames {
    pub(crate) fn new(names: &[(&str, &[&str])]) -> Arc<Self> {
        let names = names.iter().map(|(name, addresses)| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap());
            ((*name).to_owned(), addresses.collect())
        });
        Arc::new(Self(Mutex::new(names.collect())))
    }
}

impl HostNames for TestNames {
    fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut names = self.0.lock().unwrap();
        let address = match names.get_mut(host) {
            Some(addresses) if addresses.len() > 1 => addresses.remove(0),
            Some(addresses) => addresses[0],
            None => return Err(io::Error::other("no such name in this test")),
        };
        Ok(vec![SocketAddr::new(address, port)])
    }
}

/// One server, whatever it is called.
#[derive(Debug)]
pub(crate) struct OneServer(pub(crate) SocketAddr);

impl HostNames for OneServer {
    fn look_up(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.0])
    }
}

/// Options that never wait.
pub(crate) fn options() -> RegistryOptions {
    options_with(&TestClock::new())
}

pub(crate) fn options_with(clock: &Arc<TestClock>) -> RegistryOptions {
    RegistryOptions {
        clock: Arc::<TestClock>::clone(clock),
        ..RegistryOptions::default()
    }
}

/// No second attempts: for what takes real time.
pub(crate) fn once() -> RetryPolicy {
    RetryPolicy {
        attempts: 1,
        ..RetryPolicy::default()
    }
}

/// The name of the test's image on a server.
pub(crate) fn image_on(host: &str) -> RegistryReference {
    format!("{host}/{REPOSITORY}").parse().unwrap()
}

/// A client and its image.
pub(crate) struct Puller {
    pub(crate) client: RegistryClient,
    pub(crate) image: RegistryReference,
}

impl Puller {
    pub(crate) fn new(server: &Server, options: RegistryOptions) -> Self {
        Self::on(&server.host(), options)
    }

    pub(crate) fn on(host: &str, options: RegistryOptions) -> Self {
        let image = image_on(host);
        let client = RegistryClient::new(&image, options);
        Self { client, image }
    }

    pub(crate) fn resolve(&self) -> Result<RemoteImage, String> {
        self.resolve_observed(&Unobserved)
    }

    fn resolve_observed(&self, observer: &dyn PullObserver) -> Result<RemoteImage, String> {
        self.client
            .resolve(&self.image, &Platform::host(), observer)
            .map_err(|error| error.to_string())
    }

    /// Pulls the image, layers included.
    pub(crate) fn pull(&self, store: &dyn BlobStore) -> Result<RemoteImage, String> {
        self.pull_observed(store, &Unobserved)
    }

    pub(crate) fn pull_observed(
        &self,
        store: &dyn BlobStore,
        observer: &dyn PullObserver,
    ) -> Result<RemoteImage, String> {
        let image = self.resolve_observed(observer)?;
        self.client
            .fetch_layers(&image, store, observer)
            .map_err(|error| error.to_string())?;
        Ok(image)
    }
}

/// Pulls the test's image from a server into memory.
pub(crate) fn pull(server: &Server, options: RegistryOptions) -> Result<Memory, String> {
    let store = Memory::default();
    Puller::new(server, options).pull(&store)?;
    Ok(store)
}

/// A store in memory.
#[derive(Default)]
pub(crate) struct Memory(Mutex<HashMap<Digest, Slot>>);

#[derive(Clone, Default)]
pub(crate) struct Slot {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_finished: bool,
    pub(crate) restarts: u32,
    /// How many bytes were written, those that were thrown away later included.
    pub(crate) written: usize,
}

impl Memory {
    /// Lets the store have `bytes` of a blob.
    pub(crate) fn keep(&self, digest: Digest, bytes: &[u8], is_finished: bool) {
        let slot = Slot {
            bytes: bytes.to_vec(),
            is_finished,
            ..Slot::default()
        };
        self.0.lock().unwrap().insert(digest, slot);
    }

    /// What there is of the blob with this content.
    pub(crate) fn slot(&self, content: &[u8]) -> Slot {
        let digest = Digest::sha256(content);
        self.0
            .lock()
            .unwrap()
            .get(&digest)
            .cloned()
            .unwrap_or_default()
    }

    /// Whether the blob with this content is whole, and right.
    pub(crate) fn has(&self, content: &[u8]) -> bool {
        let slot = self.slot(content);
        slot.is_finished && slot.bytes == content
    }
}

impl BlobStore for Memory {
    fn sink(
        &self,
        blob: &Descriptor,
        _: &Cancellation,
    ) -> io::Result<Option<Box<dyn BlobSink + '_>>> {
        let mut slots = self.0.lock().unwrap();
        let slot = slots.entry(blob.digest.clone()).or_default();
        if slot.is_finished {
            return Ok(None);
        }
        Ok(Some(Box::new(MemorySink {
            store: self,
            digest: blob.digest.clone(),
        })))
    }
}

struct MemorySink<'a> {
    store: &'a Memory,
    digest: Digest,
}

impl MemorySink<'_> {
    #[expect(clippy::unnecessary_wraps, reason = "memory never fails, sinks do")]
    fn with(&self, act: impl FnOnce(&mut Slot)) -> io::Result<()> {
        act(self.store.0.lock().unwrap().get_mut(&self.digest).unwrap());
        Ok(())
    }
}

impl BlobSink for MemorySink<'_> {
    fn resume(&mut self, kept: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.with(|slot| kept(&slot.bytes))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|slot| {
            slot.bytes.extend_from_slice(bytes);
            slot.written += bytes.len();
        })
    }

    fn restart(&mut self) -> io::Result<()> {
        self.with(|slot| {
            slot.bytes.clear();
            slot.restarts += 1;
        })
    }

    fn finish(&mut self) -> io::Result<()> {
        self.with(|slot| slot.is_finished = true)
    }
}

/// A store on a full disk.
pub(crate) struct FullDisk;

impl BlobStore for FullDisk {
    fn sink(&self, _: &Descriptor, _: &Cancellation) -> io::Result<Option<Box<dyn BlobSink + '_>>> {
        let file = File::options().write(true).open("/dev/full")?;
        Ok(Some(Box::new(FileSink(file))))
    }
}

struct FileSink(File);

impl BlobSink for FileSink {
    fn resume(&mut self, _: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn restart(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An observer that writes down the lines of a log.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Notes {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl PullObserver for Notes {
    fn event(&self, event: &PullEvent<'_>) {
        self.0.lock().unwrap().push(event.to_string());
    }
}

/// That an error says something.
#[track_caller]
pub(crate) fn assert_says(error: &str, part: &str) {
    assert!(error.contains(part), "{error:?} does not say {part:?}");
    assert_eq!(error.lines().count(), 1, "{error:?} is more than one line");
}
