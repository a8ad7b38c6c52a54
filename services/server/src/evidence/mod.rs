//! What a runner says of how it measured a job: its result document, as far as this server looks into it.
//!
//! The document is kept as it came. Everything in it is a runner's word, which may be newer or older than
//! this server: what is missing or of another kind is passed over.

mod glance;

use std::fmt;

use bencher_channel_protocol::MAX_ITERATIONS;
use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The longest text that is shown of it, in characters, and the most of them.
const MAX_TEXT: usize = 200;
const MAX_TEXTS: usize = 8;

/// The layout of result documents that this server knows.
const VERSION: u32 = 1;

/// A result document.
#[derive(Debug, Deserialize)]
pub(crate) struct Evidence {
    version: u32,
    #[serde(default, deserialize_with = "maybe")]
    machine: Machine,
    #[serde(default, deserialize_with = "maybe")]
    host: Host,
    #[serde(default, deserialize_with = "iterations")]
    pub(crate) iterations: Vec<Iteration>,
    #[serde(default, deserialize_with = "maybe")]
    trust: Trust,
    #[serde(default, deserialize_with = "maybe")]
    outcome: Outcome,
}

#[derive(Debug, Default, Deserialize)]
struct Machine {
    sandbox: Option<String>,
    accelerator: Option<String>,
    clock: Option<String>,
    vcpus: Option<u32>,
    memory_bytes: Option<u64>,
    kernel: Option<Kernel>,
}

#[derive(Debug, Default, Deserialize)]
struct Kernel {
    release: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Outcome {
    iterations_left_out: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
struct Host {
    cpu_model: Option<String>,
    kernel_release: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    tuning: Option<Tuning>,
}

/// The host's tuning while the job ran.
#[derive(Debug, Deserialize)]
struct Tuning {
    tuned_by: String,
    knobs: Vec<Knob>,
}

#[derive(Debug, Deserialize)]
struct Knob {
    name: String,
    outcome: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trust {
    comparable: bool,
    reasons: Vec<String>,
    suspect_iterations: u32,
}

/// An iteration, in the order in which they ran.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Iteration {
    ended_by: Option<String>,
    exit_code: i32,
    retried: bool,
    warmup: bool,
    resources: Option<Resources>,
    instructions: Option<u64>,
    validity: Option<Validity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    wall_ns: Option<u64>,
    cpu_us: Option<u64>,
    memory_peak_bytes: Option<u64>,
    max_rss_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Validity {
    verdict: Option<String>,
    reasons: Vec<Suspicion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Suspicion {
    kind: String,
    text: String,
}

/// What is shown of each iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    Wall,
    Cpu,
    Memory,
    Rss,
    Instructions,
}

impl Metric {
    pub(crate) const ALL: [Self; 5] = [
        Self::Wall,
        Self::Cpu,
        Self::Memory,
        Self::Rss,
        Self::Instructions,
    ];
    /// Those that are told at a glance.
    const AT_A_GLANCE: [Self; 4] = [Self::Wall, Self::Cpu, Self::Memory, Self::Instructions];

    /// Whether `runner comparisons report` compares it where nobody names what is to be compared.
    pub(crate) fn is_usual(self) -> bool {
        matches!(self, Self::Wall | Self::Cpu | Self::Rss)
    }

    /// Its name, as result documents and `runner compare` have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Rss => "rss",
            Self::Instructions => "instructions",
        }
    }

    /// Its value, where it was measured.
    pub(crate) fn of(self, iteration: &Iteration) -> Option<f64> {
        let resources = iteration.resources.as_ref();
        let value = match self {
            Self::Wall => resources?.wall_ns,
            Self::Cpu => resources?.cpu_us.map(|time| time.saturating_mul(1000)),
            Self::Memory => resources?.memory_peak_bytes,
            Self::Rss => resources?.max_rss_bytes,
            Self::Instructions => iteration.instructions,
        };
        #[expect(clippy::cast_precision_loss, reason = "they are shown in five digits")]
        value.map(|value| value as f64)
    }
}

impl Iteration {
    /// Whether another one took its place, or it was to warm up: the results have no such ones.
    pub(crate) fn is_extra(&self) -> bool {
        self.retried || self.warmup
    }

    /// Whether the command ended by itself and without an error.
    pub(crate) fn ended_well(&self) -> bool {
        self.exit_code == 0 && self.ended_by.as_deref() == Some("exit")
    }

    /// Whether something else ended it, such as a time-out.
    pub(crate) fn was_cut(&self) -> bool {
        self.ended_by.as_ref().is_some_and(|by| by != "exit")
    }

