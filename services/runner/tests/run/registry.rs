//! Images out of registries: Debian's `docker-registry` on loopback, filled by skopeo.

use std::fs;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use bencher_oci::Digest;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use test_support::{HTPASSWD, PASSWORD, Registry, Setup, USER};

use crate::support::{Cache, Image, Ran, digest, no_image};

/// A registry, unless this host lacks something for it.
fn registry(setup: &Setup<'_>) -> Option<Registry> {
    if no_image() {
        return None;
    }
    Registry::start(setup).unwrap()
}

/// An image whose command says `word`.
fn saying(word: &str) -> Image {
    Image::new(&json!({"Cmd": ["echo", word]}))
}

fn push(registry: &Registry, image: &Image, name: &str, options: &[&str]) {
    let source = format!("oci:{}", image.path().display());
    registry.push(&source, name, options).unwrap();
}

/// The command of the image called `name`, on this host's kernel.
fn run(cache: &Cache, name: &str, options: &[&str]) -> Ran {
    cache.run(&[&["run", "--sandbox", "none", "--image", name], options].concat())
}

fn count(cache: &Cache, kind: &str) -> Value {
    let usage = cache.run(&["cache", "df", "--json"]).exits(0).json();
    let kinds = usage["kinds"].as_array().unwrap();
    let found = kinds.iter().find(|found| found["kind"] == kind);
    found.unwrap()["count"].clone()
}

#[test]
fn an_image_is_fetched_once_and_then_needs_no_network() {
    let Some(registry) = registry(&Setup::default()) else {
        return;
    };
    push(&registry, &saying("hello"), "o/hello:1", &[]);
    let cache = Cache::new();
    let name = format!("{}/o/hello:1", registry.host());
    let first = run(&cache, &name, &[]).exits(0);
    assert_eq!(first.text(), "hello\n");
    assert!(first.stderr.contains("pulling"), "{}", first.stderr);
    assert!(first.stderr.contains("1 layer, "), "{}", first.stderr);
    drop(registry);
    let second = run(&cache, &name, &[]).exits(0);
    assert_eq!(second.text(), "hello\n");
    assert!(!second.stderr.contains("pulling"), "{}", second.stderr);
    // What would have to ask fails.
    let error = run(&cache, &name, &["--pull", "always"]).exits(125).stderr;
    assert!(error.contains("connection refused"), "{error}");
    assert_eq!(count(&cache, "image"), 1);
}

#[test]
fn a_name_may_stand_for_another_image_by_now() {
    let Some(registry) = registry(&Setup::default()) else {
        return;
    };
    let cache = Cache::new();
    let name = format!("{}/o/changing", registry.host());
    push(&registry, &saying("old"), "o/changing:latest", &[]);
    assert_eq!(run(&cache, &name, &[]).exits(0).text(), "old\n");
    push(&registry, &saying("new"), "o/changing:latest", &[]);
    assert_eq!(run(&cache, &name, &[]).exits(0).text(), "old\n");
    let always = run(&cache, &name, &["--pull", "always"]).exits(0);
    assert_eq!(always.text(), "new\n");
    assert_eq!(run(&cache, &name, &[]).exits(0).text(), "new\n");
    assert_eq!(
        count(&cache, "image"),
        2,
        "the old one has no name, and is there"
    );
}

#[test]
fn a_digest_alone_is_asked_of_no_registry() {
    let cache = Cache::new();
    let whole = format!("sha256:{}", "0".repeat(64));
    for name in [&whole, "b923590b31c9"] {
        let error = run(&cache, name, &[]).exits(125).stderr;
        assert!(
            error.contains("no image of the store has the digest"),
            "{error}"
        );
        assert!(!error.contains("pulling"), "{error}");
    }
}

