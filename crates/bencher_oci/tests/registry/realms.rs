//! Registries that name a token server to which no password must go.

use bencher_oci::registry::RegistryOptions;

use crate::redirects::{INSIDE, bystander, known};
use crate::server::{Reply, Server};
use crate::support::*;

/// A registry whose tokens are to be fetched at `realm`.
fn with_realm(realm: &str) -> Server {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
    Server::start(move |request| match request.path.as_str() {
        "/v2/" => Reply::bytes(b"{}"),
        _ => Reply::status(401).with("WWW-Authenticate", &challenge),
    })
}

#[test]
fn a_realm_with_another_scheme_is_not_asked() {
    for (realm, reason) in [
        (
            "https://127.0.0.1:1/token",
            "https://127.0.0.1:1 has another scheme than the registry",
        ),
        (
            "file:///etc/passwd",
            "an address of the scheme `file`, only http and https are followed",
        ),
        ("/token", "an address that is no URL"),
        ("http://u:p@127.0.0.1/", "an address with a user name in it"),
    ] {
        let error = pull(&with_realm(realm), known()).err().unwrap();
        assert_says(
            &error,
            &format!("names a token server that is not asked: {reason}"),
        );
    }
}

#[test]
fn a_realm_on_another_host_without_encryption_is_not_asked() {
    let bystander = bystander();
    let realm = format!("http://auth.example:{}/token", bystander.port());
    let options = RegistryOptions {
        names: TestNames::new(&[("auth.example", &["127.0.0.1"])]),
        ..known()
    };
    let error = pull(&with_realm(&realm), options).err().unwrap();
    assert_says(&error, "is another host, and not encrypted");
    assert!(bystander.requests().is_empty());
}

#[test]
fn a_realm_at_an_address_inside_is_not_asked() {
    for (address, kind) in INSIDE {
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        };
        // Even if plain HTTP to it is accepted.
        let options = RegistryOptions {
            insecure_registries: vec![host.clone(), "auth.example".to_owned()],
            names: TestNames::new(&[("auth.example", &[address])]),
            ..known()
        };
        let registry = with_realm(&format!("http://{host}/token"));
        let error = pull(&registry, options.clone()).err().unwrap();
        assert_says(
            &error,
            &format!("its token server http://{host}: `{host}` is at {kind}"),
        );
        let registry = with_realm("http://auth.example/token");
        let error = pull(&registry, options).err().unwrap();
        assert_says(
            &error,
            &format!("its token server http://auth.example: `auth.example` is at {kind}"),
        );
    }
}

#[test]
fn a_realm_that_redirects_elsewhere_is_not_followed() {
    let bystander = bystander();
    let location = bystander.url("/");
    let tokens = Server::start(move |_| Reply::redirect(&location));
    let registry = with_realm(&tokens.url("/token"));
    let error = pull(&registry, known()).err().unwrap();
    assert_says(
        &error,
        &format!(
            "redirects {}, which is another host: not followed",
            bystander.url("")
        ),
    );
    assert!(bystander.requests().is_empty());
}
