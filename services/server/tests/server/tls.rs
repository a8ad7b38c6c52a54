//! `runner up`, the real program, and the server behind a proxy with encryption.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use test_support::certificates;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

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

#[test]
fn a_runner_is_up_behind_encryption_if_it_trusts_the_certificate() {
    let site = Site::new();
    let key = site.new_runner("r");
    let folder = tempfile::tempdir().unwrap();
    certificates::write(folder.path()).unwrap();
    let proxy = Proxy::start(folder.path(), site.server());
    let ca = folder.path().join("ca.pem").display().to_string();
    // Its image is nowhere, so it ends without a run, by what the runner says.
    let id = site.submit();
    let mut stranger = Up::start(&site, &proxy.url, &key, &[]);
    let mut log = BufReader::new(stranger.log()).lines();
    let refused = log.find(|line| line.as_ref().unwrap().contains("ertificate"));
    refused.expect("it says why").unwrap();
    drop(stranger);
    assert_eq!(site.api.job(&id)["state"], "pending");
    let _runner = Up::start(&site, &proxy.url, &key, &["--ca", &ca]);
    site.api.wait_for(&id, &["failed"]);
    let job = site.api.job(&id);
    assert_eq!(job["reason"], "job_failed", "{job}");
}

#[test]
fn who_takes_a_server_for_another_kind_is_told_what_to_try() {
    let site = crate::client::site();
    let folder = tempfile::tempdir().unwrap();
    certificates::write(folder.path()).unwrap();
    let proxy = Proxy::start(folder.path(), site.server());
    let plain = site.server().url.strip_prefix("http://").unwrap();
    let encrypted = proxy.url.strip_prefix("https://").unwrap();
    let key = site.new_runner("r");
    for (host, try_this) in [
        (
            format!("https://{plain}"),
            format!("does not speak TLS: try http://{plain}"),
        ),
        (
            format!("http://{encrypted}"),
            format!("does not speak HTTP: try https://{encrypted}"),
        ),
    ] {
        let command = ["jobs", "ls", "--host", &host];
        let output = crate::client::runner(&site, &command).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{stderr}");
        assert!(stderr.contains(&try_this), "{stderr}");
        // It ends, instead of trying again.
        let mut up = Up::start(&site, &host, &key, &[]);
        let log: Vec<_> = BufReader::new(up.log())
            .lines()
            .map(Result::unwrap)
            .collect();
        assert!(log.iter().any(|line| line.contains(&try_this)), "{log:?}");
        assert!(!log.iter().any(|line| line.contains("again")), "{log:?}");
    }
}
