//! What all texts say of a metric.

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
            because: metric.problem.clone().unwrap_or_default(),
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
                row.because = if answer.detectable < 1.0 {
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
    format!(
        "{how}; means with the standard deviation of one iteration; change of B to A with its {} \
         interval; p corrected for {}",
        chosen(comparison.settings.confidence),
        match comparison.metrics.len() {
            1 => "1 metric".to_owned(),
            count => format!("{count} metrics"),
        }
    )
}

/// What the threshold came to.
pub(crate) fn gate(gate: &Gate) -> String {
    let limit = chosen(gate.fail_if_slower);
    if !gate.passed() {
        return format!(
            "failed: {} slower by more than {limit}",
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

/// A command in one line, as a shell would take it.
pub fn shell_line(command: &[String]) -> String {
    let quoted = |word: &String| {
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || "-_./:=,+@%".contains(character);
        if !word.is_empty() && word.chars().all(is_plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// `text` in one line without control characters: labels may come from images and files.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() || is_invisible(character) {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

/// Characters that change the direction or the order of what is shown.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_a_shell_takes_them() {
        let command = ["sh", "-c", "echo 'it is'", ""].map(str::to_owned);
        assert_eq!(shell_line(&command), r"sh -c 'echo '\''it is'\''' ''");
    }
}
