//! The sockets between the runner and a Firecracker.

use std::fs::{File, Permissions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::PORT;
use crate::machine::MachineError;

/// The folder of a machine's sockets, reached by its descriptor: the path of a socket is short,
/// that of the folder may be long.
#[derive(Debug)]
pub(super) struct Sockets {
    folder: File,
    path: PathBuf,
}

impl Sockets {
    pub(super) fn open(path: &Path) -> Result<Self, MachineError> {
        let folder = File::open(path).map_err(|source| MachineError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            folder,
            path: path.to_owned(),
        })
    }

    /// A short path of the socket `name`.
    pub(super) fn short(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.folder.as_raw_fd()))
    }

    /// Where Firecracker connects to when the guest connects to [`PORT`].
    pub(super) fn listener_path(&self) -> PathBuf {
        self.path.join(format!("vsock_{PORT}"))
    }

    pub(super) fn listen(&self) -> Result<UnixListener, MachineError> {
        UnixListener::bind(self.short(&format!("vsock_{PORT}"))).map_err(|source| {
            MachineError::Prepare {
                what: "the stream",
                source,
            }
        })
    }

    /// Lets nobody make files in the folder any more but its owner, which root becomes: a guest that
    /// breaks out could fill the host's disk there. An ordinary user's VMM has that user's rights.
    pub(super) fn seal(&self) -> Result<(), MachineError> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        let seal = || -> std::io::Result<()> {
            fchown(&self.folder, Some(0), Some(0))?;
            // Firecracker reaches the sockets by their names.
            self.folder.set_permissions(Permissions::from_mode(0o711))
        };
        seal().map_err(|source| MachineError::Prepare {
            what: "the folder of the sockets",
            source,
        })
    }
}
