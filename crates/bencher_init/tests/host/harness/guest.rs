//! A running init.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bencher_output_protocol::{
    Conversation, Decoder, ExitReport, ExitStatus, GuestMessage, HostMessage, LogLevel, Orders,
    Stop,
};

use super::image::spawn;

/// A file that came.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct CollectedFile {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: u16,
    pub(crate) size: u64,
    pub(crate) contents: Vec<u8>,
}

/// Short, for failures are printed with it.
impl std::fmt::Debug for CollectedFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, contents) = (self.path.escape_ascii(), start(&self.contents));
        write!(formatter, "{path} {:o} {} {contents}", self.mode, self.size)
    }
}

/// The first bytes, and how many there are.
fn start(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(200)];
    format!("{} bytes: {}", bytes.len(), start.escape_ascii())
}

/// Everything that a guest said.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) began: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Option<ExitReport>,
    pub(crate) files: Vec<CollectedFile>,
    pub(crate) missing: Vec<(Vec<u8>, String)>,
    pub(crate) logs: Vec<(LogLevel, String)>,
    pub(crate) failed: Option<(String, String)>,
    pub(crate) done: bool,
    /// What init wrote to its own standard error.
    pub(crate) console: String,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Outcome")
            .field("began", &self.began)
            .field("stdout", &start(&self.stdout))
            .field("stderr", &start(&self.stderr))
            .field("exit", &self.exit)
            .field("files", &self.files.iter().take(10).collect::<Vec<_>>())
            .field("missing", &self.missing.iter().take(10).collect::<Vec<_>>())
            .field("logs", &self.logs.iter().take(10).collect::<Vec<_>>())
            .field("failed", &self.failed)
            .field("done", &self.done)
            .field("console", &self.console)
            .finish()
    }
}

impl Outcome {
    pub(crate) fn status(&self) -> ExitStatus {
        match &self.exit {
            Some(report) => report.status.clone(),
            None => panic!("there is no exit status: {self:?}"),
        }
    }

    pub(crate) fn stdout(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.logs
            .iter()
            .filter(|(level, _)| *level == LogLevel::Warning)
            .map(|(_, text)| text.as_str())
            .collect()
    }

    /// The outcome of a command that ended by itself with code 0.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.status(), ExitStatus::Exited(0), "{self:?}");
        assert!(self.done, "{self:?}");
        self
    }
}

/// The program under test.
pub(crate) const INIT: &str = env!("CARGO_BIN_EXE_bencher_init");

pub(crate) struct Guest {
    pub(crate) init: Child,
    stream: UnixStream,
    decoder: Decoder,
    conversation: Conversation,
    outcome: Outcome,
}

impl Guest {
    /// Starts init and gives it its orders.
    pub(crate) fn start(orders: Orders) -> Self {
        Self::start_with(
            Command::new(INIT).args(["host", "--stream-fd", "0"]),
            orders,
        )
    }

    /// Starts init as another user.
    pub(crate) fn start_as(user: u32, program: &std::path::Path, orders: Orders) -> Self {
        let mut command = Command::new(program);
        command
            .args(["host", "--stream-fd", "0"])
            .uid(user)
            .gid(user);
        Self::start_with(&mut command, orders)
    }

    pub(crate) fn start_with(command: &mut Command, orders: Orders) -> Self {
        let mut guest = Self::start_silent(command);
        guest.say(&HostMessage::Hello);
        guest.say(&HostMessage::Orders(Box::new(orders)));
        guest
    }

    /// Starts init and says nothing.
    pub(crate) fn start_silent(command: &mut Command) -> Self {
        let (stream, theirs) = UnixStream::pair().unwrap();
        // A guest that hangs fails its test instead of stopping all.
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        command
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let init = spawn(command).unwrap();
        // The command holds a copy of the stream's other end.
        command.stdin(Stdio::null());
        Self {
            init,
            stream,
            decoder: Decoder::of_guest(),
            conversation: Conversation::default(),
            outcome: Outcome::default(),
        }
    }

    pub(crate) fn say(&mut self, message: &HostMessage) {
        self.write(&message.encode().unwrap());
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn stop(&mut self, grace_milliseconds: u64) {
        self.say(&HostMessage::Stop(Stop { grace_milliseconds }));
    }

    /// Listens until `enough` says so, or the guest has hung up.
    pub(crate) fn listen_until(&mut self, enough: impl Fn(&Outcome) -> bool) -> &Outcome {
        while !enough(&self.outcome) {
            while take_message(&mut self.decoder, &mut self.conversation, &mut self.outcome) {}
            if enough(&self.outcome) {
                break;
            }
            let count = match self.stream.read(self.decoder.space()) {
                Ok(count) => count,
                // What the guest had not read when it ended.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => panic!("{error} after {:?}", self.outcome),
            };
            self.decoder.filled(count);
            if count == 0 {
                self.decoder.finish().unwrap();
                break;
            }
        }
        &self.outcome
    }

    /// Listens to the end.
    pub(crate) fn finish(mut self) -> Outcome {
        self.listen_until(|_| false);
        let code = self.init.wait().unwrap();
        let mut outcome = self.outcome;
        let mut console = self.init.stderr.take().unwrap();
        console.read_to_string(&mut outcome.console).unwrap();
        if code.code().is_some() {
            assert_eq!(code.success(), outcome.done, "{code}: {outcome:?}");
        }
        outcome
    }

    /// Closes the stream.
    pub(crate) fn hang_up(self) -> Child {
        self.init
    }
}

/// Runs orders to the end.
pub(crate) fn run(orders: Orders) -> Outcome {
    Guest::start(orders).finish()
}

fn take_message(
    decoder: &mut Decoder,
    conversation: &mut Conversation,
    outcome: &mut Outcome,
) -> bool {
    let index = decoder.frame_index();
    let Some(message) = decoder.next_from_guest().unwrap() else {
        return false;
    };
    conversation.advance(&message, index).unwrap();
    match message {
        GuestMessage::Hello {
            boot_nanoseconds,
            kernel_release,
        } => {
            assert!(boot_nanoseconds > 0);
            assert!(!kernel_release.is_empty());
        }
        GuestMessage::Started { .. } => outcome.began = true,
        GuestMessage::Stdout(bytes) => outcome.stdout.extend_from_slice(bytes),
        GuestMessage::Stderr(bytes) => outcome.stderr.extend_from_slice(bytes),
        GuestMessage::Exited(report) => outcome.exit = Some(report),
        GuestMessage::FileBegin(begin) => outcome.files.push(CollectedFile {
            path: begin.path.to_vec(),
            mode: begin.mode,
            size: begin.size,
            contents: Vec::new(),
        }),
        GuestMessage::FileData(bytes) => {
            let file = outcome.files.last_mut().unwrap();
            file.contents.extend_from_slice(bytes);
        }
        GuestMessage::FileEnd => {}
        GuestMessage::FileMissing { path, reason } => {
            outcome.missing.push((path.to_vec(), reason.to_owned()));
        }
        GuestMessage::Log { level, text } => outcome.logs.push((level, text.to_owned())),
        GuestMessage::Failed { stage, reason } => {
            outcome.failed = Some((stage.to_owned(), reason.to_owned()));
        }
        GuestMessage::Done => outcome.done = true,
    }
    true
}
