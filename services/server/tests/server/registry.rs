//! Debian's `docker-registry`, which trusts the server's tokens.

mod pulled;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bencher_server::Minter;
use serde_json::{Value, json};
use test_support::{HTPASSWD, PASSWORD, USER};

use crate::outputs::wait_until;
use crate::support::*;

/// The digest of the smallest image's configuration.
const CONFIG: &str = "sha256:c5b1d63604f273462ef36fadac3182d43ae6a6138731cf594b314835cf1c034f";

/// Whose tokens a registry wants.
#[derive(Clone, Copy)]
struct Trust<'a> {
    /// What the tokens come with.
    certificate: &'a Path,
    /// Where it sends those who have none.
    realm: &'a str,
}

/// A registry with its images in a folder. It ends with this value.
struct Registry {
    child: Child,
    url: String,
}

impl Registry {
    /// Starts one; `None` where it is not installed. `trust` is whose tokens it wants; without that
    /// everybody may do everything.
    fn start(folder: &Path, trust: Option<Trust<'_>>) -> Option<Self> {
        let mut config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:0\n",
            folder.join("images").display(),
        );
        if let Some(Trust { certificate, realm }) = trust {
            let _ = write!(
                config,
                "auth:\n  token:\n    realm: {realm}\n    service: registry\n    \
                 issuer: bencher-server\n    rootcertbundle: {}\n",
                certificate.display(),
            );
        }
        let path = folder.join("config.yml");
        std::fs::write(&path, config).unwrap();
        let spawned = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = spawned else {
            println!("skipped: docker-registry is not installed");
            return None;
        };
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let port = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended: {seen}");
            if let Some((_, rest)) = line.split_once("listening on 127.0.0.1:") {
                let digits = rest.split(|character: char| !character.is_ascii_digit());
                break digits.into_iter().next().unwrap().to_owned();
            }
            seen += &line;
        };
        // It would stop if nobody read what it says.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let url = format!("http://127.0.0.1:{port}");
        Some(Self { child, url })
    }

    /// The status of the image's configuration in `repository`.
    fn config(&self, repository: &str, token: &str) -> u16 {
        let api = Api::new(&self.url, token);
        let path = format!("/v2/{repository}/blobs/{CONFIG}");
        api.send("GET", &path, None).0
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Puts the smallest image into a repository, and gives its digest.
fn push(registry: &Registry, repository: &str) -> String {
    let agent = ureq::Agent::new_with_defaults();
    let config =
        r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let uploads = format!("{}/v2/{repository}/blobs/uploads/", registry.url);
    let begun = agent.post(&uploads).send_empty().unwrap();
    let place = begun.headers()["location"].to_str().unwrap().to_owned();
    agent
        .put(format!("{place}&digest={CONFIG}"))
        .send(config)
        .unwrap();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind, "layers": [],
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": CONFIG,
            "size": config.len(),
        },
    });
    let put = agent
        .put(format!("{}/v2/{repository}/manifests/v1", registry.url))
        .header("content-type", kind)
        .send(manifest.to_string())
        .unwrap();
    put.headers()["docker-content-digest"]
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_runner_gets_a_token_for_its_projects_images_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let Some(open) = Registry::start(folder.path(), None) else {
        return;
    };
    let address = "http://registry.example:5000";
    let site = Site::with(Setup::with(&["--registry", address]));
    let project = site.api.get("/v0/projects/p")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let digest = push(&open, &project);
    assert_eq!(push(&open, "other"), digest);
    let in_folder = format!("a/b/{project}");
    push(&open, &in_folder);
    drop(open);
    let trust = Trust {
        certificate: &site.path("registry.crt.pem"),
        realm: "http://127.0.0.1/none",
    };
    let registry = Registry::start(folder.path(), Some(trust)).unwrap();
    let mut runner = site.connected("r");
    let mut body = job_body("p", "s");
    body["config"]["registry"] = json!(format!("{address}/"));
    body["config"]["digest"] = json!(digest);
    site.api.submit(&body);
    let job = runner.claim();
    let token = job["oci_token"].as_str().unwrap();
    assert_eq!(registry.config(&project, token), 200);
    assert_eq!(registry.config("other", token), 401);
    assert_eq!(registry.config(&project, "none"), 401);
    // To pull, and not to push.
    let upload = format!("/v2/{project}/blobs/uploads/");
    assert_eq!(
        Api::new(&registry.url, token).send("POST", &upload, None).0,
        401
    );
    // One in a folder is another repository.
    assert_eq!(registry.config(&in_folder, token), 401);
    runner.complete(&job["uuid"]);
    body["config"]["registry"] = json!(format!("{address}/a/b/"));
    site.api.submit(&body);
    let job = runner.claim();
    let token = job["oci_token"].as_str().unwrap();
    assert_eq!(registry.config(&in_folder, token), 200);
    assert_eq!(registry.config(&project, token), 401);
    // Another registry's job gets none.
    runner.complete(&job["uuid"]);
    site.submit();
    assert_eq!(runner.claim()["oci_token"], Value::from(""));
}

