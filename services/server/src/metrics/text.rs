//! The text format of Prometheus (version 0.0.4).

use std::fmt::{self, Display, Write as _};

use super::histogram::Histogram;

/// What kind of numbers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// Numbers of one name.
#[derive(Debug)]
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

/// Names and values.
type Labels<'a> = [(&'a str, &'a str)];

impl<'a> Family<'a> {
    /// Begins one. `help` is one line without backslashes.
    pub(super) fn new(text: &'a mut String, name: &'static str, kind: Kind, help: &str) -> Self {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Self { text, name }
    }

    pub(super) fn add(&mut self, labels: &Labels<'_>, value: impl Display) {
        self.line("", labels, value);
    }

    pub(super) fn add_histogram(&mut self, labels: &Labels<'_>, histogram: &Histogram) {
        let snapshot = histogram.snapshot();
        for (bound, count) in &snapshot.within {
            self.bucket(labels, &bound.to_string(), *count);
        }
        self.bucket(labels, "+Inf", snapshot.count);
        self.line("_sum", labels, snapshot.sum);
        self.line("_count", labels, snapshot.count);
    }

    fn bucket(&mut self, labels: &Labels<'_>, bound: &str, count: u64) {
        let labels = [labels, &[("le", bound)]].concat();
        self.line("_bucket", &labels, count);
    }

    fn line(&mut self, suffix: &str, labels: &Labels<'_>, value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        for (place, (label, value)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(value));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{after} {value}");
    }
}

/// A label's value as it stands between quotation marks.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_family_in_the_words_of_the_format() {
        let mut text = String::new();
        let mut family = Family::new(&mut text, "jobs", Kind::Gauge, "Jobs.");
        family.add(&[], 1);
        family.add(&[("state", "a\\b\"c\nd"), ("kind", "x")], 0.5);
        let histogram = Histogram::new(&[0.1, 60.0]);
        histogram.add(Duration::from_secs(2));
        let help = "What it took.";
        let mut family = Family::new(&mut text, "took_seconds", Kind::Histogram, help);
        family.add_histogram(&[("route", "/v0/jobs/{job}")], &histogram);
        let expected = r#"# HELP jobs Jobs.
# TYPE jobs gauge
jobs 1
jobs{state="a\\b\"c\nd",kind="x"} 0.5
# HELP took_seconds What it took.
# TYPE took_seconds histogram
took_seconds_bucket{route="/v0/jobs/{job}",le="0.1"} 0
took_seconds_bucket{route="/v0/jobs/{job}",le="60"} 1
took_seconds_bucket{route="/v0/jobs/{job}",le="+Inf"} 1
took_seconds_sum{route="/v0/jobs/{job}"} 2
took_seconds_count{route="/v0/jobs/{job}"} 1
"#;
        assert_eq!(text, expected);
    }
}
