//! How layers come: resumed, repeated, several at once, verified.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use bencher_oci::registry::{PullEvent, PullObserver, RegistryOptions, Unobserved};
use bencher_oci::{Cancellation, Descriptor, Digest};

use crate::server::{Reply, Request, Server};
use crate::site::{LAYER, Site, is_blob, is_blob_of, layer};
use crate::support::*;

/// A server of an image with one layer, whose blob is answered by `blob` if that has an answer.
pub(crate) fn server_of(
    content: &[u8],
    has_ranges: bool,
    blob: impl Fn(usize, &Request) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    let mut site = Site::of(&[content.to_vec()]);
    site.has_ranges = has_ranges;
    let content = content.to_vec();
    let count = AtomicUsize::new(0);
    Server::start(move |request| {
        let special = is_blob_of(request, &content)
            .then(|| blob(count.fetch_add(1, Ordering::SeqCst), request))
            .flatten();
        special.unwrap_or_else(|| site.reply(request))
    })
}

/// The `Range` headers of the requests for a layer.
pub(crate) fn ranges(server: &Server, content: &[u8]) -> Vec<Option<usize>> {
    let requests = server.requests().into_iter();
    let blobs = requests.filter(|request| is_blob_of(request, content));
    blobs.map(|request| request.from()).collect()
}

