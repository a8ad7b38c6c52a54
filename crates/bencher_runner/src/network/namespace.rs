//! A guest's network namespace. It has no name and no process: it lives as long as somebody holds
//! it open or is in it, so that it goes with a killed runner and its VMM.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use super::NetworkError;

/// Makes a namespace and does `work` in it.
pub(super) fn make(
    work: impl FnOnce() -> Result<(), NetworkError> + Send,
) -> Result<OwnedFd, NetworkError> {
    // A namespace is a thread's own, and so is `/proc/sys/net`. Programs that the thread starts are
    // in it too.
    thread::scope(|scope| {
        let made = thread::Builder::new().spawn_scoped(scope, || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(NetworkError::Namespace)?;
            let namespace = File::open("/proc/thread-self/ns/net").map_err(namespace_error)?;
            for kind in ["all", "default"] {
                turn_ipv6_off(kind)?;
            }
            set("net/ipv4/ip_forward", "1")?;
            work()?;
            Ok(OwnedFd::from(namespace))
        });
        made.map_err(namespace_error)?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The namespace that this process is in, for other programs.
pub(super) fn own() -> PathBuf {
    PathBuf::from(format!("/proc/{}/ns/net", std::process::id()))
}

/// Turns IPv6 off on an interface, where the kernel has it at all: rules are for IPv4, and the
/// kernel talks IPv6 by itself on every interface that comes up.
pub(super) fn turn_ipv6_off(interface: &str) -> Result<(), NetworkError> {
    match set(&format!("net/ipv6/conf/{interface}/disable_ipv6"), "1") {
        Err(NetworkError::Setting { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn set(name: &str, value: &str) -> Result<(), NetworkError> {
    let path = Path::new("/proc/sys").join(name);
    fs::write(&path, value).map_err(|source| NetworkError::Setting { path, source })
}

fn namespace_error(error: std::io::Error) -> NetworkError {
    NetworkError::Namespace(Errno::try_from(error).unwrap_or(Errno::EIO))
}
