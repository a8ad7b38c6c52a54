//! Between a client and its server: a line that is lost, or a server that says what ours does not.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It comes through, and so does its answer.
    Passed,
    /// The connection is lost.
    Lost,
    /// It comes through once so many others have come.
    Held(Arc<Barrier>),
    /// It comes through, and its answer comes with so many bytes a second.
    Slow(u64),
    /// It is answered with this JSON.
    Answered(String),
}

/// A place where requests to `url` pass; `fate` is told the request's first line. Returns its address.
pub(crate) fn between(url: &str, fate: impl FnMut(&str) -> Fate + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    pass_on(listener, url, fate);
    format!("http://{address}")
}

/// The same at a place that was known before the server at `url` was there.
pub(crate) fn pass_on(
    listener: TcpListener,
    url: &str,
    mut fate: impl FnMut(&str) -> Fate + Send + 'static,
) {
    let server = url.strip_prefix("http://").unwrap().to_owned();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let mut request = BufReader::new(near);
            let mut line = String::new();
            if request.read_line(&mut line).is_err() {
                continue;
            }
            // Whoever does not get through will say so.
            let _lost = match fate(&line) {
                Fate::Lost => request.get_ref().shutdown(Shutdown::Both),
                Fate::Answered(json) => answer(request.get_ref(), &json),
                Fate::Held(others) => {
                    let server = server.clone();
                    thread::spawn(move || {
                        others.wait();
                        pass(request, &line, &server, copy)
                    });
                    Ok(())
                }
                Fate::Slow(rate) => pass(request, &line, &server, move |far, near| {
                    trickle(far, near, rate)
                }),
                Fate::Passed => pass(request, &line, &server, copy),
            };
        }
    });
}

fn answer(mut near: &TcpStream, json: &str) -> io::Result<()> {
    let length = json.len();
    write!(
        near,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{json}"
    )
}

fn copy(far: &mut TcpStream, near: &mut TcpStream) -> io::Result<()> {
    io::copy(far, near).map(|_| ())
}

/// Passes on what comes, so many bytes a second.
fn trickle(far: &mut TcpStream, near: &mut TcpStream, rate: u64) -> io::Result<()> {
    let begun = Instant::now();
    let (mut bytes, mut passed) = ([0; 8 << 10], 0);
    loop {
        let count = far.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        near.write_all(&bytes[..count])?;
        passed += count as u64;
        let due = Duration::from_micros(1_000_000 * passed / rate);
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }
}

/// One request for each connection, so that none passes unseen. `back` passes the answer on.
fn pass(
    mut request: BufReader<TcpStream>,
    line: &str,
    server: &str,
    back: impl FnOnce(&mut TcpStream, &mut TcpStream) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let mut near = request.get_ref().try_clone()?;
    let mut far = TcpStream::connect(server)?;
    write!(far, "{line}connection: close\r\n")?;
    let mut onwards = far.try_clone()?;
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = request.read(&mut bytes) {
            if onwards.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        let _lost = back(&mut far, &mut near);
        let _gone = near.shutdown(Shutdown::Both);
    });
    Ok(())
}
