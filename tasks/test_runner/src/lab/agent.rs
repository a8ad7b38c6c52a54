//! The harness inside the lab: runs what the harness outside orders.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::protocol::{CHUNK, Decoder, Ended, Job, Message, PORT};
use crate::process::{capture, command};

/// How often the agent says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long output is waited for once a command has ended: something that it left running may hold
/// its pipes open for ever.
const LINGER: Duration = Duration::from_secs(2);

/// The controllers that an init system enables for everything below the root.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// The way out, shared by everything that has something to say.
#[derive(Debug, Clone)]
struct Outlet(Arc<Mutex<File>>);

impl Outlet {
    fn send(&self, message: &Message) -> anyhow::Result<()> {
        let mut port = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        message.send(&mut *port).context("cannot write to the port")
    }
}

/// Takes orders until the lab is killed.
///
/// # Errors
///
/// When this is no lab, or the port fails.
pub(crate) fn serve() -> anyhow::Result<()> {
    let path = port(Path::new("/sys/class/virtio-ports"))
        .context("this command is for the inside of a lab, which has a port")?;
    let open = || File::options().read(true).write(true).open(&path);
    let mut port = open().with_context(|| format!("cannot open {}", path.display()))?;
    let outlet = Outlet(Arc::new(Mutex::new(port.try_clone()?)));
    set_up();
    outlet.send(&Message::Ready)?;
    let heart = outlet.clone();
    thread::spawn(move || {
        // The one who would listen is gone when this fails.
        while heart.send(&Message::Alive).is_ok() {
            thread::sleep(HEARTBEAT);
        }
    });
    let mut decoder = Decoder::default();
    let mut input: Option<ChildStdin> = None;
    let mut buffer = vec![0; CHUNK];
    loop {
        match decoder.next()? {
            Some(Message::Run(job)) => input = begin(&job, &outlet)?,
            Some(Message::Input(bytes)) => feed(&mut input, &bytes),
            Some(_) => {}
            None => match port
                .read(&mut buffer)
                .context("cannot read from the port")?
            {
                0 => bail!("the harness has closed the port"),
                length => decoder.push(&buffer[..length]),
            },
        }
    }
}

/// The port's device.
fn port(class: &Path) -> Option<PathBuf> {
    fs::read_dir(class).ok()?.find_map(|entry| {
        let entry = entry.ok()?;
        let name = fs::read_to_string(entry.path().join("name")).ok()?;
        (name.trim() == PORT).then(|| Path::new("/dev").join(entry.file_name()))
    })
}

/// What an init system and a network would have done. Failures are shown on the console: commands
/// that need it will say more.
fn set_up() {
    if let Err(error) = capture(command("ip").args(["link", "set", "lo", "up"])) {
        eprintln!("lab: no loopback device: {error:#}");
    }
    for controller in CONTROLLERS {
        let enabled = fs::write(
            "/sys/fs/cgroup/cgroup.subtree_control",
            format!("+{controller}"),
        );
        if let Err(error) = enabled {
            eprintln!("lab: the cgroup controller {controller} can not be enabled: {error}");
        }
    }
}

/// Starts a command, whose end is reported by a thread of its own. Returns its standard input.
fn begin(job: &Job, outlet: &Outlet) -> anyhow::Result<Option<ChildStdin>> {
    match start(job) {
        Ok(mut child) => {
            let input = child.stdin.take();
            let (results, outlet) = (PathBuf::from(&job.results), outlet.clone());
            thread::spawn(move || {
                if let Err(error) = attend(child, &results, &outlet) {
                    eprintln!("lab: {error:#}");
                }
            });
            Ok(input)
        }
        Err(error) => {
            outlet.send(&Message::Ended(Ended::NotStarted(format!("{error:#}"))))?;
            Ok(None)
        }
    }
}

fn start(job: &Job) -> anyhow::Result<Child> {
    let results = Path::new(&job.results);
    crate::images::remove_if_there(results)?;
    fs::create_dir_all(results).with_context(|| format!("cannot make {}", results.display()))?;
    let (program, arguments) = job.command.split_first().context("the command is empty")?;
    let path = job.environment.get("PATH").map(String::as_str);
    Command::new(resolve(program, path.unwrap_or_default()))
        .args(arguments)
        .env_clear()
        .envs(&job.environment)
        .current_dir(&job.directory)
        .stdin(if job.input {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))
}

/// Looks a program up in the job's own search path, not in this process's.
fn resolve(program: &str, path: &str) -> PathBuf {
    if program.contains('/') {
        return program.into();
    }
    path.split(':')
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| program.into())
}

