//! The last message about a job, made to fit what a server takes.
//!
//! A message over the server's limit resets the connection, and the result would never arrive. So
//! texts are cut, each in its middle and with a mark there, and the least that helps is cut:
//!
//! 1. Evidence is left out, if that is enough. It takes no room that results need: where they do not fit by
//!    themselves either, as much of it is there as a sixteenth of the message.
//! 2. The longest texts (standard output, standard error, files) are cut to one length.
//! 3. If that leaves nothing of them, the files are left out.
//! 4. If that is not enough, the last iterations are left out, and then most of the error.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::bounds::MAX_ERROR_BYTES;
use crate::{Evidence, IterationOutput, RESERVED_OUTPUT, RunnerMessage, Terminal};

/// The last message about a job as the text of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The text.
    pub text: String,
    /// Whether something was cut to make it fit.
    pub is_cut: bool,
}

/// A limit that not even an empty message fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no message about a job fits {limit} bytes: it needs {needed}")]
pub struct TooSmall {
    /// The limit, in bytes.
    pub limit: usize,
    /// What is needed, in bytes.
    pub needed: usize,
}

/// Which part of a message evidence may have whose results have to be cut.
pub const EVIDENCE_OF_CUT: usize = 16;

/// The shortest that a text is cut to, in bytes of JSON: a mark and a little on both sides.
const MIN_TEXT: usize = 192;

impl Terminal {
    /// The message as the text of a frame of at most `limit` bytes. What does not fit is cut, and
    /// marked where it was.
    ///
    /// # Errors
    ///
    /// When even a message without any output is longer than that.
    pub fn encode_within(self, limit: usize) -> Result<Encoded, TooSmall> {
        let mut terminal = self;
        let is_long_error = terminal.cut_error(MAX_ERROR_BYTES);
        let whole = terminal.encoded();
        if whole.len() <= limit {
            return Ok(Encoded {
                text: whole,
                is_cut: is_long_error,
            });
        }
        drop(whole);
        if let Some(evidence) = terminal.evidence_mut().and_then(Option::take) {
            let alone = terminal.encoded();
            if alone.len() <= limit {
                return Ok(Encoded {
                    text: alone,
                    is_cut: true,
                });
            }
            if evidence.text().len() <= limit / EVIDENCE_OF_CUT
                && let Some(place) = terminal.evidence_mut()
            {
                *place = Some(evidence);
            }
        }
        let steps: [fn(&mut Terminal, usize); 3] =
            [shorten_texts, leave_out_files, leave_out_iterations];
        let mut needed = usize::MAX;
        for step in steps {
            step(&mut terminal, limit);
            let text = terminal.encoded();
            if text.len() <= limit {
                return Ok(Encoded { text, is_cut: true });
            }
            needed = text.len();
        }
        Err(TooSmall { limit, needed })
    }

    fn encoded(&self) -> String {
        // A message is encoded as what it is on the wire, so without a copy it can not be.
        RunnerMessage::from(self.clone()).encode()
    }

    fn results_mut(&mut self) -> Option<&mut Vec<IterationOutput>> {
        match self {
            Self::Completed { results, .. } | Self::Failed { results, .. } => Some(results),
            Self::Canceled { .. } => None,
        }
    }

    fn evidence_mut(&mut self) -> Option<&mut Option<Evidence>> {
        match self {
            Self::Completed { evidence, .. } | Self::Failed { evidence, .. } => Some(evidence),
            Self::Canceled { .. } => None,
        }
    }

    fn cut_error(&mut self, length: usize) -> bool {
        match self {
            Self::Failed { error, .. } => shorten(error, length),
            Self::Completed { .. } | Self::Canceled { .. } => false,
        }
    }
}

/// Every text that may be cut.
fn texts(results: &mut [IterationOutput]) -> impl Iterator<Item = &mut String> {
    results.iter_mut().flat_map(|result| {
        let files = result.output.iter_mut().flatten();
        let files = files
            .filter(|(path, _)| *path != RESERVED_OUTPUT)
            .map(|(_, contents)| contents);
        result
            .stdout
            .iter_mut()
            .chain(result.stderr.iter_mut())
            .chain(files)
    })
}

/// Cuts the longest texts to one length, if that is a length that leaves something of them.
fn shorten_texts(terminal: &mut Terminal, limit: usize) {
    let whole = terminal.encoded().len();
    let Some(results) = terminal.results_mut() else {
        return;
    };
    let lengths: Vec<usize> = texts(results).map(|text| json_length(text)).collect();
    let rest = whole - lengths.iter().sum::<usize>();
    let length = common_length(lengths, limit.saturating_sub(rest)).max(MIN_TEXT);
    for text in texts(results) {
        shorten(text, length);
    }
}

/// The length that all longer ones are to be cut to, so that they are `room` together.
fn common_length(mut lengths: Vec<usize>, room: usize) -> usize {
    lengths.sort_unstable();
    let mut room = room;
    let mut left = lengths.len();
    for length in lengths {
        let share = room / left;
        if length > share {
            return share;
        }
        room -= length;
        left -= 1;
    }
    usize::MAX
}

