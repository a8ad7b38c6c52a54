//! How answers of a server are shown, whatever they are of.

use bencher_channel_protocol::{Architecture, Os, Uuid};
use bencher_runner::Reporter as _;
use bencher_runner::units::ByteSize;

use crate::arguments::{MachineArchitecture, MachineOs};
use crate::client::printable;
use crate::output;
use crate::terminal::Terminal;

/// Prints the identifier of something that was made.
pub(super) fn identifier(id: &str) -> Result<(), String> {
    let id = Uuid::try_parse(id)
        .map_err(|_| "the server gave no identifier for it: is it of another version?")?;
    output::line(&id.to_string())
}

/// Prints a secret that is shown once, alone on standard output; what it is and what to do with it is said
/// beside it.
pub(super) fn secret(secret: &str, what: &str, terminal: &Terminal) -> Result<(), String> {
    let is_one = !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_one {
        return Err(
            "the server gave no secret that could be one: is it of another version?".to_owned(),
        );
    }
    terminal.info(what);
    output::line(secret)
}

/// `linux x86_64`.
pub(super) fn machine(os: &str, architecture: &str) -> String {
    printable(&format!("{os} {architecture}"))
}

pub(super) fn size(bytes: u64) -> String {
    ByteSize::from_bytes(bytes).to_string()
}

impl From<MachineOs> for Os {
    fn from(os: MachineOs) -> Self {
        match os {
            MachineOs::Linux => Self::Linux,
            MachineOs::MacOs => Self::MacOs,
            MachineOs::Windows => Self::Windows,
        }
    }
}

impl From<MachineArchitecture> for Architecture {
    fn from(architecture: MachineArchitecture) -> Self {
        match architecture {
            MachineArchitecture::X86_64 => Self::X86_64,
            MachineArchitecture::Aarch64 => Self::Aarch64,
        }
    }
}
