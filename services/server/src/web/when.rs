//! Moments as people see them.

use bencher_jobs::Timestamp;
use maud::{Markup, html};

use crate::time::rfc3339;

/// How long ago, with the moment itself behind it.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> Markup {
    let exact = rfc3339(then);
    let text = rough(now.milliseconds().saturating_sub(then.milliseconds()));
    html! { time datetime=(exact) title=(exact) { (text) } }
}

/// A length of time between two moments.
pub(super) fn between(start: Timestamp, end: Timestamp) -> String {
    let milliseconds = end
        .milliseconds()
        .saturating_sub(start.milliseconds())
        .max(0);
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{}.{} s", seconds, milliseconds % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn rough(milliseconds: i64) -> String {
    match milliseconds / 1000 {
        // Clocks of two machines differ.
        i64::MIN..5 => "just now".to_owned(),
        seconds @ 5..120 => format!("{seconds} s ago"),
        seconds @ 120..7200 => format!("{} min ago", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (seconds, text) in [
            (-50, "just now"),
            (4, "just now"),
            (5, "5 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7199, "119 min ago"),
            (7200, "2 h ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(rough(seconds * 1000), text);
        }
        let at = Timestamp::from_milliseconds;
        for (end, text) in [
            (-1, "0.0 s"),
            (1250, "1.2 s"),
            (61_000, "1 min 1 s"),
            (3_660_000, "1 h 1 min"),
        ] {
            assert_eq!(between(at(0), at(end)), text);
        }
    }
}
