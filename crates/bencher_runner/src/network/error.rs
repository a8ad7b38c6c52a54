use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

use super::AddressRange;

/// Why a guest has no network although one was asked for.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// There is no machine to connect.
    #[error(
        "--network is for machines, and with --sandbox none there is none: leave --network out, or \
         choose another --sandbox"
    )]
    NoMachine,
    /// Only root can connect networks.
    #[error(
        "--network needs root, who alone may connect a network with the host's: run as root, or \
         leave --network out"
    )]
    NotRoot,
    /// The VMM would be in the host's own network.
    #[error(
        "--network needs the VMM's jail, without which the guest's network would be the host's \
         own: leave --no-jail out, or run on a host that lets root make namespaces"
    )]
    NoJail,
    /// A program that configures networks is missing.
    #[error(
        "--network needs the program `{program}`: install it (Debian: apt-get install {package})"
    )]
    NoProgram {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The kernel makes no tap devices.
    #[error("--network needs /dev/net/tun, which this host lacks: load its driver (modprobe tun)")]
    NoTun,
    /// An interface of that name is there already.
    #[error(
        "the network interface {name} is in use by something else: remove it (ip link delete \
         {name}) or give it another name"
    )]
    NameInUse {
        /// The interface.
        name: String,
    },
    /// All addresses are in use.
    #[error(
        "every network in {range} is in use by other guests or by the host: wait for one to end, \
         or give another range with --network-range"
    )]
    NoSubnet {
        /// The range.
        range: AddressRange,
    },
    /// The list of networks in use can not be kept.
    #[error("failed to reserve a network for the guest: {}: {source}", path.display())]
    Reserve {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What the host says of its networks can not be read.
    #[error("failed to read {path}: {source}")]
    Read {
        /// The file.
        path: &'static str,
        /// Why.
        source: io::Error,
    },
    /// There is no network namespace.
    #[error("failed to make a network namespace for the guest: {0}")]
    Namespace(Errno),
    /// A setting of the kernel's can not be changed.
    #[error("failed to set {}: {source}", path.display())]
    Setting {
        /// The file below `/proc/sys`.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program that configures networks can not be started.
    #[error("failed to start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program that configures networks failed.
    #[error("failed to {action}: {reason}")]
    Tool {
        /// What it was to do.
        action: &'static str,
        /// What it said.
        reason: String,
    },
}
