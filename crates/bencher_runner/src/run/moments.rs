//! When what of an iteration happened.

use std::time::{Duration, Instant};

use crate::result::Spans;

/// Moments of an iteration on the host's clock.
#[derive(Debug)]
pub(crate) struct Moments {
    /// When the runner's process began.
    pub(crate) process: Instant,
    /// When the iteration began.
    pub(crate) begin: Instant,
    /// When its root filesystem was ready.
    pub(crate) copied: Instant,
    /// When the VMM was started.
    pub(crate) start: Instant,
    pub(crate) hello: Option<Instant>,
    pub(crate) started: Option<Instant>,
    pub(crate) exited: Option<Instant>,
    pub(crate) last_word: Option<Instant>,
    pub(crate) gone: Option<Instant>,
}

impl Moments {
    /// The spans between them.
    pub(super) fn spans(&self) -> Spans {
        let between = |from: Option<Instant>, to: Option<Instant>| {
            Some(milliseconds(to?.saturating_duration_since(from?)))
        };
        let start = Some(self.start);
        Spans {
            before_ms: milliseconds(self.begin.duration_since(self.process)),
            copy_ms: milliseconds(self.copied.duration_since(self.begin)),
            start_ms: milliseconds(self.start.duration_since(self.copied)),
            boot_ms: between(start, self.hello),
            prepare_ms: between(self.hello, self.started),
            command_ms: between(self.started, self.exited.or(self.last_word)),
            collect_ms: between(self.exited, self.last_word),
            shutdown_ms: between(self.last_word, self.gone).unwrap_or_default(),
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
