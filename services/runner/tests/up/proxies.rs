//! A server behind a proxy.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use crate::bench::KEY;
use crate::server::Server;
use crate::support::Cache;

/// A proxy that leads everywhere to this server; the heads of its requests.
fn proxy(server: &Server) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let target = server.url().trim_start_matches("http://").to_owned();
    let (tell, heads) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut client = client;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            if tell.send(String::from_utf8(head).unwrap()).is_err() {
                return;
            }
            let server = TcpStream::connect(&target).unwrap();
            client
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .unwrap();
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                thread::spawn(move || {
                    let _ended = std::io::copy(&mut from, &mut to);
                    let _gone = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    (address, heads)
}

#[test]
fn the_environments_proxy_is_used_unless_the_server_is_exempt() {
    let server = Server::start();
    let (address, heads) = proxy(&server);
    let cache = Cache::new();
    let up = |host: &str, exceptions: &str| {
        let mut command = cache.command(&["up", "--host", host, "--runner", "bench-1"]);
        command
            .args(["--no-auto-update", "--danger-allow-no-sandbox"])
            .env("BENCHER_RUNNER_KEY", KEY)
            .env("all_proxy", format!("http://me:s3cret@{address}"))
            .env("NO_PROXY", exceptions)
            .stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    // Only the proxy knows such a host.
    let mut child = up("http://bencher.invalid:8080/base", "");
    let mut channel = server.accept();
    channel.is_ready();
    assert_eq!(channel.path, "/base/v0/runners/bench-1/channel");
    let head = heads.recv().unwrap();
    assert!(
        head.starts_with("CONNECT bencher.invalid:8080 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nProxy-Authorization: Basic bWU6czNjcmV0\r\n"),
        "{head}"
    );
    assert!(!head.contains(KEY), "{head}");
    child.kill().unwrap();
    child.wait().unwrap();
    // The proxy is not asked for this one.
    let mut child = up("http://bencher.invalid:8080", ".invalid");
    let mut line = [0; 512];
    let count = child.stderr.take().unwrap().read(&mut line).unwrap();
    let line = String::from_utf8_lossy(&line[..count]);
    assert!(line.contains("the server can not be reached"), "{line}");
    assert!(heads.try_recv().is_err());
    child.kill().unwrap();
    child.wait().unwrap();
}
