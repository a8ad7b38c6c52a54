//! When to try again: pure decisions.

use std::time::{Duration, SystemTime};

/// How often and how patiently a failed request is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times in a row a request is sent without any progress, the first one included.
    pub attempts: u32,
    /// How long to wait before the second attempt; before each further one twice as long.
    pub first_wait: Duration,
    /// The longest wait, whoever asks for it. A registry that asks for a longer one ends the pull.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_mins(1),
        }
    }
}

impl RetryPolicy {
    /// How long to wait before the attempt behind `failed` failed ones; `None`: not at all.
    ///
    /// `asked` is what the server asked for. `jitter` in 0..1 spreads those who failed at the same
    /// moment over the upper half of the time, so that they do not come back at the same moment.
    pub(super) fn wait(
        &self,
        failed: u32,
        asked: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        if failed >= self.attempts || asked.is_some_and(|asked| asked > self.longest_wait) {
            return None;
        }
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1).min(30));
        let most = self
            .first_wait
            .saturating_mul(doubled)
            .min(self.longest_wait);
        let spread = most.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        // Not sooner than asked, and not all at the same moment either.
        Some(match asked {
            None => spread,
            Some(asked) => (asked + spread.min(asked / 4)).min(self.longest_wait.max(asked)),
        })
    }
}

/// What a `Retry-After` header asks for: seconds or a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        // So many seconds that they do not fit into a number are too many as well.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 5,
        first_wait: Duration::from_secs(2),
        longest_wait: Duration::from_secs(10),
    };

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = (1..=5)
            .map(|failed| POLICY.wait(failed, None, 1.0))
            .collect();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            waits,
            [seconds(2), seconds(4), seconds(8), seconds(10), None]
        );
        assert_eq!(POLICY.wait(1, None, 0.0), seconds(1));
        assert!(
            RetryPolicy {
                attempts: u32::MAX,
                ..POLICY
            }
            .wait(1000, None, 0.5)
            .is_some()
        );
    }

    #[test]
    fn what_the_server_asks_for_is_the_least() {
        let asked = |asked| POLICY.wait(1, Some(Duration::from_secs(asked)), 0.5);
        assert_eq!(asked(0), Some(Duration::ZERO));
        let wait = asked(8).unwrap();
        assert!((8..=10).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(asked(11), None);
    }

    #[test]
    fn retry_after_headers() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_767);
        for (value, seconds) in [
            ("3", Some(3)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(10)),
            ("Sat, 06 Nov 1993 08:49:37 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(value, now), expected, "{value}");
        }
    }
}
