//! Credentials are changed for a token that somebody else is to have.

use std::time::Duration;

use bencher_oci::registry::{Credentials, RegistryOptions, Token};

use crate::server::{Reply, Server};
use crate::support::*;
use crate::tokens::{BASIC, password};

/// A registry that says `challenge` to everybody, and is no place for secrets.
fn registry(challenge: String) -> Server {
    Server::start(move |request| match request.header("authorization") {
        None => Reply::status(401).with("WWW-Authenticate", &challenge),
        Some(_) => Reply::status(500),
    })
}

/// A token server that knows one user.
fn token_server() -> Server {
    Server::start(|request| match request.header("authorization") {
        Some(BASIC) => Reply::bytes(br#"{"token":"t","expires_in":300}"#),
        _ => Reply::status(401),
    })
}

fn token(registry: &Server, credentials: Credentials) -> Result<Option<Token>, String> {
    let options = RegistryOptions {
        credentials: Some(credentials),
        ..options()
    };
    let puller = Puller::new(registry, options);
    let token = puller.client.token(&puller.image);
    token.map_err(|error| error.to_string())
}

#[test]
fn a_token_is_for_one_repository_whatever_the_registry_asks_for() {
    let tokens = token_server();
    let realm = tokens.url("/token");
    let registry = registry(format!(
        "Bearer realm=\"{realm}\",service=\"s\",scope=\"registry:catalog:*\""
    ));
    let token = token(&registry, password()).unwrap().expect("a token");
    assert_eq!(token.secret.expose(), "t");
    assert_eq!(token.life, Duration::from_mins(5));
    let asked: Vec<_> = tokens.requests().into_iter().map(|it| it.path).collect();
    let scope = "repository%3Aowner%2Fname%3Apull";
    let path = format!("/token?service=s&scope={scope}&account=user");
    assert_eq!(asked, [path]);
}

#[test]
fn a_wrong_password_is_refused_and_not_shown() {
    let tokens = token_server();
    let realm = tokens.url("/token");
    let registry = registry(format!("Bearer realm=\"{realm}\""));
    let wrong = Credentials::Password {
        username: "user".to_owned(),
        password: bencher_oci::registry::Secret::new("a wrong password"),
    };
    let error = token(&registry, wrong).unwrap_err();
    assert!(error.contains("the credentials were refused"), "{error}");
    assert!(!error.contains("wrong password"), "{error}");
}

#[test]
fn a_registry_without_tokens_says_so_and_an_open_one_needs_none() {
    let error = token(&registry("Basic realm=\"x\"".to_owned()), password()).unwrap_err();
    assert!(error.contains("gives no tokens"), "{error}");
    let open = Server::start(|_| Reply::bytes(b"{}"));
    assert!(token(&open, password()).unwrap().is_none());
}
