//! Starting a Firecracker that is not one, to see what becomes of its answers.

use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Listens where Firecracker would, after `start` has begun to wait, and answers each request in
/// turn; then hangs up.
async fn answer(folder: &Path, answers: &[(&str, &str)]) {
    let listener = UnixListener::bind(folder.join("api.sock")).unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    for (status, body) in answers {
        let mut request = [0; 4096];
        assert_ne!(stream.read(&mut request).await.unwrap(), 0);
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// What comes of `start` with such a Firecracker.
fn start_with(answers: &[(&str, &str)]) -> (Result<(), MachineError>, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let options = FirecrackerOptions {
        vcpus: NonZeroU8::MIN,
        memory: ByteSize::from_mebibytes(128),
        huge_pages: None,
        prefault: false,
        cpu_template: None,
        console: false,
        network: None,
    };
    let files = Files {
        kernel: "/kernel".into(),
        initramfs: "/initramfs".into(),
        disk: "/disk".into(),
        vsock: "/run/vsock".into(),
    };
    let version = Arc::new(OnceLock::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let started = runtime.block_on(async {
        let sockets = Sockets::open(folder.path()).unwrap();
        let listener = sockets.listen().unwrap();
        let config = Config::new(&options, &files);
        let start = start(sockets, listener, config, Arc::clone(&version));
        let (started, ()) = tokio::join!(start, answer(folder.path(), answers));
        started.map(drop)
    });
    (started, version.get().cloned())
}

#[test]
fn an_old_firecracker_is_refused() {
    let (started, version) = start_with(&[("200 OK", r#"{"firecracker_version":"1.12.9"}"#)]);
    let error = started.unwrap_err().to_string();
    assert!(error.contains("1.12.9 is too old: 1.13"), "{error}");
    assert_eq!(version, None);
}

#[test]
fn a_refused_order_is_quoted_on_one_line() {
    let (started, version) = start_with(&[
        ("200 OK", r#"{"firecracker_version":"1.13.0"}"#),
        (
            "400 Bad Request",
            r#"{"fault_message":"no such memory\u001b[2J\nat all"}"#,
        ),
    ]);
    assert_eq!(
        started.unwrap_err().to_string(),
        "Firecracker refused to make the machine: no such memory [2J at all"
    );
    assert_eq!(version.as_deref(), Some("1.13.0"));
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    let (started, _) = start_with(&[("500 Internal Server Error", "<html>")]);
    let error = started.unwrap_err().to_string();
    assert!(
        error.contains("tell its version: it answered 500"),
        "{error}"
    );
}

#[test]
fn an_end_in_the_middle_is_the_vmms() {
    let (started, _) = start_with(&[("200 OK", r#"{"firecracker_version":"1.13.0"}"#)]);
    assert!(matches!(started, Err(MachineError::VmmGone)), "{started:?}");
}
