//! Registries that send something else than they should: other bytes, too many, too few, too slowly.

use std::time::Duration;

use bencher_oci::Digest;
use bencher_oci::registry::{LeastRate, RegistryOptions, Timeouts};

use crate::server::{Body, Reply, Server};
use crate::site::{Site, is_blob_of, layer};
use crate::support::*;

#[test]
fn a_layer_with_another_digest_is_refused() {
    let content = layer(5000);
    let site = Site::of(std::slice::from_ref(&content));
    let wanted = content.clone();
    let registry = Server::start(move |request| {
        if is_blob_of(request, &wanted) {
            Reply::bytes(&[7; 5000])
        } else {
            site.reply(request)
        }
    });
    let store = Memory::default();
    let error = Puller::new(&registry, options())
        .pull(&store)
        .err()
        .unwrap();
    let (actual, expected) = (Digest::sha256(&[7; 5000]), Digest::sha256(&content));
    assert_says(
        &error,
        &format!("the content is {actual}, expected {expected}: nothing of it is used"),
    );
    assert!(!store.slot(&content).is_finished);
}

#[test]
fn a_layer_with_another_length_is_refused() {
    let content = layer(5000);
    let mut longer = content.clone();
    longer.push(0);
    for (body, length) in [
        (Body::Full(content[..4999].to_vec()), "4999 bytes"),
        (Body::Full(longer.clone()), "5001 bytes"),
        (
            Body::Announced(u64::MAX, content.clone()),
            "18446744073709551615 bytes",
        ),
        (Body::Chunked(longer.clone()), "more"),
        (Body::Endless, "more"),
    ] {
        // What comes for ever has the right beginning only by its length.
        let content = match body {
            Body::Endless => b"spam".repeat(1250),
            _ => content.clone(),
        };
        let site = Site::of(std::slice::from_ref(&content));
        let wanted = content.clone();
        let registry = Server::start(move |request| {
            if is_blob_of(request, &wanted) {
                Reply::new(200, body.clone())
            } else {
                site.reply(request)
            }
        });
        let error = pull(&registry, options()).err().unwrap();
        assert_says(
            &error,
            &format!("the data has {length}, the image says 5000 bytes"),
        );
    }
}

#[test]
fn another_part_than_the_one_asked_for_is_refused() {
    let content = layer(5000);
    let site = Site::of(std::slice::from_ref(&content));
    let bytes = content.clone();
    let registry = Server::start(move |request| match request.from() {
        Some(_) => Reply::new(206, Body::Full(bytes[1000..].to_vec()))
            .with("Content-Range", "bytes 1000-4999/5000"),
        None => site.reply(request),
    });
    let store = Memory::default();
    store.keep(Digest::sha256(&content), &content[..2000], false);
    Puller::new(&registry, options()).pull(&store).unwrap();
    // It starts again, without ranges.
    assert!(store.has(&content));
    assert_eq!(store.slot(&content).restarts, 1);
}

#[test]
fn a_byte_a_second_for_ever_is_ended() {
    let content = layer(1 << 20);
    let site = Site::of(std::slice::from_ref(&content));
    let registry = Server::start(move |request| {
        if is_blob_of(request, &content) {
            Reply::new(200, Body::Trickle(1 << 20))
        } else {
            site.reply(request)
        }
    });
    // However much comes at once, on this clock it took ages.
    let least_rate = LeastRate {
        bytes: 1 << 30,
        every: Duration::from_secs(30),
    };
    let options = RegistryOptions {
        least_rate,
        ..options_with(&TestClock::stepping(Duration::from_secs(40)))
    };
    let error = pull(&registry, options).err().unwrap();
    assert_says(
        &error,
        "too slow, less than 1073741824 bytes in 30 s: try again later",
    );
}

#[test]
fn a_document_that_trickles_in_is_ended() {
    let registry = Server::start(|request| match request.path.as_str() {
        "/v2/" => Reply::bytes(b"{}"),
        _ => Reply::new(200, Body::Trickle(4 << 20)),
    });
    let options = options_with(&TestClock::stepping(Duration::from_secs(40)));
    let error = pull(&registry, options).err().unwrap();
    assert_says(&error, "timed out while a document was received");
}

#[test]
fn a_server_that_says_nothing_is_ended() {
    let registry = Server::start(|request| match request.path.as_str() {
        "/v2/" => Reply::bytes(b"{}"),
        _ => Reply::new(200, Body::Silence),
    });
    let options = RegistryOptions {
        timeouts: Timeouts {
            idle: Duration::from_secs(1),
            ..Timeouts::default()
        },
        retries: once(),
        ..options()
    };
    let error = pull(&registry, options).err().unwrap();
    assert_says(&error, "timed out while data was waited for");
    assert_eq!(registry.requests().len(), 1);
}

#[test]
fn a_header_without_end_is_ended() {
    let registry = Server::start(|request| match request.path.as_str() {
        "/v2/" => Reply::bytes(b"{}"),
        _ => Reply::new(200, Body::EndlessHeader),
    });
    let error = pull(&registry, options()).err().unwrap();
    assert_says(&error, "not an answer of a registry");
}
