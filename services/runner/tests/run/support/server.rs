//! A web server for one download.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Answers one request with `content`, and returns where.
pub(crate) fn serve_once(content: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _length = stream.read(&mut request).unwrap();
        let length = content.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(&content).unwrap();
    });
    format!("http://{address}/file")
}