#[test]
fn an_image_comes_whole() {
    let layers = vec![layer(3_000_000), layer(0), layer(17)];
    let site = Site::of(&layers);
    let server = Server::start(move |request| site.reply(request));
    let store = Memory::default();
    let puller = Puller::new(&server, options());
    let image = puller.pull(&store).unwrap();
    assert!(layers.iter().all(|layer| store.has(layer)));
    assert_eq!(image.config.cmd, ["/hello"]);
    assert_eq!(image.digest, image.manifest_digest);
    let digests = image
        .documents
        .iter()
        .map(|document| Digest::sha256(&document.bytes));
    assert_eq!(
        digests.collect::<Vec<_>>(),
        [
            image.manifest_digest.clone(),
            image.manifest.config.digest.clone()
        ],
    );
    // The empty layer needs no request; the others one each, beside manifest and configuration.
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn layers_that_are_there_or_come_twice_are_not_fetched_again() {
    let (one, two) = (layer(1000), layer(2000));
    let layers = vec![one.clone(), two.clone(), two.clone(), one.clone()];
    let site = Site::of(&layers);
    let server = Server::start(move |request| site.reply(request));
    let store = Memory::default();
    store.keep(Digest::sha256(&one), &one, true);
    let notes = Notes::default();
    Puller::new(&server, options())
        .pull_observed(&store, &notes)
        .unwrap();
    assert!(store.has(&two));
    assert_eq!(ranges(&server, &one), []);
    assert_eq!(ranges(&server, &two), [None]);
    let present = format!("{} is there already", Digest::sha256(&one));
    assert!(notes.lines().contains(&present), "{:?}", notes.lines());
}

#[test]
fn a_partial_layer_is_continued_with_a_range_request() {
    let content = layer(100_000);
    let server = server_of(&content, true, |_, _| None);
    let store = Memory::default();
    store.keep(Digest::sha256(&content), &content[..60_000], false);
    Puller::new(&server, options()).pull(&store).unwrap();
    assert!(store.has(&content));
    assert_eq!(ranges(&server, &content), [Some(60_000)]);
    let slot = store.slot(&content);
    assert_eq!((slot.written, slot.restarts), (40_000, 0));
}

#[test]
fn a_layer_that_is_whole_but_not_verified_needs_no_request() {
    let content = layer(100_000);
    let server = server_of(&content, true, |_, _| None);
    let store = Memory::default();
    store.keep(Digest::sha256(&content), &content, false);
    Puller::new(&server, options()).pull(&store).unwrap();
    assert!(store.has(&content));
    assert_eq!(ranges(&server, &content), []);
}

#[test]
fn a_server_without_ranges_starts_again_and_nothing_is_written_twice() {
    let content = layer(100_000);
    let server = server_of(&content, false, |_, _| None);
    let store = Memory::default();
    store.keep(Digest::sha256(&content), &content[..60_000], false);
    Puller::new(&server, options()).pull(&store).unwrap();
    assert!(store.has(&content));
    let slot = store.slot(&content);
    assert_eq!((slot.written, slot.restarts), (40_000, 0));
}

#[test]
fn what_was_kept_and_is_wrong_is_thrown_away_once() {
    let content = layer(100_000);
    for kept in [vec![7; 60_000], vec![7; 100_000], layer(100_001)] {
        let server = server_of(&content, true, |_, _| None);
        let store = Memory::default();
        store.keep(Digest::sha256(&content), &kept, false);
        Puller::new(&server, options()).pull(&store).unwrap();
        assert!(store.has(&content), "{} kept", kept.len());
        assert_eq!(store.slot(&content).restarts, 1);
    }
}

#[test]
fn layers_come_several_at_once_within_the_bound() {
    const PARALLEL: usize = 3;
    let layers: Vec<_> = (1..=6).map(|n| layer(n * 1000)).collect();
    let site = Site::of(&layers);
    let (active, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let is_layer = |request: &Request| is_blob(request);
    // The configuration comes alone, the layers only if so many are asked for at once.
    let (together, config) = (Barrier::new(PARALLEL), AtomicUsize::new(0));
    let server = Server::start(move |request| {
        if is_layer(request) && config.fetch_add(1, Ordering::SeqCst) > 0 {
            let now = active.fetch_add(1, Ordering::SeqCst) + 1;
            seen.fetch_max(now, Ordering::SeqCst);
            together.wait();
            active.fetch_sub(1, Ordering::SeqCst);
        }
        site.reply(request)
    });
    let options = RegistryOptions {
        parallel: PARALLEL.try_into().unwrap(),
        ..options()
    };
    let store = pull(&server, options).unwrap();
    assert!(layers.iter().all(|layer| store.has(layer)));
    assert_eq!(most.load(Ordering::SeqCst), PARALLEL);
}

#[test]
fn the_first_failure_ends_the_other_downloads() {
    let (bad, good) = (layer(1000), layer(2000));
    let site = Site::of(&[bad.clone(), good.clone()]);
    let wanted = bad.clone();
    let server = Server::start(move |request| {
        if is_blob_of(request, &wanted) {
            Reply::status(404)
        } else {
            site.reply(request)
        }
    });
    let options = RegistryOptions {
        parallel: 1.try_into().unwrap(),
        ..options()
    };
    let error = pull(&server, options).err().unwrap();
    assert_says(&error, "no such blob: check the image's name and tag");
    assert_eq!(ranges(&server, &good), []);
}

struct Canceller(Cancellation);

impl PullObserver for Canceller {
    fn event(&self, event: &PullEvent<'_>) {
        if let PullEvent::Progress { .. } = event {
            self.0.cancel();
        }
    }
}

#[test]
fn a_cancelled_pull_keeps_what_came() {
    let content = layer(10 << 20);
    let server = server_of(&content, true, |_, _| None);
    let options = options();
    let canceller = Canceller(options.cancellation.clone());
    let puller = Puller::new(&server, options);
    let store = Memory::default();
    let error = puller.pull_observed(&store, &canceller).err().unwrap();
    assert_says(&error, "the pull was cancelled; what was received is kept");
    let slot = store.slot(&content);
    assert!(!slot.is_finished && !slot.bytes.is_empty());
    assert_eq!(slot.bytes, content[..slot.bytes.len()]);
}

#[test]
fn progress_is_told_for_each_layer() {
    struct Check(std::sync::Mutex<Vec<u64>>);
    impl PullObserver for Check {
        fn event(&self, event: &PullEvent<'_>) {
            if let PullEvent::Progress { received, .. } = event {
                self.0.lock().unwrap().push(*received);
            }
        }
    }
    let content = layer(1 << 20);
    let server = server_of(&content, true, |_, _| None);
    let store = Memory::default();
    store.keep(Digest::sha256(&content), &content[..1000], false);
    let check = Check(std::sync::Mutex::default());
    Puller::new(&server, options())
        .pull_observed(&store, &check)
        .unwrap();
    let seen = check.0.into_inner().unwrap();
    assert!(seen.is_sorted() && seen.len() > 1, "{seen:?}");
    assert!(seen[0] > 1000);
    assert_eq!(*seen.last().unwrap(), 1 << 20);
}

#[test]
fn sha512_is_verified_too() {
    let content = layer(5000);
    let digest: Digest = {
        use sha2::Digest as _;
        let hash = hex::encode(sha2::Sha512::digest(&content));
        format!("sha512:{hash}").parse().unwrap()
    };
    let bytes = content.clone();
    let server = Server::start(move |request| {
        if is_blob(request) {
            Reply::bytes(&bytes)
        } else {
            Reply::status(404)
        }
    });
    let fetch = |digest: &Digest| {
        let puller = Puller::new(&server, options());
        let blob = Descriptor::new(LAYER, digest.clone(), 5000);
        let store = Memory::default();
        puller
            .client
            .fetch(&puller.image, &[blob], &store, &Unobserved)
            .map_err(|error| error.to_string())
    };
    fetch(&digest).unwrap();
    let other = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
    let error = fetch(&other).unwrap_err();
    assert_says(
        &error,
        &format!("the content is {digest}, expected {other}"),
    );
}

#[test]
fn a_full_disk_is_called_by_its_name() {
    let server = server_of(&layer(100_000), true, |_, _| None);
    let puller = Puller::new(&server, options());
    let error = puller.pull(&FullDisk).err().unwrap();
    assert_says(
        &error,
        "no space left to keep the data: make room or choose another cache with --cache-dir",
    );
}
