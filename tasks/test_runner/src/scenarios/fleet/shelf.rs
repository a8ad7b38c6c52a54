//! A program that runners fetch over HTTP.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest as _, Sha256};

/// An HTTP server that answers every request with the same bytes.
#[derive(Debug)]
pub(crate) struct Shelf {
    port: u16,
    checksum: String,
    fetched: Arc<AtomicUsize>,
}

impl Shelf {
    /// Serves `program` for as long as this process lives: scenarios are few.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub(crate) fn with(program: Vec<u8>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let shelf = Self {
            port: listener.local_addr()?.port(),
            checksum: checksum(&program),
            fetched: Arc::default(),
        };
        let fetched = Arc::clone(&shelf.fetched);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if answer(&stream, &program).is_ok() {
                    fetched.fetch_add(1, Ordering::AcqRel);
                }
            }
        });
        Ok(shelf)
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/runner", self.port)
    }

    /// The program's SHA-256.
    pub(crate) fn checksum(&self) -> &str {
        &self.checksum
    }

    /// How often it was fetched.
    pub(crate) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::Acquire)
    }
}

/// The SHA-256 of a program, in hexadecimal.
pub(crate) fn checksum(program: &[u8]) -> String {
    hex::encode(Sha256::digest(program))
}

fn answer(mut stream: &TcpStream, program: &[u8]) -> io::Result<()> {
    let mut line = String::new();
    let mut request = BufReader::new(stream);
    while request.read_line(&mut line)? > 0 && line != "\r\n" {
        line.clear();
    }
    let length = program.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_is_the_program() {
        let shelf = Shelf::with(b"abc".to_vec()).expect("a port");
        let mut answer = ureq::get(shelf.url()).call().expect("an answer");
        let bytes = answer.body_mut().read_to_vec().expect("bytes");
        assert_eq!(bytes, b"abc");
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            shelf.checksum(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