/// Leaves out the files, and says so where the command wrote its errors; measured sizes and times
/// stay.
fn leave_out_files(terminal: &mut Terminal, limit: usize) {
    let Some(results) = terminal.results_mut() else {
        return;
    };
    for result in results.iter_mut() {
        let Some(files) = &mut result.output else {
            continue;
        };
        let measured = files.remove_entry(RESERVED_OUTPUT);
        let count = files.len();
        result.output = measured.map(|entry| BTreeMap::from([entry]));
        if count > 0 {
            let mark = format!(
                "\n[the runner left out {count} output files: the message would be too long]\n"
            );
            result.stderr.get_or_insert_default().push_str(&mark);
        }
    }
    shorten_texts(terminal, limit);
}

/// Leaves out all iterations from the first that does not fit, then cuts the error.
fn leave_out_iterations(terminal: &mut Terminal, limit: usize) {
    let mark = |count| {
        format!("[the runner left out {count} iterations: the message would be too long]\n")
    };
    terminal.cut_error(MIN_TEXT);
    let Some(results) = terminal.results_mut() else {
        return;
    };
    for result in results.iter_mut() {
        result.output = None;
    }
    let all = results.len();
    let lengths: Vec<usize> = results
        .iter()
        .map(|result| serde_json::to_string(result).map_or(usize::MAX, |text| text.len() + 1))
        .collect();
    let kept = std::mem::take(results);
    let around = terminal.encoded().len() + json_length(&mark(all)) + r#","stderr":"#.len();
    let mut room = limit.saturating_sub(around);
    let fitting = lengths
        .iter()
        .take_while(|length| {
            let fits = **length <= room;
            room = room.saturating_sub(**length);
            fits
        })
        .count();
    let Some(results) = terminal.results_mut() else {
        return;
    };
    results.extend(kept.into_iter().take(fitting));
    if let Some(last) = results.last_mut()
        && fitting < all
    {
        let said = last.stderr.get_or_insert_default();
        said.insert_str(0, &mark(all - fitting));
    }
}

/// Cuts a text in its middle, so that it is at most `length` bytes of JSON, and says there how much
/// is missing. Whether there was something to cut.
fn shorten(text: &mut String, length: usize) -> bool {
    if json_length(text) <= length {
        return false;
    }
    let mark = |missing| format!("\n[the runner cut {missing} bytes here]\n");
    let room = length.saturating_sub(json_length(&mark(text.len())));
    let head = fitting(text.char_indices(), room / 2);
    let tail = fitting(text.char_indices().rev(), room - room / 2);
    let (head, tail) = (head.map_or(0, |(start, it)| start + it.len_utf8()), tail);
    let tail = tail.map_or(text.len(), |(start, _)| start).max(head);
    *text = format!("{}{}{}", &text[..head], mark(tail - head), &text[tail..]);
    true
}

/// The last of these characters that fits.
fn fitting(
    characters: impl Iterator<Item = (usize, char)>,
    mut room: usize,
) -> Option<(usize, char)> {
    characters
        .take_while(|(_, character)| {
            let length = escaped_length(*character);
            let fits = length <= room;
            room = room.saturating_sub(length);
            fits
        })
        .last()
}

/// How many bytes a text is in JSON, quotes included.
fn json_length(text: &str) -> usize {
    2 + text.chars().map(escaped_length).sum::<usize>()
}

/// How many bytes `serde_json` writes for a character.
fn escaped_length(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lengths_are_those_of_the_encoder(text in any::<String>()) {
            let encoded = serde_json::to_string(&text).expect("a text");
            prop_assert_eq!(json_length(&text), encoded.len());
        }

        #[test]
        fn a_short_text_begins_and_ends_as_the_long_one(text in ".{100,400}", length in 80_usize..600) {
            let mut cut = text.clone();
            if shorten(&mut cut, length) {
                prop_assert!(json_length(&cut) <= length, "{} > {length}", json_length(&cut));
                let (head, rest) = cut.split_once("\n[the runner cut ").expect("a mark");
                let (missing, tail) = rest.split_once(" bytes here]\n").expect("a mark");
                prop_assert!(text.starts_with(head) && text.ends_with(tail));
                let missing: usize = missing.parse().expect("a number");
                prop_assert_eq!(head.len() + missing + tail.len(), text.len());
            } else {
                prop_assert_eq!(cut, text);
            }
        }

        #[test]
        fn a_common_length_fills_the_room(lengths in prop::collection::vec(0_usize..1000, 1..20), room in 0_usize..20_000) {
            let common = common_length(lengths.clone(), room);
            let total: usize = lengths.iter().map(|length| *length.min(&common)).sum();
            prop_assert!(total <= room);
            if common != usize::MAX {
                // One more for each would be too much, or nearly: the division leaves less than one each.
                prop_assert!(total + lengths.len() > room);
            }
        }
    }
}