    /// What speaks against its numbers.
    fn suspicions(&self) -> &[Suspicion] {
        match &self.validity {
            Some(validity) if validity.verdict.as_deref() == Some("suspect") => &validity.reasons,
            _ => &[],
        }
    }

    /// Whether something does.
    pub(crate) fn is_suspect(&self) -> bool {
        !self.suspicions().is_empty()
    }

    /// The same in words; nothing where nothing does.
    pub(crate) fn suspicion(&self) -> Option<String> {
        let reasons = self.suspicions().iter().take(MAX_TEXTS);
        let texts: Vec<String> = reasons.map(|reason| short(&reason.text)).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

impl Evidence {
    /// What a document says; nothing, where it is none.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        // A list would pass for an object.
        let is_object = text.trim_ascii_start().starts_with(b"{");
        is_object.then(|| serde_json::from_slice(text).ok())?
    }

    /// Whether it is of the layout that this server knows: what another one says may mean something else.
    pub(crate) fn is_understood(&self) -> bool {
        self.version == VERSION
    }

    /// Whether its times follow from the instructions that were executed, and from nothing else.
    pub(crate) fn has_virtual_clock(&self) -> bool {
        self.is_understood() && self.machine.clock.as_deref() == Some("virtual")
    }

    /// The iterations that there are results of, in the same order.
    pub(crate) fn of_results(&self) -> impl Iterator<Item = &Iteration> {
        let is_understood = self.is_understood();
        let iterations = self.iterations.iter();
        iterations.filter(move |one| is_understood && !one.is_extra())
    }
}

/// The beginning of a text. PostgreSQL knows no NUL.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_TEXT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.replace('\0', "\u{fffd}")
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A part that may be of another kind.
fn maybe<'de, T: DeserializeOwned + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// As many iterations as a job may have. One that is of another kind is there, and says nothing.
fn iterations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Iteration>, D::Error> {
    struct Some;
    impl<'de> Visitor<'de> for Some {
        type Value = Vec<Iteration>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of iterations")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut iterations = Vec::new();
            while number(iterations.len()) < MAX_ITERATIONS {
                let Option::Some(value) = list.next_element::<Value>()? else {
                    return Ok(iterations);
                };
                iterations.push(serde_json::from_value(value).unwrap_or_default());
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(iterations)
        }
    }
    deserializer.deserialize_seq(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::glance::tests::{iteration, measured, with};
    use super::*;

    #[test]
    fn what_is_of_another_kind_is_passed_over() {
        let nothing = bencher_server_api::Measured::default();
        for document in [
            json!({"version": 1}),
            json!({"version": 1, "machine": [1], "host": "x", "trust": 3, "iterations": []}),
            json!({"version": 1, "trust": {"comparable": "yes"}, "outcome": []}),
        ] {
            assert_eq!(measured(&document), nothing, "{document}");
        }
        let strange =
            json!({"version": 1, "iterations": [3, {"resources": "none"}, null, iteration(8)]});
        let found = measured(&strange);
        assert_eq!((found.iterations, found.metrics.len()), (1, 3));
        for text in [
            "",
            "[]",
            "3",
            "{",
            "{}",
            r#"{"version": 1, "iterations": {}}"#,
        ] {
            assert!(Evidence::read(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn another_layout_may_mean_something_else() {
        let document = json!({"version": 2, "iterations": [iteration(1)]});
        let evidence = Evidence::read(document.to_string().as_bytes()).expect("a document");
        assert!(evidence.measured().is_none());
        assert_eq!(evidence.of_results().count(), 0);
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let long = "é\0".repeat(5000);
        let reasons: Vec<_> = (0..500).map(|number| format!("{number}{long}")).collect();
        let suspicions: Vec<_> = reasons
            .iter()
            .map(|text| json!({"kind": text, "text": text}))
            .collect();
        let validity = json!({"verdict": "suspect", "reasons": suspicions});
        let iteration = with(iteration(1), "validity", validity);
        let found = measured(&json!({
            "version": 1,
            "machine": {"sandbox": long},
            "trust": {"reasons": reasons},
            "iterations": vec![iteration; 3],
        }));
        let text = serde_json::to_string(&found).expect("JSON");
        assert!(
            text.len() < 16_384 && !text.contains('\0'),
            "{}",
            text.len()
        );
        let many = format!(
            r#"{{"version": 1, "iterations": [{}0]}}"#,
            "0,".repeat(70_000)
        );
        let evidence = Evidence::read(many.as_bytes()).expect("a document");
        assert_eq!(number(evidence.iterations.len()), MAX_ITERATIONS);
    }
}
