//! Why something can not be counted, and what to do about it.

use std::fs;
use std::io;

use nix::errno::Errno;
use thiserror::Error;

use super::event::{Event, Modes, Subject};

/// Why an event can not be counted, as a clause.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    #[error(
        "QEMU TCG emulates the guest, so the processor executes the emulator and not the guest: \
         use KVM for them, or --clock virtual for a count of instructions"
    )]
    Emulated,
    #[error(
        "this host has no such counter, as most virtual machines: use hardware, or give this \
         machine a virtual PMU"
    )]
    NoCounter,
    #[error(
        "kernel.perf_event_paranoid is {level}: run as root, or have root set it to {needed} (runner \
         tune apply --perf-event-paranoid {needed})"
    )]
    Paranoid { level: i64, needed: i64 },
    #[error(
        "this process may not: it needs CAP_PERFMON, and a container that lets perf_event_open \
         through"
    )]
    NotPermitted,
    #[error("this host's kernel has no perf_event_open: it needs CONFIG_PERF_EVENTS")]
    NoPerfEvents,
    #[error("this host's processor can not tell the guest's part from the host's")]
    NoGuestOnly,
    #[error("{needed} files would have to be open: allow more (ulimit -n)")]
    TooManyFiles { needed: u64 },
    #[error(
        "the processor had no counter free for it: stop what else counts here, such as perf or the \
         NMI watchdog"
    )]
    NeverCounted,
    #[error("{0}")]
    Other(String),
}

/// What a process may count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rights {
    /// `kernel.perf_event_paranoid`, if there is such a thing.
    pub(super) paranoid: Option<i64>,
    /// Whether it is root, for whom that does not count.
    pub(super) is_root: bool,
}

impl Rights {
    /// This process's.
    pub(super) fn own() -> Self {
        let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
        Self {
            paranoid: level.ok().and_then(|level| level.trim().parse().ok()),
            is_root: nix::unistd::geteuid().is_root(),
        }
    }

    /// Why permission was denied.
    fn denial(self, modes: Modes) -> Refusal {
        // The kernel's Documentation/admin-guide/sysctl/kernel.rst: from 2 on no kernel. From 3 on
        // some distributions let nobody count at all.
        let needed = match modes {
            Modes::All => 1,
            Modes::User => 2,
        };
        match self.paranoid {
            Some(level) if !self.is_root && level > needed => Refusal::Paranoid { level, needed },
            _ => Refusal::NotPermitted,
        }
    }
}

/// Whether permission was denied.
pub(super) fn is_denial(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::EACCES | Errno::EPERM))
}

/// What the kernel was asked to count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) event: Event,
    pub(super) subject: Subject,
    pub(super) modes: Modes,
}

/// Why `attempt` was refused with `error`.
pub(super) fn refusal(error: &io::Error, attempt: Attempt, rights: Rights) -> Refusal {
    let is_guest_only = attempt.subject == Subject::Guest && attempt.event.is_hardware();
    match errno(error) {
        Some(Errno::EACCES | Errno::EPERM) => rights.denial(attempt.modes),
        Some(Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP) => Refusal::NoCounter,
        Some(Errno::EINVAL) if is_guest_only => Refusal::NoGuestOnly,
        Some(Errno::ENOSYS) => Refusal::NoPerfEvents,
        Some(Errno::EBUSY) => Refusal::NeverCounted,
        _ => Refusal::Other(error.to_string()),
    }
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

/// Lines that say what `refused` events have in common: one for each reason, in the order in which
/// they came.
pub(super) fn lines(what: &str, refused: &[(Event, Refusal)]) -> Vec<String> {
    let mut lines: Vec<(&Refusal, String)> = Vec::new();
    for (event, refusal) in refused {
        match lines.iter_mut().find(|(reason, _)| *reason == refusal) {
            Some((_, names)) => {
                names.push_str(", ");
                names.push_str(event.name());
            }
            None => lines.push((refusal, event.name().to_owned())),
        }
    }
    let line = |(refusal, names): (&Refusal, String)| format!("{what}: {names} ({refusal})");
    lines.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_reason_and_remedy() {
        let user = |level| Rights {
            paranoid: Some(level),
            is_root: false,
        };
        let root = Rights {
            paranoid: Some(4),
            is_root: true,
        };
        let attempt = |event, subject, modes| Attempt {
            event,
            subject,
            modes,
        };
        let guest = attempt(Event::Cycles, Subject::Guest, Modes::All);
        let users = attempt(Event::Cycles, Subject::Guest, Modes::User);
        let command = attempt(Event::Cycles, Subject::Command, Modes::All);
        let thread = attempt(Event::ContextSwitches, Subject::Guest, Modes::All);
        for (errno, attempt, rights, expected) in [
            (Errno::ENOENT, guest, root, "a virtual PMU"),
            (Errno::EOPNOTSUPP, command, root, "a virtual PMU"),
            (Errno::ENODEV, command, root, "a virtual PMU"),
            (Errno::EINVAL, guest, root, "the guest's part"),
            (Errno::EINVAL, command, root, "Invalid argument"),
            (Errno::EINVAL, thread, root, "Invalid argument"),
            (Errno::ENOSYS, thread, root, "CONFIG_PERF_EVENTS"),
            (Errno::EBUSY, guest, root, "the NMI watchdog"),
            (Errno::EACCES, guest, root, "CAP_PERFMON"),
            (Errno::EPERM, thread, user(1), "CAP_PERFMON"),
            (
                Errno::EACCES,
                thread,
                user(2),
                "perf_event_paranoid is 2: run as root, or have root set it to 1 ",
            ),
            (
                Errno::EACCES,
                users,
                user(3),
                "tune apply --perf-event-paranoid 2)",
            ),
            // At this level a user may count in user mode: something else is in the way.
            (Errno::EACCES, users, user(2), "CAP_PERFMON"),
        ] {
            let error = io::Error::from_raw_os_error(errno as i32);
            let reason = refusal(&error, attempt, rights).to_string();
            assert!(reason.contains(expected), "{errno} {attempt:?}: {reason}");
        }
        let error = io::Error::other("of another kind");
        let reason = refusal(&error, guest, root);
        assert_eq!(reason, Refusal::Other("of another kind".to_owned()));
    }

    #[test]
    fn events_with_the_same_reason_share_a_line() {
        let other = Refusal::Other("why".to_owned());
        let refused = [
            (Event::Cycles, Refusal::NeverCounted),
            (Event::Branches, other.clone()),
            (Event::TaskClock, Refusal::NeverCounted),
        ];
        let lines = lines("not counted", &refused);
        assert!(lines[0].starts_with("not counted: cycles, task_clock_ns (the processor had "));
        assert_eq!(lines[1..], ["not counted: branches (why)"]);
    }
}