#[test]
fn an_image_for_another_platform_is_not_this_one() {
    let Some(registry) = registry(&Setup::default()) else {
        return;
    };
    let layer = b"a layer of another machine".to_vec();
    let config = json!({
        "architecture": "s390x",
        "os": "linux",
        "config": {"Cmd": ["echo", "there"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    });
    let index = saying("here").beside("s390x", &Image::of(&config, &[layer]));
    push(
        &registry,
        &index,
        "o/both:1",
        &["--all", "--preserve-digests"],
    );
    let cache = Cache::new();
    let name = format!("{}/o/both:1", registry.host());
    let other = ["--platform", "linux/s390x"];
    cache.run(&[&["pull", &name], &other[..]].concat()).exits(0);
    let inspected = cache.run(&[&["inspect", "--json", &name], &other[..]].concat());
    assert_eq!(inspected.exits(0).json()["platform"], "linux/s390x");
    // The index is in the store, and what it has for this host is not.
    assert_eq!(run(&cache, &name, &[]).exits(0).text(), "here\n");
    let again = run(&cache, &name, &[]).exits(0);
    assert!(!again.stderr.contains("pulling"), "{}", again.stderr);
}

#[test]
fn what_is_not_to_be_asked_for_is_not() {
    let cache = Cache::new();
    let error = run(&cache, "busybox", &["--pull", "never"])
        .exits(125)
        .stderr;
    assert!(
        error.contains("fetch it with `runner pull busybox`"),
        "{error}"
    );
    assert!(!error.contains("pulling"), "{error}");
}

#[test]
fn what_is_damaged_in_the_registry_is_not_used() {
    let Some(registry) = registry(&Setup::default()) else {
        return;
    };
    let image = saying("damaged");
    push(&registry, &image, "o/damaged:1", &["--preserve-digests"]);
    let cache = Cache::new();
    let name = format!("{}/o/damaged:1", registry.host());
    let layout = image.path().to_str().unwrap();
    let described = cache.run(&["inspect", "--json", layout]).exits(0).json();
    let layer = described["layers"][0]["digest"].as_str().unwrap();
    let path = registry.blob_path(layer).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = run(&cache, &name, &[]).exits(125).stderr;
    assert!(error.contains(layer), "{error}");
    assert!(error.contains("sha256:"), "{error}");
    for kind in ["image", "rootfs"] {
        assert_eq!(count(&cache, kind), 0, "{kind}");
    }
}

#[test]
fn a_pull_goes_on_where_another_one_ended() {
    let Some(registry) = registry(&Setup::default()) else {
        return;
    };
    let image = saying("resumed");
    push(&registry, &image, "o/resumed:1", &["--preserve-digests"]);
    let name = format!("{}/o/resumed:1", registry.host());
    for is_right in [true, false] {
        let cache = Cache::new();
        let layout = image.path().to_str().unwrap();
        let described = cache.run(&["inspect", "--json", layout]).exits(0).json();
        let layer: Digest = described["layers"][0]["digest"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let mut half = fs::read(image.path().join("blobs/sha256").join(layer.hex())).unwrap();
        half.truncate(half.len() / 2);
        if !is_right {
            // The reader of what comes has read this before anybody knows that it is wrong.
            half[1000] ^= 1;
        }
        let partial = cache.path().join("store/partial");
        fs::create_dir_all(&partial).unwrap();
        fs::write(partial.join(format!("sha256-{}", layer.hex())), half).unwrap();
        let ran = run(&cache, &name, &[]).exits(0);
        assert_eq!(ran.text(), "resumed\n", "{is_right}");
        assert!(ran.stderr.contains("were there"), "{}", ran.stderr);
        assert_eq!(count(&cache, "partial"), 0);
        cache.run(&["cache", "verify"]).exits(0);
    }
}

#[test]
fn what_the_store_has_lost_is_fetched_again() {
    let Some(registry) = registry(&Setup::default()) else {
        return;
    };
    push(&registry, &saying("again"), "o/again:1", &[]);
    let cache = Cache::new();
    let name = format!("{}/o/again:1", registry.host());
    cache.run(&["pull", &name]).exits(0);
    let described = cache.run(&["inspect", "--json", &name]).exits(0).json();
    let layer: Digest = described["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    fs::remove_file(cache.path().join("store/blobs/sha256").join(layer.hex())).unwrap();
    let ran = run(&cache, &name, &[]).exits(0);
    assert_eq!(ran.text(), "again\n");
    assert!(ran.stderr.contains("pulled sha256:"), "{}", ran.stderr);
    cache.run(&["cache", "verify"]).exits(0);
}

#[test]
fn a_password_is_asked_for_and_never_shown() {
    let setup = Setup {
        htpasswd: Some(HTPASSWD),
        ..Setup::default()
    };
    let Some(registry) = registry(&setup) else {
        return;
    };
    let credentials = format!("{USER}:{PASSWORD}");
    let options = ["--dest-creds", &credentials];
    push(&registry, &saying("secret"), "o/secret:1", &options);
    let cache = Cache::new();
    let name = format!("{}/o/secret:1", registry.host());
    let pull = |password: &str| {
        let options = [
            "pull",
            &name,
            "--verbose",
            "--username",
            USER,
            "--password-stdin",
        ];
        let mut child = cache
            .command(&options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{password}").unwrap();
        drop(stdin);
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
        ran
    };
    let error = cache.run(&["pull", &name]).exits(125).stderr;
    assert!(
        error.contains("authentication required") && error.contains("--username"),
        "{error}"
    );
    let wrong = "not the password at all";
    let error = pull(wrong).exits(125).stderr;
    assert!(!error.contains(wrong), "{error}");
    let error = pull("").exits(125).stderr;
    assert!(error.contains("the password is empty"), "{error}");
    assert_eq!(count(&cache, "image"), 0);
    let digest = pull(PASSWORD).exits(0);
    assert!(digest.text().starts_with("sha256:"), "{}", digest.text());
    assert_eq!(run(&cache, &name, &[]).exits(0).text(), "secret\n");
}

#[test]
fn what_was_pulled_is_what_was_pushed() {
    let Some(registry) = registry(&Setup::default()) else {
        return;
    };
    let image = saying("same");
    push(&registry, &image, "o/same:1", &["--preserve-digests"]);
    push(&registry, &image, "o/gzip:1", &[]);
    let cache = Cache::new();
    let name = format!("{}/o/same:1", registry.host());
    let layout = image.path().to_str().unwrap();
    let pushed = cache.run(&["inspect", "--json", layout]).exits(0).json();
    let printed = cache.run(&["pull", &name]).exits(0);
    assert_eq!(printed.text().trim_end(), pushed["manifest"]["digest"]);
    let pulled = cache.run(&["inspect", "--json", &name]).exits(0).json();
    for part in ["manifest", "config", "layers", "command", "platform"] {
        assert_eq!(pulled[part], pushed[part], "{part}");
    }
    cache.run(&["cache", "verify"]).exits(0);
    // A root filesystem of it is built while it comes, and of what is there.
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{}/o/gzip:1", registry.host());
    cache.run(&["pull", &name]).exits(0);
    let fresh = Cache::new();
    let built = [(&fresh, "coming.ext4"), (&cache, "here.ext4")].map(|(cache, file)| {
        let out = folder.path().join(file);
        let out = out.to_str().unwrap();
        let words = [
            "rootfs", "build", "--image", &name, "--disk", "64MiB", "--out", out,
        ];
        cache.run(&words).exits(0);
        fs::read(out).unwrap()
    });
    assert!(built[0] == built[1], "layout biases benchmarks");
    assert_eq!(count(&fresh, "image"), 1);
}

#[test]
fn names_that_are_none_and_options_that_do_not_fit() {
    let cache = Cache::new();
    for (words, said) in [
        (
            &["pull", "Not A Name"][..],
            "is not the name of an image in a registry",
        ),
        (
            &["pull", "./folder"],
            "is not the name of an image in a registry",
        ),
        (&["pull", "a", "--username", "me"], "--password-stdin"),
        (&["pull", "a", "--platform", "linux"], "--platform"),
        (
            &["pull", "127.0.0.1:1/a", "--registry-ca", "/none.pem"],
            "/none.pem",
        ),
    ] {
        let error = cache.run(words).exits(125).stderr;
        assert!(error.contains(said), "{words:?}: {error}");
    }
}

/// The runner, whose log is read.
fn start(cache: &Cache, words: &[&str]) -> Child {
    let mut command = cache.command(words);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Sends a signal to a runner that waits, which ends it by itself; `seen` is of its log.
#[track_caller]
fn ends_at(signal: Signal, mut child: Child, mut seen: String) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
    if let Some(mut log) = child.stderr.take() {
        log.read_to_string(&mut seen).unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(128 + signal as i32));
    assert!(seen.contains("interrupted"), "{seen}");
    assert!(!seen.contains("left alone"), "{seen}");
}

#[test]
fn a_signal_ends_the_wait_for_a_server() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("{}/o/r:1", server.local_addr().unwrap());
    let cache = Cache::new();
    for words in [
        &["pull", &name][..],
        &["run", "--sandbox", "none", "--image", &name],
    ] {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let child = start(&cache, words);
            // It is there, and hears nothing.
            let connection = server.accept().unwrap();
            ends_at(signal, child, String::new());
            drop(connection);
        }
    }
}

#[test]
fn a_signal_ends_the_wait_for_another_pull() {
    let Some(registry) = registry(&Setup::default()) else {
        return;
    };
    let image = saying("waiting");
    push(&registry, &image, "o/waiting:1", &["--preserve-digests"]);
    let cache = Cache::new();
    let layout = image.path().to_str().unwrap();
    let described = cache.run(&["inspect", "--json", layout]).exits(0).json();
    let layer = described["layers"][0]["digest"].as_str().unwrap();
    let partial = cache.path().join("store/partial");
    fs::create_dir_all(&partial).unwrap();
    let file = File::create(partial.join(layer.replace(':', "-"))).unwrap();
    let held = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error);
    let name = format!("{}/o/waiting:1", registry.host());
    for words in [
        &["pull", &name][..],
        &["run", "--sandbox", "none", "--image", &name],
    ] {
        let mut child = start(&cache, words);
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        while !seen.contains("waiting for it") {
            assert_ne!(log.read_line(&mut seen).unwrap(), 0, "{seen}");
        }
        child.stderr = Some(log.into_inner());
        ends_at(Signal::SIGTERM, child, seen);
    }
    drop(held);
    assert_eq!(run(&cache, &name, &[]).exits(0).text(), "waiting\n");
}