/// A place for a token server, and where it is.
fn realm() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let realm = format!("http://{}/token", listener.local_addr().unwrap());
    (listener, realm)
}

/// A token server that knows [`USER`] and gives tokens of `minter`, to pull from whatever is asked for;
/// and what is asked.
fn token_server(listener: TcpListener, minter: Minter) -> mpsc::Receiver<String> {
    let (sender, requests) = mpsc::channel();
    let user = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let lines = BufReader::new(&connection).lines().map(Result::unwrap);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let is_known = head.iter().any(|line| {
                line.split_once(": ").is_some_and(|(name, value)| {
                    name.eq_ignore_ascii_case("authorization") && value == format!("Basic {user}")
                })
            });
            let scope = head[0].split_once("scope=repository%3A").unwrap().1;
            let repository = scope.split_once("%3A").unwrap().0;
            let (status, body) = if is_known {
                let token = minter.pull(repository).unwrap();
                (
                    "200 OK",
                    json!({"token": token, "expires_in": 60}).to_string(),
                )
            } else {
                ("401 Unauthorized", String::new())
            };
            sender.send(head[0].clone()).unwrap();
            let length = body.len();
            write!(
                connection,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    requests
}

fn keep_password(site: &Site, registry: &str, password: &str) {
    let body = json!({"registry": registry, "user": USER, "password": password});
    site.api.put("/v0/credentials", &body);
}

#[test]
fn a_user_and_a_password_become_a_token_for_the_projects_images() {
    let folder = tempfile::tempdir().unwrap();
    let Some(open) = Registry::start(folder.path(), None) else {
        return;
    };
    let site = Site::new();
    let project = site.api.get("/v0/projects/p")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let digest = push(&open, &project);
    push(&open, "other");
    drop(open);
    let minter = Minter::open(folder.path(), "bencher-server", "registry").unwrap();
    let (listener, realm) = realm();
    let requests = token_server(listener, minter);
    let trust = Trust {
        certificate: &folder.path().join("registry.crt.pem"),
        realm: &realm,
    };
    let registry = Registry::start(folder.path(), Some(trust)).unwrap();
    keep_password(&site, &registry.url, PASSWORD);
    let kept = std::fs::read(site.path("server.sqlite")).unwrap();
    assert!(
        !kept
            .windows(PASSWORD.len())
            .any(|part| part == PASSWORD.as_bytes())
    );
    let mut runner = site.connected("r");
    let mut body = job_body("p", "s");
    body["config"]["registry"] = json!(registry.url);
    body["config"]["digest"] = json!(digest);
    site.api.submit(&body);
    let job = runner.claim();
    let token = job["oci_token"].as_str().unwrap();
    assert_eq!(registry.config(&project, token), 200);
    assert_eq!(registry.config("other", token), 401);
    let asked = requests.recv().unwrap();
    let scope = format!("scope=repository%3A{project}%3Apull");
    assert!(asked.contains(&scope), "{asked}");
    runner.complete(&job["uuid"]);
    // Each job has a token of its own.
    site.api.submit(&body);
    let next = runner.claim();
    assert_ne!(next["oci_token"], job["oci_token"]);
    runner.complete(&next["uuid"]);
    // A password that is wrong fails the job, and says what to do.
    keep_password(&site, &registry.url, "a wrong one");
    let id = site.api.submit(&body);
    runner.ready();
    site.api.wait_for(&id, &["failed"]);
    let error = site.api.job(&id)["error"].as_str().unwrap().to_owned();
    assert!(
        error.contains("refuses the user name and the password"),
        "{error}"
    );
    assert!(!error.contains("a wrong one"), "{error}");
}

/// Waits until it is said of a job that waits why it does.
fn wait_for_error(site: &Site, id: &str, part: &str) {
    wait_until(part, || {
        let job = site.api.job(id);
        let error = job["error"].as_str();
        job["state"] == "pending" && error.is_some_and(|error| error.contains(part))
    });
}

#[test]
fn a_token_server_that_is_away_fails_no_job_and_holds_up_none_of_other_registries() {
    let folder = tempfile::tempdir().unwrap();
    let Some(open) = Registry::start(folder.path(), None) else {
        return;
    };
    let site = Site::with(Setup::with(&["--heartbeat-timeout", "3"]));
    let project = site.api.get("/v0/projects/p")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let digest = push(&open, &project);
    drop(open);
    let (listener, realm) = realm();
    let address = listener.local_addr().unwrap();
    let minter = Minter::open(folder.path(), "bencher-server", "registry").unwrap();
    let trust = Trust {
        certificate: &folder.path().join("registry.crt.pem"),
        realm: &realm,
    };
    let registry = Registry::start(folder.path(), Some(trust)).unwrap();
    keep_password(&site, &registry.url, PASSWORD);
    let mut body = job_body("p", "s");
    body["config"]["registry"] = json!(registry.url);
    body["config"]["digest"] = json!(digest);
    let mut ids: Vec<_> = (0..3).map(|_| site.api.submit(&body)).collect();
    // Nobody answers who connects: that takes no longer than a part of the job's time.
    let mut runner = site.connected("r");
    runner.ready();
    wait_for_error(&site, &ids[0], "does not answer in time");
    // Nobody is there any more.
    drop(listener);
    let other = site.submit();
    let job = runner.receive();
    assert_eq!(job["uuid"], other.as_str(), "{job}");
    runner.complete(&job["uuid"]);
    let listener = TcpListener::bind(address).unwrap();
    let _requests = token_server(listener, minter);
    while !ids.is_empty() {
        let job = runner.claim();
        let id = job["uuid"].as_str().unwrap();
        let place = ids.iter().position(|one| one == id).expect("each once");
        ids.remove(place);
        let token = job["oci_token"].as_str().unwrap();
        assert_eq!(registry.config(&project, token), 200);
        assert_eq!(site.api.job(id)["error"], Value::Null);
        runner.complete(&job["uuid"]);
    }
}

#[test]
fn what_is_kept_for_a_registry_is_for_its_folders_too() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let mut token = |registry: &str| {
        let mut body = job_body("p", "s");
        body["config"]["registry"] = json!(registry);
        site.api.submit(&body);
        let job = runner.claim();
        runner.complete(&job["uuid"]);
        job["oci_token"].as_str().unwrap().to_owned()
    };
    for (registry, secret) in [
        ("https://r.example", "of-all"),
        ("https://r.example/a", "of-a"),
    ] {
        let credential = json!({"registry": registry, "token": secret});
        site.api.put("/v0/credentials", &credential);
    }
    for (registry, secret) in [
        ("https://r.example/", "of-all"),
        ("https://r.example/a/", "of-a"),
        ("https://r.example/a/b/c/", "of-a"),
        ("https://r.example/ab/", "of-all"),
        ("https://r.example/b/c/", "of-all"),
        ("https://r.example.net/a/", ""),
        ("http://r.example/a/", ""),
    ] {
        assert_eq!(token(registry), secret, "{registry}");
    }
}

