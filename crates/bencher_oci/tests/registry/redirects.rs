//! Registries that lead astray: redirects to where a token, or any request, must not go.

use bencher_oci::registry::{Proxies, RegistryOptions, Secret};

use crate::server::{Proxy, Reply, Request, Server};
use crate::site::{Site, is_blob, is_blob_of, layer};
use crate::support::*;
use crate::tokens::password;

const BASIC_CHALLENGE: &str = "Basic realm=\"r\"";

/// A registry with a password, whose layer is somewhere else.
fn redirecting(content: &[u8], location: &str) -> Server {
    let site = Site::of(&[content.to_vec()]);
    let (content, location) = (content.to_vec(), location.to_owned());
    Server::start(move |request| match request.header("authorization") {
        None if request.path != "/v2/" => {
            Reply::status(401).with("WWW-Authenticate", BASIC_CHALLENGE)
        }
        _ if is_blob_of(request, &content) => Reply::redirect(&location),
        _ => site.reply(request),
    })
}

pub(crate) fn known() -> RegistryOptions {
    RegistryOptions {
        credentials: Some(password()),
        ..options()
    }
}

/// A server that must not be asked anything.
pub(crate) fn bystander() -> Server {
    Server::start(|_| Reply::bytes(b"you should not be here"))
}

#[test]
fn a_redirect_to_another_host_loses_the_token() {
    let content = layer(5000);
    let bytes = content.clone();
    let elsewhere = Server::start(move |_| Reply::bytes(&bytes));
    let registry = redirecting(&content, &elsewhere.url("/blob?signature=x"));
    let store = pull(&registry, known()).unwrap();
    assert!(store.has(&content));
    let [request] = &elsewhere.requests()[..] else {
        panic!("one request is enough")
    };
    assert_eq!(request.path, "/blob?signature=x");
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn a_redirect_within_the_registry_keeps_the_token() {
    let content = layer(5000);
    let site = Site::of(std::slice::from_ref(&content));
    let registry = Server::start(move |request| {
        if request.header("authorization").is_none() && request.path != "/v2/" {
            return Reply::status(401).with("WWW-Authenticate", BASIC_CHALLENGE);
        }
        match request.path.strip_prefix("/moved") {
            None if is_blob(request) => Reply::redirect(&format!("/moved{}", request.path)),
            Some(path) => site.reply(&Request {
                path: path.to_owned(),
                ..request.clone()
            }),
            None => site.reply(request),
        }
    });
    assert!(pull(&registry, known()).unwrap().has(&content));
}

#[test]
fn another_host_that_asks_for_a_password_gets_none() {
    let elsewhere = Server::start(|_| Reply::status(401).with("WWW-Authenticate", BASIC_CHALLENGE));
    let registry = redirecting(&layer(10), &elsewhere.url("/blob"));
    assert_says(
        &pull(&registry, known()).err().unwrap(),
        "authentication required",
    );
    let requests = elsewhere.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("authorization"), None);
}

#[test]
fn a_redirect_to_a_file_is_refused() {
    for location in ["file:///etc/passwd", "FILE:/etc/passwd"] {
        let registry = redirecting(&layer(10), location);
        assert_says(
            &pull(&registry, known()).err().unwrap().to_lowercase(),
            "redirects an address of the scheme `file`, only http and https are followed: not \
             followed",
        );
    }
}

#[test]
fn redirects_that_make_no_sense_are_refused() {
    for (location, reason) in [
        (
            "http://user:password@127.0.0.1/",
            "an address with a user name in it",
        ),
        ("http://", "an address that is no URL"),
        ("relative", "an address that is no URL"),
        ("http://a b/", "an address that is no URL"),
    ] {
        let registry = redirecting(&layer(10), location);
        assert_says(&pull(&registry, known()).err().unwrap(), reason);
    }
}

#[test]
fn a_redirect_loop_ends() {
    let site = Site::of(&[layer(10)]);
    let registry = Server::start(move |request| match request.path.as_str() {
        "/a" => Reply::redirect("/b"),
        "/b" => Reply::redirect("/a"),
        _ if is_blob(request) => Reply::redirect("/a"),
        _ => site.reply(request),
    });
    assert_says(
        &pull(&registry, options()).err().unwrap(),
        "redirects in a loop: not followed",
    );
    let site = Site::of(&[layer(10)]);
    let registry = Server::start(move |request| match request.path.strip_prefix("/x") {
        Some(rest) => Reply::redirect(&format!("/xx{rest}")),
        None if is_blob(request) => Reply::redirect("/x"),
        None => site.reply(request),
    });
    let error = pull(&registry, options()).err().unwrap();
    assert_says(
        &error,
        "redirects more than 10 times in a row: not followed",
    );
}

/// Addresses that a registry on the loopback interface must not lead to.
pub(crate) const INSIDE: [(&str, &str); 8] = [
    ("10.1.2.3", "a private address"),
    ("192.168.0.1", "a private address"),
    ("169.254.1.1", "a link-local address"),
    ("169.254.169.254", "the address of a metadata service"),
    (
        "::ffff:169.254.169.254",
        "the address of a metadata service",
    ),
    ("fd00:ec2::254", "the address of a metadata service"),
    ("fe80::1", "a link-local address"),
    ("fd12::1", "a private address"),
];

