//! Registries that give no tokens for the moment.
//!
//! One job finds out, and others do not wait for the same: they are held back until somebody asks again. That
//! is one of them alone, after a pause that becomes longer as long as nothing comes of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::LONGEST_HOLD;

/// How long a registry is left alone at first.
const FIRST: Duration = Duration::from_secs(5);
/// How long others leave it alone for whoever asks it again.
const ASKING: Duration = Duration::from_secs(15);

/// Why a registry gives no tokens, and when it is asked again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}; the job waits, and the registry is asked again")]
pub(crate) struct Away {
    /// What was wrong the last time.
    why: String,
    /// How long it is not asked.
    pub(crate) left: Duration,
}

#[derive(Debug)]
struct Outage {
    why: String,
    pause: Duration,
    /// When that was found.
    found: Instant,
    /// Nobody asks before.
    until: Instant,
}

/// The registries, by what is kept for them: there are no more than that.
#[derive(Debug, Default)]
pub(super) struct Outages(Mutex<HashMap<String, Outage>>);

impl Outages {
    /// Somebody is about to ask the registry. If it was away the last time, nobody else does so until that is
    /// over.
    pub(super) fn begin(&self, registry: &str, now: Instant) -> Result<(), Away> {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(outage) = outages.get_mut(registry) else {
            return Ok(());
        };
        let left = outage.until.saturating_duration_since(now);
        if !left.is_zero() {
            let why = outage.why.clone();
            return Err(Away { why, left });
        }
        outage.until = now + ASKING;
        Ok(())
    }

    /// It is away, as somebody found who began to ask it at `begun`.
    pub(super) fn is_away(
        &self,
        registry: &str,
        why: String,
        begun: Instant,
        now: Instant,
    ) -> Away {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = match outages.get(registry) {
            None => FIRST,
            // Somebody else found it meanwhile.
            Some(outage) if outage.found > begun => outage.pause,
            Some(outage) => (outage.pause * 2).min(LONGEST_HOLD),
        };
        let outage = Outage {
            why: why.clone(),
            pause,
            found: now,
            until: now + pause,
        };
        outages.insert(registry.to_owned(), outage);
        Away { why, left: pause }
    }

    /// It answers.
    pub(super) fn is_there(&self, registry: &str) {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outages.remove(registry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asks_again_and_less_and_less_often() {
        let outages = Outages::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let away = |begun, now| {
            outages
                .is_away("r", "down".to_owned(), after(begun), after(now))
                .left
                .as_secs()
        };
        assert_eq!(outages.begin("r", start), Ok(()));
        // Two have asked at the same time.
        assert_eq!(away(0, 1), 5);
        assert_eq!(away(0, 2), 5);
        let found = outages.begin("r", after(3)).expect_err("it is away");
        assert_eq!(found.left, Duration::from_secs(4));
        assert!(found.to_string().starts_with("down; "), "{found}");
        assert_eq!(outages.begin("other", after(3)), Ok(()));
        // One asks again, and nobody else until that is over.
        assert_eq!(outages.begin("r", after(7)), Ok(()));
        outages.begin("r", after(8)).expect_err("one asks");
        assert_eq!(away(7, 8), 10);
        let mut now = 18;
        for pause in [20, 40, 80, 120, 120] {
            assert_eq!(outages.begin("r", after(now)), Ok(()));
            assert_eq!(away(now, now), pause);
            now += pause;
        }
        outages.begin("r", after(now - 1)).expect_err("not yet");
        outages.is_there("r");
        assert_eq!(outages.begin("r", after(now - 1)), Ok(()));
    }
}
