//! What it means that a machine ended as it did.

use std::time::Duration;

use super::error::ConsoleExcerpt;
use super::iteration::{Talk, is_expected};
use super::supervisor::Cause;
use super::{RunError, text};
use crate::machine::{Ended, MachineError, Tail};

/// Console lines that an error shows.
const EXCERPT: usize = 12;

/// A guest's way to its command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Boot {
    /// The longest that it might take.
    pub(crate) limit: Duration,
    /// Whether it started the command.
    pub(crate) is_over: bool,
}

/// What the runner failed at, if it did. `hint` says how to learn more where the console is silent.
pub(crate) fn failure(
    talk: Talk,
    cause: Option<Cause>,
    ended: std::io::Result<Ended>,
    boot: Boot,
    hint: Option<&'static str>,
) -> Option<RunError> {
    let mut ended = match ended {
        Ok(ended) => ended,
        Err(source) => {
            return Some(RunError::Io {
                action: "wait for the machine's end",
                source,
            });
        }
    };
    if let Some(error) = ended.jail_error.take() {
        return Some(MachineError::Jail(error).into());
    }
    match talk {
        Talk::Done => None,
        Talk::Failed(error) => Some(error),
        Talk::StreamEnded if is_expected(cause) => None,
        Talk::StreamEnded => Some(machine_failure(cause, &ended, boot, hint)),
    }
}

fn machine_failure(
    cause: Option<Cause>,
    ended: &Ended,
    boot: Boot,
    hint: Option<&'static str>,
) -> RunError {
    let console = excerpt(&ended.vmm_console, &ended.guest_console, hint);
    if let Some(message) = ended.guest_console.kernel_panic() {
        return RunError::KernelPanic {
            message: message.to_owned(),
            console,
        };
    }
    if ended.out_of_memory {
        return RunError::HostMemory { console };
    }
    match cause {
        Some(Cause::BootTimeout) => RunError::BootTimeout {
            seconds: boot.limit.as_secs_f64(),
            console,
        },
        Some(Cause::Stalled) => RunError::Stalled { console },
        _ if boot.is_over => RunError::MachineDied {
            status: ended.status,
            console,
        },
        _ => RunError::MachineDiedInBoot {
            status: ended.status,
            console,
        },
    }
}

/// The last lines of both consoles: first what the VMM says of itself.
fn excerpt(vmm: &Tail, guest: &Tail, hint: Option<&'static str>) -> ConsoleExcerpt {
    let lines: Vec<_> = vmm
        .lines()
        .chain(guest.lines())
        .map(str::to_owned)
        .collect();
    let skip = lines.len().saturating_sub(EXCERPT);
    ConsoleExcerpt {
        lines: lines.into_iter().skip(skip).collect(),
        hint,
    }
}

/// The guest's own words for why it gave up.
pub(crate) fn guest_failure(stage: &str, reason: &str) -> RunError {
    RunError::Guest {
        stage: text::one_line(stage),
        reason: text::one_line(reason),
    }
}
