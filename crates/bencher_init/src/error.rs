//! Why init could not do its work.

use std::error::Error;
use std::io;

use bencher_output_protocol::ProtocolError;
use nix::errno::Errno;
use thiserror::Error;

use crate::user::LookupError;

/// What init was doing when it failed, as the end of a sentence that begins with "failed to". The
/// reason is the error's source: see [`InitError::reason`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// The program's arguments are wrong.
    #[error("understand its arguments")]
    Arguments(#[source] Reason),
    /// The stream's descriptor, named on the command line, is not open.
    #[error("use descriptor {fd} as the stream")]
    StreamDescriptor {
        /// Its number.
        fd: i32,
        /// What the system said.
        source: Errno,
    },
    /// One of the first file systems of the guest could not be mounted.
    #[error("mount {filesystem} at {path}")]
    Mount {
        /// The file system's type, or what is bound.
        filesystem: String,
        /// Where.
        path: String,
        /// What the system said.
        source: Errno,
    },
    /// `/modules.list` could not be read.
    #[error("read the list of kernel modules /modules.list")]
    ModuleList(#[source] io::Error),
    /// A kernel module could not be loaded.
    #[error("load the kernel module {path}")]
    Module {
        /// Its path in the initramfs.
        path: String,
        /// What the system said.
        source: Errno,
    },
    /// The kernel's command line could not be read.
    #[error("read the kernel's command line")]
    ReadCommandLine(#[source] io::Error),
    /// A parameter on the kernel's command line is missing or wrong.
    #[error("understand the kernel's command line")]
    CommandLine(#[source] Reason),
    /// The kernel does not tell of new devices.
    #[error("listen to the kernel's device events")]
    DeviceEvents(#[source] Errno),
    /// The list of virtio ports could not be read.
    #[error("look for the virtio port {name}")]
    FindPort {
        /// The name that is looked for.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The stream's device could not be opened.
    #[error("open the stream {path}")]
    OpenStream {
        /// The device.
        path: String,
        /// What the system said.
        source: Errno,
    },
    /// Waiting for events does not work.
    #[error("wait for events")]
    Wait(#[source] Errno),
    /// The stream does not work.
    #[error("use the stream to the host")]
    Stream(#[source] Errno),
    /// The host closed the stream.
    #[error("keep in touch with the host")]
    HostGone(#[source] Reason),
    /// The host sent something that is no message.
    #[error("understand the host")]
    Protocol(#[from] ProtocolError),
    /// The host sent a message out of turn.
    #[error("follow the host")]
    OutOfTurn(#[source] Reason),
    /// The root file system can not be mounted.
    #[error("mount the root file system {device}")]
    MountRoot {
        /// Its device or folder.
        device: String,
        /// What the system said.
        source: Errno,
    },
    /// The orders and the way init was started do not fit together.
    #[error("use the ordered root file system")]
    Root(#[source] Reason),
    /// Something in the image's root file system stands in the way.
    #[error("prepare {path} in the image's root file system")]
    Prepare {
        /// The path in the image.
        path: String,
        /// What the system said.
        source: Errno,
    },
    /// A place in the image where something must be mounted is not a folder.
    #[error("mount on {path}, which the image has as something other than a folder")]
    NotAFolder {
        /// The path in the image.
        path: String,
        /// What the system said.
        source: Errno,
    },
    /// The root file system could not take the place of the first one.
    #[error("switch to the root file system")]
    SwitchRoot(#[source] Errno),
    /// New namespaces were refused.
    #[error("make namespaces ({hint})")]
    Namespaces {
        /// What may help.
        hint: &'static str,
        /// What the system said.
        source: Errno,
    },
    /// The user namespace could not be given its ids.
    #[error("map the user to root in {path}")]
    IdMap {
        /// The file of the kernel's that refused.
        path: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The host name was refused.
    #[error("set the host name to {name:?}")]
    HostName {
        /// The name.
        name: String,
        /// What the system said.
        source: Errno,
    },
    /// The loopback interface does not come up.
    #[error("bring the loopback interface up")]
    Loopback(#[source] Errno),
    /// The network interface does not work as ordered.
    #[error("{step} the network interface {interface}")]
    Network {
        /// What was to be done with it, as a verb.
        step: &'static str,
        /// Its name.
        interface: &'static str,
        /// What the system said.
        source: Errno,
    },
    /// The command's cgroup can not be used.
    #[error("use the cgroup {path}")]
    Cgroup {
        /// Its path or file.
        path: String,
        /// What the system said.
        source: Errno,
    },
    /// The image has no such user or group.
    #[error("look up the user {user:?}")]
    User {
        /// As ordered.
        user: String,
        /// What is wrong with it.
        source: LookupError,
    },
    /// The orders can not be carried out as they are.
    #[error("prepare the command")]
    Command(#[source] Reason),
    /// Pipes, processes and the like could not be made.
    #[error("{step}")]
    Start {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        source: Errno,
    },
    /// The reaper or the process that was to become the command failed.
    #[error("{stage}")]
    Child {
        /// What it was doing.
        stage: String,
        /// Why that failed.
        source: Reason,
    },
    /// The command could not be sent a signal.
    #[error("send signal {signal} to the command")]
    Signal {
        /// The signal's number.
        signal: i32,
        /// What the system said.
        source: Errno,
    },
    /// The command's output could not be read.
    #[error("read the command's output")]
    Output(#[source] Errno),
}

/// A reason that is not the system's.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Reason(
    /// The reason, in words.
    pub String,
);

impl Reason {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl InitError {
    pub(crate) fn mount(filesystem: &str, path: &str, source: Errno) -> Self {
        Self::Mount {
            filesystem: filesystem.to_owned(),
            path: path.to_owned(),
            source,
        }
    }

    /// Why it failed: the sources of this error.
    pub fn reason(&self) -> String {
        let mut reason = String::new();
        let mut source = self.source();
        while let Some(error) = source {
            if !reason.is_empty() {
                reason.push_str(": ");
            }
            reason.push_str(&error.to_string());
            source = error.source();
        }
        reason
    }
}

/// The system's own code of an I/O error, for where both kinds meet.
pub(crate) fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