fn feed(input: &mut Option<ChildStdin>, bytes: &[u8]) {
    if bytes.is_empty() {
        *input = None;
    } else if let Some(pipe) = input
        && pipe.write_all(bytes).is_err()
    {
        // The command does not read any more.
        *input = None;
    }
}

/// Passes a command's output on until it ends, then sends its results and its end.
fn attend(mut child: Child, results: &Path, outlet: &Outlet) -> anyhow::Result<()> {
    let (done, all_done) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        stream(stdout, Message::Stdout, outlet.clone(), done.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        stream(stderr, Message::Stderr, outlet.clone(), done.clone());
    }
    drop(done);
    let status = child.wait().context("cannot wait for the command")?;
    // Nothing is ever sent: the channel closes when both streams have ended.
    let _closed_or_late = all_done.recv_timeout(LINGER);
    let archive = pack(results)?;
    for chunk in archive.chunks(CHUNK) {
        outlet.send(&Message::Results(chunk.to_vec()))?;
    }
    outlet.send(&Message::Ended(ended(status)))
}

fn stream(
    mut from: impl Read + Send + 'static,
    wrap: fn(Vec<u8>) -> Message,
    outlet: Outlet,
    done: mpsc::Sender<()>,
) {
    thread::spawn(move || {
        let _until_the_end = done;
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if outlet.send(&wrap(buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
}

/// The tar of what is in `folder`.
///
/// # Errors
///
/// When something in it can not be read.
pub(crate) fn pack(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    archive
        .append_dir_all("", folder)
        .and_then(|()| archive.into_inner())
        .with_context(|| format!("cannot pack {}", folder.display()))
}

/// What became of a process.
pub(crate) fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn job(command: &[&str], results: &Path) -> Job {
        Job {
            command: command.iter().map(ToString::to_string).collect(),
            environment: BTreeMap::from([
                ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
                ("ONLY".to_owned(), "this".to_owned()),
            ]),
            directory: "/".to_owned(),
            results: results.display().to_string(),
            input: true,
        }
    }

    /// Everything that is said about a command which gets `given` as its standard input.
    fn said(command: &[&str], given: &str) -> Vec<Message> {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        let outlet = Outlet(Arc::new(Mutex::new(File::from(
            std::os::fd::OwnedFd::from(theirs),
        ))));
        let mut input = begin(&job(command, &folder.path().join("results")), &outlet)
            .expect("the outlet is open");
        drop(outlet);
        if !given.is_empty() {
            feed(&mut input, given.as_bytes());
        }
        feed(&mut input, &[]);
        let mut bytes = Vec::new();
        ours.read_to_end(&mut bytes).expect("it ends");
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        std::iter::from_fn(|| decoder.next().expect("they are frames")).collect()
    }

    #[test]
    fn a_command_is_carried_out_as_ordered() {
        let script = "read -r line; echo \"$ONLY $line\"; pwd >&2; env | wc -l >\"$0\"; exit 3";
        let messages = said(&["sh", "-c", script, "/dev/null"], "given\n");
        assert!(
            messages.contains(&Message::Stdout(b"this given\n".to_vec())),
            "{messages:?}"
        );
        assert!(
            messages.contains(&Message::Stderr(b"/\n".to_vec())),
            "{messages:?}"
        );
        assert_eq!(messages.last(), Some(&Message::Ended(Ended::Code(3))));
    }

    #[test]
    fn signals_and_missing_programs_are_told() {
        let messages = said(&["sh", "-c", "kill -9 $$"], "");
        assert_eq!(messages.last(), Some(&Message::Ended(Ended::Signal(9))));
        let messages = said(&["no-such-program"], "");
        let [Message::Ended(Ended::NotStarted(reason))] = messages.as_slice() else {
            panic!("{messages:?}");
        };
        assert!(
            reason.starts_with("cannot start no-such-program"),
            "{reason}"
        );
    }

    #[test]
    fn results_are_packed() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("report"), "text").expect("it can be written");
        let archive = pack(folder.path()).expect("it can be read");
        let target = tempfile::tempdir().expect("a folder");
        tar::Archive::new(archive.as_slice())
            .unpack(target.path())
            .expect("it is one");
        let text = fs::read_to_string(target.path().join("report")).expect("it is there");
        assert_eq!(text, "text");
    }

    #[test]
    fn the_port_is_known_by_its_name() {
        let class = tempfile::tempdir().expect("a folder");
        for (device, name) in [("vport0p0", "other"), ("vport0p1", PORT)] {
            fs::create_dir(class.path().join(device)).expect("it can be made");
            fs::write(class.path().join(device).join("name"), format!("{name}\n"))
                .expect("it can be written");
        }
        assert_eq!(port(class.path()), Some("/dev/vport0p1".into()));
        assert_eq!(port(Path::new("/no/such/class")), None);
    }
}