#[test]
fn a_registry_that_takes_passwords_only_is_said_to() {
    let setup = test_support::Setup {
        htpasswd: Some(HTPASSWD),
        ..test_support::Setup::default()
    };
    let Some(registry) = test_support::Registry::start(&setup).unwrap() else {
        return;
    };
    let site = Site::new();
    let url = format!("http://{}", registry.host());
    keep_password(&site, &url, PASSWORD);
    let mut body = job_body("p", "s");
    body["config"]["registry"] = json!(url);
    let id = site.api.submit(&body);
    let mut runner = site.connected("r");
    runner.ready();
    site.api.wait_for(&id, &["failed"]);
    let error = site.api.job(&id)["error"].as_str().unwrap().to_owned();
    assert!(error.contains("has no token server"), "{error}");
}

#[test]
fn a_credential_is_a_token_or_a_user_with_a_password() {
    let site = Site::new();
    for (field, value) in [
        ("token", json!({"token": ""})),
        ("token", json!({"token": "two words"})),
        ("`user`", json!({"user": "u:v", "password": "p"})),
        ("`user`", json!({"user": "u", "password": "a\nb"})),
        ("either", json!({"user": "u"})),
        (
            "either",
            json!({"token": "t", "user": "u", "password": "p"}),
        ),
        ("either", json!({})),
    ] {
        let mut body = value;
        body["registry"] = json!("https://r.example");
        let (status, message) = site.api.refused("PUT", "/v0/credentials", &body);
        assert_eq!(status, 400);
        assert!(message.contains(field), "{message}");
    }
    assert_eq!(site.api.get("/v0/credentials"), json!([]));
}
