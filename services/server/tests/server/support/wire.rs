//! Two hosts with a wire between them, each a network namespace: packets can be lost on it.
//!
//! ```text
//! the server's host                  the runner's host
//! 198.51.100.1 ────── near ─ far ─── 198.51.100.2
//! ```
//!
//! The addresses are those of documentation (RFC 5737).

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};
use test_support::programs::{missing, run};

/// The wire, as seen from the server's host.
#[derive(Debug)]
pub(crate) struct Wire {
    far: File,
}

impl Wire {
    /// Where a server listens.
    pub(crate) const NEAR: &str = "198.51.100.1:0";

    /// Runs `test` on the server's host, or says why that can not be done here.
    pub(crate) fn with(test: impl FnOnce(&Self) + Send) {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: only root can connect networks");
            return;
        }
        if missing(&["ip", "nft"]) {
            return;
        }
        thread::scope(|scope| {
            let near = scope.spawn(|| test(&Self::lay()));
            if let Err(panic) = near.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }

    fn lay() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let far = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let wire = Self {
            far: far.join().unwrap(),
        };
        let place = format!("/proc/{}/fd/{}", std::process::id(), wire.far.as_raw_fd());
        ip(&format!(
            "link add near type veth peer name far netns {place}"
        ));
        ip("address add 198.51.100.1/24 dev near");
        ip("link set lo up");
        ip("link set near up");
        wire.there(|| {
            ip("address add 198.51.100.2/24 dev far");
            ip("link set lo up");
            ip("link set far up");
        });
        wire
    }

    /// Does something on the runner's host.
    pub(crate) fn there<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(&self.far, CloneFlags::CLONE_NEWNET).unwrap();
                what()
            });
            there.join().unwrap()
        })
    }

    /// From now on whatever comes out of the wire is lost, at both ends, and nobody is told.
    pub(crate) fn lose(&self) {
        let lose = || {
            nft("add table inet wire");
            nft("add chain inet wire ends { type filter hook input priority 0; policy drop; }");
            nft("add rule inet wire ends iif lo accept");
        };
        lose();
        self.there(lose);
    }

    /// Lets packets through again.
    pub(crate) fn pass(&self) {
        let pass = || nft("delete table inet wire");
        pass();
        self.there(pass);
    }
}

fn ip(arguments: &str) {
    let arguments: Vec<_> = arguments.split(' ').collect();
    run("/".as_ref(), "ip", &arguments).unwrap();
}

fn nft(command: &str) {
    run("/".as_ref(), "nft", &[command]).unwrap();
}
