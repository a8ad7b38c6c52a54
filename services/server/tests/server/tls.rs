//! `runner up`, the real program, and the server behind a proxy with encryption.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use test_support::certificates;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::client::RUNNER;
use crate::support::*;

/// Encryption in front of a server. It ends with this value.
struct Proxy {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Proxy {
    /// One with the certificate in `folder`.
    fn start(folder: &Path, server: &Server) -> Self {
        let certificate = CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let behind = server.url.strip_prefix("http://").unwrap().to_owned();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    // Whoever does not trust the certificate hangs up.
                    if let Ok(mut front) = acceptor.accept(connection).await {
                        let mut back = TcpStream::connect(behind).await.unwrap();
                        let _ended = copy_bidirectional(&mut front, &mut back).await;
                    }
                });
            }
        });
        Self {
            url,
            _runtime: runtime,
        }
    }
}

/// A runner that is up. It is killed with this value.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// `runner up` of the runner `r`.
fn up(site: &Site, proxy: &Proxy, key: &str, options: &[&str]) -> Up {
    let mut command = Command::new(&*RUNNER);
    command
        .args(["up", "--host", &proxy.url, "--runner", "r"])
        .args([
            "--danger-allow-no-sandbox",
            "--no-auto-update",
            "--no-tuning",
        ])
        .args(options)
        .env("BENCHER_RUNNER_KEY", key)
        .env("HOME", site.folder.path())
        .env("XDG_CACHE_HOME", site.path("cache"))
        .env("XDG_STATE_HOME", site.path("state"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    Up(command.spawn().unwrap())
}

#[test]
fn a_runner_is_up_behind_encryption_if_it_trusts_the_certificate() {
    std::sync::LazyLock::force(&RUNNER);
    let site = Site::new();
    let key = site.new_runner("r");
    let folder = tempfile::tempdir().unwrap();
    certificates::write(folder.path()).unwrap();
    let proxy = Proxy::start(folder.path(), site.server());
    let ca = folder.path().join("ca.pem").display().to_string();
    // Its image is nowhere, so it ends without a run, by what the runner says.
    let mut body = job_body("p", "s");
    body["config"]["registry"] = json!("http://127.0.0.1:1");
    let id = site.api.submit(&body);
    let mut stranger = up(&site, &proxy, &key, &[]);
    let mut log = BufReader::new(stranger.0.stderr.take().unwrap()).lines();
    let refused = log.find(|line| line.as_ref().unwrap().contains("ertificate"));
    refused.expect("it says why").unwrap();
    drop(stranger);
    assert_eq!(site.api.job(&id)["state"], "pending");
    let _runner = up(&site, &proxy, &key, &["--ca", &ca]);
    site.api.wait_for(&id, &["failed"]);
    let job = site.api.job(&id);
    assert!(
        job["error"].as_str().unwrap().contains("127.0.0.1:1"),
        "{job}"
    );
    assert!(site.api.get("/v0/runners/r")["metadata"]["version"].is_string());
}
