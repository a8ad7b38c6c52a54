//! What all texts say of a metric.

use bencher_runner::is_printable;
use bencher_runner::result::{Metric, Unit};

use crate::comparison::{
    Arrangement, Comparison, Gate, Measurements, Method, MetricComparison, Side, Verdict,
};
use crate::quantity::{Scale, change, chosen, decimals, percent, probability};

/// A metric in words.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) metric: String,
    /// The mean with the standard deviation; empty when nothing was measured.
    pub(crate) baseline: String,
    pub(crate) candidate: String,
    /// The ratio as a change, and its interval; empty when there is no answer.
    pub(crate) change: String,
    pub(crate) interval: String,
    pub(crate) p_value: String,
    /// The verdict, or that there is none.
    pub(crate) verdict: String,
    /// Why there is none, or what a noisy one means; empty elsewhere.
    pub(crate) because: String,
}

impl Row {
    pub(crate) fn of(metric: &MetricComparison) -> Self {
        let means = [&metric.baseline, &metric.candidate]
            .map(|side| side.summary.map_or(0.0, |summary| summary.mean));
        let scale = Scale::of(&metric.unit, means[0].max(means[1]));
        let mut row = Self {
            metric: one_line(&metric.name),
            baseline: mean(&metric.baseline, scale),
            candidate: mean(&metric.candidate, scale),
            change: String::new(),
            interval: String::new(),
            p_value: String::new(),
            verdict: "no answer".to_owned(),
            because: one_line(metric.problem.as_deref().unwrap_or_default()),
        };
        if let Some(answer) = &metric.answer {
            let ratio = answer.ratio;
            if answer.method == Method::Exact {
                let decimals = decimals((ratio.value - 1.0) / 100.0);
                row.change = format!("{} %", change(ratio.value, decimals));
                "exactly".clone_into(&mut row.interval);
            } else {
                let decimals = decimals((ratio.high - ratio.low) / 2.0);
                row.change = format!("{} %", change(ratio.value, decimals));
                row.interval = format!(
                    "[{}, {}]",
                    change(ratio.low, decimals),
                    change(ratio.high, decimals)
                );
            }
            row.p_value = probability(answer.adjusted_p_value);
            answer
                .verdict
                .word(&metric.unit)
                .clone_into(&mut row.verdict);
            if answer.verdict == Verdict::TooNoisy {
                row.because = if answer.method == Method::Exact {
                    "so few iterations may do that by chance".to_owned()
                } else if answer.detectable < 1.0 {
                    format!(
                        "changes below {} would be missed",
                        percent(answer.detectable)
                    )
                } else {
                    "even twice as much would be missed".to_owned()
                };
            }
        }
        row
    }
}

fn mean(side: &Measurements, scale: Scale<'_>) -> String {
    side.summary.map_or_else(
        || "-".to_owned(),
        |summary| {
            let spread = if summary.mean > 0.0 {
                summary.standard_deviation / summary.mean
            } else {
                0.0
            };
            format!("{} ± {}", scale.show(summary.mean), percent(spread))
        },
    )
}

impl Row {
    /// The verdict with what stands behind it.
    pub(crate) fn whole_verdict(&self) -> String {
        if self.because.is_empty() {
            self.verdict.clone()
        } else {
            format!("{}: {}", self.verdict, self.because)
        }
    }
}

/// A side's label with how much of it there is.
pub(crate) fn side(side: &Side) -> String {
    let mut text = format!("{}, {}", side.label, iterations(side.iterations));
    if side.warmups > 0 {
        text += &format!(" after {} to warm up", side.warmups);
    }
    text
}

fn iterations(count: u32) -> String {
    match count {
        1 => "1 iteration".to_owned(),
        count => format!("{count} iterations"),
    }
}

/// How it was measured and what the numbers mean, in a sentence.
pub(crate) fn method(comparison: &Comparison) -> String {
    let how = match (comparison.design.arrangement, comparison.design.seed) {
        (Arrangement::Interleaved, Some(seed)) => format!("measured in turns (seed {seed})"),
        (Arrangement::Interleaved, None) => "measured in turns".to_owned(),
        (Arrangement::Independent, _) => "measured apart".to_owned(),
    };
    let answered = comparison.metrics.iter();
    let answered = answered.filter(|metric| metric.answer.is_some()).count();
    format!(
        "{how}; means with the standard deviation of one iteration; change of B to A with its {} \
         interval{}",
        chosen(comparison.settings.confidence),
        match answered {
            0 => String::new(),
            1 => "; p of 1 metric".to_owned(),
            count => format!("; p corrected for {count} metrics"),
        }
    )
}

