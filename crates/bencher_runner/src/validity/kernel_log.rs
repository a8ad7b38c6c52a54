//! Trouble that the host's kernel speaks of while a command runs.
//!
//! `/dev/kmsg` gives each message as one record, `PRIORITY,SEQUENCE,TIME,FLAGS;TEXT`
//! (`Documentation/ABI/testing/dev-kmsg`). Reading it needs root, or a host that lets users.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;

use crate::printable::one_line;

/// Messages that are kept of an iteration: more say no more.
const MOST: usize = 8;

/// The longest record that the kernel gives (`CONSOLE_EXT_LOG_MAX`).
const RECORD: usize = 8192;

/// The least important messages that are looked at: warnings (`KERN_WARNING`).
const WARNING: u64 = 4;

/// Words of messages that mean that times are not what they seem.
const TROUBLE: [&str; 12] = [
    "throttl",
    "machine check",
    "hardware error",
    "soft lockup",
    "hard lockup",
    "rcu: info: rcu_",
    "blocked for more than",
    "marking clocksource",
    "out of memory",
    "perf: interrupt took too long",
    "nmi handler",
    "i/o error",
];

/// The end of the host's kernel log, as it grows.
#[derive(Debug)]
pub(super) struct KernelLog(File);

impl KernelLog {
    /// What comes from now on; `None` where this user may not read it.
    pub(super) fn from_now() -> Option<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        Some(Self(file))
    }

    /// The messages of trouble since the last call, at most [`MOST`] of them.
    pub(super) fn trouble(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        let mut record = vec![0; RECORD];
        loop {
            match self.0.read(&mut record) {
                Ok(0) => return found,
                Ok(length) => {
                    let text = String::from_utf8_lossy(&record[..length]);
                    found.extend(trouble(&text).filter(|_| found.len() < MOST));
                }
                // EPIPE: messages were overwritten before they were read; what follows is there.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::BrokenPipe) => {}
                Err(_) => return found,
            }
        }
    }
}

/// The text of a record, if it speaks of trouble.
fn trouble(record: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let priority: u64 = head.split(',').next()?.parse().ok()?;
    // What follows the first line are properties of a device.
    let text = text.lines().next()?;
    let lower = text.to_ascii_lowercase();
    // The low three bits are the level, the rest is the facility.
    let is_trouble = priority & 7 <= WARNING && TROUBLE.iter().any(|word| lower.contains(word));
    is_trouble.then(|| one_line(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trouble_is_taken() {
        for (record, expected) in [
            (
                "4,1203,98765,-;CPU3: Package temperature above threshold, cpu clock throttled\n",
                Some("CPU3: Package temperature above threshold, cpu clock throttled"),
            ),
            (
                "4,5,6,-;clocksource: timekeeping watchdog: Marking clocksource 'tsc' as unstable\n",
                Some("clocksource: timekeeping watchdog: Marking clocksource 'tsc' as unstable"),
            ),
            (
                "2,7,8,-,caller=T1;mce: [Hardware Error]: Machine check events logged\n \
                 SUBSYSTEM=x\n",
                Some("mce: [Hardware Error]: Machine check events logged"),
            ),
            // The same words, but no more than information, or from a program.
            ("6,9,10,-;cpu clock throttled back to normal\n", None),
            ("30,9,10,-;systemd: out of memory\n", None),
            ("4,11,12,-;a warning about something else\n", None),
            ("no record", None),
            ("x,1;throttled", None),
        ] {
            assert_eq!(trouble(record).as_deref(), expected, "{record}");
        }
    }
}
