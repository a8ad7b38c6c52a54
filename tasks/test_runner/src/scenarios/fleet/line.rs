//! The network between a runner and its server: it can be cut, and lead somewhere else.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::watchdog::PATIENCE;

/// A port of loopback whose connections lead to another one.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    /// Where connections lead; `None` while the line is cut.
    target: Option<SocketAddr>,
    /// Both ends of each connection.
    open: Vec<TcpStream>,
    /// How many connections were made.
    made: usize,
}

impl Line {
    /// A line that is cut.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub(crate) fn lay() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let line = Self {
            port: listener.local_addr()?.port(),
            shared: Arc::default(),
        };
        let shared = Arc::clone(&line.shared);
        // It ends with this process: scenarios are few.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // What does not come through is cut, as on a line that is.
                let _cut = connect(&shared, near);
            }
        });
        Ok(line)
    }

    /// `http://…` of this end.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on connections lead to `target`. Those that there are stay.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        lock(&self.shared.0).target = Some(target);
    }

    /// Ends all connections, and makes no more.
    pub(crate) fn cut(&self) {
        let mut state = lock(&self.shared.0);
        state.target = None;
        for end in state.open.drain(..) {
            // The other side may have ended it.
            let _ended = end.shutdown(Shutdown::Both);
        }
    }

    /// Waits until `count` connections were made, as long as a scenario may take, and returns how many
    /// were.
    pub(crate) fn wait_for(&self, count: usize) -> usize {
        let (state, changed) = &*self.shared;
        let waited = changed.wait_timeout_while(lock(state), PATIENCE, |state| state.made < count);
        waited.unwrap_or_else(PoisonError::into_inner).0.made
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect((state, changed): &(Mutex<State>, Condvar), near: TcpStream) -> io::Result<()> {
    let mut held = lock(state);
    let Some(target) = held.target else {
        return near.shutdown(Shutdown::Both);
    };
    let far = TcpStream::connect(target)?;
    for (from, to) in [
        (near.try_clone()?, far.try_clone()?),
        (far.try_clone()?, near.try_clone()?),
    ] {
        thread::spawn(move || carry(from, to));
    }
    held.made += 1;
    held.open.extend([near, far]);
    changed.notify_all();
    Ok(())
}

/// Carries what comes until it ends, and lets the other side know of that.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    // An error is an end too.
    let _end = io::copy(&mut from, &mut to);
    let _ended = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    fn ask(line: &Line) -> io::Result<String> {
        let address = line.url().replace("http://", "");
        let mut stream = TcpStream::connect(address)?;
        let mut answer = String::new();
        stream.write_all(b"x")?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn answering(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("it has one");
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut asked = Vec::new();
                stream.read_to_end(&mut asked).expect("it ends");
                stream.write_all(text.as_bytes()).expect("it is read");
            }
        });
        address
    }

    #[test]
    fn it_leads_where_it_is_told_to_and_nowhere_when_it_is_cut() {
        let line = Line::lay().expect("a port");
        assert!(ask(&line).unwrap_or_default().is_empty());
        line.lead_to(answering("one"));
        assert_eq!(ask(&line).expect("it leads there"), "one");
        line.lead_to(answering("two"));
        assert_eq!(ask(&line).expect("it leads there"), "two");
        assert_eq!(line.wait_for(0), 2);
        let mut open = TcpStream::connect(line.url().replace("http://", "")).expect("it leads");
        open.write_all(b"x").expect("it is open");
        assert_eq!(line.wait_for(3), 3);
        line.cut();
        let mut rest = Vec::new();
        // Cut off, by an end or by a reset.
        let _cut = open.read_to_end(&mut rest);
        assert!(rest.is_empty());
        assert!(ask(&line).unwrap_or_default().is_empty());
    }
}
