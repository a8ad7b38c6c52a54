//! What of a job's output was shown while it ran, and what is still to be shown.
//!
//! Live output is for eyes: pieces can be lost with a connection. What counts comes with the
//! results, so of each stream the rest is printed where all before was shown, and otherwise the
//! whole of it.

use std::collections::HashMap;

use bencher_channel_protocol::{IterationOutput, LiveOutput, OutputStream};

/// What was shown, by iteration and stream.
#[derive(Debug, Default)]
pub(super) struct Shown(HashMap<(u32, OutputStream), String>);

impl Shown {
    /// A piece was shown.
    pub(super) fn add(&mut self, piece: &LiveOutput) {
        let key = (piece.iteration, piece.stream);
        self.0.entry(key).or_default().push_str(&piece.text);
    }

    /// What is still to be shown, in order.
    pub(super) fn rest<'a>(&self, results: &'a [IterationOutput]) -> Vec<(OutputStream, &'a str)> {
        let mut rest = Vec::new();
        for (iteration, output) in (0..).zip(results) {
            for (stream, text) in [
                (OutputStream::Stdout, &output.stdout),
                (OutputStream::Stderr, &output.stderr),
            ] {
                let text = text.as_deref().unwrap_or_default();
                let shown = self.0.get(&(iteration, stream));
                let text = shown
                    .and_then(|shown| text.strip_prefix(shown.as_str()))
                    .unwrap_or(text);
                if !text.is_empty() {
                    rest.push((stream, text));
                }
            }
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_or_the_whole() {
        let mut shown = Shown::default();
        let mut add = |iteration, stream, text: &str| {
            shown.add(&LiveOutput {
                job: bencher_channel_protocol::Uuid::nil(),
                iteration,
                stream,
                text: text.to_owned(),
            });
        };
        add(0, OutputStream::Stdout, "one ");
        add(0, OutputStream::Stdout, "two");
        add(0, OutputStream::Stderr, "lost beginning");
        add(1, OutputStream::Stdout, "all");
        let output = |stdout: &str, stderr: &str| IterationOutput {
            stdout: Some(stdout.to_owned()),
            stderr: Some(stderr.to_owned()),
            ..IterationOutput::default()
        };
        let results = [
            output("one two three", "the lost beginning"),
            output("all", ""),
            output("new", ""),
        ];
        assert_eq!(
            shown.rest(&results),
            [
                (OutputStream::Stdout, " three"),
                (OutputStream::Stderr, "the lost beginning"),
                (OutputStream::Stdout, "new"),
            ]
        );
    }
}
