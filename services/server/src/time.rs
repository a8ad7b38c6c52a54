//! Moments as texts.

use bencher_jobs::Timestamp;

/// A moment as RFC 3339 has it, in UTC.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.milliseconds())
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_utc() {
        let text = |milliseconds| rfc3339(Timestamp::from_milliseconds(milliseconds));
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert!(text(i64::MAX).starts_with("9999-"));
    }
}
