//! How often init itself has the processor: what a guest that is idle costs.

use std::fmt;

use nix::sys::resource::{UsageWho, getrusage};

/// Context switches of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    /// It waited for something, and was woken when that came.
    voluntary: u64,
    /// Another process took its turn.
    involuntary: u64,
}

impl Switches {
    /// Those since this process began.
    pub(crate) fn now() -> Self {
        // The call fails only for another process than this one.
        getrusage(UsageWho::RUSAGE_SELF).map_or_else(
            |_| Self::default(),
            |usage| Self {
                voluntary: u64::try_from(usage.voluntary_context_switches()).unwrap_or(0),
                involuntary: u64::try_from(usage.involuntary_context_switches()).unwrap_or(0),
            },
        )
    }

    /// Those since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            voluntary: self.voluntary.saturating_sub(before.voluntary),
            involuntary: self.involuntary.saturating_sub(before.involuntary),
        }
    }
}

impl fmt::Display for Switches {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "init waited {} times and was preempted {} times",
            self.voluntary, self.involuntary
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn who_waits_is_counted() {
        let before = Switches::now();
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let other = std::thread::spawn(move || {
            let mut byte = [0];
            while theirs.read_exact(&mut byte).is_ok() {
                theirs.write_all(&byte).unwrap();
            }
        });
        // Either waits for the other each time, unless that happens to be faster.
        for _ in 0..100 {
            ours.write_all(b".").unwrap();
            ours.read_exact(&mut [0]).unwrap();
        }
        let waited = Switches::now().since(before);
        drop(ours);
        other.join().unwrap();
        assert!(waited.voluntary >= 10, "{waited}");
        assert_eq!(before.since(Switches::now()).voluntary, 0);
    }
}