/// A sentence begins with it.
pub(crate) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + characters.as_str())
        .unwrap_or_default()
}

/// What the threshold came to.
pub(crate) fn gate(gate: &Gate) -> String {
    let limit = chosen(gate.fail_if_slower);
    if !gate.passed() {
        let is_time = |name: &String| {
            let metric = name.parse::<Metric>();
            metric.is_ok_and(|metric| metric.unit() == Unit::Nanoseconds)
        };
        let how = if gate.failed.iter().all(is_time) {
            "slower"
        } else {
            "worse"
        };
        return format!(
            "failed: {} {how} by more than {limit}",
            gate.failed.join(", ")
        );
    }
    if gate.blind.is_empty() {
        format!("passed: not slower by more than {limit}")
    } else {
        format!(
            "passed, but {} too noisy to see {limit} reliably: measure more iterations",
            gate.blind.join(", ")
        )
    }
}

/// A command in one line, as a shell would take it. What could steer a terminal is written as Bash and
/// its like have it in `$'…'`.
pub fn shell_line(command: &[String]) -> String {
    let quoted = command.iter().map(|word| quoted(word));
    quoted.collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=,+@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if word.chars().all(is_printable) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let mut escaped = String::from("$'");
    for character in word.chars() {
        match character {
            '\'' | '\\' => escaped.extend(['\\', character]),
            '\n' => escaped += "\\n",
            '\t' => escaped += "\\t",
            character if is_printable(character) => escaped.push(character),
            character => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    escaped += &format!("\\{byte:03o}");
                }
            }
        }
    }
    escaped + "'"
}

/// `text` in one line without control characters and without those that deceive: labels may come from
/// images and files.
pub fn one_line(text: &str) -> String {
    let shown = |character| {
        if is_printable(character) {
            character
        } else {
            '\u{fffd}'
        }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_slower_and_memory_is_worse() {
        let failed = |names: &[&str]| {
            gate(&Gate {
                fail_if_slower: 0.05,
                metrics: Vec::new(),
                failed: names.iter().map(|&name| name.to_owned()).collect(),
                blind: Vec::new(),
            })
        };
        assert_eq!(failed(&["wall"]), "failed: wall slower by more than 5 %");
        assert_eq!(
            failed(&["wall", "rss"]),
            "failed: wall, rss worse by more than 5 %"
        );
    }

    #[test]
    fn only_metrics_with_an_answer_are_corrected_for() {
        let mut comparison = crate::text::tests::everything();
        assert!(method(&comparison).ends_with("; p corrected for 3 metrics"));
        let before = comparison.metrics.clone();
        comparison
            .metrics
            .retain(|metric| metric.name != "wall" && metric.name != "rss");
        assert!(method(&comparison).ends_with("; p of 1 metric"));
        comparison.metrics = before;
        comparison.metrics.retain(|metric| metric.answer.is_none());
        assert!(method(&comparison).ends_with(" interval"));
    }

    #[test]
    fn what_is_the_same_each_time_and_may_be_chance_says_so() {
        let mut comparison = crate::text::tests::everything();
        let metric = &mut comparison.metrics[1];
        let answer = metric.answer.as_mut().expect("there is one");
        assert_eq!(answer.method, Method::Exact);
        answer.verdict = Verdict::TooNoisy;
        assert_eq!(
            Row::of(metric).because,
            "so few iterations may do that by chance"
        );
    }

    #[test]
    fn commands_are_shown_as_a_shell_takes_them() {
        let command = ["sh", "-c", "echo 'it is'", ""].map(str::to_owned);
        assert_eq!(shell_line(&command), r"sh -c 'echo '\''it is'\''' ''");
        let steering = ["a\x1b[2J\n'\u{9b}\u{202e}\\"].map(str::to_owned);
        assert_eq!(
            shell_line(&steering),
            r"$'a\033[2J\n\'\302\233\342\200\256\\'"
        );
    }

    #[test]
    fn nothing_of_a_label_steers_or_deceives() {
        let label = "a\x1b[2J\nb\u{9b}\u{202e}\u{ad}\u{2060}é";
        assert_eq!(one_line(label), "a�[2J�b����é");
    }
}
