//! A result document as evidence that goes along with a job's outputs: without them, and short.

use std::io;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{IterationSpool, ResultDocument};

/// A document whose iterations are JSON already.
#[derive(Serialize)]
struct Evidence {
    #[serde(flatten)]
    rest: Map<String, Value>,
    iterations: Vec<Box<RawValue>>,
}

impl ResultDocument<IterationSpool> {
    /// The document as JSON of at most `most` bytes, without what is absent. The last iterations are left
    /// out where all of them would be longer, and [`iterations_left_out`](super::Outcome::iterations_left_out)
    /// says how many; `None` where the rest is too long by itself.
    ///
    /// # Errors
    ///
    /// When the disk can not be read.
    pub(crate) fn into_evidence(self, most: usize) -> io::Result<Option<String>> {
        let mut iterations = Vec::new();
        let mut length = 0;
        let mut left_out = 0;
        for line in self.iterations.lines()? {
            let line = line?;
            if left_out == 0 {
                let text = compact(serde_json::from_str(&line)?);
                // With the comma behind it.
                length += text.len() + 1;
                if length <= most {
                    iterations.push(RawValue::from_string(text)?);
                    continue;
                }
            }
            left_out += 1;
        }
        let mut rest = self.map_iterations(|_| Vec::<Value>::new());
        loop {
            rest.outcome.iterations_left_out = (left_out > 0).then_some(left_out);
            let mut fields = match without_nulls(serde_json::to_value(&rest)?) {
                Value::Object(fields) => fields,
                _ => Map::new(),
            };
            fields.remove("iterations");
            let evidence = Evidence {
                rest: fields,
                iterations,
            };
            let text = serde_json::to_string(&evidence)?;
            if text.len() <= most {
                return Ok(Some(text));
            }
            // What is around them has not been counted until now.
            iterations = evidence.iterations;
            let mut excess = text.len() - most + ROOM_FOR_A_NUMBER;
            while excess > 0 {
                let Some(last) = iterations.pop() else {
                    return Ok(None);
                };
                excess = excess.saturating_sub(last.get().len() + 1);
                left_out += 1;
            }
        }
    }
}

/// What saying how many iterations were left out takes, at most, in bytes.
const ROOM_FOR_A_NUMBER: usize = r#""iterations_left_out":4294967295,"#.len();

/// An iteration without what is absent, and without the places of its outputs, which are known here alone.
fn compact(iteration: Value) -> String {
    let mut iteration = without_nulls(iteration);
    let forget = |output: &mut Value| {
        if let Value::Object(output) = output {
            output.remove("path");
        }
    };
    for name in ["stdout", "stderr"] {
        iteration.get_mut(name).map(forget);
    }
    if let Some(Value::Array(files)) = iteration.get_mut("files") {
        files.iter_mut().for_each(forget);
    }
    iteration.to_string()
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Iteration, Iterations, parse};
    use super::*;

    /// A document of `count` iterations, each with an output in a file.
    fn document(count: u32) -> ResultDocument<IterationSpool> {
        const FIRST: &str = include_str!("../../tests/data/result-1.json");
        let first = parse(Path::new("f"), FIRST.as_bytes()).unwrap();
        let Iterations(iterations) = first.iterations.clone();
        let mut spool = IterationSpool::new().unwrap();
        for index in 1..=count {
            let mut iteration = Iteration {
                index,
                ..iterations[0].clone()
            };
            iteration.stdout.path = Some("1/stdout".to_owned());
            spool.push(&iteration).unwrap();
        }
        let mut document = first.map_iterations(|_| spool);
        document.outcome.iterations_run = count;
        document
    }

    fn read(text: &str) -> ResultDocument<Iterations> {
        parse(Path::new("evidence"), text.as_bytes()).unwrap()
    }

    #[test]
    fn evidence_is_a_result_document() {
        let text = document(3).into_evidence(1 << 20).unwrap().unwrap();
        assert!(
            !text.contains("null") && !text.contains("1/stdout"),
            "{text}"
        );
        let evidence = read(&text);
        let whole = document(3);
        assert_eq!(evidence.outcome.iterations_left_out, None);
        let wall = |iteration: &Iteration| iteration.resources.as_ref().unwrap().wall_ns;
        for (ours, theirs) in evidence
            .iterations
            .0
            .iter()
            .zip(whole.iterations.read().unwrap())
        {
            assert_eq!(ours.index, theirs.index);
            assert_eq!(wall(ours), wall(&theirs));
            assert_eq!(ours.stdout.sha256, theirs.stdout.sha256);
        }
        let image = |setup: Option<super::super::Setup>| setup.unwrap().image.rootfs_key;
        assert_eq!(image(evidence.setup), image(whole.setup));
    }

    #[test]
    fn what_is_too_long_lacks_the_last_iterations_and_says_so() {
        let whole = document(50).into_evidence(1 << 20).unwrap().unwrap();
        for most in [whole.len(), whole.len() - 1, whole.len() / 2, 6_000] {
            let text = document(50).into_evidence(most).unwrap().unwrap();
            assert!(text.len() <= most, "{} of {most}", text.len());
            let evidence = read(&text);
            let there = u32::try_from(evidence.iterations.0.len()).unwrap();
            let left_out = evidence.outcome.iterations_left_out;
            assert_eq!(left_out, (there < 50).then(|| 50 - there));
            assert_eq!(there == 50, most == whole.len());
            // No more is left out than has to be.
            assert!(
                text.len() + 2 * whole.len() / 50 > most,
                "{} of {most}",
                text.len()
            );
        }
        assert!(document(3).into_evidence(100).unwrap().is_none());
    }
}
