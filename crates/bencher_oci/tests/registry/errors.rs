//! Each failure is one line: what happened, at which URL, what to try.

use std::net::TcpListener;
use std::time::Duration;

use bencher_oci::registry::{Proxies, RegistryOptions, Secret, Timeouts};

use crate::server::{Reply, Server};
use crate::site::{Site, layer};
use crate::support::*;

/// Set in the process that a test runs itself in.
const ALONE: &str = "TEST_ALONE";

fn error_of(host: &str, options: RegistryOptions) -> String {
    Puller::on(host, options).resolve().unwrap_err()
}

#[test]
fn an_unknown_host() {
    let options = RegistryOptions {
        names: TestNames::new(&[]),
        ..options()
    };
    assert_eq!(
        error_of("nowhere.invalid", options),
        "https://nowhere.invalid/v2/owner/name/manifests/latest: the host `nowhere.invalid` is \
         not known (no such name in this test): check the image's name and the network",
    );
}

#[test]
fn an_unknown_host_by_the_systems_own_names() {
    let error = error_of("nowhere.invalid", options());
    assert_says(&error, "the host `nowhere.invalid` is not known");
}

#[test]
fn a_refused_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert_eq!(
        error_of(&host, options()),
        format!(
            "https://{host}/v2/: connection refused: check the host and the port, and that the \
             registry runs"
        ),
    );
}

#[test]
fn a_server_that_accepts_and_says_nothing() {
    // The kernel accepts for it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let options = RegistryOptions {
        timeouts: Timeouts {
            connect: Duration::from_millis(300),
            response: Duration::from_millis(300),
            ..Timeouts::default()
        },
        retries: once(),
        ..options()
    };
    let error = error_of(&host, options);
    assert_says(&error, &format!("https://{host}/v2/: timed out while "));
}

#[test]
fn plain_http_where_tls_is_wanted() {
    let site = Site::of(&[layer(10)]);
    let server = Server::start(move |request| site.reply(request));
    let host = format!("registry.example:{}", server.port());
    let names = TestNames::new(&[("registry.example", &["127.0.0.1"])]);
    let secure = RegistryOptions { names, ..options() };
    // Nothing is sent without encryption, not even a question.
    let error = error_of(&host, secure.clone());
    assert_says(
        &error,
        &format!("https://{host}/v2/owner/name/manifests/latest: "),
    );
    assert!(server.requests().is_empty());
    let insecure = RegistryOptions {
        insecure_registries: vec!["registry.example".to_owned()],
        ..secure
    };
    Puller::on(&host, insecure).resolve().unwrap();
}

#[test]
fn statuses_are_told_with_what_to_try() {
    for (status, message) in [
        (
            401,
            "asks for authentication in a way that is not supported (only Basic and Bearer are)",
        ),
        (
            403,
            "access denied: check the image's name and that this user may read it",
        ),
        (404, "no such image: check the image's name and tag"),
        (
            429,
            "too many requests: try again later, or log in for a higher limit",
        ),
        (
            500,
            "the registry failed (HTTP status 500): try again later",
        ),
        (
            204,
            "unexpected HTTP status 204: check that this is a registry",
        ),
    ] {
        let server = Server::start(move |_| Reply::status(status));
        let url = server.url("/v2/owner/name/manifests/latest");
        assert_eq!(
            error_of(&server.host(), options()),
            format!("{url}: {message}")
        );
    }
}

#[test]
fn certificates_that_are_not_there() {
    // The environment belongs to all tests of a process, so this one runs itself in another.
    if std::env::var_os(ALONE).is_some() {
        println!("SAID {}", error_of("nowhere.invalid", options()));
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "errors::certificates_that_are_not_there"])
        .arg("--nocapture")
        .env(ALONE, "1")
        .env("SSL_CERT_FILE", "/nonexistent.pem")
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let said = output.lines().find_map(|line| line.split_once("SAID "));
    let said = said.unwrap_or_else(|| panic!("{output}")).1;
    assert_says(said, "the CA file /nonexistent.pem cannot be used: ");
}

#[test]
fn proxies_that_cannot_be_used() {
    for (proxy, reason) in [
        (
            "socks5://user:hunter2@127.0.0.1:1",
            "Socks5 is not supported, only an HTTP proxy is",
        ),
        (
            "http://user:hunter2@[",
            "it is not a URL like http://proxy:3128",
        ),
    ] {
        let options = RegistryOptions {
            proxies: Proxies {
                https: Some(Secret::new(proxy)),
                ..Proxies::default()
            },
            ..options()
        };
        let shown = format!("{options:?}");
        let error = error_of("registry.example", options);
        assert_says(
            &error,
            &format!("the proxy of the environment cannot be used ({reason})"),
        );
        assert!(
            !format!("{error} {shown}").contains("hunter2"),
            "{error} {shown}"
        );
    }
}
