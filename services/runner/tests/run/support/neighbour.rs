//! A host with one neighbour, each a network namespace: nothing of a test reaches a real network.
//!
//! ```text
//! the runner's host                        its neighbour
//! 198.51.100.1 ──────── outside ─ inside ─ 198.51.100.2, 169.254.169.254
//! ports 80, 8080, name server              ports 80, 8080, name server
//! ```
//!
//! The addresses are those of documentation (RFC 5737) and of link-local use (RFC 3927).

use std::fs;
use std::io::{PipeWriter, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use bencher_runner::paths::find_program;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use tempfile::NamedTempFile;

use super::skip;

/// The host of a test.
pub(crate) struct Host {
    resolv_conf: NamedTempFile,
}

impl Host {
    /// Runs `test` on a host of its own, or says why that can not be done here.
    pub(crate) fn with(test: impl FnOnce(&Self) + Send) {
        let missing = if !nix::unistd::geteuid().is_root() {
            Some("only root can connect networks")
        } else if find_program("ip").is_none() || find_program("nft").is_none() {
            Some("no ip or no nft on this machine")
        } else if !Path::new("/dev/net/tun").exists() {
            Some("no /dev/net/tun on this machine")
        } else {
            None
        };
        if skip(missing) {
            return;
        }
        thread::scope(|scope| {
            let host = scope.spawn(|| {
                // Closed with this thread's work, also where that fails: then the others end.
                let (_open, end) = std::io::pipe().unwrap();
                let neighbour_end = end.try_clone().unwrap();
                unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
                let host = Self::furnish();
                ip("link set lo up");
                let place = namespace_of_this_thread();
                let (ready, is_ready) = std::sync::mpsc::channel();
                scope.spawn(move || {
                    neighbour(&place);
                    let servers = Servers::open("198.51.100.2");
                    ready.send(()).unwrap();
                    servers.serve(&neighbour_end);
                });
                is_ready.recv().unwrap();
                ip("address add 198.51.100.1/24 dev outside");
                ip("link set outside up");
                let own = Servers::open("198.51.100.1");
                scope.spawn(move || own.serve(&end));
                ip("route add default via 198.51.100.2");
                test(&host);
            });
            if let Err(panic) = host.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }

    /// Gives this thread a `resolv.conf` of its own.
    fn furnish() -> Self {
        let resolv_conf = NamedTempFile::new().unwrap();
        let none = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none).unwrap();
        let from = Some(resolv_conf.path());
        mount(from, "/etc/resolv.conf", none, MsFlags::MS_BIND, none).unwrap();
        let host = Self { resolv_conf };
        host.name_server("198.51.100.2");
        host
    }

    /// Makes `address` the host's only name server.
    pub(crate) fn name_server(&self, address: &str) {
        fs::write(self.resolv_conf.path(), format!("nameserver {address}\n")).unwrap();
    }
}

/// What of guests' networks is on the host of this thread: interfaces, tables of rules, and whether
/// anything may be forwarded.
pub(crate) fn traces() -> String {
    let mut traces = String::new();
    for setting in fs::read_dir("/proc/sys/net/ipv4/conf").unwrap() {
        let name = setting.unwrap().file_name();
        let name = name.to_string_lossy();
        if name.starts_with("bencher") {
            traces.extend(["interface ", &name, "\n"]);
        }
    }
    traces += &nft("list tables");
    if forwards("outside") {
        traces += "outside forwards\n";
    }
    traces
}

/// The rules that keep the host from forwarding for others than guests.
pub(crate) fn guards() -> String {
    nft("list table inet bencher_runner")
}

/// Whether the host forwards what comes in on `interface`.
pub(crate) fn forwards(interface: &str) -> bool {
    let setting = format!("/proc/sys/net/ipv4/conf/{interface}/forwarding");
    fs::read_to_string(setting).unwrap().trim() != "0"
}

fn nft(arguments: &str) -> String {
    let said = Command::new("nft").args(arguments.split(' ')).output();
    String::from_utf8(said.unwrap().stdout).unwrap()
}

/// `ip` in the namespace of this thread.
pub(crate) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "ip {arguments}");
}

fn namespace_of_this_thread() -> PathBuf {
    let thread = fs::read_link("/proc/thread-self").unwrap();
    Path::new("/proc").join(thread).join("ns/net")
}

/// Makes this thread the neighbour of the host whose namespace is at `host`.
fn neighbour(host: &Path) {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let host = host.display();
    ip(&format!(
        "link add inside type veth peer name outside netns {host}"
    ));
    ip("link set lo up");
    ip("address add 198.51.100.2/24 dev inside");
    ip("address add 169.254.169.254/32 dev inside");
    ip("link set inside up");
    ip("route add default via 198.51.100.1");
}

/// What listens in a namespace.
struct Servers {
    pages: [TcpListener; 2],
    names: UdpSocket,
}

impl Servers {
    fn open(address: &str) -> Self {
        Self {
            pages: [80, 8080].map(|port| TcpListener::bind(("0.0.0.0", port)).unwrap()),
            names: UdpSocket::bind((address, 53)).unwrap(),
        }
    }

    /// Answers everybody, until the other end of `end` is closed.
    fn serve(&self, end: &PipeWriter) {
        loop {
            let mut sources = [
                PollFd::new(self.pages[0].as_fd(), PollFlags::POLLIN),
                PollFd::new(self.pages[1].as_fd(), PollFlags::POLLIN),
                PollFd::new(self.names.as_fd(), PollFlags::POLLIN),
                // Nobody reads it: it tells of an error once nobody can.
                PollFd::new(end.as_fd(), PollFlags::empty()),
            ];
            poll(&mut sources, PollTimeout::NONE).unwrap();
            let [first, second, names, ended] =
                sources.map(|source| source.any().unwrap_or_default());
            if ended {
                return;
            }
            for (page, is_wanted) in self.pages.iter().zip([first, second]) {
                if is_wanted {
                    let (mut stream, _) = page.accept().unwrap();
                    // Whoever has gone already needs no answer.
                    let _gone = stream.write_all(b"served\n");
                }
            }
            if names {
                let mut question = [0; 512];
                let (length, from) = self.names.recv_from(&mut question).unwrap();
                let _gone = self.names.send_to(&answer(&question[..length]), from);
            }
        }
    }
}

/// The answer of a name server who knows one address, 203.0.113.7, for every name (RFC 1035).
fn answer(question: &[u8]) -> Vec<u8> {
    const HEADER: usize = 12;
    let name_end = question[HEADER..].iter().position(|&byte| byte == 0);
    let question_end = HEADER + name_end.unwrap() + 5;
    let is_address = question[question_end - 4..question_end - 2] == [0, 1];
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(&question[HEADER..question_end]);
    if is_address {
        // The name of the question, an address of the Internet, for a minute, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 7]);
    }
    answer
}
