//! What is counted, and how the kernel is asked for it.

use perf_event::Builder;
use perf_event::events::{Hardware, Software};

pub(super) use crate::result::PerfEvent as Event;
use crate::result::{CountedCode, MeasureSource};

/// Whose execution is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// vCPUs whose guest the processor itself executes.
    Guest,
    /// vCPUs that an emulator executes.
    Emulator,
    /// The command, which init is about to start.
    Command,
}

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modes {
    /// Everything.
    All,
    /// What is executed in user mode.
    User,
}

impl Event {
    pub(super) fn source(self) -> MeasureSource {
        if self.is_hardware() {
            MeasureSource::HostPmu
        } else {
            MeasureSource::HostKernel
        }
    }

    /// Whether the processor counts it.
    pub(super) fn is_hardware(self) -> bool {
        !matches!(
            self,
            Self::TaskClock | Self::ContextSwitches | Self::CpuMigrations
        )
    }

    /// Whether something is left of it when only user mode is counted: the kernel switches and
    /// moves tasks, and the clock of a task knows no modes.
    pub(super) fn is_in_user_mode(self) -> bool {
        !matches!(self, Self::ContextSwitches | Self::CpuMigrations)
    }

    /// What it counts of `subject`.
    pub(super) fn counted(self, subject: Subject, modes: Modes) -> CountedCode {
        match (subject, modes) {
            (Subject::Command, Modes::User) if self.is_hardware() => CountedCode::CommandUser,
            (Subject::Command, _) => CountedCode::Command,
            (Subject::Guest, Modes::All) if self.is_hardware() => CountedCode::Guest,
            (Subject::Guest, Modes::User) if self.is_hardware() => CountedCode::GuestUser,
            (Subject::Guest | Subject::Emulator, _) => CountedCode::VcpuThreads,
        }
    }

    /// What `perf_event_open(2)` is asked for.
    pub(super) fn builder(self, subject: Subject, modes: Modes) -> Builder<'static> {
        let mut builder = match self {
            Self::Instructions => Builder::new(Hardware::INSTRUCTIONS),
            Self::Cycles => Builder::new(Hardware::CPU_CYCLES),
            Self::Branches => Builder::new(Hardware::BRANCH_INSTRUCTIONS),
            Self::BranchMisses => Builder::new(Hardware::BRANCH_MISSES),
            Self::CacheReferences => Builder::new(Hardware::CACHE_REFERENCES),
            Self::CacheMisses => Builder::new(Hardware::CACHE_MISSES),
            Self::TaskClock => Builder::new(Software::TASK_CLOCK),
            Self::ContextSwitches => Builder::new(Software::CONTEXT_SWITCHES),
            Self::CpuMigrations => Builder::new(Software::CPU_MIGRATIONS),
        };
        builder.exclude_kernel(modes == Modes::User);
        match subject {
            // Of a thread that enters and leaves a guest only what the guest did.
            Subject::Guest => builder.exclude_host(self.is_hardware()),
            Subject::Emulator => &mut builder,
            // Init and the reaper execute no other program, so the first one that does is the
            // command: it begins to count at that moment, and what it starts counts from the first.
            Subject::Command => builder.inherit(true).enable_on_exec(true),
        };
        builder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_guest_executed_is_counted_of_a_guest() {
        for event in Event::ALL {
            for (subject, is_guest_only, is_inherited) in [
                (Subject::Guest, event.is_hardware(), false),
                (Subject::Emulator, false, false),
                (Subject::Command, false, true),
            ] {
                let builder = event.builder(subject, Modes::All);
                let attributes = builder.attrs();
                assert_eq!(attributes.exclude_host() == 1, is_guest_only, "{event:?}");
                assert_eq!(attributes.inherit() == 1, is_inherited, "{event:?}");
                assert_eq!(attributes.enable_on_exec() == 1, is_inherited, "{event:?}");
                assert_eq!(attributes.disabled(), 1, "{event:?}");
                assert_eq!(attributes.exclude_kernel(), 0, "{event:?}");
            }
        }
        let user = Event::Cycles.builder(Subject::Guest, Modes::User);
        assert_eq!(user.attrs().exclude_kernel(), 1);
    }

    #[test]
    fn what_was_counted_is_said() {
        use CountedCode::{Command, CommandUser, Guest, GuestUser, VcpuThreads};
        for (event, subject, all, user) in [
            (Event::Cycles, Subject::Guest, Guest, GuestUser),
            (Event::TaskClock, Subject::Guest, VcpuThreads, VcpuThreads),
            (
                Event::TaskClock,
                Subject::Emulator,
                VcpuThreads,
                VcpuThreads,
            ),
            (Event::Cycles, Subject::Command, Command, CommandUser),
            (Event::TaskClock, Subject::Command, Command, Command),
        ] {
            assert_eq!(event.counted(subject, Modes::All), all);
            assert_eq!(event.counted(subject, Modes::User), user);
        }
    }
}
