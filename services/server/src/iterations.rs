//! Results as they are kept, a list of iterations: no more of it is in memory than is wanted.

use std::fmt;

use bencher_channel_protocol::{IterationOutput, MAX_ITERATIONS};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};

/// All iterations, or as many as a job may have.
///
/// # Errors
///
/// When it is no list of iterations.
pub(crate) fn all(results: &[u8]) -> serde_json::Result<Vec<IterationOutput>> {
    let most = usize::try_from(MAX_ITERATIONS).unwrap_or(usize::MAX);
    some(results, Wanted { first: 0, most })
}

/// The iteration of this number, from 0; nothing if there are not so many.
///
/// # Errors
///
/// When it is no list of iterations.
pub(crate) fn one(results: &[u8], number: usize) -> serde_json::Result<Option<IterationOutput>> {
    let wanted = Wanted {
        first: number,
        most: 1,
    };
    Ok(some(results, wanted)?.pop())
}

fn some(results: &[u8], wanted: Wanted) -> serde_json::Result<Vec<IterationOutput>> {
    let mut reader = serde_json::Deserializer::from_slice(results);
    let found = reader.deserialize_seq(wanted)?;
    reader.end()?;
    Ok(found)
}

/// Those from the first on; the others are passed over.
struct Wanted {
    first: usize,
    most: usize,
}

impl<'de> Visitor<'de> for Wanted {
    type Value = Vec<IterationOutput>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of iterations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        for _ in 0..self.first {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
        }
        while found.len() < self.most {
            let Some(iteration) = list.next_element()? else {
                return Ok(found);
            };
            found.push(iteration);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_them_and_all() {
        let text = br#"[{"exit_code": 0}, {"exit_code": 7, "stdout": "x"}, {"exit_code": 9}] "#;
        let code = |number| {
            let found = one(text, number).expect("results");
            found.map(|iteration| iteration.exit_code)
        };
        assert_eq!(
            [0, 1, 2, 3, usize::MAX].map(code),
            [Some(0), Some(7), Some(9), None, None]
        );
        assert_eq!(all(text).expect("results").len(), 3);
        assert!(all(b"[]").expect("results").is_empty());
        for garbled in ["", "{}", "[1]", r#"[{"exit_code": 0}"#, "[] []"] {
            assert!(all(garbled.as_bytes()).is_err(), "{garbled}");
        }
        // What is passed over is looked at as well: half of a result is none.
        assert!(one(br#"[{"exit_code": 0}, {"exit_"#, 0).is_err());
    }

    #[test]
    fn there_are_no_more_than_a_job_may_have() {
        let text = format!(
            "[{}{{\"exit_code\":0}}]",
            "{\"exit_code\":0},".repeat(70_000)
        );
        let found = all(text.as_bytes()).expect("results");
        assert_eq!(u32::try_from(found.len()), Ok(MAX_ITERATIONS));
    }
}
