//! A result document as evidence that goes along with a job's outputs: without them, and short.
//!
//! Iterations are made short as they end, and are in memory until the last: no disk can be full of them. As
//! many are kept as the longest evidence holds, and the others are counted.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Iteration, ResultDocument};
use crate::validity::SuspicionKind;

/// What stands for a message of the host's kernel, which may name programs of others.
const KERNEL: &str = "the host's kernel reported trouble: its log on the host says what";

/// Iterations in short.
#[derive(Debug)]
pub(crate) struct ShortIterations {
    /// JSON.
    kept: Vec<Box<RawValue>>,
    /// Bytes that are left for others, with a comma each.
    room: usize,
    /// How many came after there was no room.
    left_out: u32,
}

impl ShortIterations {
    /// None yet, for evidence of at most `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            kept: Vec::new(),
            room: most,
            left_out: 0,
        }
    }

    /// Takes one. Where there is no room for it there is none for those after it: what is missing is the end.
    pub(crate) fn push(&mut self, iteration: &Iteration) {
        let text = short(iteration);
        let fits = text.get().len() < self.room && self.left_out == 0;
        if fits {
            self.room -= text.get().len() + 1;
            self.kept.push(text);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

/// What an iteration says without what its command wrote, what is absent, and what is this host's alone.
fn short(iteration: &Iteration) -> Box<RawValue> {
    let mut short = Iteration {
        files: Vec::new(),
        missing: Vec::new(),
        ..iteration.without_contents()
    };
    short.stdout.path = None;
    short.stderr.path = None;
    for reason in short.validity.iter_mut().flat_map(|it| &mut it.reasons) {
        if reason.kind == SuspicionKind::KernelMessage {
            KERNEL.clone_into(&mut reason.text);
        }
    }
    let value = serde_json::to_value(&short).map(without_nulls);
    let text = value.and_then(|value| serde_json::value::to_raw_value(&value));
    text.expect("an iteration has no map whose keys are not texts")
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// A document whose iterations are JSON already.
#[derive(Serialize)]
struct Evidence<'a> {
    #[serde(flatten)]
    rest: Map<String, Value>,
    iterations: &'a [Box<RawValue>],
}

impl ResultDocument<ShortIterations> {
    /// The document as JSON of at most `most` bytes. The last iterations are left out where all of them would
    /// be longer, and [`iterations_left_out`](super::Outcome::iterations_left_out) says how many; `None` where
    /// the rest is too long by itself.
    pub(crate) fn to_evidence(&self, most: usize) -> Option<String> {
        let ShortIterations { kept, left_out, .. } = &self.iterations;
        let mut count = kept.len();
        loop {
            let missing = *left_out + u32::try_from(kept.len() - count).unwrap_or(u32::MAX);
            let text = self.with(&kept[..count], missing);
            let mut excess = text.len().saturating_sub(most);
            if excess == 0 {
                return Some(text);
            }
            if missing == 0 {
                // Saying that some are left out takes its room, too.
                excess += r#""iterations_left_out":4294967295,"#.len();
            }
            while excess > 0 {
                count = count.checked_sub(1)?;
                excess = excess.saturating_sub(kept[count].get().len() + 1);
            }
        }
    }

    fn with(&self, iterations: &[Box<RawValue>], left_out: u32) -> String {
        let rest = serde_json::to_value(self.without_iterations(left_out));
        let rest = match rest.map(without_nulls) {
            Ok(Value::Object(mut fields)) => {
                fields.remove("iterations");
                fields
            }
            _ => unreachable!("a document is an object"),
        };
        let evidence = Evidence { rest, iterations };
        serde_json::to_string(&evidence).expect("it is JSON already")
    }

    fn without_iterations(&self, left_out: u32) -> ResultDocument<[Value; 0]> {
        let mut document = self.with_iterations([]);
        document.outcome.iterations_left_out = (left_out > 0).then_some(left_out);
        document
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Iterations, parse};
    use super::*;
    use crate::validity::{Suspicion, Validity, Verdict};

    fn first() -> ResultDocument<Iterations> {
        const FIRST: &str = include_str!("../../tests/data/result-1.json");
        parse(Path::new("f"), FIRST.as_bytes()).unwrap()
    }

    /// An iteration whose output is in a file, during which the host's kernel said something.
    fn iteration(index: u32) -> Iteration {
        let first = first();
        let mut iteration = Iteration {
            index,
            ..first.iterations.0[0].clone()
        };
        iteration.stdout.path = Some("1/stdout".to_owned());
        let mut validity: Validity = iteration.validity.clone().unwrap_or_else(|| {
            serde_json::from_str(
                r#"{"verdict": "valid", "reasons": [], "span_ms": 1.0, "cpus": "0"}"#,
            )
            .unwrap()
        });
        validity.verdict = Verdict::Suspect;
        validity.reasons = vec![Suspicion {
            kind: SuspicionKind::KernelMessage,
            text: "Out of memory: Killed process 1 (somebody)".to_owned(),
        }];
        iteration.validity = Some(validity);
        iteration
    }

    fn document(count: u32, room: usize) -> ResultDocument<ShortIterations> {
        let mut iterations = ShortIterations::new(room);
        for index in 1..=count {
            iterations.push(&iteration(index));
        }
        first().map_iterations(|_| iterations)
    }

    fn read(text: &str) -> ResultDocument<Iterations> {
        parse(Path::new("evidence"), text.as_bytes()).unwrap()
    }

    #[test]
    fn evidence_is_a_result_document_and_tells_nothing_of_the_host_alone() {
        let text = document(3, 1 << 20).to_evidence(1 << 20).unwrap();
        for hidden in ["null", "1/stdout", "somebody"] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
        let evidence = read(&text);
        assert_eq!(evidence.outcome.iterations_left_out, None);
        assert_eq!(evidence.iterations.0.len(), 3);
        let wall = |iteration: &Iteration| iteration.resources.as_ref().unwrap().wall_ns;
        for (index, found) in (1..).zip(&evidence.iterations.0) {
            let whole = iteration(index);
            assert_eq!(found.index, index);
            assert_eq!(wall(found), wall(&whole));
            assert_eq!(found.stdout.sha256, whole.stdout.sha256);
            assert_eq!(found.suspicions().as_deref(), Some(KERNEL));
        }
        let image = |setup: Option<super::super::Setup>| setup.unwrap().image.rootfs_key;
        assert_eq!(image(evidence.setup), image(first().setup));
    }

    #[test]
    fn what_is_too_long_lacks_the_last_iterations_and_says_so() {
        let whole = document(50, 1 << 20).to_evidence(1 << 20).unwrap();
        for room in [1 << 20, 20_000] {
            for most in [whole.len(), whole.len() - 1, whole.len() / 2, 6_000] {
                let text = document(50, room).to_evidence(most).unwrap();
                assert!(text.len() <= most, "{} of {most}", text.len());
                let evidence = read(&text);
                let there = u32::try_from(evidence.iterations.0.len()).unwrap();
                let left_out = evidence.outcome.iterations_left_out;
                assert_eq!(left_out, (there < 50).then(|| 50 - there));
                let indices = evidence.iterations.0.iter().map(|it| it.index);
                assert!(indices.eq(1..=there), "the last ones are missing");
                if room > whole.len() {
                    assert_eq!(there == 50, most == whole.len());
                    // No more is left out than has to be.
                    assert!(
                        text.len() + 2 * whole.len() / 50 > most,
                        "{} of {most}",
                        text.len()
                    );
                }
            }
        }
        assert!(document(3, 1 << 20).to_evidence(100).is_none());
    }

    /// A command decides how much there is to say of its outputs.
    #[test]
    fn a_command_does_not_make_it_longer() {
        let mut loud = iteration(1);
        loud.stdout.bytes = 1 << 40;
        loud.missing = vec![
            super::super::MissingOutput {
                guest_path: "/x".repeat(2000),
                reason: "no such file".to_owned(),
            };
            255
        ];
        let length = |iteration: &Iteration| short(iteration).get().len();
        assert!(length(&loud) < length(&iteration(1)) + 100);
    }
}