#[test]
fn a_redirect_to_an_address_inside_is_refused() {
    for (address, kind) in INSIDE {
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        };
        let registry = redirecting(&layer(10), &format!("http://{host}/latest/meta-data"));
        let error = pull(&registry, known()).err().unwrap();
        assert_says(
            &error,
            &format!("`{host}` is at {kind}, and the registry itself is not: not connected"),
        );
    }
}

#[test]
fn a_redirect_to_a_name_of_an_address_inside_is_refused() {
    for (address, kind) in INSIDE {
        let registry = redirecting(&layer(10), "http://innocent.example/blob");
        let options = RegistryOptions {
            names: TestNames::new(&[("innocent.example", &[address])]),
            ..known()
        };
        let error = pull(&registry, options).err().unwrap();
        assert_says(&error, &format!("`innocent.example` is at {kind}"));
    }
}

/// A public registry, as far as the client knows: only a proxy knows where it is.
fn behind_a_proxy(proxy: &Proxy) -> RegistryOptions {
    RegistryOptions {
        proxies: Proxies {
            http: Some(Secret::new(proxy.url())),
            https: Some(Secret::new(proxy.url())),
            ..Proxies::default()
        },
        insecure_registries: vec!["registry.example".to_owned()],
        ..known()
    }
}

#[test]
fn a_public_registry_must_not_lead_to_this_host() {
    let bystander = bystander();
    for host in ["127.0.0.1", "localhost", "0.0.0.0", "2130706433"] {
        let location = format!("http://{host}:{}/", bystander.port());
        let registry = redirecting(&layer(10), &location);
        let proxy = Proxy::to(&registry);
        let options = RegistryOptions {
            proxies: Proxies {
                exceptions: "2130706433".to_owned(),
                ..behind_a_proxy(&proxy).proxies
            },
            ..behind_a_proxy(&proxy)
        };
        let error = Puller::on("registry.example", options)
            .pull(&Memory::default())
            .err()
            .unwrap();
        assert_says(&error, &format!("`{host}` is at a loopback address"));
    }
    assert!(bystander.requests().is_empty());
}

#[test]
fn a_host_that_the_user_vouches_for_may_be_inside() {
    let content = layer(5000);
    let bytes = content.clone();
    let storage = Server::start(move |_| Reply::bytes(&bytes));
    let location = format!("http://storage.example:{}/blob", storage.port());
    let registry = redirecting(&content, &location);
    let proxy = Proxy::to(&registry);
    let mut options = RegistryOptions {
        names: TestNames::new(&[("storage.example", &["127.0.0.1"])]),
        ..behind_a_proxy(&proxy)
    };
    options.proxies.exceptions = "storage.example".to_owned();
    let store = Memory::default();
    let pull = |options| Puller::on("registry.example", options).pull(&store);
    let error = pull(options.clone()).err().unwrap();
    assert_says(&error, "`storage.example` is at a loopback address");
    assert!(storage.requests().is_empty());
    options.trusted_hosts = vec!["storage.example".to_owned()];
    pull(options).unwrap();
    assert!(store.has(&content));
}

#[test]
fn a_registry_behind_a_proxy_is_pulled_from() {
    let content = layer(5000);
    let site = Site::of(std::slice::from_ref(&content));
    let registry = Server::start(move |request| site.reply(request));
    let proxy = Proxy::to(&registry);
    let store = Memory::default();
    let options = behind_a_proxy(&proxy);
    Puller::on("registry.example", options)
        .pull(&store)
        .unwrap();
    assert!(store.has(&content));
    // Encrypted first; the server behind it does not speak TLS.
    assert_eq!(
        proxy.targets(),
        ["registry.example:443", "registry.example:80"]
    );
}

#[test]
fn a_registry_whose_name_moves_inside_is_not_followed() {
    let site = Site::of(&[layer(10)]);
    let registry = Server::start(move |request| site.reply(request));
    let host = format!("moving.example:{}", registry.port());
    // Twice for the question of the scheme, once for the manifest.
    let addresses = &["127.0.0.1", "127.0.0.1", "127.0.0.1", "10.0.0.1"];
    let options = RegistryOptions {
        names: TestNames::new(&[("moving.example", addresses)]),
        insecure_registries: vec![host.clone()],
        ..options()
    };
    let error = Puller::on(&host, options)
        .pull(&Memory::default())
        .err()
        .unwrap();
    assert_says(
        &error,
        "`moving.example` is at a private address, and the registry was somewhere else before",
    );
}

#[test]
fn what_fails_elsewhere_is_told_as_such() {
    let elsewhere = Server::start(|_| Reply::status(403));
    let registry = redirecting(&layer(10), &elsewhere.url("/blob?signature=x"));
    let error = pull(&registry, known()).err().unwrap();
    let to = elsewhere.url("");
    assert_says(&error, &format!(": leads to {to}: access denied"));
}
