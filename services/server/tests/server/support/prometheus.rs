//! Numbers as Prometheus reads them: its text format (version 0.0.4), and what it asks of names beside that.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};

use super::Api;

/// Labels, in the order of their names.
pub(crate) type Labels = BTreeMap<String, String>;

/// What a server has to say.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Kinds and helps, by name.
    families: BTreeMap<String, (String, String)>,
    samples: BTreeMap<(String, Labels), f64>,
}

impl Numbers {
    /// Asks a server.
    pub(crate) fn of(api: &Api) -> Self {
        let (status, text) = api.send("GET", "/metrics", None);
        assert_eq!(status, 200, "{text}");
        check_by_prometheus(&text);
        Self::parse(&text)
    }

    /// Reads them. Whatever Prometheus would not take is a panic.
    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let mut numbers = Self::default();
        let mut family = String::new();
        let mut help: Option<(String, String)> = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, text) = rest.split_once(' ').expect("a help");
                help = Some((name.to_owned(), text.to_owned()));
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a kind");
                let (helped, help) = help.take().expect("a help comes before");
                assert_eq!(name, helped);
                check_name(name, kind);
                let known = numbers
                    .families
                    .insert(name.to_owned(), (kind.to_owned(), help));
                assert!(known.is_none(), "{name} is there twice");
                name.clone_into(&mut family);
            } else {
                let (name, labels, value) = sample(line);
                let (kind, _) = &numbers.families[&family];
                let suffix = name.strip_prefix(&family).expect("its family comes before");
                let is_its = match kind.as_str() {
                    "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                    _ => suffix.is_empty(),
                };
                assert!(is_its, "{line}");
                let known = numbers.samples.insert((name, labels), value);
                assert_eq!(known, None, "{line} is there twice");
            }
        }
        numbers.check_histograms();
        numbers
    }

    fn check_histograms(&self) {
        for (name, (kind, _)) in &self.families {
            if kind != "histogram" {
                continue;
            }
            let bucket = format!("{name}_bucket");
            let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((_, labels), count) in self.samples.iter().filter(|((name, _), _)| *name == bucket)
            {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bound");
                let bound = if bound == "+Inf" {
                    f64::INFINITY
                } else {
                    bound.parse().expect("a number")
                };
                histograms.entry(labels).or_default().push((bound, *count));
            }
            for (labels, mut buckets) in histograms {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(
                    buckets.is_sorted_by(|one, other| one.1 <= other.1),
                    "{name} {labels:?}"
                );
                let (bound, all) = buckets.last().copied().expect("a bucket");
                assert!(bound.is_infinite(), "{name} {labels:?}");
                let count = self.samples[&(format!("{name}_count"), labels.clone())];
                assert!((all - count).abs() < f64::EPSILON, "{name} {labels:?}");
                assert!(self.samples[&(format!("{name}_sum"), labels)] >= 0.0);
            }
        }
    }

    /// A number.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.find(name, labels);
        found.unwrap_or_else(|| panic!("there is no {name} {labels:?}"))
    }

    /// A number, if it is there.
    pub(crate) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let labels = labels.iter().map(text).collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// A number that counts something.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "there are few"
    )]
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.get(name, labels) as u64
    }

    /// What is said of a name.
    pub(crate) fn help(&self, name: &str) -> &str {
        &self.families[name].1
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.families.keys().map(String::as_str)
    }

    /// All values of a label.
    pub(crate) fn values(&self, label: &str) -> BTreeSet<&str> {
        let labels = self.samples.keys().map(|(_, labels)| labels);
        labels
            .filter_map(|labels| labels.get(label).map(String::as_str))
            .collect()
    }
}

/// What Prometheus recommends for names.
fn check_name(name: &str, kind: &str) {
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    assert!(is_name && name.starts_with("bencher_"), "{name}");
    assert!(
        ["counter", "gauge", "histogram"].contains(&kind),
        "{name} {kind}"
    );
    assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
    if kind == "histogram" {
        assert!(name.ends_with("_seconds"), "{name}");
    }
}

/// `NAME{LABEL="VALUE",…} NUMBER`.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a name");
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect("a label");
            let (value, after) = quoted(after);
            let known = labels.insert(label.to_owned(), value);
            assert_eq!(known, None, "{line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect("a value");
    (name.to_owned(), labels, value.parse().expect("a number"))
}

/// A text until its quotation mark, and what comes after it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return (value, &text[place + 1..]),
            '\\' => match characters.next().expect("something escaped").1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    panic!("no end of {text}");
}

/// Where Prometheus is installed its own tool reads them too.
fn check_by_prometheus(text: &str) {
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut tool = match tool {
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        tool => tool.unwrap(),
    };
    let mut stdin = tool.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{said} of {text}"
    );
}
