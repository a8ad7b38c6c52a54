//! What a job writes is on the terminal of whoever waits for it while it runs, and nowhere else before its end.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Barrier};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::client::{image, runner, site};
use crate::support::*;

/// `runner` on a terminal, and what it writes there.
struct OnTerminal {
    child: Child,
    pieces: Receiver<Vec<u8>>,
    shown: String,
}

impl OnTerminal {
    fn start(site: &Site, arguments: &[&str]) -> Self {
        // Nobody else has the other end, or inherits it: reading ends with the program.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let mut terminal = posix_openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname_r(&terminal).unwrap();
        let child = runner(site, arguments)
            .stdout(open(name.as_str(), flags, Mode::empty()).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (send, pieces) = channel();
        std::thread::spawn(move || {
            loop {
                let mut bytes = [0; 4096];
                match terminal.read(&mut bytes) {
                    Ok(count @ 1..) => send.send(bytes[..count].to_vec()).unwrap(),
                    Ok(0) => return,
                    // What a terminal says that nobody has any more (tty_ioctl(4) of Linux, "hangup").
                    Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        Self {
            child,
            pieces,
            shown: String::new(),
        }
    }

    /// Waits until `wanted` is all that is on the terminal.
    fn until(&mut self, wanted: &str) {
        while self.shown != wanted {
            let piece = self.pieces.recv_timeout(PATIENCE);
            let piece = piece.unwrap_or_else(|_| panic!("it shows {:?}", self.shown));
            self.shown += std::str::from_utf8(&piece).unwrap();
            assert!(wanted.starts_with(&self.shown), "it shows {:?}", self.shown);
        }
    }

    /// All that it showed, at its end, which is to be a good one.
    fn all(mut self) -> String {
        loop {
            match self.pieces.recv_timeout(PATIENCE) {
                Ok(piece) => self.shown += std::str::from_utf8(&piece).unwrap(),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it has not ended: {:?}", self.shown),
            }
        }
        assert!(self.child.wait().unwrap().success());
        self.shown
    }
}

/// Claims a job and begins it.
fn begin(connection: &mut Runner) -> Value {
    connection.ready_for_output();
    let job = connection.receive();
    assert_eq!(job["live_output"], true, "{job}");
    connection.say("running");
    job["uuid"].clone()
}

fn end(connection: &mut Runner, job: &Value, stdout: &str) {
    let results = json!([{"exit_code": 0, "stdout": stdout}]);
    connection.send(&json!({"event": "completed", "job": job, "results": results}));
    assert_eq!(connection.receive()["event"], "ack");
}

/// Lets a job write, with `terminal` on which that is to be seen.
fn is_seen(site: &Site, connection: &mut Runner, job: &Value, mut terminal: OnTerminal) {
    connection.write(job, "one\n");
    // A terminal begins each line at its left.
    terminal.until("one\r\n");
    connection.write(job, "two\n");
    terminal.until("one\r\ntwo\r\n");
    let id = job.as_str().unwrap();
    assert_eq!(site.api.job(id)["state"], "running");
    end(connection, job, "one\ntwo\nand three\n");
    assert_eq!(terminal.all(), "one\r\ntwo\r\nand three\r\n");
}

#[test]
fn what_a_job_writes_is_on_the_terminal_of_who_waits_while_it_runs() {
    let site = site();
    let mut connection = site.connected("r");
    let image = image(&site);
    let terminal = OnTerminal::start(&site, &["submit", &image, "--spec", "s", "--wait"]);
    let job = begin(&mut connection);
    is_seen(&site, &mut connection, &job, terminal);
    site.submit();
    let job = begin(&mut connection);
    let terminal = OnTerminal::start(&site, &["jobs", "logs", job.as_str().unwrap()]);
    is_seen(&site, &mut connection, &job, terminal);
}

#[test]
fn what_a_job_writes_is_in_a_pipe_once_it_is_known_to_be_whole() {
    let site = site();
    let mut connection = site.connected("r");
    let image = image(&site);
    let (told, asked) = channel();
    let look = Arc::new(Barrier::new(2));
    let held = Arc::clone(&look);
    let host = between(&site.server().url, move |request| {
        if !request.contains("/results ") {
            return Fate::Passed;
        }
        told.send(()).unwrap();
        Fate::Held(Arc::clone(&held))
    });
    for command in ["submit", "logs"] {
        let id = (command == "logs").then(|| site.submit());
        let arguments = match &id {
            None => vec!["submit", &image, "--spec", "s", "--wait"],
            Some(id) => vec!["jobs", "logs", id],
        };
        let mut child = runner(&site, &arguments)
            .env("BENCHER_HOST", &host)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let job = begin(&mut connection);
        let mut news = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut line = || news.next().expect("a line").unwrap();
        while !line().contains("the job is running") {}
        connection.write(&job, "one\n");
        let mut events = site.api.events(job.as_str().unwrap());
        assert!(events.any(|(name, _)| name == "output"));
        end(&mut connection, &job, "one\nand two\n");
        // All of the job's events were heard before its results are asked for.
        asked.recv_timeout(PATIENCE).unwrap();
        let mut pipe = child.stdout.take().unwrap();
        let mut early = [0; 100];
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let found = pipe.read(&mut early).map_err(|error| error.kind());
        assert_eq!(found, Err(ErrorKind::WouldBlock), "{command}: {early:?}");
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        look.wait();
        let mut whole = String::new();
        pipe.read_to_string(&mut whole).unwrap();
        assert_eq!(whole, "one\nand two\n", "{command}");
        assert!(child.wait().unwrap().success());
    }
}
