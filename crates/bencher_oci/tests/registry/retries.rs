//! What is tried again, how often, and after what wait.

use std::time::Duration;

use bencher_oci::registry::{RegistryOptions, RetryPolicy, Unobserved};

use crate::server::{Body, Reply, Server};
use crate::site::{Site, layer};
use crate::support::*;
use crate::transfer::{ranges, server_of};

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let content = layer(100_000);
    let (size, bytes) = (content.len() as u64, content.clone());
    let server = server_of(&content, true, move |count, request| {
        let from = request.from().unwrap_or(0);
        let piece = bytes[from..from + 30_000.min(bytes.len() - from)].to_vec();
        (count < 3).then(|| {
            let mut reply = Reply::new(200, Body::Announced(size - from as u64, piece));
            if from > 0 {
                reply.status = 206;
            }
            reply.with(
                "Content-Range",
                &format!("bytes {from}-{}/{size}", size - 1),
            )
        })
    });
    let clock = TestClock::new();
    let store = Memory::default();
    Puller::new(&server, options_with(&clock))
        .pull(&store)
        .unwrap();
    assert!(store.has(&content));
    assert_eq!(
        ranges(&server, &content),
        [None, Some(30_000), Some(60_000), Some(90_000)],
    );
    let slot = store.slot(&content);
    assert_eq!((slot.written, slot.restarts), (100_000, 0));
    let waits = clock.waits();
    assert_eq!(waits.len(), 3);
    assert!(waits.is_sorted(), "{waits:?}");
}

#[test]
fn progress_makes_up_for_failures() {
    // More breaks than there are attempts, each a MiB later than the one before.
    const PIECE: usize = 1 << 20;
    let content = layer(8 * PIECE + 5);
    let (size, bytes) = (content.len(), content.clone());
    let server = server_of(&content, true, move |_, request| {
        let from = request.from().unwrap_or(0);
        let piece = bytes[from..size.min(from + PIECE)].to_vec();
        let status = if from > 0 { 206 } else { 200 };
        let reply = Reply::new(status, Body::Announced((size - from) as u64, piece));
        Some(reply.with(
            "Content-Range",
            &format!("bytes {from}-{}/{size}", size - 1),
        ))
    });
    let store = pull(&server, options()).unwrap();
    assert!(store.has(&content));
}

#[test]
fn truncated_for_ever() {
    let content = layer(100_000);
    let bytes = content.clone();
    let server = server_of(&content, false, move |_, _| {
        Some(Reply::new(
            200,
            Body::Announced(100_000, bytes[..50_000].to_vec()),
        ))
    });
    let store = Memory::default();
    let error = Puller::new(&server, options()).pull(&store).err().unwrap();
    assert_says(
        &error,
        "the data ended after 50000 of 100000 bytes: try again",
    );
    assert_eq!(ranges(&server, &content).len(), 5);
    // What came is kept for another day.
    assert_eq!(store.slot(&content).bytes, content[..50_000]);
}

#[test]
fn failures_of_the_server_are_repeated_with_growing_waits() {
    let content = layer(1000);
    for status in [500, 502, 503, 504, 429, 408] {
        let server = server_of(&content, true, move |count, _| {
            (count < 4).then(|| Reply::status(status))
        });
        let clock = TestClock::new();
        let store = Memory::default();
        Puller::new(&server, options_with(&clock))
            .pull(&store)
            .unwrap();
        assert!(store.has(&content));
        let waits = clock.waits();
        assert_eq!(waits.len(), 4, "{status}");
        for (position, wait) in waits.iter().enumerate() {
            let most = Duration::from_millis(500 << position);
            assert!((most / 2..=most).contains(wait), "{status}: {waits:?}");
        }
    }
}

#[test]
fn retry_after_is_waited_for() {
    let content = layer(1000);
    let server = server_of(&content, true, |count, _| {
        (count == 0).then(|| Reply::status(503).with("Retry-After", "7"))
    });
    let clock = TestClock::new();
    Puller::new(&server, options_with(&clock))
        .pull(&Memory::default())
        .unwrap();
    let [wait] = clock.waits()[..] else {
        panic!("{:?}", clock.waits())
    };
    assert!((7..10).contains(&wait.as_secs()), "{wait:?}");
}

#[test]
fn retry_after_that_is_too_long_is_an_error() {
    let server = server_of(&layer(1000), true, |_, _| {
        Some(Reply::status(429).with("Retry-After", "3600"))
    });
    let clock = TestClock::new();
    let error = pull(&server, options_with(&clock)).err().unwrap();
    assert_says(
        &error,
        "too many requests, it asks to wait 3600 s: try again later, or log in for a higher limit",
    );
    assert!(clock.waits().is_empty());
}

#[test]
fn the_server_gets_as_many_attempts_as_the_policy_says() {
    let content = layer(1000);
    let server = server_of(&content, true, |_, _| Some(Reply::status(500)));
    let options = RegistryOptions {
        retries: RetryPolicy {
            attempts: 3,
            ..RetryPolicy::default()
        },
        ..options()
    };
    let error = pull(&server, options).err().unwrap();
    assert_says(
        &error,
        "the registry failed (HTTP status 500): try again later",
    );
    assert_eq!(ranges(&server, &content).len(), 3);
}

#[test]
fn a_connection_that_ends_before_the_answer_is_made_again() {
    let content = layer(1000);
    let server = server_of(&content, true, |count, _| {
        (count < 2).then(|| Reply::new(200, Body::HangUp))
    });
    let clock = TestClock::new();
    let store = Memory::default();
    Puller::new(&server, options_with(&clock))
        .pull(&store)
        .unwrap();
    assert!(store.has(&content));
    assert_eq!(clock.waits().len(), 2);
}

#[test]
fn a_server_that_is_gone_is_looked_for_again() {
    let content = layer(1000);
    let site = Site::of(&[content]);
    // What is asked next needs a new connection.
    let server = Server::start(move |request| site.reply(request).with("Connection", "close"));
    let clock = TestClock::new();
    let puller = Puller::new(&server, options_with(&clock));
    let image = puller.resolve().unwrap();
    drop(server);
    let error = puller
        .client
        .fetch_layers(&image, &Memory::default(), &Unobserved)
        .unwrap_err();
    assert_says(
        &error.to_string(),
        "connection refused, although the server answered before: try again once it runs",
    );
    assert_eq!(clock.waits().len(), 4);
}
