//! Registries that lead astray, send too much, too little, too slowly, or something else.

use std::sync::Arc;
use std::time::Duration;

use bencher_oci::registry::{LeastRate, Proxies, RegistryOptions, RetryPolicy, Timeouts};
use bencher_oci::{Digest, Platform};
use serde_json::json;

use crate::server::{Body, Proxy, Reply, Request, Server};
use crate::site::{
    CONFIG, INDEX, LAYER, MANIFEST, REPOSITORY, Site, config, is_blob, is_blob_of, layer,
};
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

fn known() -> RegistryOptions {
    RegistryOptions {
        credentials: Some(password()),
        ..options()
    }
}

/// A server that must not be asked anything.
fn bystander() -> Server {
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
const INSIDE: [(&str, &str); 8] = [
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
        let host = match address.contains(':') {
            true => format!("[{address}]"),
            false => address.to_owned(),
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

#[test]
fn a_host_that_the_user_vouches_for_may_be_inside() {
    let registry = redirecting(&layer(10), "http://storage.example:1/blob");
    let options = RegistryOptions {
        names: TestNames::new(&[("storage.example", &["10.1.2.3"])]),
        trusted_hosts: vec!["storage.example".to_owned()],
        timeouts: Timeouts {
            connect: Duration::from_millis(100),
            ..Timeouts::default()
        },
        retries: RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        },
        ..known()
    };
    // Nobody is there, but it was tried.
    let error = pull(&registry, options).err().unwrap();
    assert!(!error.contains("is at a private address"), "{error}");
}

/// A public registry, as far as the client knows: only a proxy knows where it is.
fn behind_a_proxy(proxy: &Proxy) -> RegistryOptions {
    RegistryOptions {
        proxies: Proxies {
            http: Some(proxy.url()),
            https: Some(proxy.url()),
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
        let host = match address.contains(':') {
            true => format!("[{address}]"),
            false => address.to_owned(),
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

#[test]
fn a_layer_with_another_digest_is_refused() {
    let content = layer(5000);
    let site = Site::of(std::slice::from_ref(&content));
    let wanted = content.clone();
    let registry = Server::start(move |request| match is_blob_of(request, &wanted) {
        true => Reply::bytes(&[7; 5000]),
        false => site.reply(request),
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
        let registry = Server::start(move |request| match is_blob_of(request, &wanted) {
            true => Reply::new(200, body.clone()),
            false => site.reply(request),
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
    let registry = Server::start(move |request| match is_blob_of(request, &content) {
        true => Reply::new(200, Body::Trickle(1 << 20)),
        false => site.reply(request),
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
            idle: Duration::from_millis(50),
            ..Timeouts::default()
        },
        ..options()
    };
    let error = pull(&registry, options).err().unwrap();
    assert_says(&error, "timed out while data was waited for");
    assert_eq!(registry.requests().len(), 5);
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

#[test]
fn a_manifest_without_end_is_not_read_further_than_its_limit() {
    for body in [Body::Announced(1 << 40, Vec::new()), Body::Endless] {
        let registry = Server::start(move |request| match request.path.as_str() {
            "/v2/" => Reply::bytes(b"{}"),
            _ => Reply::new(200, body.clone()),
        });
        let error = pull(&registry, options()).err().unwrap();
        assert_says(
            &error,
            "more than 4194304 bytes for a document that has a few thousand",
        );
    }
}

/// What pulling an image with this manifest ends with.
fn refused(media_type: &str, manifest: &serde_json::Value) -> String {
    let mut site = Site::of(&[]);
    site.tag(media_type, manifest);
    let registry = Server::start(move |request| site.reply(request));
    pull(&registry, options()).err().unwrap()
}

#[test]
fn what_is_no_image_is_refused_with_its_reason() {
    let blob = |media_type: &str| json!({"mediaType": media_type, "digest": Digest::sha256(b""), "size": 0});
    let manifest = |config: &str, layers: &[&str]| {
        let layers: Vec<_> = layers.iter().map(|layer| blob(layer)).collect();
        json!({"schemaVersion": 2, "config": blob(config), "layers": layers})
    };
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let both = json!({"schemaVersion": 2, "config": blob(CONFIG), "layers": [], "manifests": []});
    let docker_one = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    for (media_type, manifest, reason) in [
        (
            MANIFEST,
            manifest("application/vnd.cncf.helm.config.v1+json", &[]),
            "is an artifact of type `application/vnd.cncf.helm.config.v1+json`, not a container \
             image",
        ),
        (
            MANIFEST,
            manifest(CONFIG, &[foreign]),
            "has a foreign layer (number 1",
        ),
        (
            MANIFEST,
            both.clone(),
            "has both `manifests` and `layers` or `config`",
        ),
        (INDEX, both, "has both `manifests` and `layers` or `config`"),
        (
            docker_one,
            json!({"schemaVersion": 1}),
            "is an image of Docker's schema 1",
        ),
        (
            "application/json",
            json!({"schemaVersion": 1}),
            "is an image of Docker's schema 1",
        ),
        (
            "application/vnd.oci.artifact.manifest.v1+json",
            json!({}),
            "has the media type `application/vnd.oci.artifact.manifest.v1+json`, which is not a \
             container image",
        ),
        ("text/html", json!("hello"), "is not valid"),
        // Media-type confusion: an index that is called a manifest.
        (
            MANIFEST,
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}),
            "says that its media type is",
        ),
        (
            INDEX,
            json!({"schemaVersion": 2, "manifests": []}),
            "holds no image manifest",
        ),
    ] {
        assert_says(&refused(media_type, &manifest), reason);
    }
}

#[test]
fn a_manifest_is_verified() {
    // Another one than the digest in the index says.
    let mut site = Site::of(&[layer(10)]);
    let entry = json!({"mediaType": MANIFEST, "digest": Digest::sha256(b"x"), "size": 1});
    site.tag(INDEX, &json!({"schemaVersion": 2, "manifests": [entry]}));
    let site = Arc::new(site);
    let served = Arc::clone(&site);
    let registry = Server::start(move |request| {
        match request.path.ends_with(&Digest::sha256(b"x").to_string()) {
            true => Reply::bytes(b"{}").with("Content-Type", MANIFEST),
            false => served.reply(request),
        }
    });
    assert_says(
        &pull(&registry, options()).err().unwrap(),
        &format!(
            "the content is {}, expected {}",
            Digest::sha256(b"{}"),
            Digest::sha256(b"x")
        ),
    );
    // Another one than the registry's own header says.
    for (header, reason) in [
        (
            Digest::sha256(b"y").to_string(),
            format!("expected {}", Digest::sha256(b"y")),
        ),
        (
            "md5:1".to_owned(),
            "a Docker-Content-Digest that is no digest".to_owned(),
        ),
    ] {
        let registry =
            Server::start(move |_| Reply::bytes(b"{}").with("Docker-Content-Digest", &header));
        assert_says(&pull(&registry, options()).err().unwrap(), &reason);
    }
}

#[test]
fn a_configuration_is_verified_and_bounded() {
    for (size, reason) in [
        (3, "the data has 4 bytes, the image says 3 bytes"),
        (5, "the data has 4 bytes, the image says 5 bytes"),
        (4, "the content is"),
        (
            5 << 20,
            "is 5242880 bytes long, more than the limit of 4 MiB",
        ),
    ] {
        let mut site = Site::of(&[]);
        let digest = Digest::sha256(b"something else");
        let config = json!({"mediaType": CONFIG, "digest": digest, "size": size});
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": []});
        site.tag(MANIFEST, &manifest);
        let registry = Server::start(move |request| match is_blob(request) {
            true => Reply::bytes(b"1234"),
            false => site.reply(request),
        });
        assert_says(&pull(&registry, options()).err().unwrap(), reason);
    }
}

#[test]
fn the_platform_is_chosen_and_checked() {
    let host = Platform::host();
    let other: Platform = "linux/riscv64".parse().unwrap();
    let content = vec![layer(1000)];
    let mut site = Site::of(&[]);
    let blob = site.blob(LAYER, &content[0]);
    let mut entries = Vec::new();
    for platform in [&other, &host] {
        let manifest = site.image_manifest(&config(&content, platform), &[blob.clone()]);
        let mut entry = site.manifest(MANIFEST, &manifest);
        entry["platform"] = json!({"os": "linux", "architecture": platform.architecture()});
        entries.push(entry);
    }
    // One more level, as an index may have.
    let nested = json!({"schemaVersion": 2, "manifests": entries});
    let nested = site.manifest(INDEX, &nested);
    let index = json!({"schemaVersion": 2, "manifests": [nested]});
    site.tag(INDEX, &index);
    let registry = Server::start(move |request| site.reply(request));
    let puller = Puller::new(&registry, options());
    let image = puller.pull(&Memory::default()).unwrap();
    assert_eq!(image.platform, host);
    assert_eq!(image.digest, Digest::sha256(index.to_string().as_bytes()));
    assert_eq!(json!(image.manifest_digest), entries[1]["digest"]);
    // Both indexes, the manifest, the configuration.
    assert_eq!(image.documents.len(), 4);
    let error = puller
        .client
        .resolve(
            &puller.image,
            &"linux/s390x".parse().unwrap(),
            &Notes::default(),
        )
        .unwrap_err();
    assert_says(
        &error.to_string(),
        &format!(
            "{}/{REPOSITORY}:latest: has nothing for linux/s390x, only for:",
            registry.host()
        ),
    );
}

#[test]
fn indexes_without_end_are_not_followed() {
    let mut site = Site::of(&[]);
    let mut entry = site.manifest(INDEX, &json!({"schemaVersion": 2, "manifests": []}));
    for _ in 0..6 {
        entry = site.manifest(INDEX, &json!({"schemaVersion": 2, "manifests": [entry]}));
    }
    site.tag(INDEX, &json!({"schemaVersion": 2, "manifests": [entry]}));
    let registry = Server::start(move |request| site.reply(request));
    let error = pull(&registry, options()).err().unwrap();
    assert_says(&error, "its indexes are nested more than 4 levels deep");
}
