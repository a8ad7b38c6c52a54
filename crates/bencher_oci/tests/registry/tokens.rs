//! Who asks: tokens, passwords, identity tokens, and where each of them goes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bencher_oci::registry::{Credentials, RegistryOptions, Secret};

use crate::server::{Reply, Request, Server};
use crate::site::{Site, layer};
use crate::support::*;

/// "user:open sesame" in base64.
pub(crate) const BASIC: &str = "Basic dXNlcjpvcGVuIHNlc2FtZQ==";
pub(crate) const PASSWORD: &str = "open sesame";

pub(crate) fn password() -> Credentials {
    Credentials::Password {
        username: "user".to_owned(),
        password: Secret::new(PASSWORD),
    }
}

fn with(credentials: Credentials) -> RegistryOptions {
    RegistryOptions {
        credentials: Some(credentials),
        ..options()
    }
}

/// A registry of an image with two layers that wants the header `wanted`, and says `challenge` to
/// everybody else.
pub(crate) fn guarded(
    challenge: String,
    wanted: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Server {
    let site = Site::of(&[layer(1000), layer(2000)]);
    Server::start(move |request| {
        let is_welcome = request.header("authorization").is_some_and(&wanted);
        if is_welcome || request.path == "/v2/" {
            site.reply(request)
        } else {
            Reply::status(401).with("WWW-Authenticate", &challenge)
        }
    })
}

fn bearer_challenge(token_server: &Server) -> String {
    let realm = token_server.url("/token");
    format!("Bearer realm=\"{realm}\",service=\"the service\",scope=\"repository:owner/name:pull\"")
}

/// A token server that counts: `t1`, `t2`, …
fn token_server(is_welcome: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |request| {
        if !is_welcome(request) {
            return Reply::status(401);
        }
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        Reply::bytes(format!(r#"{{"token":"t{number}","expires_in":300}}"#).as_bytes())
    })
}

pub(crate) fn authorizations(server: &Server) -> Vec<Option<String>> {
    let requests = server.requests().into_iter();
    let header = |request: Request| request.header("authorization").map(str::to_owned);
    requests.map(header).collect()
}

#[test]
fn nobody_in_particular_gets_a_token() {
    let tokens = token_server(|request| request.header("authorization").is_none());
    let registry = guarded(bearer_challenge(&tokens), |header| header == "Bearer t1");
    let store = pull(&registry, options()).unwrap();
    assert!(store.has(&layer(1000)));
    let asked: Vec<_> = tokens.requests().into_iter().map(|it| it.path).collect();
    // Once, for all requests.
    assert_eq!(
        asked,
        ["/token?service=the%20service&scope=repository%3Aowner%2Fname%3Apull"],
    );
    let sent = authorizations(&registry);
    assert_eq!(sent[0], None);
    assert!(
        sent[1..]
            .iter()
            .all(|it| it.as_deref() == Some("Bearer t1")),
        "{sent:?}"
    );
}

#[test]
fn a_registry_without_a_scope_is_asked_for_reading() {
    let tokens = token_server(|_| true);
    let challenge = format!("Bearer realm=\"{}\"", tokens.url("/token?x=y"));
    let registry = guarded(challenge, |header| header == "Bearer t1");
    pull(&registry, options()).unwrap();
    assert_eq!(
        tokens.requests()[0].path,
        "/token?x=y&scope=repository%3Aowner%2Fname%3Apull",
    );
}

#[test]
fn a_password_goes_to_the_token_server_and_the_token_to_the_registry() {
    let tokens = token_server(|request| request.header("authorization") == Some(BASIC));
    let registry = guarded(bearer_challenge(&tokens), |header| header == "Bearer t1");
    pull(&registry, with(password())).unwrap();
    assert!(tokens.requests()[0].path.ends_with("&account=user"));
    assert!(
        authorizations(&registry)
            .iter()
            .all(|it| it.as_deref() != Some(BASIC))
    );
}

#[test]
fn an_identity_token_is_changed_into_a_token() {
    let tokens = token_server(|request| {
        request.method == "POST"
            && request.header("authorization").is_none()
            && request.body
                == "service=the%20service&scope=repository%3Aowner%2Fname%3Apull&\
                    grant_type=refresh_token&client_id=bencher-runner&refresh_token=id%2Btoken"
    });
    let registry = guarded(bearer_challenge(&tokens), |header| header == "Bearer t1");
    let identity = Credentials::IdentityToken(Secret::new("id+token"));
    pull(&registry, with(identity)).unwrap();
    // It is not in the address, where logs of servers would have it.
    assert_eq!(tokens.requests()[0].path, "/token");
}

#[test]
fn a_password_goes_to_a_registry_that_asks_for_it() {
    let registry = guarded("Basic realm=\"r\"".to_owned(), |header| header == BASIC);
    pull(&registry, with(password())).unwrap();
    let sent = authorizations(&registry);
    assert_eq!(sent[0], None);
    assert!(sent[1..].iter().all(|it| it.as_deref() == Some(BASIC)));
}

#[test]
fn a_given_token_goes_to_the_registry_as_it_is() {
    let tokens = token_server(|_| true);
    let registry = guarded(bearer_challenge(&tokens), |header| header == "Bearer given");
    let given = |token: &str| with(Credentials::Token(Secret::new(token)));
    pull(&registry, given("given")).unwrap();
    assert!(authorizations(&registry).iter().all(Option::is_some));
    let error = pull(&registry, given("expired")).err().unwrap();
    assert_says(
        &error,
        "the token was refused: check --token, it may have expired",
    );
    assert!(tokens.requests().is_empty());
}

#[test]
fn a_token_that_expires_is_renewed_before_it_is_refused() {
    let tokens = token_server(|_| true);
    let registry = guarded(bearer_challenge(&tokens), |_| true);
    let clock = TestClock::new();
    let puller = Puller::new(&registry, options_with(&clock));
    puller.resolve().unwrap();
    clock.advance(Duration::from_secs(280));
    puller.resolve().unwrap();
    assert_eq!(tokens.requests().len(), 1);
    // Ten seconds before its end.
    clock.advance(Duration::from_secs(10));
    puller.resolve().unwrap();
    assert_eq!(tokens.requests().len(), 2);
}

#[test]
fn a_token_that_is_refused_is_renewed() {
    let tokens = token_server(|_| true);
    let count = AtomicUsize::new(0);
    let registry = guarded(bearer_challenge(&tokens), move |header| {
        // The first token is good for two requests only.
        header == "Bearer t2" || count.fetch_add(1, Ordering::SeqCst) < 2
    });
    let store = pull(&registry, options()).unwrap();
    assert!(store.has(&layer(2000)));
    assert_eq!(tokens.requests().len(), 2);
}

#[test]
fn a_401_loop_ends() {
    let tokens = token_server(|_| true);
    let registry = guarded(bearer_challenge(&tokens), |_| false);
    let error = pull(&registry, options()).err().unwrap();
    assert_says(
        &error,
        "authentication required: check the image's name, log in with `docker login` or `podman \
         login`, or give --username",
    );
    let error = pull(&registry, with(password())).err().unwrap();
    assert_says(&error, "the credentials were refused: log in again");
    // Without and with a token, twice.
    assert_eq!(registry.requests().len(), 4);
    let basic = guarded("Basic realm=\"r\"".to_owned(), |_| false);
    let error = pull(&basic, with(password())).err().unwrap();
    assert_says(&error, "the credentials were refused: log in again");
    assert_eq!(basic.requests().len(), 2);
}

#[test]
fn a_token_server_that_refuses() {
    let tokens = token_server(|_| false);
    let registry = guarded(bearer_challenge(&tokens), |_| true);
    let error = pull(&registry, options()).err().unwrap();
    assert_says(&error, "authentication required");
    let error = pull(&registry, with(password())).err().unwrap();
    assert_says(&error, "the credentials were refused");
}

#[test]
fn a_token_server_that_fails_is_asked_again_and_named() {
    let count = AtomicUsize::new(0);
    let tokens = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(503),
        _ => Reply::bytes(br#"{"token":"t1"}"#),
    });
    let registry = guarded(bearer_challenge(&tokens), |header| header == "Bearer t1");
    pull(&registry, options()).unwrap();

    for (answer, reason) in [
        (Reply::bytes(b"{}"), "the answer has no token in it"),
        (Reply::bytes(b"<html>"), "the answer has no token in it"),
        (Reply::status(404), "no such token server"),
    ] {
        let tokens = Server::start(move |_| answer.clone());
        let registry = guarded(bearer_challenge(&tokens), |_| true);
        let error = pull(&registry, options()).err().unwrap();
        assert_says(
            &error,
            &format!("its token server {}: {reason}", tokens.url("")),
        );
    }
}

#[test]
fn a_challenge_that_cannot_be_answered() {
    for challenge in ["Negotiate", "Bearer service=\"x\""] {
        let registry = guarded(challenge.to_owned(), |_| true);
        let error = pull(&registry, with(password())).err().unwrap();
        assert_says(
            &error,
            "asks for authentication in a way that is not supported",
        );
    }
}
